"""Pretrained models as estimators of other libraries: `SktimeForecaster`."""

import functools

from zoo.pretrained import load

try:
    import pandas as pd
    from sktime.forecasting.base import BaseForecaster
except ImportError as error:
    raise ImportError(
        "zoo.adapters needs sktime. Try: pip install 'recurrent-zoo[sktime]'"
    ) from error


class SktimeForecaster(BaseForecaster):
    """A trained forecaster of the zoo as a forecaster of sktime.

    `fit` only keeps the series, since the model is trained already, and `update` appends to it.
    Each column of a data frame is a separate series. NaN is a missing value.

    Args:
        preset: str, the name of a preset of the kind `forecasting`, or the path of its folder.
        verify: bool, see `zoo.load`.

    Raises:
        ValueError: `predict` is asked for a time beyond the `horizon` of the model, or for a
            quantile that it doesn't forecast.

    Example:
    ```python
    forecaster = SktimeForecaster("tourism_monthly_gru")
    forecaster.fit(y, fh=[1, 2, 3])  # a pandas Series of months
    forecaster.predict()
    forecaster.predict_interval(coverage=0.8)
    ```
    """

    _tags = {
        "y_inner_mtype": "pd.DataFrame",
        "capability:multivariate": True,
        "capability:exogenous": False,
        "capability:insample": False,
        "capability:missing_values": True,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "capability:update": True,
        "requires-fh-in-fit": False,
    }
    _config = {"remember_data": False}  # only `history_` is kept

    def __init__(self, preset, verify=True):
        self.preset = preset
        self.verify = verify
        super().__init__()

    def _fit(self, y, X, fh):
        self.history_ = y
        return self

    def _update(self, y, X=None, update_params=True):
        self.history_ = y.combine_first(self.history_)
        return self

    def _predict(self, fh, X):
        values = self._next_values(fh)
        index = fh.to_absolute_index(self.cutoff)
        return pd.DataFrame(values, index, self.history_.columns)

    def _predict_quantiles(self, fh, X, alpha):
        # sktime turns the coverage 0.8 into the quantile 0.09999999999999998.
        values = self._next_values(fh, [round(quantile, 9) for quantile in alpha])
        columns = pd.MultiIndex.from_product([self._get_varnames(), alpha])
        index = fh.to_absolute_index(self.cutoff)
        return pd.DataFrame(values.reshape(len(index), -1), index, columns)

    def _next_values(self, fh, quantiles=None):
        """The values at the steps of a horizon, `[steps, series]`, or `[steps, series, quantiles]`
        with quantiles."""
        model = _model(self.preset, self.verify)
        steps = fh.to_relative(self.cutoff).to_numpy().astype(int)
        if steps.max() > model.horizon:
            raise ValueError(
                f"{self.preset} forecasts the steps 1 to {model.horizon} after the last value. "
                f"Received: {steps.max()}"
            )
        history = self.history_.to_numpy("float64")
        return model.predict([history], quantiles=quantiles)[0, steps - 1]

    @classmethod
    def get_test_params(cls, parameter_set="default"):
        """Arguments for sktime's tests of estimators."""
        return {"preset": "tourism_monthly_rnn"}


# A forecaster is copied for each series of a panel, but its model needn't be.
_model = functools.cache(load)
