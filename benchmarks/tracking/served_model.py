"""The model as MLflow serves it: raw input in, labels or text out.

MLflow runs this file to load a logged model, so it stands alone.
"""

import mlflow
import numpy as np
import pandas as pd


class ServedModel(mlflow.pyfunc.PythonModel):
    """A preset of the zoo behind MLflow's interface.

    `predict` takes a data frame with one column, `text` (str), `frames` (lists of lists of
    float) or `audio` (lists of float), and gives a list of dicts: `label` and `probabilities` by
    label, or `output`.
    """

    def load_context(self, context):
        import zoo

        self.model = zoo.load(context.artifacts["preset"])

    def predict(self, context, model_input: pd.DataFrame, params=None):
        from zoo.models.answers import answers

        inputs = model_input.iloc[:, 0].tolist()
        if not isinstance(inputs[0], str):
            inputs = [np.stack([np.asarray(step, "float32") for step in clip]) for clip in inputs]
        return answers(self.model, inputs)


mlflow.models.set_model(ServedModel())
