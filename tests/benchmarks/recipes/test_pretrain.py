"""Pretraining on text alone: what is learned, from where, and that nothing is given away."""

import types

import keras
import numpy as np
import pytest

from benchmarks import config
from benchmarks.metrics import ACCURACY
from benchmarks.recipes import Training, train
from benchmarks.recipes import pretrain as pretraining
from benchmarks.recipes.checkpoint import Checkpoint
from benchmarks.recipes.pretrain import Pretrain, pretrain
from benchmarks.recipes.run_log import RunLog
from benchmarks.tasks import TASKS
from zoo import models


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(pretraining, "STEPS", 16)
    monkeypatch.setattr(pretraining, "PIECES", 8)
    monkeypatch.setattr(pretraining, "WARMUP", 10)
    monkeypatch.setattr(pretraining, "CANDIDATES", 40)
    monkeypatch.setattr(pretraining, "LEARNING_RATE", 0.05)


def backbone(architecture="gru"):
    keras.utils.set_random_seed(0)
    return models.TextBackbone(20, architecture, embedding_dim=8, units=16, token_dropout=0.9)


def circle(length=16 * 400):
    """Subwords in one order, so that each tells what is before and behind it."""
    return np.arange(length) % 20


def chance(length=16 * 400):
    return np.random.default_rng(0).integers(0, 20, length)


@pytest.mark.parametrize("architecture", ["gru", "bigru"])
def test_what_follows_is_predicted_and_chance_is_not(architecture):
    """Where a direction saw what it is to predict, chance would be predicted as well."""
    assert pretrain(backbone(architecture), circle(), 1, epochs=4, seed=0)[0] < 0.2
    assert pretrain(backbone(architecture), chance(), 1, epochs=4, seed=0)[0] > 1.5


def test_a_wider_window_leaves_open_which_is_meant():
    narrow, wide = (pretrain(backbone(), circle(), window, 4, seed=0)[0] for window in (1, 4))
    assert narrow < 0.2
    assert np.log(4) * 0.8 < wide < np.log(20) * 0.8  # one of four, and nothing tells which


def test_embedding_and_both_directions_learn():
    model = backbone("bigru")
    before = model.get_weights()
    done = []
    pretrain(model, circle(), 1, 1, seed=0, progress=done.append)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.abs(new - old).max() > 1e-4
    assert done == sorted(done)
    assert done[-1] == 1


def test_the_same_seed_learns_the_same():
    first, again, other = (pretrain(backbone(), circle(), 2, 1, seed=seed)[0] for seed in (0, 0, 1))
    assert first == again != other


def test_targets_stay_in_their_piece():
    piece = np.arange(12).reshape(2, 6)
    generator = np.random.default_rng(0)
    for direction in (1, -1):
        target, is_inside = pretraining._ahead(piece, direction, 3, generator)
        distance = (target - piece) * direction
        assert ((distance >= 1) & (distance <= 3))[is_inside].all()
        assert (target // 6 == piece // 6).all()
        end = 5 if direction == 1 else 0
        assert not is_inside[:, end].any()


def test_a_text_shorter_than_a_batch_is_enough():
    assert np.isfinite(pretrain(backbone(), circle(40), 1, 2, seed=0)[0])


def test_what_was_pretrained_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path))

    def once(model, token_ids, window, epochs, seed):
        return Pretrain(epochs=epochs, window=window).pretrained(model, token_ids, seed)

    first, again = backbone(), backbone()
    loss, seconds = once(first, circle(), 1, 1, seed=0)
    monkeypatch.setattr(pretraining, "pretrain", None)  # it can't be done once more
    assert once(again, circle(), 1, 1, seed=0) == (loss, seconds)
    for one, other in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    otherwise = [(circle(), 2, 1, 0), (circle(), 1, 2, 0), (chance(), 1, 1, 0), (circle(), 1, 1, 7)]
    for settings in otherwise:
        with pytest.raises(TypeError):
            once(backbone(), *settings)
    again.token_embedding.embeddings.assign_add(np.ones((20, 8)))
    for different in (backbone("lstm"), again):  # another architecture, another start
        with pytest.raises(TypeError):
            once(different, circle(), 1, 1, seed=0)
    monkeypatch.setattr(Pretrain, "VERSION", 0)
    with pytest.raises(TypeError):
        once(backbone(), circle(), 1, 1, seed=0)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_a_killed_pretraining_goes_on_from_its_last_pass(monkeypatch, tmp_path):
    undisturbed = backbone("bigru")
    expected, _ = pretrain(undisturbed, circle(), 2, 3, seed=0)
    checkpoint = Checkpoint(tmp_path / "passes")

    def kill_in_the_third_pass(part):
        if part > 0.8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(backbone("bigru"), circle(), 2, 3, 0, kill_in_the_third_pass, checkpoint)
    parts, resumed = [], backbone("bigru")
    loss, seconds = pretrain(resumed, circle(), 2, 3, 0, parts.append, checkpoint)
    assert min(parts) > 2 / 3
    assert seconds > 0
    assert loss == expected
    for one, other in zip(undisturbed.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_model_is_pretrained_on_all_texts_before_it_is_fitted(monkeypatch, tmp_path):
    texts = ["a fine film", "a dull film", "what a fine day", "what a dull day"] * 10
    data = {
        "train": {"text": texts, "label": [1, 0, 1, 0] * 10},
        "unlabelled": {"text": ["a film what a day"] * 20},
    }
    label = types.SimpleNamespace(names=["bad", "good"])
    task = TASKS["sentiment"](data.get, {"label": label}, "none")
    (run,) = config.load("standard", tasks=["sentiment"], chosen=["gru"], seeds=1)
    small = {"vocabulary_size": 50, "embedding_dim": 4, "embedding_window": 0}
    run = run.model_copy(update={"model": run.model.model_copy(update=small)})
    log = RunLog(ACCURACY, 0.5, 1, lambda **progress: None, None)
    seen = []

    def pretrained(step, backbone, token_ids, seed, progress):
        seen.append(len(token_ids))
        return 1.5, 20.0

    monkeypatch.setattr(Pretrain, "pretrained", pretrained)
    training = Training(run, task, log, tmp_path, 0)
    step = Pretrain(epochs=3, window=7)
    model = train(training, (step,)).model
    every = [*texts, *data["unlabelled"]["text"]]
    assert seen == [model.preprocessor(every)["padding_mask"].sum()]
    assert log.metrics == {"pretraining/loss": 1.5, "pretraining/seconds": 20.0}
    train(training, (step,))  # its result was kept, so its time counts once
    assert log.seconds == 20.0
