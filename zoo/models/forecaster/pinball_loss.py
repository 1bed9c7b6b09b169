"""Loss: the pinball loss of quantile forecasts."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.typing import Tensor


@keras.saving.register_keras_serializable(package="zoo")
class PinballLoss(keras.losses.Loss):
    """The mean over quantiles q of twice max(q (y - f), (q - 1) (y - f)), for forecasts f of y
    (R. Koenker and G. Bassett, "Regression Quantiles", 1978). For the median it is the absolute
    error.

    Args:
        quantiles: list of float between 0 and 1.

    Call arguments:
        y_true: float `[batch, horizon]`.
        y_pred: float `[batch, horizon, quantiles]`.
    """

    def __init__(
        self, quantiles: Sequence[float], name: str = "pinball_loss", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.quantiles = list(quantiles)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        y_pred = ops.convert_to_tensor(y_pred)
        error = ops.cast(y_true, y_pred.dtype)[..., None] - y_pred
        quantiles = np.array(self.quantiles, "float32")
        return ops.mean(2 * ops.maximum(quantiles * error, (quantiles - 1) * error), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "quantiles": self.quantiles}
