"""The audio classifier: clips it takes and refuses, and the normalisation of features."""

import keras
import numpy as np
import pytest
from examples import audio_classifier_of_frames, audio_classifier_of_waveforms

from zoo import models
from zoo.export import ExportError, export


def test_probabilities_are_float32_and_sum_to_one():
    model = audio_classifier_of_frames.build()
    probabilities = model.predict(audio_classifier_of_frames.INPUTS)
    assert (probabilities.dtype, probabilities.shape) == (np.float32, (4, 2))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert model.predict([]).shape == (0, 2)


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (np.zeros((0, 3)), "at least one sample"),
        (np.zeros((4, 2)), r"shape \[frames, 3\]. Received: shape=\(4, 2\)"),
        (np.full((4, 3), np.nan), "must be finite"),
    ],
)
def test_a_bad_clip_is_refused(clip, message):
    with pytest.raises(ValueError, match=message):
        audio_classifier_of_frames.build().predict([np.ones((2, 3)), clip])


def test_integer_samples_are_refused():
    model = audio_classifier_of_waveforms.build()
    with pytest.raises(ValueError, match=r"16-bit integers by 32768\. Received: dtype=int16"):
        model.predict([np.ones(400, "int16")])
    model.predict([[0, 0, 0]])  # silence is the same in every type


@pytest.mark.parametrize("front_end", ["log_mel", "mfcc"])
def test_padding_of_waveforms_has_no_effect(front_end):
    keras.utils.set_random_seed(0)
    backbone = models.AudioBackbone("gru", front_end=front_end, feature_dim=13, units=6)
    model = models.AudioClassifier(backbone, list("abc"), models.AudioClassifierPreprocessor())
    waveforms = [np.sin(np.arange(n) / 3).astype("float32") for n in (1, 800, 3001)]
    together = model.predict(waveforms)
    for waveform, expected in zip(waveforms, together, strict=True):
        np.testing.assert_allclose(model.predict([waveform])[0], expected, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"mean_normalization": 0.5, "deltas": True}])
def test_features_are_normalised_by_all_frames_of_all_clips(options):
    backbone = models.AudioBackbone("gru", front_end="log_mel", feature_dim=5, **options)
    rng = np.random.default_rng(0)
    clips = [rng.normal(size=rng.integers(1, 900)).astype("float32") for _ in range(70)]
    backbone.adapt(clips)
    alone = [backbone.log_mel(clip[None], np.ones((1, len(clip)), bool)) for clip in clips]
    frames = np.concatenate([np.asarray(features)[np.asarray(mask)] for features, mask in alone])
    normalization = backbone.normalization
    np.testing.assert_allclose(np.ravel(normalization.mean), frames.mean(0), atol=1e-4)
    np.testing.assert_allclose(np.ravel(normalization.variance), frames.var(0), rtol=1e-3)


def test_an_unknown_front_end_is_refused():
    with pytest.raises(ValueError, match="front_end='mel'"):
        models.AudioBackbone("gru", front_end="mel")


@pytest.mark.parametrize(
    ("example", "name", "length"),
    [(audio_classifier_of_frames, "frames", 128), (audio_classifier_of_waveforms, "audio", 8000)],
)
def test_the_first_member_tells_the_input_of_an_ensemble(example, name, length):
    model = models.ensemble([example.build(), example.build()])
    assert model.input_schema.name == name
    assert model.default_length == length


def test_waveforms_cannot_be_exported_as_onnx(tmp_path):
    with pytest.raises(ExportError, match="Fourier transform of its front end"):
        export(audio_classifier_of_waveforms.build(), tmp_path / "model.onnx", "onnx")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("", None, "Received an empty line"),
        ("frames.csv", b"1,2,3", r"NumPy file \(\.npy\) with an array \[frames, 3\]"),
        ("frames.npy", b"", r"frames\.npy can't be read as frames"),
        ("frames.npy", b"1,2,3", r"frames\.npy can't be read as frames"),
        ("frames.npy", np.ones(3), "must be a list of lists of float"),
    ],
)
def test_a_file_that_is_not_frames_is_refused(tmp_path, file, content, message):
    path = str(tmp_path / file) if file else ""
    if isinstance(content, bytes):
        (tmp_path / file).write_bytes(content)
    elif content is not None:
        np.save(path, content)
    with pytest.raises(ValueError, match=message):
        audio_classifier_of_frames.build().read_input(path)
