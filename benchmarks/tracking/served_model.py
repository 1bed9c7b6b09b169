"""The model as MLflow serves it: raw inputs in, JSON-ready answers out.

MLflow runs this file to load a logged model, so it imports nothing from `benchmarks`.
"""

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException


class ServedModel(mlflow.pyfunc.PythonModel):
    """Wraps a preset of the zoo in MLflow's interface.

    `predict` takes a data frame with one column, which has the name of the model's `input_schema`
    and values of its type, such as `text` (str) or `audio` (lists of float). It returns the model's
    `answers`, a list of dicts. Inputs that the model doesn't take raise an `MlflowException`, which
    MLflow's server returns with the status 400.
    """

    def load_context(self, context):
        import zoo

        self.model = zoo.load(context.artifacts["preset"], verify=False)

    def predict(self, context, model_input: pd.DataFrame, params=None):
        schema = self.model.input_schema
        values = list(model_input[schema.name])
        # MLflow puts all texts of a request into one row.
        if len(values) == 1 and _depth(values[0]) > schema.rank:
            (values,) = values
        try:
            inputs = [schema.parse(value) for value in values]
            return self.model.answers(inputs) if inputs else []
        except ValueError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error


def _depth(value):
    """How deep a value's first items are nested in lists."""
    depth = 0
    while isinstance(value, list):
        depth, value = depth + 1, value[0] if value else None
    return depth


mlflow.models.set_model(ServedModel())
