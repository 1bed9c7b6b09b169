"""A forecaster of quantiles."""

import numpy as np

from zoo import models

ARCHITECTURES = ["gru", "rnn"]
_draws = np.random.default_rng(0)
INPUTS = [_draws.normal(10, 3, steps).astype("float32") for steps in (30, 1, 7, 13)]
HORIZON = 5


def build(architecture="gru"):
    backbone = models.ForecastBackbone(architecture, lookback=12, segment=4, units=6)
    model = models.Forecaster(
        backbone,
        HORIZON,
        seasons=[4],
        linear=True,
        frequency="h",
        quantiles=[0.1, 0.5, 0.9],
        preprocessor=models.ForecastPreprocessor(lookback=12, period=4),
    )
    # The output layers begin with zeros, through which no gradient flows.
    for name in ("residual", "reference", "linear", "quantiles"):
        layer = model.get_layer(name)
        layer.set_weights([_draws.normal(0, 0.3, w.shape) for w in layer.get_weights()])
    return model


def batch(model):
    return model.preprocessor(INPUTS), np.ones((4, HORIZON), "float32"), None


def argument(input, folder):
    path = folder / "series.csv"
    path.write_text("\n".join(["value", *(repr(float(value)) for value in input)]))
    return str(path)
