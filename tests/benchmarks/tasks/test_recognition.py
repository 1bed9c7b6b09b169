"""The task recognition: error rates, augmentation, baselines, the averaged weights, and n-grams."""

import dataclasses

import jiwer
import keras
import numpy as np
import pytest

from benchmarks import config
from benchmarks.metrics import CER, WER
from benchmarks.recipes import STEPS, Training, train
from benchmarks.recipes.run_log import RunLog
from benchmarks.recipes.step import Finished
from benchmarks.tasks import TASKS
from benchmarks.tasks.recognition.augmentation import stretched, warp_matrix, warped
from benchmarks.tasks.recognition.errors import counts, error_rate
from zoo.datasets.errors import DatasetError
from zoo.models.audio.sphinx_cepstra import SphinxCepstra

WORDS = ("a", "b", "c")


def utterances(count, generator):
    """Strings of distinct words, each of which is frames around a mean of its own, and a quiet one.

    There are two words or more: what normalisation leaves of a single one hardly tells which it is.
    """
    frames, texts = [], []
    for _ in range(count):
        words = generator.permutation(len(WORDS))[: generator.integers(2, 4)]
        parts = [
            np.r_[generator.normal(0, 0.3, (7, 13)) + 3 * np.eye(13)[word], np.zeros((1, 13))]
            for word in words
        ]
        frames.append(np.concatenate(parts).astype("float32"))
        texts.append(" ".join(WORDS[word] for word in words))
    return {"frames": frames, "text": texts}


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    sizes = {"train": 120, "validation": 20, "test": 20}
    return {split: utterances(count, generator) for split, count in sizes.items()}


@pytest.fixture
def task(data):
    return TASKS["recognition"](data.get, {"frames": None, "text": None}, "none")


def run(entry="an4", suite="standard", model=None, fit=None, architecture="gru"):
    """The configuration of an entry with other keys of the model and of the step `fit`."""
    (found,) = config.load(suite, tasks=[entry], chosen=[architecture], seeds=1)
    step, *rest = found.recipe
    recipe = (step.model_copy(update=fit or {}), *rest)
    small = {"units": 12, "num_layers": 1, "stack": 1, "front_end": None, **(model or {})}
    model = found.model.model_copy(update=small)
    return found.model_copy(update={"model": model, "recipe": recipe})


def of_kind(step, name):
    """A step of n-grams of another kind, with the same keys."""
    return STEPS[name].model_validate(step.model_dump())


def trained(task, configuration, tmp_path, find=lambda config: None):
    log = RunLog(task.validation_metric, 0.0, 99, lambda **progress: None, lambda *a, **k: None)
    return train(Training(configuration, task, log, tmp_path, 0, find), configuration.recipe)


def test_error_rates_are_those_of_jiwer():
    said = ["a b c", "d e", "f"]
    written = ["a x c d", "", "f"]
    value, (low, high) = error_rate(WER, said, written)
    assert value == pytest.approx(100 * jiwer.wer(said, written))
    assert low < value < high
    assert error_rate(CER, said, written)[0] == pytest.approx(100 * jiwer.cer(said, written))
    assert error_rate(WER, said, said) == (0, (0, 0))
    errors, lengths = counts(WER, said, written)
    np.testing.assert_array_equal(errors, [2, 2, 0])
    np.testing.assert_array_equal(lengths, [3, 2, 1])


def test_stretching_changes_the_number_of_frames_alone():
    line = np.linspace(0, 1, 21, dtype="float32")[:, None]
    for factor in (0.5, 1.0, 1.4):
        found = stretched(line, factor)
        assert len(found) == round(21 * factor)
        np.testing.assert_allclose(np.diff(found[:, 0]), 1 / (len(found) - 1), rtol=1e-3)
    assert len(stretched(line[:1], 0.1)) == 1


def test_a_warp_moves_a_spectrum_to_other_frequencies():
    np.testing.assert_allclose(warp_matrix(1.0, 13, 130.0, 6800.0), np.eye(13), atol=1e-5)
    front_end = SphinxCepstra()
    generator = np.random.default_rng(0)
    time = np.arange(16000) / 16000

    def vowel(scale):
        tones = sum(np.sin(2 * np.pi * scale * f * time) for f in (500, 1500, 2500))
        sound = 0.2 * tones + generator.normal(0, 0.01, len(time))
        frames, _ = front_end(sound[None].astype("float32"), np.ones((1, len(time)), bool))
        return np.asarray(frames)[0, 2:90].mean(axis=0)

    plain, higher = vowel(1.0), vowel(1.12)
    distance = lambda scale: np.abs(plain @ warp_matrix(scale, 13, 130.0, 6800.0) - higher)[
        1:
    ].sum()
    assert distance(1.12) < 0.7 * distance(1.0)
    assert distance(1.12) < distance(0.9)
    frames = np.stack([plain] * 3)
    drawn = {warped(frames, 0.12, generator, (130.0, 6800.0)).tobytes() for _ in range(20)}
    assert len(drawn) > 5


def test_augmentation_applies_only_to_training(task):
    configuration = run(model={"stretch": 0.3, "warp": 0.1})
    model = task.build(configuration)
    examples = task.examples("train")
    lengths = sorted(map(len, examples.inputs))
    found = {}
    for shuffled in (False, True):
        batches = task.batches(model, examples, configuration, 120)
        if shuffled:
            batches.shuffle(0)
        found[shuffled] = sorted(
            length
            for x, _ in batches.dataset
            for length in np.asarray(x["padding_mask"]).sum(axis=1)
        )
    assert found[False] == lengths
    assert found[True] != lengths


def test_an_empty_transcript_is_refused(task, data):
    data["train"]["text"][3] = " "
    with pytest.raises(DatasetError, match="'train' has an empty transcript"):
        task.examples("train")


def test_waveforms_are_read_at_the_rate_of_the_dataset(data):
    sounds = {
        split: {
            "audio": [(1000 * np.sin(np.arange(900 + 50 * i))).astype("int16") for i in range(8)],
            "text": ["go no"] * 8,
        }
        for split in data
    }
    feature = dataclasses.make_dataclass("Audio", ["sample_rate"])(8000)
    task = TASKS["recognition"](sounds.get, {"audio": feature, "text": None}, "none")
    configuration = run(
        model={"front_end": "mfcc", "feature_dim": 5, "max_frequency": 3800.0, "warp": 0.0}
    )
    model = task.build(configuration)
    assert model.preprocessor.sampling_rate == 8000
    assert np.abs(task.examples("test").inputs[0]).max() < 0.05
    assert task.example().dtype == np.float32
    evaluation = task.evaluate(model, configuration)
    assert evaluation.value >= 0
    assert evaluation.texts["transcripts.txt"].count("said:") == 8
    assert "alignment" in evaluation.figures


def test_the_hidden_markov_model_recognises_strings(task):
    pytest.importorskip("hmmlearn")
    found = task.baseline_hmm()
    assert found.evaluation.value < 5
    assert found.parameters == 3 * 6 * (26 + 26 + 1)
    assert task.baseline().evaluation.value > 40


def test_the_hidden_markov_model_recognises_sound():
    pytest.importorskip("hmmlearn")
    generator = np.random.default_rng(0)
    tones = {"low": 300, "high": 2000}

    def sound(words):
        parts = []
        for word in words:
            tone = np.sin(2 * np.pi * tones[word] * np.arange(1600) / 8000)
            parts += [0.3 * tone, np.zeros(400)]
        return np.concatenate(parts) + generator.normal(0, 0.01, 2000 * len(words))

    data = {}
    for split in ("train", "validation", "test"):
        strings = [generator.choice(list(tones), generator.integers(2, 5)) for _ in range(20)]
        audio = [(32767 * sound(words)).astype("int16") for words in strings]
        data[split] = {"audio": audio, "text": [" ".join(words) for words in strings]}
    feature = dataclasses.make_dataclass("Audio", ["sample_rate"])(8000)
    task = TASKS["recognition"](data.get, {"audio": feature, "text": None}, "none")
    assert task.baseline_hmm().evaluation.value < 5


def test_a_sequence_of_classes_is_a_text_of_their_names(data):
    labels = {split: {**one, "text": [np.array([0, 1, 1])] * 20} for split, one in data.items()}
    label = dataclasses.make_dataclass("Label", ["names"])(["no", "yes"])
    feature = dataclasses.make_dataclass("Sequence", ["feature"])(label)
    features = {"frames": None, "text": feature}
    task = TASKS["recognition"](labels.get, features, "none")
    assert task.examples("test").targets == ["no yes yes"] * 20


def test_the_hidden_markov_model_refuses_a_large_vocabulary(task, data):
    data["train"]["text"] = [f"word{number}" for number in range(120)]
    with pytest.raises(DatasetError, match=r"at most 50 words\. Received: 120 words"):
        task.baseline_hmm()


FIT = {"epochs": 25, "batch_size": 8, "learning_rate": 0.02, "averaging": 0.9}


def test_training_recognises_and_n_grams_are_chosen_on_validation(task, tmp_path):
    quiet = {
        "units": 24,
        "dropout": 0.0,
        "noise": 0.0,
        "stretch": 0.0,
        "warp": 0.0,
        "time_masks": 0,
        "feature_masks": 0,
    }
    configuration = run("an4_bigram", model=quiet, fit=FIT, architecture="bigru")
    *before, step = configuration.recipe
    step = step.model_copy(update={"weights": (0.0, 0.5), "word_bonuses": (0.0,), "beam_width": 4})
    plain = trained(task, configuration.model_copy(update={"recipe": tuple(before)}), tmp_path)
    greedy = task.evaluate(plain.model, configuration)
    assert greedy.value < 40  # untrained, 100
    assert greedy.details["cer"] < 25
    asked = []

    def find(member):
        asked.append(member)
        return Finished(plain.model, [], 1.0, 1.0, None, "run 1")

    for name, key in (("word_ngrams", "words"), ("character_ngrams", "characters")):
        recipe = (*before, of_kind(step, name))
        configuration = configuration.model_copy(update={"recipe": recipe})
        found = trained(task, configuration, tmp_path, find)
        assert asked.pop().recipe == tuple(before)
        assert found.model is plain.model
        assert found.best.keys() == {"val/loss", "val/cer", "val/wer"}
        assert found.model.ngram_weight in (0.0, 0.5)
        ngrams = found.model.get_config()["ngrams"]
        assert ngrams["order"] == 2
        assert set(WORDS) <= set(ngrams[key])
        assert task.evaluate(found.model, configuration).value <= greedy.value + 5


def test_the_average_of_the_weights_is_validated_and_kept(task, tmp_path):
    still = run(fit={**FIT, "epochs": 1, "averaging": 0.9999999})
    kept = trained(task, still, tmp_path / "still").model
    # The average has hardly left the weights after the first step.
    moving = run(fit={**FIT, "epochs": 1, "averaging": None})
    moved = trained(task, moving, tmp_path / "moving").model
    keras.utils.set_random_seed(0)
    start = task.build(still)
    distance = lambda model, other: sum(
        np.abs(one - two).sum()
        for one, two in zip(model.get_weights(), other.get_weights(), strict=True)
    )
    assert still.digest != moving.digest
    assert 0 < distance(kept, start) < 0.2 * distance(moved, start)


def test_a_configuration_without_new_keys_is_that_of_older_runs():
    (found,) = config.load("quick", tasks=["speech"], chosen=["gru"], seeds=1)
    (step,) = found.resolved()["recipe"]
    assert "averaging" not in step
    (found,) = config.load("standard", tasks=["an4"], chosen=["gru"], seeds=1)
    (step,) = found.resolved()["recipe"]
    assert step["averaging"] == 0.995
    assert "subsampling" not in found.resolved()["model"]
    (other,) = config.load("standard", tasks=["spoken_digit_strings"], chosen=["gru"], seeds=1)
    assert other.resolved()["model"]["subsampling"] == "convolution"
    assert config.from_json(found.as_json()) == found
