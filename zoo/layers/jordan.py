"""Jordan's recurrent network, which feeds back its output."""

from collections.abc import Callable
from typing import Any

import keras

from zoo.layers.quantization import multiplier
from zoo.layers.recurrence import RecurrentCell, RecurrentLayer
from zoo.typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="zoo")
class JordanRNNCell(RecurrentCell):
    """One step of Jordan's recurrent network.

    With input `x`, hidden units `s`, and output `h`, which is also the state:

        s_t = tanh(x_t W + h_{t-1} R + b)
        h_t = tanh(s_t V + d)

    Elman's network, `zoo.layers.SimpleRNNCell`, feeds back the hidden units instead. Jordan's state
    units also have self-connections of fixed weight, which are left out.
    `output_kernel` is `V` and `output_bias` is `d`; the other weights are those of
    `zoo.layers.SimpleRNNCell`.

    References: M. I. Jordan, "Attractor Dynamics and Parallelism in a Connectionist Sequential
    Machine", Proceedings of the Cognitive Science Society, 1986; "Serial Order: A Parallel
    Distributed Processing Approach", 1986, 1997.

    Args:
        units: Positive integer, the number of hidden units, and the size of the output.
        **kwargs: Arguments of `zoo.layers.SimpleRNNCell`. The settings of `kernel` also apply to
            `V`, and those of `bias` to `d`.

    Call arguments and return values are those of `zoo.layers.SimpleRNNCell`.
    """

    native_cell = "jordan"
    kernel_names = ("kernel", "recurrent_kernel", "output_kernel")

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        self.output_kernel = self.add_kernel("output_kernel", (self.units, self.units))
        self.output_bias = (
            self.add_bias((self.units,), name="output_bias") if self.use_bias else None
        )

    def native_arguments(self, sequences: Tensor, training: bool = False) -> dict[str, Any]:
        arguments = super().native_arguments(sequences, training)
        second = [self.read_kernel("output_kernel"), self.output_bias]
        return {**arguments, "weights": arguments["weights"] + second}

    def step(
        self, projected: Tensor, states: list[Tensor], recur: Callable[[Tensor], Tensor]
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        (h,) = states
        s = self.activation(projected + recur(h))
        output = multiplier(self.read_kernel("output_kernel"))(s)
        h = self.activation(output + self.output_bias if self.use_bias else output)
        return [h], {"s": s}


@keras.saving.register_keras_serializable(package="zoo")
class JordanRNN(RecurrentLayer):
    """Jordan's recurrent network; see `JordanRNNCell` for the equations.

    Args:
        units: Positive integer, the number of hidden units, and the size of the output.
        **kwargs: Arguments of `zoo.layers.SimpleRNN`.

    Call arguments and return values are those of `zoo.layers.SimpleRNN`.
    """

    cell_class = JordanRNNCell
    cell_name = "jordan_rnn_cell"
