"""Long short-term memory with zoneout, where random units keep their state in training."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from zoo.layers.lstm import LSTM, LSTMCell
from zoo.layers.recurrence import of_cell
from zoo.typing import Tensor


@keras.saving.register_keras_serializable(package="zoo")
class ZoneoutLSTMCell(LSTMCell):
    """One step of long short-term memory with zoneout.

    With the equations of `zoo.layers.LSTMCell` for the gates `i`, `f`, `o` and for `C̃`:

        Ĉ_t = f_t C_{t-1} + i_t C̃_t
        C_t = z^C_t C_{t-1} + (1 - z^C_t) Ĉ_t
        h_t = z^h_t h_{t-1} + (1 - z^h_t) o_t tanh(Ĉ_t)

    In training, each element of `z^C_t` is drawn at every step: 1 with probability `zoneout_cell`,
    otherwise 0. At inference it is `zoneout_cell`. The same holds for `z^h_t` with
    `zoneout_output`. The weights are those of `zoo.layers.LSTMCell`.

    Reference: D. Krueger et al., "Zoneout: Regularizing RNNs by Randomly Preserving Hidden
    Activations", ICLR 2017, whose language modelling rates are the defaults.

    Args:
        units: Positive integer, the size of the output and of each state.
        zoneout_cell: Float in [0, 1], the fraction of `C` that keeps its value.
        zoneout_output: Float in [0, 1], the fraction of `h` that keeps its value.
        **kwargs: Arguments of `zoo.layers.LSTMCell`. `seed` also seeds zoneout.

    Call arguments and return values are those of `zoo.layers.LSTMCell`; `training` also sets
    whether zoneout is random.
    """

    native_cell = "lstm_zoneout"

    def __init__(
        self, units: int, zoneout_cell: float = 0.5, zoneout_output: float = 0.05, **kwargs: Any
    ) -> None:
        super().__init__(units, **kwargs)
        self.zoneout_cell = zoneout_cell
        self.zoneout_output = zoneout_output

    def projection(self, training: bool = False) -> Callable[[Tensor], Tensor]:
        """Returns the function `x -> [x W + b, z^C, z^h]`."""
        project = super().projection(training)

        def project_and_draw(inputs):
            projected = project(inputs)
            shape = (*ops.shape(projected)[:-1], self.units)
            kept = self._draw(shape, projected.dtype, training)
            return ops.concatenate([projected, *kept], axis=-1)

        return project_and_draw

    def native_arguments(self, sequences: Tensor, training: bool = False) -> dict[str, Any]:
        batch, time, _ = ops.shape(sequences)
        # At inference, it is the same for all rows and steps.
        shape = (time, batch, self.units) if training else (1, 1, self.units)
        draw = lambda: self._draw(shape, sequences.dtype, training)
        return {**super().native_arguments(sequences, training), "draw": draw}

    def _draw(self, shape, dtype, training):
        """Returns `z^C` and `z^h`."""
        rates = (self.zoneout_cell, self.zoneout_output)
        if not training:
            return [ops.full(shape, rate, dtype) for rate in rates]
        uniform = lambda: keras.random.uniform(shape, seed=self.seed_generator)
        return [ops.cast(uniform() < rate, dtype) for rate in rates]

    def step(
        self, projected: Tensor, states: list[Tensor], recur: Callable[[Tensor], Tensor]
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        h, c = states
        projected, keep_c, keep_h = ops.split(projected, [4 * self.units, 5 * self.units], axis=-1)
        (new_h, new_c), gates = super().step(projected, states, recur)
        return [keep_h * h + (1 - keep_h) * new_h, keep_c * c + (1 - keep_c) * new_c], gates

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "zoneout_cell": self.zoneout_cell,
            "zoneout_output": self.zoneout_output,
        }


@keras.saving.register_keras_serializable(package="zoo")
class ZoneoutLSTM(LSTM):
    """Long short-term memory with zoneout; see `ZoneoutLSTMCell` for the equations.

    Args:
        units: Positive integer, the size of the output and of each state.
        zoneout_cell: Float in [0, 1], the fraction of the cell state that keeps its value.
        zoneout_output: Float in [0, 1], the fraction of the output that keeps its value.
        **kwargs: Arguments of `zoo.layers.LSTM`.

    Call arguments and return values are those of `zoo.layers.LSTM`.
    """

    cell_class = ZoneoutLSTMCell
    cell_name = "zoneout_lstm_cell"

    def __init__(
        self, units: int, zoneout_cell: float = 0.5, zoneout_output: float = 0.05, **kwargs: Any
    ) -> None:
        super().__init__(units, zoneout_cell=zoneout_cell, zoneout_output=zoneout_output, **kwargs)

    zoneout_cell = of_cell("zoneout_cell")
    zoneout_output = of_cell("zoneout_output")
