"""The command `zoo transcribe`: sound files, and raw sound from standard input."""

import io
import types

import keras
import numpy as np
import pytest
import soundfile

import zoo
from zoo import cli, models

SOUND = np.concatenate(
    [np.sin(np.arange(3000) * step) * size for step, size in ((0.1, 0.9), (0.9, 0.1), (0.3, 0.5))]
)


def recognizer(architecture):
    keras.utils.set_random_seed(1)
    backbone = models.SpeechBackbone(
        architecture, feature_dim=5, units=6, num_layers=1, normalization="running"
    )
    preprocessor = models.SpeechRecognizerPreprocessor(" abe", 5, front_end="sphinx_cepstra")
    model = models.SpeechRecognizer(backbone, preprocessor)
    # An untrained model would hardly write anything but blanks.
    model.logits.kernel.assign(keras.random.normal(model.logits.kernel.shape, stddev=3))
    return model


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A preset's folder of a recogniser."""
    folder = tmp_path_factory.mktemp("recognizer")
    recognizer("gru").save_to_preset(str(folder))
    return str(folder)


def standard_input(content):
    return types.SimpleNamespace(buffer=io.BytesIO(content))


def pcm(sound):
    return (sound * 32767).round().astype("<i2").tobytes()


def run(command, *arguments):
    """The exit status of a command with a preset that has no card."""
    return cli.main([command, "--no-verify", *arguments])


def test_files_of_any_rate_and_format_are_transcribed(preset, tmp_path, capsys):
    soundfile.write(tmp_path / "a.wav", SOUND, 16000)
    soundfile.write(tmp_path / "b.flac", np.stack([SOUND, SOUND], axis=1), 44100)
    assert run("transcribe", preset, str(tmp_path / "a.wav"), str(tmp_path / "b.flac")) == 0
    first, second = capsys.readouterr().out.splitlines()
    model = zoo.load(preset, verify=False)
    assert first == model.generate(model.read_input(str(tmp_path / "a.wav")))
    assert second == model.generate(model.read_input(str(tmp_path / "b.flac")))


def test_raw_sound_is_transcribed_as_it_comes(preset, capsys, monkeypatch):
    monkeypatch.setattr(cli.sys, "stdin", standard_input(pcm(SOUND)))
    assert run("transcribe", preset, "-") == 0
    expected = np.frombuffer(pcm(SOUND), "<i2").astype("float32") / 32768
    assert capsys.readouterr().out == f"{zoo.load(preset, verify=False).generate(expected)}\n"


def test_raw_sound_of_another_rate_is_resampled(preset, tmp_path, capsys, monkeypatch):
    soundfile.write(tmp_path / "a.wav", SOUND, 44100)
    monkeypatch.setattr(cli.sys, "stdin", standard_input(pcm(SOUND)))
    assert run("transcribe", preset, "-", str(tmp_path / "a.wav"), "--rate", "44100") == 0
    from_stream, from_file = capsys.readouterr().out.splitlines()
    assert from_stream == from_file


def test_no_raw_sound_is_an_empty_line(preset, capsys, monkeypatch):
    monkeypatch.setattr(cli.sys, "stdin", standard_input(b""))
    assert run("transcribe", preset, "-") == 0
    assert capsys.readouterr().out == "\n"


def test_predict_prints_json(preset, tmp_path, capsys):
    soundfile.write(tmp_path / "a.wav", SOUND, 16000)
    assert run("predict", "--json", preset, str(tmp_path / "a.wav")) == 0
    assert '"output": ' in capsys.readouterr().out


def one_line(capsys):
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_half_a_sample_is_one_line_of_error(preset, capsys, monkeypatch):
    monkeypatch.setattr(cli.sys, "stdin", standard_input(pcm(SOUND) + b"\0"))
    assert run("transcribe", preset, "-") == 2
    assert "odd number of bytes" in one_line(capsys)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"no sound", "can't be read as a sound file")],
)
def test_a_bad_file_is_one_line_of_error(preset, tmp_path, capsys, content, message):
    path = tmp_path / "a.wav"
    if content is not None:
        path.write_bytes(content)
    assert run("transcribe", preset, str(path)) == 2
    assert message in one_line(capsys)


@pytest.mark.parametrize(
    ("samples", "message"), [([], "holds no sound"), ([0.1, np.nan], "NaN or infinite")]
)
def test_sound_without_samples_or_with_nan_is_one_line_of_error(
    preset, tmp_path, capsys, samples, message
):
    soundfile.write(tmp_path / "a.wav", np.array(samples), 16000, subtype="FLOAT")
    assert run("transcribe", preset, str(tmp_path / "a.wav")) == 2
    assert message in one_line(capsys)


def test_models_that_cannot_say_so_in_one_line(preset, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cli.sys, "stdin", standard_input(b""))
    recognizer("bilstm").save_to_preset(str(tmp_path / "both"))
    assert run("transcribe", str(tmp_path / "both"), "-") == 2
    assert "(bilstm) reads its input in both directions" in one_line(capsys)
    for argument in ("-", "a fine film"):
        assert cli.main(["transcribe", "imdb_rnn", argument]) == 2
        assert "A model of the kind sentiment doesn't transcribe sound." in one_line(capsys)
