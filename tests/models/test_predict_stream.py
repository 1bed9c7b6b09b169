"""`zoo predict --stream`: sound, text and numbers of standard input, answered as they come."""

import io
import itertools
import json
import types

import keras
import numpy as np
import pytest
import soundfile
from examples import EXAMPLES

import zoo
from zoo import cli
from zoo.sound_files import RawSound, read_sound

SOUND = (np.sin(np.arange(6000) ** 1.3 / 40) / 2).astype("float32")


def save(name, folder, architecture="gru"):
    """The folder of a preset of a small model, which has no card."""
    keras.utils.set_random_seed(0)
    EXAMPLES[name].build(architecture).save_to_preset(str(folder))
    return str(folder)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    return save("audio_classifier_of_waveforms", tmp_path_factory.mktemp("sounds"))


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return save("text_classifier", tmp_path_factory.mktemp("texts"))


@pytest.fixture
def run(capsys, monkeypatch):
    """Runs `zoo predict --stream` with bytes or text as standard input; returns what it prints."""

    def run(preset, content, *options, status=0):
        is_raw = isinstance(content, bytes)
        buffer = types.SimpleNamespace(buffer=io.BytesIO(content)) if is_raw else None
        monkeypatch.setattr(cli.sys, "stdin", buffer or io.StringIO(content))
        assert cli.main(["predict", "--no-verify", "--stream", preset, *options]) == status
        printed = capsys.readouterr()
        return printed.err if status else printed.out.splitlines()

    return run


def pcm(sound):
    return (sound * 32767).round().astype("<i2").tobytes()


def test_raw_sound_gets_the_answer_of_the_whole_clip(sounds, run):
    clip = np.frombuffer(pcm(SOUND), "<i2").astype("float32") / 32768
    model = zoo.load(sounds, verify=False)
    (expected,) = model.answers([clip])
    assert run(sounds, pcm(SOUND))[-1] == model.answer_text(expected)
    lines = [json.loads(line) for line in run(sounds, pcm(SOUND), "-", "--json")]
    assert lines[-1]["input"] == "-"
    assert lines[-1]["label"] == expected["label"]
    assert lines[-1]["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-5)
    labels = [line["label"] for line in lines[:-1]]
    assert labels
    assert all(one != other for one, other in itertools.pairwise(labels))


def test_raw_sound_of_another_rate_is_resampled(sounds, run, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.frombuffer(pcm(SOUND), "<i2"), 16000)
    model = zoo.load(sounds, verify=False)
    (expected,) = model.answers([read_sound(str(tmp_path / "a.wav"), 8000)])
    found = json.loads(run(sounds, pcm(SOUND), "--rate", "16000", "--json")[-1])
    assert found["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-3)


def test_resampled_pieces_are_the_resampled_sound(tmp_path):
    soundfile.write(tmp_path / "a.wav", SOUND, 44100, subtype="PCM_16")
    content = soundfile.read(tmp_path / "a.wav", dtype="int16")[0].astype("<i2").tobytes()
    sound = RawSound(44100, 16000)
    pieces = [sound.read(content[start : start + 333]) for start in range(0, len(content), 333)]
    pieces.append(sound.read(b"", is_last=True))
    expected = read_sound(str(tmp_path / "a.wav"), 16000)
    np.testing.assert_allclose(np.concatenate(pieces), expected, atol=1e-3)


def test_lines_of_text_are_one_text(texts, run):
    model = zoo.load(texts, verify=False)
    text = "a fine film\nreally dull , what a waste\nof time"
    (expected,) = model.answers([text])
    assert run(texts, text)[-1] == model.answer_text(expected)


def test_lines_of_numbers_are_frames(run, tmp_path):
    preset = save("audio_classifier_of_frames", tmp_path)
    model = zoo.load(preset, verify=False)
    frames = EXAMPLES["audio_classifier_of_frames"].INPUTS[2]
    lines = "".join(f"{', '.join(map(repr, row))}\n" for row in frames.tolist())
    found = json.loads(run(preset, lines, "--json")[-1])
    (expected,) = model.answers([frames])
    assert found["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-5)


@pytest.mark.parametrize("name", ["language_model", "dialogue_model"])
def test_a_language_model_tells_the_perplexity_of_what_it_reads(name, run, tmp_path):
    preset = save(name, tmp_path)
    model = zoo.load(preset, verify=False)
    lines = run(preset, "a fine film\nreally dull\n")
    input = (
        "a fine film\nreally dull\n" if name == "language_model" else ["a fine film", "really dull"]
    )
    assert lines[-1].startswith(f"perplexity {model.perplexity([input])[0]:.1f} (")


def test_a_recogniser_writes_the_text_so_far(run, tmp_path):
    preset = save("speech_recognizer_of_waveforms", tmp_path)
    model = zoo.load(preset, verify=False)
    lines = run(preset, pcm(SOUND))
    clip = np.frombuffer(pcm(SOUND), "<i2").astype("float32") / 32768
    assert lines[-1] == model.generate(clip, beam_width=1)
    assert all(lines[-1].startswith(line) for line in lines)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"", [], "at least one sample or frame"),
        (pcm(SOUND) + b"\0", [], "odd number of bytes"),
        (pcm(SOUND), ["a.wav"], "the input comes from standard input. Received: a.wav"),
        (pcm(SOUND), ["--rate", "10"], "from 1000 to 1000000 Hz. Received: 10"),
    ],
)
def test_bad_input_is_one_line_of_error(sounds, run, content, options, message):
    error = run(sounds, content, *options, status=2)
    assert message in error
    assert error.count("\n") == 1


def test_numbers_that_are_none_are_one_line_of_error(run, tmp_path):
    preset = save("memory_regressor", tmp_path, "rnn")
    error = run(preset, "1 2\n1 two\n", status=2)
    assert error == (
        "zoo: A line must hold numbers with commas or spaces between them. Received: '1 two'\n"
    )


def test_a_model_that_needs_its_whole_input_is_one_line_of_error(run, tmp_path):
    error = run(save("text_classifier", tmp_path, "bilstm"), "a film\n", status=2)
    assert "(bilstm) reads its input in both directions" in error
    assert error.count("\n") == 1


def test_no_input_is_one_line_of_error(capsys):
    assert cli.main(["predict", "imdb_rnn"]) == 2
    assert "Give an INPUT, or --stream" in capsys.readouterr().err


def test_a_rate_of_what_is_no_raw_sound_is_one_line_of_error(texts, run, capsys):
    error = run(texts, "a film\n", "--rate", "8000", status=2)
    assert error == "zoo: This model doesn't read raw sound. Leave out --rate. Received: 8000\n"
    assert cli.main(["predict", "imdb_rnn", "a film", "--rate", "8000"]) == 2
    assert "--rate is for the raw sound of --stream" in capsys.readouterr().err
