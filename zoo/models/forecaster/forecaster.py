"""Task: past values of a series in, the next values out."""

from collections.abc import Sequence
from typing import Any, Literal

import keras
import keras_hub

from zoo.models.forecaster.forecast_backbone import ForecastBackbone
from zoo.models.forecaster.forecast_preprocessor import ForecastPreprocessor
from zoo.models.forecaster.forecaster_ensemble import ForecasterEnsemble
from zoo.models.forecaster.forecasting_task import LOSSES, ForecastingTask, check_quantiles
from zoo.models.forecaster.quantile_spread import QuantileSpread
from zoo.models.forecaster.seasonal_mixture import SeasonalMixture
from zoo.models.protocol import register


@register
class Forecaster(ForecastingTask, keras_hub.models.Task):
    """Forecasts the next `horizon` values of a series from its last ones, all at once.

    A forecast is a reference plus a term from the recurrent state, which is zero before training.
    The reference is the level of the window; with `seasons`, a mixture of the level and of the last
    seasons, whose weights depend on the state. With `linear`, a linear map of the window is added
    to it (G. Lai et al., "Modeling Long- and Short-Term Temporal Patterns with Deep Neural
    Networks", 2018). Quantiles are read from the same state and don't change what it learns, so the
    point forecast is as good as without them.

    Args:
        backbone: `ForecastBackbone`.
        horizon: int, the number of values to forecast.
        seasons: list of int, the lengths of the seasons that the reference repeats, such as
            `[24, 168]` for hours.
        linear: bool, whether to add a linear map of the normalised window.
        frequency, quantiles, loss, preprocessor: see `ForecastingTask`.

    Example:
    ```python
    backbone = zoo.models.ForecastBackbone("gru", lookback=48, segment=12)
    preprocessor = zoo.models.ForecastPreprocessor(lookback=48, period=12)
    model = zoo.models.Forecaster(
        backbone, horizon=24, frequency="MS", quantiles=[0.1, 0.5, 0.9], preprocessor=preprocessor
    )
    model.predict([series])  # float32 [1, 24], for a float array [time]
    model.predict([series], quantiles=[0.1, 0.9])  # float32 [1, 24, 2]
    ```
    """

    backbone_cls = ForecastBackbone
    preprocessor_cls = ForecastPreprocessor
    ensemble_class = ForecasterEnsemble

    def __init__(
        self,
        backbone: ForecastBackbone,
        horizon: int,
        seasons: Sequence[int] = (),
        linear: bool = False,
        frequency: str | None = None,
        quantiles: Sequence[float] = (),
        loss: Literal["mae", "mse"] = "mae",
        preprocessor: ForecastPreprocessor | None = None,
        **kwargs: Any,
    ) -> None:
        check_quantiles(quantiles)
        if loss not in LOSSES:
            raise ValueError(f"`loss` must be one of {LOSSES}. Received: {loss!r}")
        encoded = backbone(backbone.input)
        state = encoded["state"]
        point = keras.layers.Dense(
            horizon, kernel_initializer="zeros", dtype="float32", name="residual"
        )(state)
        if seasons:
            point += SeasonalMixture(horizon, seasons, dtype="float32", name="reference")(
                state, encoded["window"], backbone.input["padding_mask"]
            )
        if linear:
            point += keras.layers.Dense(
                horizon, use_bias=False, kernel_initializer="zeros", dtype="float32", name="linear"
            )(encoded["window"])
        outputs = point
        if quantiles:
            outputs = QuantileSpread(quantiles, dtype="float32", name="quantiles")(point, state)
        outputs = backbone.restore(outputs, encoded["statistics"])
        self.seasons = list(seasons)
        self.linear = linear
        super().__init__(
            backbone,
            outputs,
            horizon=horizon,
            frequency=frequency,
            quantiles=quantiles,
            loss=loss,
            preprocessor=preprocessor,
            **kwargs,
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seasons": self.seasons, "linear": self.linear}
