"""Language modelling: splits, metrics and the baseline."""

import dataclasses
import math

import keras
import numpy as np
import pytest

from benchmarks import config
from benchmarks.recipes import Training, train
from benchmarks.recipes.ensemble import Ensemble
from benchmarks.recipes.run_log import RunLog
from benchmarks.recipes.truncated_bptt import TruncatedBPTT
from benchmarks.tasks import TASKS
from benchmarks.tasks.language_modelling import BLOCK, LanguageModelling
from zoo.datasets.errors import DatasetError

MODEL = {
    "unit": "subword",
    "vocabulary_size": 300,
    "embedding_dim": 4,
    "units": 4,
    "num_layers": 1,
    "dropout": 0.0,
}
LINES = ["the king is dead\n", "long live the queen\n", "who goes there\n"]


def task_of(**splits):
    read = lambda split: {"text": splits[split]}
    return TASKS["language_modelling"](read, {"text": None}, "none")


def configured(**model):
    (run,) = config.load("standard", tasks=["tiny_shakespeare"], chosen=["gru"], seeds=1)
    return run.model_copy(update={"model": LanguageModelling.Model(**MODEL | model)})


@pytest.fixture(scope="module")
def plays():
    return task_of(train=["".join(LINES) * 20] * 3, validation=LINES * 5, test=LINES[::-1] * 40)


@pytest.fixture(scope="module")
def model(plays):
    keras.utils.set_random_seed(0)
    return plays.build(configured())


def test_bits_per_character_are_those_of_the_whole_text_with_states_carried(plays, model):
    evaluation = plays.evaluate(model, configured())
    text = "".join(LINES[::-1] * 40)
    bits = -model.score(text).sum(dtype="float64") / len(text) / math.log(2)
    assert plays.metric.name == "bits_per_character"
    assert evaluation.value == pytest.approx(bits, rel=1e-5)
    assert evaluation.details["nats_per_character"] == pytest.approx(bits * math.log(2), rel=1e-5)
    low, high = evaluation.interval
    assert low <= evaluation.value <= high
    assert evaluation.texts["samples.txt"]


def test_the_metric_of_blocks_reads_each_block_without_the_text_before(plays, model):
    evaluation = plays.evaluate(model, configured())
    tokens = np.concatenate(plays.documents(model, plays.examples("test")))
    tokens = np.concatenate([model.preprocessor.token_ids([""])[0], tokens])
    blocks = [tokens[start : start + BLOCK] for start in range(0, len(tokens), BLOCK)]
    scores = np.concatenate(model.score_token_ids([block for block in blocks if len(block) > 1]))
    characters = sum(map(len, plays.examples("test").inputs))
    bits = -scores.mean() * (len(tokens) - 1) / characters / math.log(2)
    assert evaluation.details["bits_per_character_of_blocks"] == pytest.approx(bits, rel=1e-4)


def test_a_corpus_with_unknown_words_is_measured_by_the_perplexity_per_word():
    lines = [" the <unk> <unk> dead \n", " long live the <unk> \n"]
    words = task_of(train=lines * 20, validation=lines, test=lines * 20)
    assert words.metric.name == "perplexity"
    keras.utils.set_random_seed(0)
    model = words.build(configured(unit="word"))
    (ids,) = words.documents(model, dataclasses.replace(words.examples("test"), inputs=lines[:1]))
    pieces = [model.preprocessor.tokenizer.id_to_token(int(i)) for i in ids]
    assert pieces == ["▁the", "▁<unk>", "▁<unk>", "▁dead", "▁\n"]
    (own,) = model.preprocessor.token_ids(["the emperor"])
    assert [model.preprocessor.tokenizer.id_to_token(i) for i in own[1:]] == ["▁the", "▁<unk>"]
    evaluation = words.evaluate(model, configured(unit="word"))
    scores = model.score("".join(lines * 20))
    assert len(scores) == 20 * 10
    assert evaluation.value == pytest.approx(np.exp(-scores.mean()), rel=1e-5)


def test_an_ensemble_of_language_models_is_trained_validated_and_measured(tmp_path):
    lines = [" the king <unk> dead \n", " long live the <unk> \n"]
    words = task_of(train=[*lines, *lines[::-1]] * 30, validation=lines * 3, test=lines * 9)
    step = TruncatedBPTT(epochs=1, batch_size=4, steps=8, learning_rate=0.01)
    recipe = {"recipe": (step, Ensemble(members=2)), "quality": 100.0}
    run = configured(unit="word").model_copy(update=recipe)
    log = RunLog(words.validation_metric, 100.0, 2, lambda **done: None, lambda values, epoch: None)
    trained = train(Training(run, words, log, tmp_path, run.seed), run.recipe)
    text = "".join(lines * 3)
    scores = trained.model.score(text)
    assert trained.best["val/perplexity"] == pytest.approx(math.exp(-scores.mean()), rel=1e-5)
    row = trained.model.preprocessor.token_ids([text])
    of_members = [np.exp(one.score_token_ids(row)[0]) for one in trained.model.members]
    assert np.abs(of_members[0] - of_members[1]).max() > 1e-3
    np.testing.assert_allclose(np.exp(scores), np.mean(of_members, axis=0), rtol=1e-4)
    evaluation = words.evaluate(trained.model, run)
    assert evaluation.details["perplexity_with_cache"] != evaluation.value


def test_the_beginning_of_a_single_document_validates_and_is_not_trained_on():
    text = "".join(f"{number} " for number in range(1000))
    single = task_of(train=[text], validation=[text], test=["1 2 3"])
    (train,), (validation,) = (single.examples(s).inputs for s in ("train", "validation"))
    assert validation + train == text
    assert len(validation) == pytest.approx(0.05 * len(text), abs=1)
    assert single.examples("test").inputs == ["1 2 3"]


def test_the_output_bias_starts_at_the_frequencies(plays, model):
    counts = np.bincount(
        np.concatenate(plays.documents(model, plays.examples("train"))),
        minlength=model.backbone.vocabulary_size,
    )
    bias = np.asarray(model.backbone.output_bias.bias)
    seen = counts > 0
    np.testing.assert_allclose(bias[seen], np.log(counts[seen] / counts.sum()), rtol=1e-5)
    assert bias[~seen].max() < bias[seen].min()


def test_the_baseline_predicts_text_like_the_training_text(plays):
    baseline = plays.baseline()
    assert baseline.evaluation.value < 1
    strange = task_of(train=["".join(LINES) * 20], validation=LINES, test=["ZQXJ" * 200])
    assert strange.baseline().evaluation.value > 5


def test_words_need_a_closed_vocabulary(plays):
    with pytest.raises(DatasetError, match="needs a corpus whose rare words are <unk>"):
        plays.check(configured(unit="word"))


def test_the_perplexity_per_word_does_not_depend_on_the_tokens():
    lines = ["the <unk> is dead\n", "long live the queen\n"]
    words = task_of(train=lines * 20, validation=lines, test=lines * 20)
    keras.utils.set_random_seed(0)
    model = words.build(configured(unit="subword"))
    scores = model.score("".join(lines * 20))
    value = words.evaluate(model, configured(unit="subword")).value
    assert value == pytest.approx(np.exp(-scores.sum(dtype="float64") / (20 * 10)), rel=1e-4)


def test_words_at_the_ends_of_lines_are_words():
    lines = [" the <unk> is dead \n", " long live the queen \n"]
    words = task_of(train=lines * 20, validation=lines, test=lines)
    preprocessor = words.build(configured(unit="word")).preprocessor
    apart, together = preprocessor.token_ids(["is dead \n long live", "is dead\nlong live"])
    assert apart == together
    assert len(apart) == 1 + 5
