"""Translation: translates texts."""

import csv
import functools
import io
import time
from typing import Literal

import numpy as np
import pydantic
from sacrebleu.metrics import BLEU as SacreBLEU
from sacrebleu.metrics import CHRF

from benchmarks import plots
from benchmarks.metrics import ACCURACY, BLEU
from benchmarks.tasks.batches import Batches
from benchmarks.tasks.task import Baseline, Evaluation, Examples, ModelConfig, Task
from zoo import models
from zoo.models.translator.translator_backbone import ATTENTION


class Translation(Task):
    """Translates the dataset's feature `source` into `target` with a recurrent `Translator`.

    The metric is sacreBLEU, cased and detokenised; on validation, the accuracy of the next subword
    with teacher forcing.
    """

    metric = BLEU
    validation_metric = ACCURACY
    feature = "source"
    target_feature = "target"
    supports = ("fit", "ensemble")

    class Model(ModelConfig, frozen=True):
        vocabulary_size: pydantic.PositiveInt
        embedding_dim: pydantic.PositiveInt
        units: pydantic.PositiveInt
        bidirectional: bool
        num_layers: pydantic.PositiveInt
        attention: Literal[ATTENTION]
        dropout: float = pydantic.Field(ge=0, lt=1)
        max_length: pydantic.PositiveInt
        beam_width: pydantic.PositiveInt
        label_smoothing: float = pydantic.Field(0.0, ge=0, lt=1)

    def build(self, config):
        model = config.model
        tokenizer = self._tokenizer(model.vocabulary_size)
        backbone = models.TranslatorBackbone(
            tokenizer.vocabulary_size(),
            config.architecture,
            embedding_dim=model.embedding_dim,
            units=model.units,
            bidirectional=model.bidirectional,
            num_layers=model.num_layers,
            attention=model.attention,
            dropout=model.dropout,
        )
        preprocessor = models.TranslatorPreprocessor(tokenizer)
        return models.Translator(backbone, preprocessor, beam_width=model.beam_width)

    def read_examples(self, split):
        data = self.read(split)
        return Examples(data["source"], data["target"])

    def batches(self, model, examples, config, batch_size=32):
        inputs, targets, weights = self._encoded(
            model.preprocessor.tokenizer, examples, config.model.max_length
        )
        source = inputs["encoder_padding_mask"].sum(axis=1)
        target = weights.sum(axis=1)

        def columns(chosen, generator):
            widths = {"e": source[chosen].max(), "d": target[chosen].max()}
            x = {name: array[chosen, : widths[name[0]]] for name, array in inputs.items()}
            return x, targets[chosen, : widths["d"]], weights[chosen, : widths["d"]]

        return Batches(examples, columns, source + target, batch_size)

    def loss(self, config, examples):
        return models.SequenceCrossEntropy(config.model.label_smoothing)

    def evaluate(self, model, config):
        test = self.read("test")
        outputs = model.generate(test["source"])
        answer = dict(zip(test["source"], outputs, strict=True))[self.plotted_input()]
        figure = plots.attention_map(*model.attention(self.plotted_input(), answer))
        return bleu(test, outputs, {"attention_map": figure})

    def baseline(self):
        """Copies the translation of the most similar training text, by the cosine similarity of
        TF-IDF of character n-grams."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        train = self.read("train")
        start = time.perf_counter()
        vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
        known = vectorizer.fit_transform(train["source"]).astype("float32")
        seconds = time.perf_counter() - start
        test = self.read("test")
        queries = vectorizer.transform(test["source"]).astype("float32")
        nearest = np.concatenate(
            [
                (queries[i : i + 64] @ known.T).toarray().argmax(1)
                for i in range(0, len(test["source"]), 64)
            ]
        )
        return Baseline(
            name="copy of the nearest neighbour's translation, TF-IDF of characters",
            seconds=seconds,
            parameters=known.nnz,
            evaluation=bleu(test, [train["target"][index] for index in nearest], {}),
        )

    @functools.cache  # noqa: B019 - a task lives as long as its process
    def _tokenizer(self, vocabulary_size):
        train = self.read("train")
        return models.SubwordTokenizer.train(
            train["source"] + train["target"], vocabulary_size, byte_fallback=True
        )

    @functools.cache  # noqa: B019
    def _encoded(self, tokenizer, examples, max_length):
        return models.TranslatorPreprocessor(tokenizer, max_length)(
            {"encoder_text": examples.inputs, "decoder_text": examples.targets}
        )


def bleu(data, outputs, figures):
    """Evaluates translations with corpus BLEU and chrF.

    The interval of BLEU is bootstrapped with 1,000 resamples (P. Koehn, "Statistical Significance
    Tests for Machine Translation Evaluation", 2004).

    Args:
        data: dict of `"source"` and `"target"`, lists of str.
        outputs: list of str, the translations.
        figures: dict of Matplotlib figures by name.

    Returns:
        An `Evaluation`.
    """
    metric = SacreBLEU()
    references = [data["target"]]
    score = metric.corpus_score(outputs, references, n_bootstrap=1000)
    table = io.StringIO()
    rows = zip(data["source"], data["target"], outputs, strict=True)
    csv.writer(table, delimiter="\t").writerows([("source", "target", "output"), *rows])
    return Evaluation(
        value=score.score,
        interval=(score._mean - score._ci, score._mean + score._ci),
        signature=str(metric.get_signature()),
        details={"chrf": CHRF().corpus_score(outputs, references).score},
        figures=figures,
        texts={"translations.tsv": table.getvalue()},
    )
