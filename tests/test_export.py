"""Exported networks give the answers of the model that they come from."""

import numpy as np
import pytest

from zoo import models
from zoo.export import ExportError, export

TEXTS = ["a fine film", "a dull film, really", "what a waste of time", "great fun for all"]


@pytest.fixture(scope="module")
def model():
    tokenizer = models.SubwordTokenizer.train(TEXTS * 5, 60)
    backbone = models.TextBackbone(
        tokenizer.vocabulary_size(), "lstm", embedding_dim=4, units=5, bidirectional=True
    )
    preprocessor = models.TextClassifierPreprocessor(tokenizer)
    return models.TextClassifier(backbone, ["negative", "positive"], preprocessor)


def network(model):
    x = model.preprocessor(TEXTS)
    return x, model.predict(TEXTS)


def test_a_savedmodel_gives_the_same(model, tmp_path):
    import tensorflow as tf

    export(model, tmp_path / "saved", "savedmodel")
    x, expected = network(model)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_allclose(loaded.serve(x), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("format", "message"), [("torch", "Unknown format 'torch'. Known: savedmodel")]
)
def test_a_wrong_format_is_refused(model, tmp_path, format, message):
    with pytest.raises(ExportError, match=message):
        export(model, tmp_path / "model", format)
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_kept(model, tmp_path):
    (tmp_path / "model").write_text("precious")
    with pytest.raises(ExportError, match=r"exists\. Remove it"):
        export(model, tmp_path / "model", "savedmodel")
    assert (tmp_path / "model").read_text() == "precious"
