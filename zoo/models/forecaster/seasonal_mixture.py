"""Layer: a mixture of a window's level and its last seasons, continued over the horizon."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="zoo")
class SeasonalMixture(keras.layers.Layer):
    """Repeats the last season of each length, and mixes them with weights that depend on a state.

    The weights of a step of the horizon are a softmax over the level, 0, and the seasons. A season
    that is longer than the series has no weight.

    Args:
        horizon: int, steps to continue.
        seasons: list of int, lengths of seasons.

    Call arguments:
        state: float `[batch, units]`.
        window: float `[batch, time]`, normalised.
        padding_mask: bool `[batch, time]`, False at padding, which comes before the values.

    Returns:
        float `[batch, horizon]`.
    """

    def __init__(self, horizon: int, seasons: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.horizon = horizon
        self.seasons = list(seasons)
        self.gate = keras.layers.Dense(
            horizon * (1 + len(self.seasons)),
            kernel_initializer="zeros",
            dtype=self.dtype_policy,
            name="gate",
        )

    def build(
        self,
        state_shape: Shape,
        window_shape: tuple[int | None, int],
        padding_mask_shape: Shape | None = None,
    ) -> None:
        time = window_shape[1]
        if not all(1 <= season <= time for season in self.seasons):
            raise ValueError(
                f"`seasons` must be lengths from 1 to the lookback, {time}. Received: "
                f"{self.seasons}"
            )
        self._time = time  # which may be unknown for batches of a `tf.data.Dataset`
        self.gate.build(state_shape)
        self.built = True

    def call(self, state: Tensor, window: Tensor, padding_mask: Tensor) -> Tensor:
        time = self._time
        steps = np.arange(self.horizon)
        # Continued seasons: step k of the horizon has the value from the same position in the
        # season.
        places = [time - season + steps % season for season in self.seasons]
        values = ops.take(window, np.concatenate(places), axis=1)
        values = ops.reshape(values, (-1, len(self.seasons), self.horizon))
        complete = ops.take(padding_mask, [time - season for season in self.seasons], axis=1)
        scores = ops.reshape(self.gate(state), (-1, 1 + len(self.seasons), self.horizon))
        penalty = 1e4 * (1 - ops.cast(complete, scores.dtype))[..., None]
        scores = ops.concatenate([scores[:, :1], scores[:, 1:] - penalty], axis=1)
        weights = ops.softmax(scores, axis=1)[:, 1:]  # the level itself is 0
        return ops.sum(weights * values, axis=1)

    def compute_output_shape(
        self, state_shape: Shape, window_shape: Shape, padding_mask_shape: Shape | None = None
    ) -> Shape:
        return (state_shape[0], self.horizon)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "horizon": self.horizon, "seasons": self.seasons}
