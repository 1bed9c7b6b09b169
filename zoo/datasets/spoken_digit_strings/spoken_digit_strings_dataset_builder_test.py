"""Tests of the dataset `spoken_digit_strings`."""

import io
import tarfile
import wave
from unittest import mock

import numpy as np
import pytest
import tensorflow_datasets as tfds

from zoo import datasets
from zoo.datasets.digit_string_builder import NAMES
from zoo.datasets.spoken_digit_strings import spoken_digit_strings_dataset_builder as module

ARCHIVE = "free-spoken-digit-dataset-1.0.9.tar.gz"


class SpokenDigitStringsTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = module.Builder
    DL_DOWNLOAD_RESULT = ARCHIVE
    SPLITS = {"train": 12, "validation": 1, "test": 1}  # four recordings a speaker


@pytest.fixture
def archive(tmp_path):
    """A small archive: each sample of a recording encodes its speaker, digit and number."""
    path = tmp_path / ARCHIVE
    speakers = [one for of_split in module.SPEAKERS.values() for one in of_split]
    with tarfile.open(path, "w:gz") as written:
        for place, speaker in enumerate(speakers):
            for digit in range(10):
                for number in (10, 2):  # in the order of a listing
                    name = f"fsdd/recordings/{digit}_{speaker}_{number}.wav"
                    sound = wav(np.full(5, 1000 * place + 100 * digit + number, "<i2"))
                    entry = tarfile.TarInfo(name)
                    entry.size = len(sound)
                    written.addfile(entry, io.BytesIO(sound))
    return path


def wav(samples):
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(module.SAMPLING_RATE)
        file.writeframes(samples.tobytes())
    return content.getvalue()


def test_recordings_are_sorted_by_digit_and_number(archive):
    found = module.recordings(archive)["jackson"]
    assert [digit for _, digit in found] == [digit for digit in range(10) for _ in range(2)]
    assert [sound[0] for sound, _ in found[:3]] == [1002, 1010, 1102]
    assert {sound.dtype for sound, _ in found} == {np.dtype("int16")}


def test_a_string_is_of_one_speaker_who_is_in_one_split(archive, tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    with mock.patch.object(tfds.download.DownloadManager, "download", return_value=archive):
        builder = datasets.builder("spoken_digit_strings")
    names = [one for of_split in module.SPEAKERS.values() for one in of_split]
    for split, speakers in module.SPEAKERS.items():
        data = datasets.read(builder, split)
        assert set(data["speaker"]) == set(speakers)
        used = 0
        for audio, text, speaker in zip(*map(data.get, ("audio", "text", "speaker")), strict=True):
            digits = [NAMES.index(word) for word in text.split()]
            expected = np.repeat(1000 * names.index(speaker) + 100 * np.array(digits), 5)
            np.testing.assert_array_equal(audio // 100 * 100, expected)
            used += len(digits)
        assert used == 20 * len(speakers) * (4 if split == "train" else 1)
    texts = datasets.read(builder, "train")
    of = lambda name: {t for t, s in zip(texts["text"], texts["speaker"], strict=True) if s == name}
    assert of("george") != of("jackson")
