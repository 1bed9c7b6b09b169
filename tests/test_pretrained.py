"""Presets and the command line: loading, damage, raw inputs and answers."""

import dataclasses
import functools
import http.server
import io
import json
import os
import shutil
import threading
import time

import numpy as np
import pytest
import soundfile

import zoo
from benchmarks import config
from zoo import cli, models, preset_download, pretrained
from zoo.sound_files import read_sound

OWN = "--no-verify"  # for a folder without a card
TEXTS = ["a fine film", "a dull film, really", "what a waste of time", "great fun for all"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of presets with one small text classifier."""
    root = tmp_path_factory.mktemp("presets")
    path = root / "films_gru"
    tokenizer = models.SubwordTokenizer.train(TEXTS * 5, 60)
    backbone = models.TextBackbone(tokenizer.vocabulary_size(), "gru", embedding_dim=4, units=4)
    preprocessor = models.TextClassifierPreprocessor(tokenizer)
    model = models.TextClassifier(backbone, ["negative", "positive"], preprocessor)
    model.save_to_preset(str(path))
    fields = {field.name: field.type for field in dataclasses.fields(zoo.Card)}
    blank = {name: {int: 1, float: 0.5, str: name}.get(kind, ()) for name, kind in fields.items()}
    known = {"preset": "films_gru", "format": pretrained.FORMAT, "interval": (0.4, 0.6)}
    known |= {"sha256": pretrained.digests(path), "details": {}, "elsewhere": {}}
    card = zoo.Card(**{**blank, **known})
    (path / "card.json").write_text(json.dumps(dataclasses.asdict(card)))
    return root


@pytest.fixture
def presets(folder, tmp_path, monkeypatch):
    """A copy of that folder, as the zoo's presets."""
    shutil.copytree(folder, tmp_path / "presets")
    monkeypatch.setattr(pretrained, "PRESETS", tmp_path / "presets")
    return tmp_path / "presets"


@pytest.mark.parametrize("name", zoo.list_presets())
def test_a_card_matches_its_preset(name):
    card = zoo.card(name)
    files = pretrained.PRESETS / name
    assert card.preset == name
    assert card.sha256 == pretrained.digests(files)
    assert card.bytes == sum((files / file).stat().st_size for file in card.sha256)
    assert min(abs(card.value - value) for value in card.seeds) < 0.1
    model = zoo.load(name)
    assert model.count_params() == card.parameters
    assert model.task_kind == card.task
    # Some members, such as an n-gram classifier, have no architecture.
    known = {member.backbone.get_config().get("architecture") for member in model.members}
    (run,) = config.load(card.suite, tasks=[card.entry], chosen=[card.architecture], seeds=1)
    expected = getattr(run.recipe[-1], "architectures", ()) or [card.architecture]
    assert known - {None} == set(expected)


def test_a_preset_is_loaded_by_name_or_folder(presets):
    model = zoo.load("films_gru")
    probabilities = model.predict(TEXTS)
    assert model.labels == ["negative", "positive"]
    assert (probabilities.shape, probabilities.dtype) == ((4, 2), np.float32)
    of_folder = zoo.load(str(presets / "films_gru")).predict(TEXTS)
    np.testing.assert_array_equal(of_folder, probabilities)


def test_presets_are_listed_in_natural_order_and_matched(presets):
    for name in ("imdb_lstm_10", "imdb_lstm_9"):
        (presets / name).mkdir()
        (presets / name / "card.json").write_text("{}")
    assert zoo.list_presets("imdb*") == ["imdb_lstm_9", "imdb_lstm_10"]
    assert "films_gru" in zoo.list_presets()


def test_an_unknown_preset_names_the_nearest(presets):
    with pytest.raises(zoo.PresetError, match="Did you mean 'films_gru'"):
        zoo.load("film_gru")


def test_an_unknown_mlflow_uri_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(zoo.PresetError, match="MLflow can't load models:/nothing@champion: "):
        zoo.load("models:/nothing@champion")


def test_damage_is_named(presets):
    weights = presets / "films_gru" / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(zoo.PresetError, match=r"model\.weights\.h5 .* is damaged"):
        zoo.load("films_gru")
    weights.unlink()
    with pytest.raises(zoo.PresetError, match=r"lacks its file model\.weights\.h5"):
        zoo.load(os.path.relpath(presets / "films_gru"))
    (presets / "films_gru" / "card.json").write_text("{")
    with pytest.raises(zoo.PresetError, match="can't be read"):
        zoo.load("films_gru")


@pytest.fixture
def without_weights(presets, folder, tmp_path, monkeypatch):
    """That preset as a wheel carries it, with the folder that has its weights as the source."""
    (presets / "films_gru" / "model.weights.h5").unlink()
    monkeypatch.setenv("ZOO_PRESETS", str(folder))
    monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path / "cache"))


@pytest.mark.usefixtures("without_weights")
def test_weights_that_are_not_installed_are_downloaded_once(presets, folder, monkeypatch):
    expected = zoo.load(str(folder / "films_gru")).predict(TEXTS)
    np.testing.assert_array_equal(zoo.load("films_gru").predict(TEXTS), expected)
    monkeypatch.setenv("ZOO_PRESETS", "/nowhere")
    np.testing.assert_array_equal(zoo.load("films_gru").predict(TEXTS), expected)


@pytest.mark.usefixtures("without_weights")
def test_weights_are_downloaded_over_http(folder, monkeypatch):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    monkeypatch.setattr(handler.func, "log_message", lambda *arguments: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setenv("ZOO_PRESETS", f"http://127.0.0.1:{server.server_port}/")
        try:
            assert zoo.load("films_gru").labels == ["negative", "positive"]
        finally:
            server.shutdown()


@pytest.mark.usefixtures("without_weights")
def test_weights_that_cannot_be_had_leave_nothing_behind(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_PRESETS", str(tmp_path / "nowhere"))
    with pytest.raises(zoo.PresetError, match=r"not part of this .*/nowhere/.*Set ZOO_PRESETS"):
        zoo.load("films_gru")
    shutil.copytree(folder, tmp_path / "other")
    (tmp_path / "other" / "films_gru" / "model.weights.h5").write_bytes(b"damaged")
    monkeypatch.setenv("ZOO_PRESETS", str(tmp_path / "other"))
    with pytest.raises(zoo.PresetError, match=r"model\.weights\.h5 is not the file that the card"):
        zoo.load("films_gru")
    assert list((tmp_path / "cache" / "presets").iterdir()) == []


def test_the_release_has_the_presets_of_its_version():
    assert preset_download._of_release().endswith(f"/raw/v{zoo.__version__}/zoo/presets")


def test_another_format_is_refused(presets):
    card = dataclasses.asdict(zoo.card("films_gru")) | {"format": 2}
    (presets / "films_gru" / "card.json").write_text(json.dumps(card))
    with pytest.raises(zoo.PresetError, match="has format 2, this version of the zoo reads"):
        zoo.load("films_gru")


def test_a_preset_of_an_unknown_class_is_refused(presets):
    path = presets / "films_gru" / "task.json"
    path.write_text(path.read_text().replace('"TextClassifier"', '"TextClassifer"'))
    (presets / "films_gru" / "card.json").unlink()
    message = r"no model 'TextClassifer'\. Did you mean 'TextClassifier'"
    with pytest.raises(zoo.PresetError, match=message):
        zoo.load(presets / "films_gru", verify=False)


def sign(folder):
    """Makes the card of a folder agree with its files."""
    card = json.loads((folder / "card.json").read_text())
    card["sha256"] = pretrained.digests(folder)
    (folder / "card.json").write_text(json.dumps(card))


def test_a_folder_without_a_card_is_loaded_on_demand_alone(presets):
    (presets / "films_gru" / "card.json").unlink()
    with pytest.raises(zoo.PresetError, match=r"no card\.json .* verify=False\), .* --no-verify"):
        zoo.load(presets / "films_gru")
    assert zoo.load(presets / "films_gru", verify=False).labels == ["negative", "positive"]


def test_a_file_that_the_card_does_not_list_is_refused(presets):
    folder = presets / "films_gru"
    (folder / "assets" / "more.txt").write_text("more")
    with pytest.raises(zoo.PresetError, match=r"doesn't list the file assets/more\.txt"):
        zoo.load("films_gru")
    (folder / "assets" / "more.txt").unlink()
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "sha256": {}}))
    with pytest.raises(zoo.PresetError, match="doesn't list the file"):
        zoo.load("films_gru")


def test_links_to_folders_and_pipes_are_refused(presets, tmp_path):
    folder = presets / "films_gru"
    os.mkfifo(folder / "pipe")
    with pytest.raises(zoo.PresetError, match=r"pipe .* is not a regular file"):
        zoo.load("films_gru")
    (folder / "pipe").unlink()
    (folder / "assets").rename(tmp_path / "elsewhere")
    (folder / "assets").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(zoo.PresetError, match=r"assets .* is not a regular file"):
        zoo.load("films_gru")


LAMBDA = {"class_name": "__lambda__", "config": {"value": ["4wAAAA==", None, None]}}
PLOT = {
    "module": "keras.utils",
    "class_name": "function",
    "config": "plot_model",
    "registered_name": "plot_model",
}
MALICIOUS = {
    "lambda": LAMBDA,
    "layer of a lambda": {
        "module": "keras.layers",
        "class_name": "Lambda",
        "config": {"function": LAMBDA},
        "registered_name": None,
    },
    "layer of a function": {
        "module": "keras.layers",
        "class_name": "Lambda",
        "config": {"function": PLOT},
        "registered_name": None,
    },
    "function": PLOT,
    "module": {"module": "os", "class_name": "system", "config": {}, "registered_name": None},
    "class of Keras": {
        "module": "keras.layers",
        "class_name": "Dense",
        "config": {"units": 1},
        "registered_name": None,
    },
    "class of KerasHub": {
        "module": "zoo.models.tokenizer",
        "class_name": "SubwordTokenizer",
        "config": {},
        "registered_name": "keras_hub>BytePairTokenizer",
    },
    "unknown name": {
        "module": "zoo.models.tokenizer",
        "class_name": "SubwordTokenizer",
        "config": {},
        "registered_name": "zoo>Unknown",
    },
    "type": {
        "class_name": "__typespec__",
        "spec_name": "TensorSpec",
        "module": "tensorflow",
        "registered_name": "TensorSpec",
        "config": [],
    },
    "path": {
        "module": "zoo.models.tokenizer",
        "class_name": "SubwordTokenizer",
        "config": {"proto": "/etc/passwd"},
        "registered_name": "zoo>SubwordTokenizer",
    },
    "no config": {"class_name": "Lambda", "module": "keras.layers"},
    "name": {"class_name": ["Lambda"], "config": {}},
    "registered name": {"class_name": "Lambda", "config": {}, "registered_name": {"a": 1}},
    "compiled": {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": {"name": "float32"},
        "registered_name": None,
        "compile_config": {"optimizer": "adam"},
    },
}
PLACES = {
    "tokenizer": lambda task, config, bad: task["config"]["preprocessor"]["config"].update(
        tokenizer=bad
    ),
    "preprocessor": lambda task, config, bad: task["config"].update(preprocessor=bad),
    "backbone": lambda task, config, bad: task["config"].update(backbone=bad),
    "dtype": lambda task, config, bad: config["config"].update(dtype=bad),
    "list": lambda task, config, bad: task["config"].update(labels=["a", [bad]]),
    "task": lambda task, config, bad: task.update(bad),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("payload", MALICIOUS)
def test_nothing_is_built_of_other_classes(presets, monkeypatch, payload, place):
    folder = presets / "films_gru"
    built = []
    monkeypatch.setattr(models.TextClassifier, "from_preset", built.append)
    task, config = (
        json.loads((folder / name).read_text()) for name in ("task.json", "config.json")
    )
    PLACES[place](task, config, MALICIOUS[payload])
    (folder / "task.json").write_text(json.dumps(task))
    (folder / "config.json").write_text(json.dumps(config))
    sign(folder)
    for verify in (True, False):
        with pytest.raises(zoo.PresetError):
            zoo.load("films_gru", verify=verify)
    assert built == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("task.json", '"labels"', '"label"'),
        ("task.json", '"gru"', '"gruu"'),
        ("task.json", '"units": 4', '"units": -4'),
        ("task.json", '"units": 4', '"units": 5'),
        ("config.json", "zoo>TextBackbone", "zoo>AudioBackbone"),
        ("preprocessor.json", "{", "{{"),
        ("preprocessor.json", "{", "[" * 100_000),
    ],
)
def test_an_error_of_keras_is_a_preset_error(presets, name, old, new):
    path = presets / "films_gru" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    sign(path.parent)
    with pytest.raises(zoo.PresetError, match=r"\w"):
        zoo.load("films_gru")


@pytest.mark.parametrize(
    "change",
    [
        {"bytes": None},
        {"value": "0.5"},
        {"value": float("nan")},
        {"interval": [1]},
        {"sha256": []},
        {"details": 3},
    ],
)
def test_a_card_with_a_wrong_value_is_refused(presets, change):
    path = presets / "films_gru" / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(zoo.PresetError, match=r"card .* can't be read"):
        zoo.card("films_gru")


def test_a_folder_named_like_a_preset_of_kerashub_asks_no_hub(presets, tmp_path, monkeypatch):
    from keras_hub.src.utils import preset_utils

    assert "bert_base_en" in preset_utils.BUILTIN_PRESETS
    monkeypatch.setattr(preset_utils.kagglehub, "model_download", None)
    shutil.copytree(presets / "films_gru", tmp_path / "bert_base_en")
    monkeypatch.chdir(tmp_path)
    assert zoo.load("bert_base_en").labels == ["negative", "positive"]


@pytest.mark.parametrize("preset", ["", ".", "..", "a" * 5000, "a\0b", None, 3, "films_gru/."])
def test_what_is_no_preset_is_refused(presets, preset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(zoo.PresetError, match="There is no preset") as error:
        zoo.load(preset)
    assert len(str(error.value)) < 500


def test_an_mlflow_uri_without_a_store_makes_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(zoo.PresetError, match="MLFLOW_TRACKING_URI isn't set"):
        zoo.load("models:/sentiment@champion")
    assert list(tmp_path.iterdir()) == []


def test_the_command_answers_in_order_as_json(presets, capsys):
    assert cli.main(["predict", "films_gru", *TEXTS, "", "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["input"] for answer in answers] == [*TEXTS, ""]
    for answer in answers:
        assert answer["label"] == max(answer["probabilities"], key=answer["probabilities"].get)
        assert sum(answer["probabilities"].values()) == pytest.approx(1)


def test_the_command_runs_an_ensemble(presets, capsys):
    member = zoo.load("films_gru")
    models.ensemble([member, member]).save_to_preset(str(presets / "films_twice"))
    assert cli.main(["predict", OWN, str(presets / "films_twice"), *TEXTS]) == 0
    twice = capsys.readouterr().out
    assert cli.main(["predict", "films_gru", *TEXTS]) == 0
    assert capsys.readouterr().out == twice


def test_the_command_reads_lines(presets, capsys, monkeypatch):
    lines = ["a fine film\n", "\n", "ein schöner Film 🎬\n", "word " * 20_000 + "\n"] * 10
    monkeypatch.setattr(cli.sys, "stdin", lines)
    assert cli.main(["predict", "films_gru", "-", "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["input"] for answer in answers] == [line.rstrip("\n") for line in lines]


def test_the_command_answers_a_line_before_the_next_arrives(presets, capsys, monkeypatch):
    def lines():
        yield "a fine film\n"
        for _ in range(500):
            if printed := capsys.readouterr().out:
                break
            time.sleep(0.02)
        answered.append(printed)
        yield "a dull film\n"

    answered = []
    monkeypatch.setattr(cli.sys, "stdin", lines())
    assert cli.main(["predict", "films_gru", "-"]) == 0
    assert answered[0]


def test_an_argument_that_is_not_utf8_is_one_line_of_error(presets, capsys):
    assert cli.main(["predict", "films_gru", "caf\udce9"]) == 2
    assert capsys.readouterr().err == "zoo: Text must be UTF-8. Received: 'caf\\udce9'\n"


def test_the_command_stops_at_input_that_is_not_utf8(presets, capsys, monkeypatch):
    monkeypatch.setattr(cli.sys, "stdin", io.TextIOWrapper(io.BytesIO(b"fine\n\xff\n"), "utf-8"))
    assert cli.main(["predict", "films_gru", "-"]) == 2
    assert "can't decode byte 0xff" in capsys.readouterr().err


@pytest.fixture
def digits(presets):
    """A small classifier of waveforms among the presets."""
    backbone = models.AudioBackbone("gru", front_end="log_mel", feature_dim=8, units=4)
    model = models.AudioClassifier(
        backbone, ["zero", "one"], models.AudioClassifierPreprocessor(feature_dim=None)
    )
    model.save_to_preset(str(presets / "digits_gru"))
    return str(presets / "digits_gru")


def test_an_empty_path_is_refused(digits, capsys):
    assert cli.main(["predict", OWN, digits, ""]) == 2
    assert "Received an empty line" in capsys.readouterr().err


def test_inputs_before_a_bad_one_are_answered(digits, tmp_path, capsys):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.ones(800) / 2, 8000)
    assert cli.main(["predict", OWN, digits, str(path), str(tmp_path / "no.wav"), str(path)]) == 2
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 1
    assert "No such file" in printed.err


@pytest.mark.parametrize("rate", [8000, 22050, 44100])
@pytest.mark.parametrize("width", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
def test_sound_of_any_rate_width_and_channels_is_read(tmp_path, rate, width):
    time = np.arange(rate // 2) / rate
    tone = 0.5 * np.sin(2 * np.pi * 440 * time)
    soundfile.write(tmp_path / "a.wav", np.stack([tone, tone], axis=1), rate, subtype=width)
    sound = read_sound(tmp_path / "a.wav", 8000)
    assert (sound.dtype, sound.shape) == (np.float32, (4000,))
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(4000) / 8000)
    np.testing.assert_allclose(sound[200:-200], expected[200:-200], atol=0.02)


def test_the_command_classifies_sound(digits, tmp_path, capsys):
    soundfile.write(tmp_path / "a.wav", np.zeros(4000), 16000)
    assert cli.main(["predict", OWN, digits, str(tmp_path / "a.wav"), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["probabilities"]) == {"zero", "one"}


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"", "can't be read as a sound file"), ("empty", "holds no sound")],
)
def test_broken_sound_is_one_line_of_error(digits, tmp_path, capsys, content, message):
    path = tmp_path / "a.wav"
    if content == "empty":
        soundfile.write(path, np.zeros(0), 8000)
    elif content is not None:
        path.write_bytes(content)
    assert cli.main(["predict", OWN, digits, str(path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["info", "nothing"], "There is no preset"), (["list", "nothing*"], "No preset matches")],
)
def test_an_error_is_one_line(presets, arguments, message, capsys):
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_command_lists_and_describes_presets(presets, capsys):
    assert cli.main(["list"]) == 0
    assert "films_gru" in capsys.readouterr().out
    assert cli.main(["info", "films_gru"]) == 0
    assert json.loads(capsys.readouterr().out)["preset"] == "films_gru"
