"""Layer: quantiles around a point forecast, which stays unchanged."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from zoo.typing import Shape, Tensor

MEDIAN = 0.5


@keras.saving.register_keras_serializable(package="zoo")
class QuantileSpread(keras.layers.Layer):
    """Adds the differences of the other quantiles to the point forecast, the median.

    No gradient of the other quantiles flows into the point or the state.

    Args:
        quantiles: list of float, 0.5 among them.

    Call arguments:
        point: float `[batch, horizon]`.
        state: float `[batch, units]`.

    Returns:
        float `[batch, horizon, quantiles]`.
    """

    def __init__(self, quantiles: Sequence[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.quantiles = list(quantiles)

    def build(self, point_shape: Shape, state_shape: Shape) -> None:
        self.spreads = [
            keras.layers.Dense(
                point_shape[1],
                kernel_initializer="zeros",
                dtype=self.dtype_policy,
                name=f"spread_{index}",
            )
            for index in range(len(self.quantiles) - 1)
        ]
        for spread in self.spreads:
            spread.build(state_shape)
        self.built = True

    def call(self, point: Tensor, state: Tensor) -> Tensor:
        point_as_it_is, state = ops.stop_gradient(point), ops.stop_gradient(state)
        spreads = iter(self.spreads)
        return ops.stack(
            [
                point if quantile == MEDIAN else point_as_it_is + next(spreads)(state)
                for quantile in self.quantiles
            ],
            axis=-1,
        )

    def compute_output_shape(self, point_shape: Shape, state_shape: Shape) -> Shape:
        return (*point_shape, len(self.quantiles))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "quantiles": self.quantiles}
