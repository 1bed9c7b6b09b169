"""Pretraining: what is learned, without leaking targets, and how it is cached and resumed."""

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


def cycle(length=16 * 400):
    """Subwords in a repeating order, so each determines its neighbours."""
    return np.arange(length) % 20


def noise(length=16 * 400):
    """Random subwords, which can't be predicted."""
    return np.random.default_rng(0).integers(0, 20, length)


@pytest.mark.parametrize("architecture", ["gru", "bigru"])
def test_regular_text_is_predicted_and_noise_is_not(architecture):
    """If a direction saw its targets, noise would be predicted too."""
    assert pretrain(backbone(architecture), cycle(), 1, epochs=4, seed=0)[0] < 0.2
    assert pretrain(backbone(architecture), noise(), 1, epochs=4, seed=0)[0] > 1.5


def test_with_a_wider_window_the_target_is_ambiguous():
    narrow, wide = (pretrain(backbone(), cycle(), window, 4, seed=0)[0] for window in (1, 4))
    assert narrow < 0.2
    assert np.log(4) * 0.8 < wide < np.log(20) * 0.8  # one of four, equally likely


def test_the_embedding_and_both_directions_are_trained():
    model = backbone("bigru")
    before = model.get_weights()
    done = []
    pretrain(model, cycle(), 1, 1, seed=0, progress=done.append)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.abs(new - old).max() > 1e-4
    assert done == sorted(done)
    assert done[-1] == 1


def test_the_same_seed_reproduces_the_loss():
    first, again, other = (pretrain(backbone(), cycle(), 2, 1, seed=seed)[0] for seed in (0, 0, 1))
    assert first == again != other


def test_targets_stay_inside_their_piece():
    piece = np.arange(12).reshape(2, 6)
    generator = np.random.default_rng(0)
    for direction in (1, -1):
        target, is_inside = pretraining._sample_targets(piece, direction, 3, generator)
        distance = (target - piece) * direction
        assert ((distance >= 1) & (distance <= 3))[is_inside].all()
        assert (target // 6 == piece // 6).all()
        end = 5 if direction == 1 else 0
        assert not is_inside[:, end].any()


def test_a_text_shorter_than_a_batch_suffices():
    assert np.isfinite(pretrain(backbone(), cycle(40), 1, 2, seed=0)[0])


def test_pretrained_weights_are_cached(monkeypatch, tmp_path):
    monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path))

    def once(model, token_ids, window, epochs, seed):
        return Pretrain(epochs=epochs, window=window).pretrained(model, token_ids, seed)

    first, again = backbone(), backbone()
    loss, seconds = once(first, cycle(), 1, 1, seed=0)
    monkeypatch.setattr(pretraining, "pretrain", None)  # so that pretraining again fails
    assert once(again, cycle(), 1, 1, seed=0) == (loss, seconds)
    for one, other in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    changes = [(cycle(), 2, 1, 0), (cycle(), 1, 2, 0), (noise(), 1, 1, 0), (cycle(), 1, 1, 7)]
    for settings in changes:
        with pytest.raises(TypeError):
            once(backbone(), *settings)
    again.token_embedding.embeddings.assign_add(np.ones((20, 8)))
    for different in (backbone("lstm"), again):  # another architecture, other initial weights
        with pytest.raises(TypeError):
            once(different, cycle(), 1, 1, seed=0)
    monkeypatch.setattr(Pretrain, "VERSION", 0)
    with pytest.raises(TypeError):
        once(backbone(), cycle(), 1, 1, seed=0)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_a_killed_pretraining_resumes_from_its_last_pass(monkeypatch, tmp_path):
    uninterrupted = backbone("bigru")
    expected, _ = pretrain(uninterrupted, cycle(), 2, 3, seed=0)
    checkpoint = Checkpoint(tmp_path / "passes")

    def kill_in_the_third_pass(part):
        if part > 0.8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(backbone("bigru"), cycle(), 2, 3, 0, kill_in_the_third_pass, checkpoint)
    parts, resumed = [], backbone("bigru")
    loss, seconds = pretrain(resumed, cycle(), 2, 3, 0, parts.append, checkpoint)
    assert min(parts) > 2 / 3
    assert seconds > 0
    assert loss == expected
    for one, other in zip(uninterrupted.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_step_pretrains_on_training_and_unlabelled_texts(monkeypatch, tmp_path):
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
    train(training, (step,))  # reuses the result, so its time counts once
    assert log.seconds == 20.0
