"""The front end of AN4's cepstra, the normalisation of utterances, and masks of features."""

import io
import os
import tarfile
import wave
from pathlib import Path

import keras
import numpy as np
import pytest

from zoo.datasets import cache
from zoo.datasets.an4 import an4_dataset_builder
from zoo.models.audio.feature_masking import FeatureMasking
from zoo.models.audio.sphinx_cepstra import SphinxCepstra
from zoo.models.audio.utterance_normalization import UtteranceNormalization

# Cepstra of `chirp`, computed in float64 by a program that reproduces the files of AN4.
EXPECTED = """
12.56071 2.46644 -1.51045 -0.77679 0.21475 -0.14241 -0.56535 -0.38496 -0.40193 -0.59 -0.55267
-0.42718 -0.42215
12.62726 0.91352 -2.22625 1.16075 0.74552 -0.3746 -0.23316 -0.64061 -0.93913 -0.65395 -0.70875
-0.59019 -0.3725
12.41637 -0.53852 -0.59821 2.4465 -0.59892 -0.45226 -0.15448 -0.65769 -0.52111 -0.87351 -0.65014
-0.50471 -0.54924
12.16561 -0.99462 0.90348 1.5204 -1.34227 0.80319 -0.78867 -0.52748 -0.65583 -0.64434 -0.73685
-0.60733 -0.37088
"""


def chirp():
    time = np.arange(1000)
    samples = np.round(8000 * np.sin(time / 7) + 3000 * np.sin(time**2 / 900))
    return (samples / 32768).astype("float32")


def cepstra(sound):
    frames, mask = SphinxCepstra()(sound[None], np.ones((1, len(sound)), bool))
    return np.asarray(frames)[0][np.asarray(mask)[0]]


def test_cepstra_have_the_stored_values():
    expected = np.array(EXPECTED.split(), "float64").reshape(-1, 13)
    np.testing.assert_allclose(cepstra(chirp()), expected, atol=2e-5)


def archives():
    """The folder of AN4's archives, where there is one."""
    folders = [os.environ.get("AN4_ARCHIVES", ""), cache.folder("tfds") / "downloads" / "manual"]
    for folder in map(Path, folders):
        if (folder / "an4_audio_sample.tar.gz").is_file():
            return folder
    pytest.skip("The archives of AN4 aren't here.")


def test_sound_of_an4_has_the_cepstra_of_its_dataset():
    with tarfile.open(archives() / "an4_audio_sample.tar.gz") as sounds:
        found = {
            Path(member.name).stem: sounds.extractfile(member).read()
            for member in sounds.getmembers()
            if member.name.endswith(".wav")
        }
    compared = 0
    with tarfile.open(archives() / "an4_cepstra.tar.gz") as files:
        for member in files.getmembers():
            if (name := Path(member.name).stem) in found and member.name.endswith(".mfc"):
                expected = an4_dataset_builder.cepstra(files.extractfile(member).read())
                with wave.open(io.BytesIO(found[name])) as sound:
                    samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
                ours = cepstra((samples / 32768).astype("float32"))
                count = min(len(ours), len(expected))
                assert abs(len(ours) - len(expected)) <= 1
                np.testing.assert_allclose(ours[:count], expected[:count], atol=5e-5)
                compared += 1
    assert compared == 51


def test_frames_that_are_not_full_are_padding_but_the_first():
    lengths = np.array([1000, 569, 570, 409, 1])
    mask = np.arange(1000) < lengths[:, None]
    frames, kept = SphinxCepstra()(chirp()[None] * mask, mask)
    assert frames.shape[:2] == kept.shape
    np.testing.assert_array_equal(np.asarray(kept).sum(axis=1), [4, 1, 2, 1, 1])


@pytest.mark.parametrize("edges", [(500.0, 400.0), (-1.0, 400.0), (100.0, 9000.0)])
def test_impossible_edges_of_bands_are_refused(edges):
    with pytest.raises(ValueError, match="from 0 to half the sampling rate"):
        SphinxCepstra(min_frequency=edges[0], max_frequency=edges[1])


def features(lengths=(50, 20), width=4):
    drawn = np.random.default_rng(0).normal(3, 2, (len(lengths), max(lengths), width))
    mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
    return (drawn * mask[..., None]).astype("float32"), mask


def test_each_utterance_is_normalised_and_padding_is_zero():
    x, mask = features()
    found = np.asarray(UtteranceNormalization()(x, mask))
    for row, kept in zip(found, mask, strict=True):
        np.testing.assert_allclose(row[kept].mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(row[kept].std(axis=0), 1, atol=1e-3)
        assert not row[~kept].any()


def test_a_running_normalization_knows_the_frames_up_to_each_one():
    x, mask = features()
    layer = UtteranceNormalization(running=True)
    layer.build(x.shape)
    layer.adapt([x[0], x[1][mask[1]]])
    found = np.asarray(layer(x, mask))
    for end in (1, 7, 50):
        alone = np.asarray(layer(x[:1, :end], mask[:1, :end]))
        np.testing.assert_allclose(found[:1, :end], alone, atol=1e-5)
    scaled = (x[0] - np.array(layer.mean)) / np.sqrt(np.array(layer.variance))
    mean = scaled[:7].sum(axis=0) / 107
    variance = ((scaled[:7] ** 2).sum(axis=0) + 100) / 107 - mean**2
    np.testing.assert_allclose(found[0, 6], (scaled[6] - mean) / np.sqrt(variance), rtol=2e-3)


def test_masks_are_for_training_and_as_wide_as_asked():
    layer = FeatureMasking(1, 4, 1, 2, copies=2, seed=0)
    ones, mask = np.ones((64, 40, 10), "float32"), np.ones((64, 40), bool)
    np.testing.assert_array_equal(layer(ones, mask), ones)
    found = np.asarray(layer(ones, mask, training=True))
    times = (found.max(axis=2) == 0).sum(axis=1)
    columns = (found.max(axis=1) == 0).sum(axis=1)
    assert set(times) == {0, 1, 2, 3, 4}
    assert set(columns) == {0, 2, 4}  # the same features of both parts
    short = np.asarray(layer(ones, np.arange(40) < np.full((64, 1), 5), training=True))
    assert (short.max(axis=2) == 0).sum(axis=1).max() == 1  # a fifth of the utterance
    keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
