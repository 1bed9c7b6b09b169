"""Speech: classifies utterances, given as frames or waveforms."""

import functools
from typing import Literal

import numpy as np
import pydantic

from benchmarks.tasks.batches import Batches
from benchmarks.tasks.classification import Classification, ClassifierConfig, accuracy
from benchmarks.tasks.other_sounds import UNKNOWN, other_sounds
from benchmarks.tasks.task import Examples
from zoo import models
from zoo.datasets.errors import DatasetError
from zoo.models.audio.log_mel import FRONT_ENDS
from zoo.models.pooling import METHODS

MEL_BANDS = 40  # unless the suite says otherwise
_CONTENT = {"audio": "waveforms", "frames": "frames"}
_OF_WAVEFORMS = [name for name in FRONT_ENDS if name != "frames"]
_WAVEFORM_KEYS = (
    "feature_dim",
    "speed",
    "min_frequency",
    "mean_normalization",
    "root_compression",
    "deltas",
    "others",
)


class Speech(Classification):
    """Classifies utterances with a recurrent `AudioClassifier`.

    The dataset has a feature `audio`, 1-D waveforms, or `frames`, `[time, features]`.

    With `others`, the models of waveforms have an additional label, `"unknown"`. In training and
    validation it is the label of other sounds, whose number is this fraction of the examples. On
    the test split this label counts as a mistake, and `refused` is the fraction of other sounds
    that get it.
    """

    def __init__(self, read, features, data):
        super().__init__(functools.cache(lambda split: _scaled(read(split))), features, data)
        self.feature = "audio" if "audio" in features else "frames"

    class Model(ClassifierConfig, frozen=True):
        front_end: Literal[FRONT_ENDS] | None = None
        feature_dim: pydantic.PositiveInt | None = None
        units: pydantic.PositiveInt
        bidirectional: bool
        num_layers: pydantic.PositiveInt
        pooling: Literal[METHODS]
        dropout: float = pydantic.Field(ge=0, lt=1)
        noise: pydantic.NonNegativeFloat
        shift: pydantic.NonNegativeFloat
        frame_dropout: float = pydantic.Field(ge=0, lt=1)
        speed: pydantic.NonNegativeFloat = 0.0
        min_frequency: pydantic.NonNegativeFloat = 20.0
        mean_normalization: float = pydantic.Field(0.0, ge=0, le=1)
        root_compression: float = pydantic.Field(0.0, ge=0, lt=1)
        deltas: bool = False
        others: float = pydantic.Field(0.0, ge=0, le=1, exclude_if=lambda others: not others)

    def check(self, config):
        super().check(config)
        model, front_end = config.model, self._front_end(config)
        if (front_end == "frames") != (self.feature == "frames"):
            instead = "frames" if self.feature == "frames" else " or ".join(_OF_WAVEFORMS)
            raise DatasetError(
                f"The dataset has {_CONTENT[self.feature]}. Set `front_end` to {instead}, or leave "
                f"it out. Received: {front_end}"
            )
        if front_end == "frames":
            for key in _WAVEFORM_KEYS:
                if getattr(model, key) != type(model).model_fields[key].default:
                    raise DatasetError(
                        f"The dataset has {_CONTENT['frames']}, and `{key}` applies to waveforms. "
                        "Remove it."
                    )
        if model.others and (
            model.class_weights != "none"
            or any(step.name == "pseudo_label" for step in config.recipe)
        ):
            raise DatasetError(
                "`others` adds a label, which `class_weights` and `pseudo_label` don't know. Leave "
                "out one of them."
            )

    def build(self, config):
        clips = self.read("train")[self.feature]
        front_end = self._front_end(config)
        of_frames = front_end == "frames"
        feature_dim = clips[0].shape[1] if of_frames else config.model.feature_dim or MEL_BANDS
        backbone = models.AudioBackbone(
            config.architecture,
            front_end=front_end,
            feature_dim=feature_dim,
            sampling_rate=self._sampling_rate(),
            units=config.model.units,
            bidirectional=config.model.bidirectional,
            num_layers=config.model.num_layers,
            dropout=config.model.dropout,
            noise=config.model.noise,
            shift=config.model.shift,
            frame_dropout=config.model.frame_dropout,
            min_frequency=config.model.min_frequency,
            mean_normalization=config.model.mean_normalization,
            root_compression=config.model.root_compression,
            deltas=config.model.deltas,
        )
        backbone.adapt(clips)
        return models.AudioClassifier(
            backbone,
            labels=[*self.labels, *([UNKNOWN] if config.model.others else [])],
            preprocessor=models.AudioClassifierPreprocessor(feature_dim if of_frames else None),
            pooling=config.model.pooling,
            dropout=config.model.dropout,
        )

    def _front_end(self, config):
        of_dataset = "frames" if self.feature == "frames" else "log_mel"
        return config.model.front_end or of_dataset

    def _sampling_rate(self):
        """In Hz; 8000 if the dataset doesn't specify it or has no audio."""
        return getattr(self.features[self.feature], "sample_rate", None) or 8000

    def batches(self, model, examples, config, batch_size=32):
        preprocessor, words = model.preprocessor, examples.inputs
        if config.model.others:
            examples = self._with_others(examples, config.model.others)

        def columns(chosen, generator):
            clips = [examples.inputs[index] for index in chosen]
            if generator is not None and len(words) < len(examples):  # different ones in each epoch
                new = iter(other_sounds(words, len(clips), self._sampling_rate(), generator))
                clips = [
                    next(new) if index >= len(words) else clip
                    for index, clip in zip(chosen, clips, strict=True)
                ]
            if generator is not None and config.model.speed:
                clips = [_resampled(clip, config.model.speed, generator) for clip in clips]
            return preprocessor(clips), examples.targets[chosen]

        lengths = [len(clip) for clip in examples.inputs]
        return Batches(examples, columns, lengths, batch_size)

    def evaluate(self, model, config):
        test = self.examples("test")
        evaluation = accuracy(test.targets, model.predict(test.inputs), model.labels)
        if config.model.others:
            count = len(test)
            others = self._with_others(test, 1).inputs[count:]
            answers = model.predict(others).argmax(axis=1)
            evaluation.details["refused"] = float((answers == len(self.labels)).mean())
        return evaluation

    def _with_others(self, examples, fraction):
        """The examples, then this fraction as many other sounds, always the same ones."""
        count = round(fraction * len(examples))
        generator = np.random.default_rng(len(examples))
        others = other_sounds(examples.inputs, count, self._sampling_rate(), generator)
        labels = np.full(count, len(self.labels))
        return Examples([*examples.inputs, *others], np.concatenate([examples.targets, labels]))

    def baseline(self):
        """Logistic regression on the mean and standard deviation over time of the frames, or of a
        waveform's log spectrum; it ignores order."""
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer, StandardScaler

        return self.linear_baseline(
            "mean and deviation of the frames",
            make_pipeline(FunctionTransformer(_summary), StandardScaler()),
            candidates=(0.1, 1.0, 10.0),
        )


def _scaled(data):
    """The data with 16-bit integer samples scaled to float32 in [-1, 1)."""
    if "audio" not in data:
        return data
    scale = lambda clip: clip / 32768 if np.issubdtype(clip.dtype, np.integer) else clip
    return {**data, "audio": [scale(clip).astype("float32") for clip in data["audio"]]}


def _resampled(samples, deviation, generator):
    """Speed perturbation by a log-normal factor, which shifts the pitch too."""
    import soxr

    return soxr.resample(samples, np.exp(generator.normal(0, deviation)), 1.0, quality="MQ")


def _log_spectrum(samples, length=256):
    """Log power spectrum of windows of `length` samples with 50 % overlap."""
    samples = np.pad(samples, (0, max(0, length - len(samples))))
    windows = np.lib.stride_tricks.sliding_window_view(samples, length)[:: length // 2]
    return np.log(np.abs(np.fft.rfft(windows * np.hanning(length))) ** 2 + 1e-6)


def _summary(clips):
    """Mean and standard deviation over time of each clip's frames or log spectrum."""
    frames = [clip if clip.ndim == 2 else _log_spectrum(clip) for clip in clips]
    return [np.r_[frame.mean(axis=0), frame.std(axis=0)] for frame in frames]
