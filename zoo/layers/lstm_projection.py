"""Long short-term memory with a recurrent projection."""

from collections.abc import Callable
from typing import Any

import keras

from zoo.layers.lstm import LSTM, LSTMCell
from zoo.layers.quantization import multiplier
from zoo.layers.recurrence import of_cell
from zoo.typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="zoo")
class ProjectionLSTMCell(LSTMCell):
    """One step of long short-term memory with a recurrent projection layer.

    With input `x`, output `h`, a larger cell state `C` and the logistic function `σ`:

        i_t = σ(x_t W_i + h_{t-1} R_i + b_i)
        f_t = σ(x_t W_f + h_{t-1} R_f + b_f)
        C̃_t = tanh(x_t W_c + h_{t-1} R_c + b_c)
        o_t = σ(x_t W_o + h_{t-1} R_o + b_o)
        C_t = f_t C_{t-1} + i_t C̃_t
        h_t = (o_t tanh(C_t)) P

    The paper also has peepholes. They are left out, so that only the projection differs from
    `zoo.layers.LSTMCell`. `projection_kernel` is `P`; the other weights are those of
    `zoo.layers.LSTMCell`.

    Reference: H. Sak, A. Senior and F. Beaufays, "Long Short-Term Memory Recurrent Neural Network
    Architectures for Large Scale Acoustic Modeling", Interspeech 2014.

    Args:
        units: Positive integer, the size of the output and of the state `h`.
        cell_units: Positive integer, the size of the state `C`, `2 * units` by default.
        **kwargs: Arguments of `zoo.layers.LSTMCell`. The settings of `kernel` also apply to `P`.

    Call arguments:
        inputs: Tensor of shape `(batch, features)`.
        states: List of `h`, `(batch, units)`, and `C`, `(batch, cell_units)`.
        training: Whether dropout applies.
    """

    native_cell = "lstm_projection"
    kernel_names = ("kernel", "recurrent_kernel", "projection_kernel")

    def __init__(self, units: int, cell_units: int | None = None, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.cell_units = 2 * units if cell_units is None else cell_units
        self.state_size = [units, self.cell_units]

    def build(self, input_shape: Shape) -> None:
        columns = self.num_blocks * self.cell_units
        self.kernel = self.add_kernel("kernel", (input_shape[-1], columns))
        self.recurrent_kernel = self.add_kernel("recurrent_kernel", (self.units, columns))
        self.bias = self.add_bias((columns,)) if self.use_bias else None
        self.projection_kernel = self.add_kernel("projection_kernel", (self.cell_units, self.units))

    def native_arguments(self, sequences: Tensor, training: bool = False) -> dict[str, Any]:
        arguments = super().native_arguments(sequences, training)
        projection_kernel = self.read_kernel("projection_kernel")
        return {**arguments, "weights": [*arguments["weights"], projection_kernel]}

    def step(
        self, projected: Tensor, states: list[Tensor], recur: Callable[[Tensor], Tensor]
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        (m, c), gates = super().step(projected, states, recur)
        return [multiplier(self.read_kernel("projection_kernel"))(m), c], gates

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cell_units": self.cell_units}


@keras.saving.register_keras_serializable(package="zoo")
class ProjectionLSTM(LSTM):
    """Long short-term memory with a projection; see `ProjectionLSTMCell` for the equations.

    Args:
        units: Positive integer, the size of the output.
        cell_units: Positive integer, the size of the cell state, `2 * units` by default.
        **kwargs: Arguments of `zoo.layers.LSTM`.

    Call arguments and return values are those of `zoo.layers.LSTM`, but the state `C` has the
    shape `(batch, cell_units)`.
    """

    cell_class = ProjectionLSTMCell
    cell_name = "projection_lstm_cell"

    def __init__(self, units: int, cell_units: int | None = None, **kwargs: Any) -> None:
        super().__init__(units, cell_units=cell_units, **kwargs)

    cell_units = of_cell("cell_units")
