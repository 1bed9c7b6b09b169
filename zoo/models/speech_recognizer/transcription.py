"""A transcription of sound as it comes, piece by piece."""

import collections

import numpy as np
from keras import ops

from zoo.layers import architectures
from zoo.models.speech_recognizer.speech_recognizer_preprocessor import BLANK, FrameStream


class Transcription:
    """Reads sound piece by piece and returns the text that each piece adds, greedily.

    All pieces together give the text of the whole sound, as `generate` with a beam width of 1. The
    states of the model are kept between pieces.

    Args:
        model: a `SpeechRecognizer` that takes waveforms, reads forwards alone, and normalises
            features by those before them.

    Raises:
        ValueError: the model is another one.
    """

    def __init__(self, model):
        backbone = model.backbone
        if architectures.get(backbone.architecture).bidirectional:
            raise ValueError(
                f"{backbone.architecture} reads sound in both directions, so it needs all of it. "
                "Give a file, or use a model of one direction."
            )
        if model.preprocessor.front_end is None or backbone.normalization != "running":
            raise ValueError(
                "This model can't transcribe sound as it comes: it needs a front end and a "
                "running normalization. Give a file."
            )
        self.sampling_rate = model.preprocessor.sampling_rate
        self._model = collections.UserList([model])
        self._stream = FrameStream(model.preprocessor.front_end_layer)
        self._frames = np.zeros((0, backbone.feature_dim), "float32")
        self._normalised = 0  # leading frames of `_frames` that are context of slopes alone
        zeros = ops.zeros((1, 3 * backbone.feature_dim))
        self._sums = (zeros[:, :1], zeros, zeros)
        self._rows = np.zeros((0, 3 * backbone.feature_dim), "float32")
        self._states = backbone.initial_states(1)
        self._last = BLANK

    def read(self, sound, is_last=False):
        """Reads a piece of sound.

        Args:
            sound: float array `[samples]` from -1 to 1, at `sampling_rate`.
            is_last: bool, whether the sound ends, which completes the text.

        Returns:
            str, the characters that the piece adds.

        Raises:
            ValueError: samples aren't finite.
        """
        sound = np.asarray(sound, "float32")
        if sound.ndim != 1 or not np.isfinite(sound).all():
            raise ValueError("A piece of sound must be finite samples, [samples].")
        self._frames = np.concatenate([self._frames, self._stream.read(sound, is_last)])
        if len(self._frames):
            self._normalise(is_last)
        return self._model[0].preprocessor.text(self._labels(is_last))

    def _normalise(self, is_last):
        """Moves frames whose slopes are known to `_rows`."""
        backbone = self._model[0].backbone
        reach = backbone.slopes.reach
        end = len(self._frames) - (0 if is_last else reach)
        if end <= self._normalised:
            return
        mask = ops.ones((1, len(self._frames)), "bool")
        features = backbone.slopes(ops.convert_to_tensor(self._frames[None]), mask)
        chosen = slice(self._normalised, end)
        rows, self._sums = backbone.normalize.continued(
            features[:, chosen], mask[:, chosen], self._sums
        )
        self._rows = np.concatenate([self._rows, ops.convert_to_numpy(rows)[0]])
        skipped = max(0, end - reach)
        self._frames = self._frames[skipped:]
        self._normalised = end - skipped

    def _labels(self, is_last):
        """The labels that complete steps add, or all that are left."""
        model = self._model[0]
        size = model.backbone.stack
        if is_last:
            self._rows = np.pad(self._rows, [(0, -len(self._rows) % size), (0, 0)])
        count = len(self._rows) // size
        steps = self._rows[: count * size].reshape(count, 1, size * self._rows.shape[1])
        self._rows = self._rows[count * size :]
        labels = []
        for step in steps:
            outputs, self._states = model.backbone.step(ops.convert_to_tensor(step), self._states)
            label = int(ops.convert_to_numpy(model.logits(outputs)).argmax())
            if label not in (BLANK, self._last):
                labels.append(label)
            self._last = label
        return labels
