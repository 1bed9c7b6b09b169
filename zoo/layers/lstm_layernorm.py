"""Long short-term memory with layer normalization."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from zoo.layers.lstm import LSTM, LSTMCell
from zoo.typing import Shape, Tensor

EPSILON = 1e-5


def standardize(x):
    """Shifts and scales the features of `x` to mean 0 and variance 1."""
    mean, variance = ops.moments(x, axes=[-1], keepdims=True)
    return (x - mean) * ops.rsqrt(variance + EPSILON)


@keras.saving.register_keras_serializable(package="zoo")
class LayerNormLSTMCell(LSTMCell):
    """One step of long short-term memory with layer normalization.

    With input `x`, output `h`, cell state `C`, the logistic function `σ`, and `N`, which shifts and
    scales the features of its argument to mean 0 and variance 1:

        [i_t, f_t, C̃_t, o_t] = α_x N(x_t W) + α_h N(h_{t-1} R) + b
        C_t = σ(f_t) C_{t-1} + σ(i_t) tanh(C̃_t)
        h_t = σ(o_t) tanh(α_c N(C_t) + β_c)

    The paper adds two more shifts to `b`; they are left out, because their sum is one shift.
    `input_gain` is `α_x`, `recurrent_gain` is `α_h`, `state_gain` is `α_c` and `state_shift` is
    `β_c`. The other weights are those of `zoo.layers.LSTMCell`.

    Reference: J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer Normalization", 2016, equations 20 to
    22.

    Args:
        units: Positive integer, the size of the output and of each state.
        **kwargs: Arguments of `zoo.layers.LSTMCell`.

    Call arguments and return values are those of `zoo.layers.LSTMCell`.
    """

    native_cell = "lstm_layernorm"

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        columns = self.num_blocks * self.units
        self.input_gain = self.add_weight((columns,), "ones", name="input_gain")
        self.recurrent_gain = self.add_weight((columns,), "ones", name="recurrent_gain")
        self.state_gain = self.add_weight((self.units,), "ones", name="state_gain")
        self.state_shift = self.add_weight((self.units,), "zeros", name="state_shift")

    def projection(self, training: bool = False) -> Callable[[Tensor], Tensor]:
        product = self.input_product(training)
        gain = ops.convert_to_tensor(self.input_gain)
        shift = ops.convert_to_tensor(self.bias) if self.use_bias else 0
        return lambda inputs: gain * standardize(product(inputs)) + shift

    def native_arguments(self, sequences: Tensor, training: bool = False) -> dict[str, Any]:
        arguments = super().native_arguments(sequences, training)
        kernel, recurrent_kernel, bias = arguments["weights"]
        bias = ops.zeros_like(self.input_gain) if bias is None else bias
        vectors = [self.input_gain, self.recurrent_gain, bias, self.state_gain, self.state_shift]
        vectors = ops.reshape(ops.concatenate(vectors), (-1, self.units))
        return {**arguments, "weights": [kernel, recurrent_kernel, None, vectors]}

    def step(
        self, projected: Tensor, states: list[Tensor], recur: Callable[[Tensor], Tensor]
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        h, c = states
        total = projected + self.recurrent_gain * standardize(recur(h))
        i, f, c_tilde, o = ops.split(total, 4, axis=-1)
        i = self.recurrent_activation(i)
        f = self.recurrent_activation(f)
        c_tilde = self.activation(c_tilde)
        o = self.recurrent_activation(o)
        c = f * c + i * c_tilde
        h = o * self.activation(self.state_gain * standardize(c) + self.state_shift)
        return [h, c], {"i": i, "f": f, "c_tilde": c_tilde, "o": o}


@keras.saving.register_keras_serializable(package="zoo")
class LayerNormLSTM(LSTM):
    """Long short-term memory with layer normalization; see `LayerNormLSTMCell` for the equations.

    Arguments, call arguments and return values are those of `zoo.layers.LSTM`.
    """

    cell_class = LayerNormLSTMCell
    cell_name = "layer_norm_lstm_cell"
