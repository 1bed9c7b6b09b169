"""The log-mel and MFCC front ends, and the augmentation of frames."""

import numpy as np
import pytest
import scipy.fft

from zoo.models.audio.frame_augmentation import FrameAugmentation
from zoo.models.audio.log_mel import LogMel

RATE = 8000


def tone(frequency, samples=4000):
    return np.sin(2 * np.pi * frequency * np.arange(samples) / RATE).astype("float32")[None]


def noise(samples):
    return np.random.default_rng(0).normal(0, 0.1, (1, samples)).astype("float32")


def test_a_higher_tone_peaks_in_a_higher_band():
    front_end = LogMel(RATE, num_mel_bins=40)
    bands = [
        int(np.argmax(np.mean(front_end(tone(f), np.ones((1, 4000), bool))[0], axis=(0, 1))))
        for f in (200, 500, 1000, 2000, 3500)
    ]
    assert bands == sorted(set(bands))


def test_mfcc_is_the_orthonormal_cosine_transform_of_log_mel():
    wave, mask = tone(440), np.ones((1, 4000), bool)
    log_mel, _ = LogMel(RATE, num_mel_bins=20)(wave, mask)
    mfcc, _ = LogMel(RATE, num_mel_bins=20, num_coefficients=13)(wave, mask)
    expected = scipy.fft.dct(np.asarray(log_mel), norm="ortho")[..., :13]
    np.testing.assert_allclose(mfcc, expected, rtol=1e-4, atol=1e-4)


def test_frames_past_the_end_are_padding():
    mask = np.arange(4000) < np.array([4000, 1200, 1])[:, None]
    features, frames = LogMel(RATE)(np.repeat(tone(300), 3, axis=0) * mask, mask)
    assert features.shape[:2] == frames.shape
    # A hop is 80 samples.
    np.testing.assert_array_equal(np.asarray(frames).sum(axis=1), [50, 15, 1])


@pytest.mark.parametrize("samples", [1, 79, 80, 81, 120, 199, 200, 280, 3360, 3400])
def test_every_length_has_a_mask_for_each_frame(samples):
    features, mask = LogMel(8000)(np.ones((1, samples), "float32"), np.ones((1, samples), bool))
    assert features.shape[:2] == mask.shape
    assert np.sum(mask) == -(-samples // 80)


def test_mean_normalization_subtracts_the_mean_of_each_clip():
    clip = noise(2000)
    mask = np.arange(2000)[None] < 1600  # the rest is padding and doesn't count in the mean
    layer = LogMel(RATE, mean_normalization=1)
    features, kept = (np.asarray(x) for x in layer(clip * mask, mask))
    np.testing.assert_allclose(features[kept].mean(axis=0), 0, atol=1e-5)
    louder, _ = layer(3 * clip * mask, mask)
    np.testing.assert_allclose(np.asarray(louder)[kept], features[kept], atol=2e-3)
    alone, _ = layer(clip[:, :1600], mask[:, :1600])
    np.testing.assert_allclose(np.asarray(alone)[0, :18], features[0, :18], atol=1e-5)


def test_half_mean_normalization_keeps_half_the_mean_and_no_loudness():
    clip, mask = noise(2000), np.ones((1, 2000), bool)
    log_mel, kept = (np.asarray(x) for x in LogMel(RATE)(clip, mask))
    spectrum = log_mel[kept].mean(axis=0)
    halved, _ = LogMel(RATE, mean_normalization=0.5)(clip, mask)
    expected = (spectrum - spectrum.mean()) / 2
    np.testing.assert_allclose(np.asarray(halved)[kept].mean(axis=0), expected, atol=1e-4)


def test_deltas_are_the_slopes_of_features():
    clip, mask = noise(2000), np.ones((1, 2000), bool)
    features = np.asarray(LogMel(RATE, deltas=True)(clip, mask)[0])[0]
    frames = np.arange(-2, 3)
    for middle in (2, 10, 22):
        expected = np.polyfit(frames, features[middle + frames, :40], 1)[0]
        np.testing.assert_allclose(features[middle, 40:], expected, atol=1e-4)
    np.testing.assert_allclose(
        features[0, 40:], np.polyfit(frames, features[[0, 0, 0, 1, 2], :40], 1)[0], atol=1e-4
    )


@pytest.mark.parametrize("root_compression", [0.0, 0.1])
@pytest.mark.parametrize("samples", [1, 80, 900])
def test_padding_changes_nothing(samples, root_compression):
    clip = noise(2000) * (np.arange(2000) < samples)
    layer = LogMel(
        RATE,
        num_coefficients=13,
        mean_normalization=0.5,
        root_compression=root_compression,
        deltas=True,
    )
    inputs = [
        (clip[:, :samples], np.ones((1, samples), bool)),
        (clip, np.arange(2000)[None] < samples),
    ]
    alone, padded = (np.asarray(x)[np.asarray(mask)] for x, mask in (layer(*i) for i in inputs))
    assert alone.shape == (-(-samples // 80), 26)
    np.testing.assert_allclose(padded, alone, atol=1e-4)


def test_root_compression_ignores_loudness_and_stresses_pauses_less():
    clip, mask = noise(2000), np.ones((1, 2000), bool)
    clip[:, :1000] *= 1e-2
    layer = LogMel(RATE, root_compression=0.1)
    features, kept = (np.asarray(x) for x in layer(clip, mask))
    louder, _ = layer(5 * clip, mask)
    np.testing.assert_allclose(np.asarray(louder)[kept], features[kept], rtol=1e-3)
    energies = np.maximum(np.exp(np.asarray(LogMel(RATE)(clip, mask)[0])) - 1e-6, 0)
    expected = (energies / energies[kept].mean()) ** 0.1
    np.testing.assert_allclose(features[kept], expected[kept], rtol=1e-2)
    pause = features[0, :10].mean()
    assert 0.2 < pause < 0.8 * features[0, 15:25].mean()
    silent, _ = layer(0 * clip, mask)
    assert np.isfinite(silent).all()


def test_bands_start_at_the_minimum_frequency():
    mask = np.ones((1, 4000), bool)
    hum = np.asarray(LogMel(RATE)(tone(60), mask)[0])[0, 5:-5]
    without = np.asarray(LogMel(RATE, min_frequency=150)(tone(60), mask)[0])[0, 5:-5]
    assert hum.max() > without.max() + 5


@pytest.mark.parametrize("frequency", [-1.0, 4000.0])
def test_a_minimum_frequency_out_of_range_is_refused(frequency):
    with pytest.raises(ValueError, match=f"Received: min_frequency={frequency}"):
        LogMel(RATE, min_frequency=frequency)


@pytest.mark.parametrize("power", [-0.1, 1.0])
def test_a_root_compression_out_of_range_is_refused(power):
    with pytest.raises(ValueError, match=f"below 1.*Received: root_compression={power}"):
        LogMel(RATE, root_compression=power)


@pytest.mark.parametrize("fraction", [-0.1, 1.5])
def test_a_mean_normalization_out_of_range_is_refused(fraction):
    with pytest.raises(ValueError, match=f"from 0 to 1. Received: mean_normalization={fraction}"):
        LogMel(RATE, mean_normalization=fraction)


def test_more_coefficients_than_bands_are_refused():
    with pytest.raises(ValueError, match="num_coefficients=41, num_mel_bins=40"):
        LogMel(RATE, num_coefficients=41)


def test_augmentation_is_the_identity_outside_training():
    frames = np.ones((2, 3, 4), "float32")
    layer = FrameAugmentation(noise=1.0, shift=1.0, frame_dropout=0.5)
    np.testing.assert_array_equal(layer(frames, training=False), frames)


def test_shift_is_constant_over_an_utterance():
    shifted = np.asarray(FrameAugmentation(shift=1.0, seed=1)(np.zeros((5, 7, 4)), training=True))
    assert np.ptp(shifted, axis=1).max() == 0
    assert np.unique(shifted[:, 0]).size == 20


def test_frame_dropout_drops_whole_frames():
    layer = FrameAugmentation(frame_dropout=0.5, seed=1)
    kept = np.asarray(layer(np.ones((8, 50, 4), "float32"), training=True)) != 0
    assert (kept.all(axis=2) | ~kept.any(axis=2)).all()
    assert 0.35 < kept.mean() < 0.65
