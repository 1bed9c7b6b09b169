"""Tests of the layout of sounds with labels."""

import numpy as np
import pytest
import soundfile

from zoo.datasets.errors import FolderError
from zoo.datasets.layouts import Sounds


def encoded(folder, samples, rate=8000, subtype="FLOAT"):
    path = folder / "a.wav"
    soundfile.write(path, samples, rate, subtype=subtype)
    return Sounds().encode({"audio": str(path), "label": "low"})


def test_only_sounds_in_a_folder_of_their_label_are_examples(folder):
    ignored = ("train/low/.6.wav", "train/.hidden/7.wav", "4.wav", "other/low/5.wav")
    for name in ("train/low/1.wav", "test/high/2.OGG", "train/low/3.mp3", *ignored):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert list(Sounds().examples(folder)) == [
        ("test", {"audio": str(folder / "test/high/2.OGG"), "label": "high"}),
        ("train", {"audio": str(folder / "train/low/1.wav"), "label": "low"}),
        ("train", {"audio": str(folder / "train/low/3.mp3"), "label": "low"}),
    ]


@pytest.mark.parametrize("name", ["train/3.wav", "train/speaker/low/3.wav"])
def test_a_sound_of_a_split_that_has_no_folder_of_its_label_is_named(folder, name):
    path = folder / name
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(FolderError, match=f"{name} would not be read.*: train/<label>/3.wav"):
        list(Sounds().examples(folder))


def test_links_to_folders_are_followed(folder, tmp_path):
    (folder / "train").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.wav").touch()
    (folder / "train" / "low").symlink_to(tmp_path / "elsewhere")
    ((_, example),) = Sounds().examples(folder)
    assert example == {"audio": str(folder / "train/low/1.wav"), "label": "low"}


def test_sound_beyond_full_scale_is_clipped(folder):
    example = encoded(folder, np.array([1.5, -1.5, 1e30, -1e30, 1.0, -1.0, 0.5]))
    assert example["label"] == "low"
    assert example["audio"].dtype == np.int16
    expected = [32767, -32767, 32767, -32767, 32767, -32767, 16384]
    np.testing.assert_array_equal(example["audio"], expected)


def test_resampling_a_loud_sound_flips_no_sign(folder):
    square = np.repeat(np.tile([1.0, -1.0], 10), 200)
    audio = encoded(folder, square, rate=16000, subtype="PCM_16")["audio"].reshape(20, 100)
    # Away from the edges, where the filter rings beyond full scale.
    assert (np.sign(audio[:, 3:-3]) == np.tile([[1], [-1]], (10, 1))).all()
    assert np.abs(audio).max() == 32767


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rate", [8000, 44100])
def test_a_sound_that_is_not_finite_is_named(folder, value, rate):
    samples = np.zeros(1000)
    samples[-1] = value
    with pytest.raises(FolderError, match=r"a\.wav holds samples that are NaN or infinite"):
        encoded(folder, samples, rate)


def test_a_file_that_is_no_sound_is_named(folder):
    (folder / "a.wav").write_text("hello")
    with pytest.raises(FolderError, match=r"a\.wav can't be read as a sound file"):
        Sounds().encode({"audio": str(folder / "a.wav"), "label": "low"})
