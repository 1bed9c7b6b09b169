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
        inputs = model_input.iloc[:, 0].tolist()
        if hasattr(self.model, "generate"):
            return [{"output": output} for output in self.model.generate(inputs)]
        if not isinstance(inputs[0], str):
            inputs = [np.stack([np.asarray(step, "float32") for step in clip]) for clip in inputs]
        return [
            {
                "label": self.model.labels[int(row.argmax())],
                "probabilities": dict(zip(self.model.labels, map(float, row), strict=True)),
            }
            for row in self.model.predict(inputs)
        ]


mlflow.models.set_model(ServedModel())
