"""Speech: the class of an utterance given as frames of features, by a recurrent classifier."""

import time

import numpy as np
import pydantic

from benchmarks.tasks.task import Baseline, Task, accuracy, bucketed_batches
from zoo import models


class Speech(Task):
    """Frames and label; the metric is accuracy."""

    metric = "accuracy"
    input_name = "frames"
    feature = "frames"

    class Model(pydantic.BaseModel, frozen=True, extra="forbid"):
        units: pydantic.PositiveInt
        bidirectional: bool
        num_layers: pydantic.PositiveInt
        pooling: str
        dropout: pydantic.NonNegativeFloat
        noise: pydantic.NonNegativeFloat
        shift: pydantic.NonNegativeFloat
        frame_dropout: pydantic.NonNegativeFloat

    def build(self, config):
        frames = self.read("train")["frames"]
        feature_dim = frames[0].shape[1]
        backbone = models.AudioBackbone(
            config.architecture,
            feature_dim=feature_dim,
            units=config.model.units,
            bidirectional=config.model.bidirectional,
            num_layers=config.model.num_layers,
            dropout=config.model.dropout,
            noise=config.model.noise,
            shift=config.model.shift,
            frame_dropout=config.model.frame_dropout,
        )
        backbone.adapt(frames)
        return models.AudioClassifier(
            backbone,
            labels=self.info.features["label"].names,
            preprocessor=models.AudioClassifierPreprocessor(feature_dim),
            pooling=config.model.pooling,
            dropout=config.model.dropout,
        )

    def batches(self, model, split, config, shuffle):
        data = self.read(split)
        clips, labels = data["frames"], np.asarray(data["label"])

        preprocessor = model.preprocessor

        def columns(chosen):
            return preprocessor([clips[index] for index in chosen]), labels[chosen]

        seed = config.seed if shuffle else None
        lengths = [len(clip) for clip in clips]
        return bucketed_batches(columns, lengths, config.training.batch_size, seed)

    def evaluate(self, model, config):
        test = self.read("test")
        return accuracy(test["label"], model.predict(test["frames"]), model.labels)

    def baseline(self):
        """Mean and standard deviation of the frames with logistic regression: it ignores
        order. The regularisation is chosen on the validation split."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        def summary(clips):
            return [np.r_[clip.mean(axis=0), clip.std(axis=0)] for clip in clips]

        train, validation = self.read("train"), self.read("validation")
        start = time.perf_counter()
        candidates = [
            make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=5000)).fit(
                summary(train["frames"]), train["label"]
            )
            for c in (0.1, 1.0, 10.0)
        ]
        best = max(
            candidates,
            key=lambda c: c.score(summary(validation["frames"]), validation["label"]),
        )
        seconds = time.perf_counter() - start
        test = self.read("test")
        names = self.info.features["label"].names
        return Baseline(
            name="mean and deviation of the frames, logistic regression",
            seconds=seconds,
            parameters=best[-1].coef_.size + best[-1].intercept_.size,
            evaluation=accuracy(test["label"], best.predict_proba(summary(test["frames"])), names),
        )
