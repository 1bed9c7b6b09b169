"""Task: an ensemble of forecasters."""

from typing import Any

import keras_hub

from zoo.models.ensemble import Ensemble, EnsembleBackbone
from zoo.models.forecaster.forecast_preprocessor import ForecastPreprocessor
from zoo.models.forecaster.forecasting_task import ForecastingTask
from zoo.models.protocol import register


@register
class ForecasterEnsemble(Ensemble, ForecastingTask, keras_hub.models.Task):
    """Forecasts the median of several forecasters' values.

    `zoo.models.ensemble` makes one. Arguments as in `ForecastingTask`, with an `EnsembleBackbone`.
    """

    preprocessor_cls = ForecastPreprocessor

    def __init__(self, backbone: EnsembleBackbone, horizon: int, **kwargs: Any) -> None:
        super().__init__(backbone, backbone(backbone.input), horizon=horizon, **kwargs)
