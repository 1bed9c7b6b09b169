"""Presets: their cards are true, they answer, and damage is told before anything is built."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

import zoo
from zoo import cli, pretrained

PRESETS = zoo.list_presets()


@pytest.fixture
def damaged(tmp_path, monkeypatch):
    """A copy of one preset, under its own name in another folder of presets."""
    name = PRESETS[0]
    shutil.copytree(pretrained.PRESETS / name, tmp_path / name)
    monkeypatch.setattr(pretrained, "PRESETS", tmp_path)
    return tmp_path / name


@pytest.mark.parametrize("name", PRESETS)
def test_a_card_tells_the_truth(name):
    card = zoo.card(name)
    folder = pretrained.PRESETS / name
    assert card.preset == name
    assert card.sha256 == pretrained.digests(folder)
    assert card.bytes == sum((folder / file).stat().st_size for file in card.sha256)
    assert card.interval[0] < card.value < card.interval[1]
    assert card.value in card.seeds
    model = zoo.load(name)
    assert model.count_params() == card.parameters
    assert model.backbone.architecture == card.architecture


def test_presets_answer_raw_input():
    probabilities = zoo.load("rotten_tomatoes_gru").predict(["a wonderful film", "a dull mess"])
    assert probabilities.argmax(axis=1).tolist() == [1, 0]
    (answer,) = zoo.load("home_assistant_en_de_gru").generate(["Password"])
    assert answer == "Passwort"
    frames = np.zeros((9, 12), "float32")
    assert zoo.load("japanese_vowels_lstm").predict([frames]).shape == (1, 9)


def test_names_are_listed_naturally_sorted_and_matched(tmp_path, monkeypatch):
    for name in ("imdb_lstm_10", "imdb_lstm_9", "other_rnn"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.json").write_text("{}")
    monkeypatch.setattr(pretrained, "PRESETS", tmp_path)
    assert zoo.list_presets("imdb*") == ["imdb_lstm_9", "imdb_lstm_10"]


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(zoo.PresetError, match="Did you mean 'rotten_tomatoes_lstm'"):
        zoo.load("rotten_tomatos_lstm")


def test_damage_is_told(damaged):
    weights = damaged / "model.weights.h5"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1])
    with pytest.raises(zoo.PresetError, match=r"model\.weights\.h5 .* is damaged"):
        zoo.load(damaged.name)
    weights.unlink()
    with pytest.raises(zoo.PresetError, match=r"lacks its file model\.weights\.h5"):
        zoo.load(damaged.name)
    (damaged / "card.json").write_text("{")
    with pytest.raises(zoo.PresetError, match="can't be read"):
        zoo.load(damaged.name)


def test_a_newer_format_is_refused(damaged):
    card = dataclasses.asdict(zoo.card(damaged.name)) | {"format": 2}
    (damaged / "card.json").write_text(json.dumps(card))
    with pytest.raises(zoo.PresetError, match="has format 2, this version of the zoo reads"):
        zoo.load(damaged.name)


def test_the_command_answers_in_order_as_json(capsys):
    texts = ["a dull mess", "a wonderful film", ""]
    assert cli.main(["predict", "rotten_tomatoes_gru", *texts, "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["input"] for answer in answers] == texts
    assert [answer["label"] for answer in answers[:2]] == ["negative", "positive"]
    assert sum(answers[0]["probabilities"].values()) == pytest.approx(1)


def test_the_command_reads_lines(capsys, monkeypatch):
    monkeypatch.setattr(cli.sys, "stdin", _Lines(["Password\n", "Host\n"]))
    assert cli.main(["predict", "home_assistant_en_de_gru", "-", "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["input"] for answer in answers] == ["Password", "Host"]
    assert all(isinstance(answer["output"], str) for answer in answers)


class _Lines(list):
    def isatty(self):
        return False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["info", "nothing"], "There is no preset"),
        (["list", "nothing*"], "No preset matches"),
        (["predict", "japanese_vowels_gru", "some.wav"], "give the path of a NumPy file"),
        (["predict", "japanese_vowels_gru", "missing.npy"], "missing.npy"),
    ],
)
def test_the_command_says_what_is_wrong_in_one_line(arguments, message, capsys):
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_command_lists_every_preset(capsys):
    assert cli.main(["list"]) == 0
    table = capsys.readouterr().out
    assert all(name in table for name in PRESETS)
