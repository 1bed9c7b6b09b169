"""Jordan's recurrent network, which feeds its output back."""

import keras
from keras import ops

from zoo.layers.recurrence import RecurrentCell, RecurrentLayer


@keras.saving.register_keras_serializable(package="zoo")
class JordanRNNCell(RecurrentCell):
    """One step of Jordan's recurrent network.

    With the input `x`, the hidden units `s` and the output `h`, which is the state:

        s_t = tanh(x_t W + h_{t-1} R + b)
        h_t = tanh(s_t V + d)

    Elman's network, `zoo.layers.SimpleRNNCell`, feeds the hidden units back instead. Jordan's
    state units also have connections to themselves of a fixed weight, which are left out.
    `output_kernel` is `V` and `output_bias` is `d`; the other weights are those of
    `zoo.layers.SimpleRNNCell`.

    References: M. I. Jordan, "Attractor Dynamics and Parallelism in a Connectionist Sequential
    Machine", Proceedings of the Cognitive Science Society, 1986; "Serial Order: A Parallel
    Distributed Processing Approach", 1986, 1997.

    Args:
        units: Positive integer, the number of hidden units, and the size of the output.
        **kwargs: Arguments of `zoo.layers.SimpleRNNCell`; those of `kernel` are those of `V` too,
            and those of `bias` are those of `d` too.

    Call arguments and returns are those of `zoo.layers.SimpleRNNCell`.
    """

    def build(self, input_shape):
        super().build(input_shape)
        self.output_kernel = self.add_kernel("output_kernel", (self.units, self.units))
        self.output_bias = (
            self.add_bias((self.units,), name="output_bias") if self.use_bias else None
        )

    def step(self, projected, states, recur):
        (h,) = states
        s = self.activation(projected + recur(h))
        output = ops.matmul(s, self.output_kernel)
        h = self.activation(output + self.output_bias if self.use_bias else output)
        return [h], {"s": s}


@keras.saving.register_keras_serializable(package="zoo")
class JordanRNN(RecurrentLayer):
    """Jordan's recurrent network; `JordanRNNCell` has its equations.

    Args:
        units: Positive integer, the number of hidden units, and the size of the output.
        **kwargs: Arguments of `zoo.layers.SimpleRNN`.

    Call arguments and returns are those of `zoo.layers.SimpleRNN`.
    """

    cell_class = JordanRNNCell
    cell_name = "jordan_rnn_cell"
