"""Recognition: transcribes speech, given as frames or waveforms."""

import collections
import functools
import time
from typing import Literal

import numpy as np
import pydantic

from benchmarks import plots
from benchmarks.metrics import CER, WER
from benchmarks.tasks.batches import Batches
from benchmarks.tasks.recognition import word_hmm
from benchmarks.tasks.recognition.augmentation import stretched, warped
from benchmarks.tasks.recognition.errors import counts, error_rate
from benchmarks.tasks.task import Baseline, Evaluation, Examples, ModelConfig, Task
from zoo import models
from zoo.datasets.errors import DatasetError
from zoo.models.audio import front_ends
from zoo.models.speech_recognizer.ngrams import CharacterNgrams, WordNgrams
from zoo.models.speech_recognizer.prefix_beam_search import PrefixBeamSearch
from zoo.models.speech_recognizer.speech_backbone import NORMALIZATIONS, SUBSAMPLINGS

LISTED = 10  # transcripts in the text artifact
HMM_WORDS = 50  # the largest vocabulary with one model per word
NGRAMS = {one.unit: one for one in (WordNgrams, CharacterNgrams)}
FRONT_END = "sphinx_cepstra"  # of waveforms, unless the suite says otherwise


class Recognition(Task):
    """Recognises sentences with a recurrent `SpeechRecognizer`.

    The dataset has a feature `text`, and `audio`, 1-D waveforms, or `frames`, `[time, features]`.
    A text may be a sequence of classes, whose names are its words.
    The metric is the word error rate on the test split, and the character error rate of the
    likeliest path on validation.
    """

    metric = WER
    validation_metric = CER
    target_feature = "text"
    supports = ("fit", "word_ngrams", "character_ngrams")
    baselines = ("baseline", "baseline_hmm")

    class Model(ModelConfig, frozen=True):
        front_end: Literal[(*front_ends.NAMES, None)] = None
        feature_dim: pydantic.PositiveInt = 13
        sampling_rate: pydantic.PositiveInt | None = None
        min_frequency: pydantic.NonNegativeFloat = 130.0
        max_frequency: pydantic.PositiveFloat = 6800.0
        stack: pydantic.PositiveInt
        # Left out of a configuration without it, so that runs older than it are found.
        subsampling: Literal[SUBSAMPLINGS] = pydantic.Field(
            "stack", exclude_if=lambda subsampling: subsampling == "stack"
        )
        normalization: Literal[NORMALIZATIONS]
        units: pydantic.PositiveInt
        num_layers: pydantic.PositiveInt
        dropout: float = pydantic.Field(ge=0, lt=1)
        noise: pydantic.NonNegativeFloat
        stretch: float = pydantic.Field(0.0, ge=0, lt=1)
        warp: float = pydantic.Field(0.0, ge=0, lt=1)
        time_masks: pydantic.NonNegativeInt = 0
        time_width: pydantic.NonNegativeInt = 0
        feature_masks: pydantic.NonNegativeInt = 0
        feature_width: pydantic.NonNegativeInt = 0
        beam_width: pydantic.PositiveInt = 1

    def __init__(self, read, features, data):
        super().__init__(read, features, data)
        self.feature = "audio" if "audio" in features else "frames"

    def read_examples(self, split):
        data = self.read(split)
        texts = self._texts(data["text"])
        for text in texts:
            if not text.strip():
                raise DatasetError(
                    f"The split {split!r} has an empty transcript. Write down what is said, or "
                    "leave the recording out."
                )
        return Examples(list(map(_sound, data[self.feature])), texts)

    def _texts(self, column):
        names = getattr(getattr(self.features["text"], "feature", None), "names", None)
        if names is None:
            return column
        return [" ".join(names[index] for index in classes) for classes in column]

    def build(self, config):
        examples, model = self.examples("train"), config.model
        of_frames = self.feature == "frames"
        backbone = models.SpeechBackbone(
            config.architecture,
            feature_dim=examples.inputs[0].shape[1] if of_frames else model.feature_dim,
            units=model.units,
            num_layers=model.num_layers,
            stack=model.stack,
            subsampling=model.subsampling,
            normalization=model.normalization,
            dropout=model.dropout,
            noise=model.noise,
            time_masks=model.time_masks,
            time_width=model.time_width,
            feature_masks=model.feature_masks,
            feature_width=model.feature_width,
        )
        preprocessor = models.SpeechRecognizerPreprocessor(
            alphabet="".join(sorted(set("".join(examples.targets)))),
            feature_dim=backbone.feature_dim,
            front_end=model.front_end or (None if of_frames else FRONT_END),
            sampling_rate=model.sampling_rate or self._sampling_rate(),
            min_frequency=model.min_frequency,
            max_frequency=model.max_frequency,
        )
        backbone.adapt([preprocessor.frames(one) for one in examples.inputs])
        return models.SpeechRecognizer(
            backbone, preprocessor, dropout=model.dropout, beam_width=model.beam_width
        )

    def _sampling_rate(self):
        """In Hz; 16000 if the dataset doesn't specify it or has no audio."""
        return getattr(self.features[self.feature], "sample_rate", None) or 16000

    def batches(self, model, examples, config, batch_size=32):
        preprocessor, settings = model.preprocessor, config.model
        frames = [preprocessor.frames(one) for one in examples.inputs]
        labels = preprocessor.labels(examples.targets)
        edges = settings.min_frequency, settings.max_frequency

        def augmented(one, generator):
            if settings.stretch:
                widest = settings.stretch
                one = stretched(one, generator.uniform(1 - widest, 1 + widest))
            return warped(one, settings.warp, generator, edges) if settings.warp else one

        def columns(chosen, generator):
            clips = [frames[index] for index in chosen]
            if generator is not None:
                clips = [augmented(clip, generator) for clip in clips]
            longest = max(1, np.count_nonzero(labels[chosen], axis=1).max())
            return preprocessor(clips), labels[chosen, :longest]

        return Batches(examples, columns, [len(one) for one in frames], batch_size)

    def evaluate(self, model, config):
        test = self.examples("test")
        outputs = model.generate(test.inputs)
        figure = _alignment(model, self.plotted_input())
        return transcripts(test.targets, outputs, {"alignment": figure})

    def add_ngrams(self, model, unit, order, beam_width, candidates):
        """Makes a recogniser's beam search use an n-gram model of the training transcripts.

        Args:
            model: a trained `SpeechRecognizer`.
            unit: str, `"word"` or `"character"`.
            order: int, length of the longest n-gram.
            beam_width: int.
            candidates: list of pairs of the n-gram model's weight and the bonus for each word. The
                pair with the lowest word error rate on the validation split is kept, then the
                lowest character error rate.

        Returns:
            A dict of the validation metrics, by their names in MLflow.
        """
        ngrams = NGRAMS[unit].fit(self.examples("train").targets, order)
        validation = self.examples("validation")
        rows = model.log_probabilities(validation.inputs)

        def rates(pair):
            search = PrefixBeamSearch(model.alphabet, beam_width, ngrams, *pair)
            texts = [model.preprocessor.text(search(row)) for row in rows]
            return tuple(error_rate(metric, validation.targets, texts)[0] for metric in (WER, CER))

        found = {pair: rates(pair) for pair in candidates}
        best = min(candidates, key=found.get)
        model.beam_width = beam_width
        model.use_ngrams(ngrams, *best)
        wer, cer = found[best]
        return {"val/cer": cer, "val/wer": wer}

    def baseline(self):
        """Answers with the most frequent transcript of the training split, whatever is said."""
        start = time.perf_counter()
        ((text, _),) = collections.Counter(self.examples("train").targets).most_common(1)
        seconds = time.perf_counter() - start
        targets = self.examples("test").targets
        return Baseline(
            name=f"always the most frequent transcript, {text!r}",
            seconds=seconds,
            parameters=len(text),
            evaluation=transcripts(targets, [text] * len(targets)),
        )

    def baseline_hmm(self):
        """One hidden Markov model per word, decoded by Viterbi's algorithm over the string."""
        splits = {split: self.examples(split) for split in ("train", "validation", "test")}
        words = word_hmm.vocabulary(splits["train"].targets)
        if len(words) > HMM_WORDS:
            raise DatasetError(
                "One hidden Markov model per word needs a vocabulary of at most "
                f"{HMM_WORDS} words. Received: {len(words)} words. Leave `baseline_hmm` out."
            )
        frames = {
            split: [word_hmm.with_slopes(self._cepstra(one)) for one in found.inputs]
            for split, found in splits.items()
        }
        start = time.perf_counter()
        model = word_hmm.WordHMM(words).fit(frames["train"], splits["train"].targets)
        word_hmm.best_insertion(
            model,
            frames["validation"],
            splits["validation"].targets,
            lambda texts, found: counts(WER, texts, found)[0].sum(),
            candidates=[-40.0, -20.0, -10.0, 0.0],
        )
        seconds = time.perf_counter() - start
        return Baseline(
            name=f"a hidden Markov model of {word_hmm.STATES} states a word, Viterbi",
            seconds=seconds,
            parameters=model.parameters,
            evaluation=transcripts(
                splits["test"].targets, list(map(model.recognise, frames["test"]))
            ),
        )

    @functools.cached_property
    def _cepstra(self):
        """A function from a sound to its frames, MFCC for a waveform."""
        if self.feature == "frames":
            return lambda frames: frames
        return models.SpeechRecognizerPreprocessor(
            "", front_end="mfcc", sampling_rate=self._sampling_rate()
        ).frames

    def example(self):
        return _sound(super().example())

    def plotted_input(self):
        return _sound(super().plotted_input())

    def example_for(self, model):
        """An example; where the dataset has frames and the model takes waveforms, quiet noise of
        the same length."""
        found = self.example()
        if model.input_schema.rank == found.ndim:
            return found
        samples = len(found) * model.preprocessor.front_end_layer.frame_step
        return np.random.default_rng(0).normal(0, 0.01, samples).astype("float32")


def transcripts(references, hypotheses, figures=None):
    """Evaluates transcripts: word and character error rates, and the first ten as a text.

    Args:
        references: list of str.
        hypotheses: list of str.
        figures: dict of Matplotlib figures by name.

    Returns:
        An `Evaluation`.
    """
    value, interval = error_rate(WER, references, hypotheses)
    cer, (low, high) = error_rate(CER, references, hypotheses)
    exact = [one == other for one, other in zip(references, hypotheses, strict=True)]
    listed = zip(references[:LISTED], hypotheses[:LISTED], strict=True)
    return Evaluation(
        value=value,
        interval=interval,
        signature=(
            f"jiwer's word error rate over {sum(len(one.split()) for one in references)} words of "
            f"{len(references)} utterances, 95 % bootstrap interval over utterances"
        ),
        details={
            "cer": cer,
            "cer_low": low,
            "cer_high": high,
            "sentence_accuracy": float(np.mean(exact)),
        },
        figures=figures or {},
        texts={"transcripts.txt": "".join(f"said:    {a}\nwritten: {b}\n\n" for a, b in listed)},
    )


def _sound(sound):
    """A sound as float32; 16-bit integer samples are scaled to [-1, 1)."""
    scale = 32768 if np.issubdtype(sound.dtype, np.integer) else 1
    return (sound / scale).astype("float32")


def _alignment(model, sound):
    """A figure of a sound's frames with the characters at their positions."""
    found = model.timestamps(sound)
    return plots.alignment(
        model.preprocessor.frames(sound),
        [(one.character, one.first_frame, one.end_frame) for one in found],
    )
