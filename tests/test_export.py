"""Exported networks return what their model predicts."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from benchmarks.recipes import ngrams
from zoo import export as export_module
from zoo import models
from zoo.export import ExportError, export

TEXTS = ["a fine film", "a dull film, really", "what a waste of time", "great fun for all"]


def text_classifier():
    tokenizer = models.SubwordTokenizer.train(TEXTS * 5, 60)
    backbone = models.TextBackbone(
        tokenizer.vocabulary_size(), "lstm", embedding_dim=4, units=5, bidirectional=True
    )
    preprocessor = models.TextClassifierPreprocessor(tokenizer)
    return models.TextClassifier(backbone, ["negative", "positive"], preprocessor), TEXTS


def audio_classifier():
    backbone = models.AudioBackbone("gru", front_end="log_mel", feature_dim=8, units=4)
    preprocessor = models.AudioClassifierPreprocessor(feature_dim=None)
    clips = [np.random.default_rng(0).normal(0, 0.1, n).astype("float32") for n in (900, 3000)]
    return models.AudioClassifier(backbone, ["zero", "one"], preprocessor), clips


def with_ngrams():
    recurrent, texts = text_classifier()
    inputs = recurrent.preprocessor(texts)
    fitted = ngrams.fit(
        inputs, np.array([1, 0, 0, 1]), recurrent.labels, recurrent.preprocessor, 3, 1000
    )
    return models.ensemble([recurrent, fitted]), texts


def forecasters():
    generator = np.random.default_rng(0)
    members = []
    for _ in range(3):
        backbone = models.ForecastBackbone("gru", lookback=40, segment=8, units=4, log=True)
        member = models.Forecaster(
            backbone, 5, seasons=[8], preprocessor=models.ForecastPreprocessor(40, period=8)
        )
        residual = member.get_layer("residual")
        residual.set_weights([generator.normal(0, 0.3, w.shape) for w in residual.get_weights()])
        members.append(member)
    return models.ensemble(members), [np.exp(generator.normal(size=n)) for n in (50, 11)]


@pytest.fixture(
    scope="module", params=[text_classifier, audio_classifier, with_ngrams, forecasters]
)
def exported(request):
    """A model, preprocessed inputs, and the probabilities that it predicts for them."""
    model, raw = request.param()
    return model, model.preprocessor(raw), model.predict(raw)


@pytest.fixture(scope="module")
def model():
    return text_classifier()[0]


def test_a_savedmodel_returns_the_same(exported, tmp_path):
    model, x, expected = exported
    export(model, tmp_path / "saved", "savedmodel")
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_allclose(loaded.serve(x), expected, atol=1e-6)


def test_onnx_returns_the_same(exported, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    model, x, expected = exported
    if model.export_obstacle("onnx"):
        with pytest.raises(ExportError, match="Fourier transform"):
            export(model, tmp_path / "model.onnx", "onnx")
        return
    export(model, tmp_path / "model.onnx", "onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    np.testing.assert_allclose(session.run(None, x)[0], expected, atol=1e-5)


def test_tflite_returns_the_same(exported, tmp_path):
    model, x, expected = exported
    length = 4000 if "audio" in x else 40
    export(model, tmp_path / "model.tflite", "tflite", length)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LiteRT is to replace this package
        interpreter = tf.lite.Interpreter(str(tmp_path / "model.tflite"))
    interpreter.allocate_tensors()
    for row, probabilities in enumerate(expected):
        for details in interpreter.get_input_details():
            (name,) = (name for name in x if name in details["name"])
            values = x[name][row : row + 1]
            values = np.pad(values, ((0, 0), (0, length - values.shape[1])))
            interpreter.set_tensor(details["index"], values)
        interpreter.invoke()
        (output,) = interpreter.get_output_details()
        found = interpreter.get_tensor(output["index"])[0]
        np.testing.assert_allclose(found, probabilities, atol=1e-5)


def test_tflite_runs_one_step_of_a_language_model(tmp_path):
    tokenizer = models.SubwordTokenizer.train(TEXTS, 300, byte_fallback=True, keep_whitespace=True)
    backbone = models.LanguageBackbone(tokenizer.vocabulary_size(), "gru", 4, 5, num_layers=2)
    model = models.LanguageModel(backbone, models.LanguageModelPreprocessor(tokenizer))
    export(model, tmp_path / "model.tflite", "tflite")
    generator = np.random.default_rng(0)
    x = {
        name: generator.normal(size=(1, 5)).astype("float32") for name in ("state_0_0", "state_1_0")
    }
    x["token_ids"] = np.array([7], "int32")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(str(tmp_path / "model.tflite"))
    interpreter.allocate_tensors()
    for details in interpreter.get_input_details():
        (name,) = (name for name in x if name in details["name"])
        interpreter.set_tensor(details["index"], x[name])
    interpreter.invoke()
    expected = model.export_network().predict_on_batch(x)
    outputs = sorted(interpreter.get_output_details(), key=lambda details: details["name"])
    for details, name in zip(outputs, sorted(expected), strict=True):
        np.testing.assert_allclose(
            interpreter.get_tensor(details["index"]), expected[name], atol=1e-5
        )


@pytest.mark.parametrize(
    ("format", "message"), [("torch", "Unknown format 'torch'. Known: savedmodel")]
)
def test_a_wrong_format_is_refused(model, tmp_path, format, message):
    with pytest.raises(ExportError, match=message):
        export(model, tmp_path / "model", format)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("format", "length"), [("tflite", 0), ("savedmodel", 10)])
def test_a_wrong_length_is_refused(model, tmp_path, format, length):
    with pytest.raises(ExportError, match=f"length={length}, format='{format}'"):
        export(model, tmp_path / "model", format, length)


def test_an_existing_file_is_kept(model, tmp_path):
    (tmp_path / "model").write_text("precious")
    with pytest.raises(ExportError, match=r"exists\. Remove it"):
        export(model, tmp_path / "model", "savedmodel")
    assert (tmp_path / "model").read_text() == "precious"


def test_a_missing_folder_is_named(model, tmp_path):
    with pytest.raises(ExportError, match=r"no folder .*nowhere to write model\.tflite"):
        export(model, tmp_path / "nowhere" / "model.tflite", "tflite")


@pytest.mark.parametrize("format", ["savedmodel", "tflite", "onnx"])
def test_an_export_that_is_wrong_is_not_written(model, tmp_path, monkeypatch, format):
    write = export_module._WRITERS[format]

    def write_another(network, *rest):
        another = keras.models.clone_model(network)
        another.set_weights([0.1 + weight for weight in network.get_weights()])
        write(another, *rest)

    monkeypatch.setitem(export_module._WRITERS, format, write_another)
    with pytest.raises(ExportError, match="differ from the model's"):
        export(model, tmp_path / "model", format)

    def write_a_part(network, output_name, path, length):
        path.write_bytes(b"TFL3")

    monkeypatch.setitem(export_module._WRITERS, format, write_a_part)
    with pytest.raises(ExportError, match="can't be loaded"):
        export(model, tmp_path / "model", format)
    assert list(tmp_path.iterdir()) == []
