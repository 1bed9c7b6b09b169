"""The model as MLflow serves it: raw inputs in, JSON-ready answers out.

MLflow runs this file to load a logged model, so it imports nothing from `benchmarks`.
"""

import mlflow
import pandas as pd


class ServedModel(mlflow.pyfunc.PythonModel):
    """Wraps a preset of the zoo in MLflow's interface.

    `predict` takes a data frame with one column, which has the name and type of the model's
    `input_schema`, such as `text` (str) or `audio` (lists of float). It returns the model's
    `answers`, a list of dicts.
    """

    def load_context(self, context):
        import zoo

        self.model = zoo.load(context.artifacts["preset"], verify=False)

    def predict(self, context, model_input: pd.DataFrame, params=None):
        schema = self.model.input_schema
        return self.model.answers([schema.parse(value) for value in model_input[schema.name]])


mlflow.models.set_model(ServedModel())
