"""Speech: the class of an utterance, of frames or a waveform, by a recurrent classifier."""

import functools
from typing import Literal

import numpy as np
import pydantic

from benchmarks.tasks.task import Task, accuracy, bucketed_batches, logistic_baseline
from zoo import models
from zoo.models.audio_classifier.front_end import FEATURES
from zoo.models.pooling import METHODS

_OF_A_WAVEFORM = ("speed", "min_frequency", "mean_normalization", "root_compression", "deltas")


class Speech(Task):
    """Frames or audio, and label; the metric is accuracy."""

    metric = "accuracy"

    def __init__(self, read, features, licence):
        super().__init__(functools.cache(lambda split: _scaled(read(split))), features, licence)
        self.feature = self.input_name = "audio" if "audio" in features else "frames"

    class Model(pydantic.BaseModel, frozen=True, extra="forbid"):
        features: Literal[FEATURES] = "frames"
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

        @pydantic.model_validator(mode="after")
        def _features_of_a_waveform_are_counted(self):
            if (self.features == "frames") != (self.feature_dim is None):
                raise ValueError(
                    "`feature_dim` says how many features are made of a waveform: it is needed "
                    "with `features` log_mel and mfcc, and with nothing else"
                )
            if self.features == "frames":
                for key in _OF_A_WAVEFORM:
                    if getattr(self, key) != type(self).model_fields[key].default:
                        raise ValueError(f"`{key}` is of a waveform, not of frames")
            return self

    def build(self, config):
        clips = self.read("train")[self.feature]
        of_frames = config.model.features == "frames"
        feature_dim = clips[0].shape[1] if of_frames else config.model.feature_dim
        backbone = models.AudioBackbone(
            config.architecture,
            features=config.model.features,
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
            labels=self.features["label"].names,
            preprocessor=models.AudioClassifierPreprocessor(feature_dim if of_frames else None),
            pooling=config.model.pooling,
            dropout=config.model.dropout,
        )

    def _sampling_rate(self):
        """In Hz; 8 kHz where the dataset doesn't say it or has no audio."""
        return getattr(self.features[self.feature], "sample_rate", None) or 8000

    def batches(self, model, split, config, shuffle):
        data = self.read(split)
        clips, labels = data[self.feature], np.asarray(data["label"])
        preprocessor = model.preprocessor
        generator = np.random.default_rng(config.seed)

        def columns(chosen):
            played = [clips[index] for index in chosen]
            if shuffle and config.model.speed:
                played = [_faster(clip, config.model.speed, generator) for clip in played]
            return preprocessor(played), labels[chosen]

        seed = config.seed if shuffle else None
        lengths = [len(clip) for clip in clips]
        return bucketed_batches(columns, lengths, config.training.batch_size, seed)

    def evaluate(self, model, config):
        test = self.read("test")
        return accuracy(test["label"], model.predict(test[self.feature]), model.labels)

    def baseline(self):
        """Mean and standard deviation of the frames, or of the logarithm of a waveform's
        spectrum, with logistic regression: it ignores order."""
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer, StandardScaler

        return logistic_baseline(
            "mean and deviation of the frames",
            make_pipeline(FunctionTransformer(_summary), StandardScaler()),
            self.labelled(),
            self.features["label"].names,
            candidates=(0.1, 1.0, 10.0),
        )


def _scaled(data):
    """The data with samples in [-1, 1), where they are 16-bit integers."""
    if "audio" not in data:
        return data
    scale = lambda clip: clip / 32768 if np.issubdtype(clip.dtype, np.integer) else clip
    return {**data, "audio": [scale(clip).astype("float32") for clip in data["audio"]]}


def _faster(samples, deviation, generator):
    """The samples played faster or slower, and so higher or lower: another voice. The logarithm of
    the factor is normal."""
    import soxr

    return soxr.resample(samples, np.exp(generator.normal(0, deviation)), 1.0, quality="MQ")


def _log_spectrum(samples, length=256):
    """Logarithm of the power spectrum of windows of 256 samples, half of them shared."""
    samples = np.pad(samples, (0, max(0, length - len(samples))))
    windows = np.lib.stride_tricks.sliding_window_view(samples, length)[:: length // 2]
    return np.log(np.abs(np.fft.rfft(windows * np.hanning(length))) ** 2 + 1e-6)


def _summary(clips):
    """Mean and standard deviation over the time of each clip."""
    frames = [clip if clip.ndim == 2 else _log_spectrum(clip) for clip in clips]
    return [np.r_[frame.mean(axis=0), frame.std(axis=0)] for frame in frames]
