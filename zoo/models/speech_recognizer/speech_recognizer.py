"""Task: a waveform or frames of a sentence in, its text out."""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import keras_hub
import numpy as np
from keras import ops

from zoo.array_files import read_array
from zoo.models.audio.audio_input import FRAMES, WAVEFORM
from zoo.models.eager_preprocessing import EagerPreprocessing
from zoo.models.protocol import InputSchema, TaskModel, register
from zoo.models.speech_recognizer.alignment import align, greedy_labels
from zoo.models.speech_recognizer.character_error_rate import CharacterErrorRate
from zoo.models.speech_recognizer.ctc_loss import CTCLoss
from zoo.models.speech_recognizer.ngrams import Ngrams, from_config
from zoo.models.speech_recognizer.prefix_beam_search import PrefixBeamSearch
from zoo.models.speech_recognizer.speech_backbone import SpeechBackbone
from zoo.models.speech_recognizer.speech_recognizer_preprocessor import (
    BLANK,
    SpeechRecognizerPreprocessor,
)
from zoo.models.speech_recognizer.transcription import Transcription
from zoo.sound_files import read_sound
from zoo.typing import Shape, Tensor

FRAMES_AT_ONCE = 60_000  # of a batch, padding included: ten minutes
CONTEXT = 1_000  # frames by which a piece of longer sound overlaps its neighbours


@dataclasses.dataclass(frozen=True)
class Timestamp:
    """A character of a transcript and when it was said.

    Attributes:
        character: str.
        first_frame, end_frame: int, its first frame and the one after its last.
        start, end: float, the same in seconds; None if the model takes frames, whose spacing it
            doesn't know.
    """

    character: str
    first_frame: int
    end_frame: int
    start: float | None
    end: float | None


@keras.saving.register_keras_serializable(package="zoo")
class BlankPadding(keras.layers.Layer):
    """Logits to log-probabilities, with the blank certain at padding.

    A loss or decoder then needs no lengths: beyond the end of an utterance, every path continues
    with blanks at no cost.

    Call arguments:
        logits: float tensor `[batch, steps, 1 + labels]`, blank first.
        padding_mask: bool tensor `[batch, steps]`, False at padding.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, logits_shape: Shape, padding_mask_shape: Shape | None = None) -> None:
        self.built = True

    def call(self, logits: Tensor, padding_mask: Tensor) -> Tensor:
        logits = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
        is_blank = ops.arange(ops.shape(logits)[-1], dtype="int32") == BLANK
        certain = ops.where(is_blank, 0.0, -1e4)  # finite, so that gradients are finite too
        return ops.where(padding_mask[..., None], logits, certain)

    def compute_mask(self, logits: Tensor, mask: Tensor | None = None) -> None:
        """None: the loss counts all steps."""

    def compute_output_shape(
        self, logits_shape: Shape, padding_mask_shape: Shape | None = None
    ) -> Shape:
        return logits_shape


@register
class SpeechRecognizer(EagerPreprocessing, TaskModel, keras_hub.models.Task):
    """Recognises sentences with a recurrent encoder and connectionist temporal classification.

    The model gives the probabilities of characters, and of the blank, at each step; the probability
    of a text is the sum over all its alignments with the steps (A. Graves et al., "Connectionist
    Temporal Classification: Labelling Unsegmented Sequence Data with Recurrent Neural Networks",
    ICML 2006). `fit` takes a list of sounds, as `generate` does, and a list of their texts.

    Args:
        backbone: a `SpeechBackbone`.
        preprocessor: a `SpeechRecognizerPreprocessor`.
        dropout: float, dropout rate before the output layer.
        beam_width: int, the default beam width of `generate`; 1 is greedy.
        ngrams: `WordNgrams`, `CharacterNgrams`, the config of one, or None: the n-gram model for
            beam search.
        ngram_weight, word_bonus: float, see `PrefixBeamSearch`.

    Example:
    ```python
    model = zoo.models.SpeechRecognizer.from_preset(folder)
    model.generate([waveform])  # float array [samples], 16 kHz
    for one in model.timestamps(waveform):
        print(one.character, one.start, one.end)
    ```
    """

    task_kind = "recognition"
    output_name = "log_probabilities"
    backbone_cls = SpeechBackbone
    preprocessor_cls = SpeechRecognizerPreprocessor

    def __init__(
        self,
        backbone: SpeechBackbone,
        preprocessor: SpeechRecognizerPreprocessor,
        dropout: float = 0.0,
        beam_width: int = 1,
        ngrams: Ngrams | dict[str, Any] | None = None,
        ngram_weight: float = 0.0,
        word_bonus: float = 0.0,
        **kwargs: Any,
    ) -> None:
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.alphabet = preprocessor.alphabet
        encoded = backbone(backbone.input)
        x = keras.layers.Dropout(dropout, dtype=backbone.dtype_policy, name="output_dropout")(
            encoded["sequence"]
        )
        logits = keras.layers.Dense(1 + len(self.alphabet), dtype="float32", name="logits")
        padding = BlankPadding(dtype="float32", name="log_probabilities")
        outputs = padding(logits(x), encoded["padding_mask"])
        super().__init__(inputs=backbone.input, outputs=outputs, **kwargs)
        self.logits = logits
        self._blank_padding = padding
        self.dropout = dropout
        self.beam_width = beam_width
        self.use_ngrams(ngrams, ngram_weight, word_bonus)

    def use_ngrams(
        self, ngrams: Ngrams | dict[str, Any] | None, weight: float, word_bonus: float
    ) -> None:
        """Makes beam search use an n-gram model; the arguments are those of the class."""
        self._ngrams = from_config(ngrams) if isinstance(ngrams, dict) else ngrams
        self.ngram_weight = weight
        self.word_bonus = word_bonus

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        loss: Any = "auto",
        *,
        metrics: Any = "auto",
        **kwargs: Any,
    ) -> None:
        """As `keras.Model.compile`; "auto" is CTC, and the character error rate `cer`."""
        if loss == "auto":
            loss = CTCLoss()
        if metrics == "auto":
            metrics = [CharacterErrorRate(name="cer")]
        keras.Model.compile(self, optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    # Text

    def generate(
        self,
        inputs: Sequence[np.ndarray] | np.ndarray,
        beam_width: int | None = None,
        batch_size: int = 32,
    ) -> str | list[str]:
        """The texts of sounds.

        Args:
            inputs: list of waveforms, float arrays `[samples]` from -1 to 1 at the preprocessor's
                sampling rate, or of frames `[frames, feature_dim]`; or one array.
            beam_width: int, texts that prefix beam search keeps; 1 takes the likeliest path. By
                default the model's. The n-gram model is used only in beam search.
            batch_size: int; sounds of similar length are batched together.

        Returns:
            A list of str, in the order of `inputs`; one str for one array.

        Raises:
            ValueError: a sound is empty, has the wrong shape or has values that aren't finite.
        """
        is_single = isinstance(inputs, np.ndarray) and inputs.dtype != object
        sounds: Any = [inputs] if is_single else inputs
        rows = self.log_probabilities(sounds, batch_size)
        texts = [self.preprocessor.text(self._decode(row, beam_width)) for row in rows]
        return texts[0] if is_single else texts

    def log_probabilities(
        self, inputs: Sequence[np.ndarray] | np.ndarray, batch_size: int = 32
    ) -> list[np.ndarray]:
        """Log-probabilities of the labels at each step, the blank first.

        Sound of more than ten minutes is encoded in pieces of that length, each with ten seconds of
        context, so that memory hardly grows with it.

        Args:
            inputs, batch_size: see `generate`.

        Returns:
            A list of float32 arrays `[steps, 1 + characters]`, in the order of `inputs`.
        """
        frames, kept, counts = [], [], []
        for one in inputs:
            of_sound = self.preprocessor.frames(one)
            pieces = _pieces(len(of_sound), self.backbone.stack)
            counts.append(len(pieces))
            for piece, steps in pieces:
                frames.append(of_sound[piece])
                kept.append(steps)
        order = sorted(range(len(frames)), key=lambda index: len(frames[index]))
        found = [None] * len(frames)
        for chosen in _batches(order, frames, batch_size):
            rows = self.predict_on_batch([frames[index] for index in chosen])
            for index, row in zip(chosen, rows, strict=True):
                found[index] = row[kept[index]]
        pieces = iter(found)
        return [np.concatenate(list(itertools.islice(pieces, count))) for count in counts]

    def timestamps(self, input: np.ndarray, beam_width: int | None = None) -> list[Timestamp]:
        """The characters of a sound's text with their times.

        Args:
            input: one sound, see `generate`.
            beam_width: see `generate`.

        Returns:
            A list of `Timestamp`: the likeliest times of the characters, given the text. CTC may
            emit a character at a single step, and blanks until the next one.
        """
        (row,) = self.log_probabilities([input])
        labels = self._decode(row, beam_width)
        count, seconds = len(self.preprocessor.frames(input)), self.preprocessor.frame_seconds
        found = []
        for label, steps in zip(labels, align(row, labels), strict=True):
            first, end = (min(step * self.backbone.stack, count) for step in steps)
            times = (None, None) if seconds is None else (first * seconds, end * seconds)
            found.append(Timestamp(self.alphabet[label - 1], first, end, *times))
        return found

    def _decode(self, row, beam_width=None):
        beam_width = self.beam_width if beam_width is None else beam_width
        if beam_width < 1:
            raise ValueError(f"`beam_width` must be at least 1. Received: {beam_width}")
        if beam_width == 1:
            return greedy_labels(row)
        return PrefixBeamSearch(
            self.alphabet, beam_width, self._ngrams, self.ngram_weight, self.word_bonus
        )(row)

    # The protocol of task models

    @property
    def input_schema(self) -> InputSchema:
        return FRAMES if self.preprocessor.front_end is None else WAVEFORM

    def read_input(self, argument: str) -> np.ndarray:
        if self.preprocessor.front_end is None:
            return read_array(argument, FRAMES, f"[frames, {self.backbone.feature_dim}]")
        if not argument:
            raise ValueError("This model takes files: give a path. Received an empty line.")
        return read_sound(argument, self.preprocessor.sampling_rate)

    def answers(self, inputs: Sequence[Any]) -> list[dict[str, Any]]:
        """The text of each sound, as `generate` returns it.

        Args:
            inputs: list of raw inputs.

        Returns:
            A list of dicts `{"output": str}`, in the order of `inputs`.
        """
        return [{"output": text} for text in self.generate(self.input_schema.parse_all(inputs))]

    def answer_text(self, answer: dict[str, Any]) -> str:
        return answer["output"]

    def transcribe(self, inputs: Iterable[Any]) -> list[str]:
        return list(self.generate(list(inputs)))

    def stream_obstacle(self) -> str | None:
        return self.backbone.stream_obstacle()

    def open_stream(self) -> Transcription:
        return Transcription(self)

    def continued(
        self, piece: tuple[Tensor, Tensor], states: dict[str, Any]
    ) -> tuple[Tensor, dict[str, Any]]:
        """Reads a piece of a sound, outside training.

        Args:
            piece, states: as the backbone's `continued` takes them.

        Returns:
            `(log_probabilities, states)`: float32 `[batch, steps, 1 + characters]`, and the states
            after the piece.
        """
        sequence, states = self.backbone.continued(piece, states)
        mask = ops.ones_like(sequence[..., 0], "bool")
        return self._blank_padding(self.logits(sequence), mask), states

    @property
    def default_length(self) -> int:
        """Two seconds of a waveform, or 200 frames."""
        return 200 if self.preprocessor.front_end is None else 2 * self.preprocessor.sampling_rate

    def export_network(self) -> keras.Model:
        """The network with its front end: sounds in, log-probabilities of characters out."""
        front_end = self.preprocessor.front_end_layer
        if front_end is None:
            return super().export_network()
        audio = keras.Input((None,), dtype="float32", name="audio")
        padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
        frames, mask = front_end(audio, padding_mask)
        outputs = self({"frames": frames, "padding_mask": mask})
        return keras.Model({"audio": audio, "padding_mask": padding_mask}, outputs)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dropout": self.dropout,
            "beam_width": self.beam_width,
            "ngrams": self._ngrams and self._ngrams.get_config(),
            "ngram_weight": self.ngram_weight,
            "word_bonus": self.word_bonus,
        }


def _pieces(count, stack):
    """Divides a number of frames: a list of pairs of the frames of a piece with its context, and of
    its steps without it, both as slices."""
    size, context = (number // stack * stack for number in (FRAMES_AT_ONCE, CONTEXT))
    found = []
    for start in range(0, count, size):
        first, end = max(0, start - context), min(count, start + size)
        steps = slice((start - first) // stack, -(-(end - first) // stack))
        found.append((slice(first, end + context), steps))
    return found


def _batches(order, frames, batch_size):
    """Splits indices, sorted by length, into batches of limited size."""
    batch = []
    for index in order:
        if batch and (
            len(batch) == batch_size or (len(batch) + 1) * len(frames[index]) > FRAMES_AT_ONCE
        ):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
