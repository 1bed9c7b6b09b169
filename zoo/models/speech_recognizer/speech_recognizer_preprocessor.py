"""Preprocessor of the speech recogniser: sounds in, a padded batch of frames out."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import keras
import keras_hub
import numpy as np

from zoo.models.audio import front_ends
from zoo.models.audio.clips import check_clip, padded
from zoo.models.audio.frame_stream import FrameStream
from zoo.models.speech_recognizer.speech_backbone import SpeechBackbone
from zoo.typing import Shape

BLANK = 0  # CTC's label for no character
SECONDS_AT_ONCE = 60  # of a waveform, so that an hour needs little memory


@keras.saving.register_keras_serializable(package="zoo")
class SpeechRecognizerPreprocessor(keras_hub.models.Preprocessor):
    """Computes frames of sounds, pads them, and converts transcripts to labels.

    Args:
        alphabet: str, the characters that the model writes. Label 0 is CTC's blank, and label
            `1 + i` the character `alphabet[i]`.
        feature_dim: int, features per frame.
        front_end: None if sounds are frames, or else the front end that computes them from a
            waveform, a name of `zoo.models.audio.front_ends`. Frames are accepted in either case.
        sampling_rate: int, in Hz, of waveforms.
        min_frequency, max_frequency: float, in Hz, the edges of the front end's bands; None for its
            default.

    Call arguments:
        x: list of float arrays, waveforms `[samples]` or frames `[frames, feature_dim]` of any
            length.
        y: list of str, transcripts. Characters outside of the alphabet are left out.
        sample_weight: passed through.

    Returns:
        `x` as a dict of `"frames"`, float32 `[batch, frames, feature_dim]`, and `"padding_mask"`,
        bool `[batch, frames]`; and labels, int32 `[batch, characters]`, padded with 0 to at least
        one column.

    Raises:
        InputError: a sound is empty, has the wrong shape or has values that aren't finite.

    Attributes:
        front_end_layer: the front end, a Keras layer, or None.
    """

    backbone_cls = SpeechBackbone

    def __init__(
        self,
        alphabet: str,
        feature_dim: int = 13,
        front_end: Literal["log_mel", "mfcc", "sphinx_cepstra"] | None = None,
        sampling_rate: int = 16000,
        min_frequency: float | None = None,
        max_frequency: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.alphabet = alphabet
        self.feature_dim = feature_dim
        self.front_end = front_end
        self.sampling_rate = sampling_rate
        self.min_frequency = min_frequency
        self.max_frequency = max_frequency
        self.front_end_layer = None
        if front_end is not None:
            self.front_end_layer = front_ends.make(
                front_end, sampling_rate, feature_dim, min_frequency, max_frequency
            )
        self._label_of = {character: 1 + index for index, character in enumerate(alphabet)}

    def build(self, input_shape: Shape) -> None:
        self.built = True

    def call(
        self, x: Sequence[np.ndarray], y: Sequence[str] | None = None, sample_weight: Any = None
    ) -> Any:
        frames, padding_mask = padded([self.frames(one) for one in x], self.feature_dim)
        x = {"frames": frames, "padding_mask": padding_mask}
        if y is not None:
            y = self.labels(y)
        return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)

    def frames(self, sound: np.ndarray) -> np.ndarray:
        """The frames of one sound, float32 `[frames, feature_dim]`."""
        if self.front_end_layer is None or np.ndim(sound) == 2:
            return check_clip(sound, self.feature_dim)
        sound = check_clip(sound)
        return np.concatenate(list(self._pieces(sound)))

    def labels(self, texts: Sequence[str]) -> np.ndarray:
        """The labels of texts, int32 `[batch, characters]`, padded with 0."""
        rows = [[self._label_of[one] for one in text if one in self._label_of] for text in texts]
        labels = np.zeros((len(rows), max([1, *map(len, rows)])), "int32")
        for row, found in zip(labels, rows, strict=True):
            row[: len(found)] = found
        return labels

    def text(self, labels: Iterable[int]) -> str:
        """The text of labels, ints from 1."""
        return "".join(self.alphabet[label - 1] for label in labels)

    @property
    def frame_seconds(self) -> float | None:
        """Seconds from one frame to the next; None for frames without a front end."""
        if self.front_end_layer is None:
            return None
        return self.front_end_layer.frame_step / self.sampling_rate

    def _pieces(self, sound):
        """Frames of a waveform, piece by piece."""
        stream = FrameStream(self.front_end_layer)
        size = SECONDS_AT_ONCE * self.sampling_rate
        starts = range(0, len(sound), size)
        for start in starts:
            yield stream.read(sound[start : start + size], is_last=start == starts[-1])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "alphabet": self.alphabet,
            "feature_dim": self.feature_dim,
            "front_end": self.front_end,
            "sampling_rate": self.sampling_rate,
            "min_frequency": self.min_frequency,
            "max_frequency": self.max_frequency,
        }
