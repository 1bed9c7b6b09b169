"""The auxiliary model of an ensemble: a linear model of n-grams, fitted to labelled texts."""

import time

import keras
import numpy as np
import scipy.sparse

from zoo import models
from zoo.models.ngram_classifier.ngram_backbone import hashes

LEAST_TEXTS = 2  # that an n-gram stands in, to be known
INVERSE_STRENGTH = 1.0  # of the regularisation
CERTAIN = 10.0  # the log-odds of a class that all texts have, or none has


def fitted(examples, member, order, count):
    """The auxiliary model for an ensemble with a text classifier.

    Args:
        examples: the labelled `Examples`.
        member: the `TextClassifier`, whose labels and preprocessor it takes.
        order, count: as `fit`.

    Returns:
        A `zoo.models.NgramClassifier`, and the seconds that it took.
    """
    start = time.perf_counter()
    preprocessor = member.preprocessor
    inputs = preprocessor(examples.inputs)
    model = fit(inputs, examples.targets, member.labels, preprocessor, order, count)
    return model, time.perf_counter() - start


def fit(inputs, labels, names, preprocessor, order, count):
    """Logistic regression on which n-grams a text has, each scaled by how much more often one class
    has it than the others ("NBSVM" of S. Wang and C. D. Manning, "Baselines and Bigrams", 2012).

    Args:
        inputs: dict of `"token_ids"`, int32 array `[texts, time]`, and `"padding_mask"`, bool
            `[texts, time]`.
        labels: int array `[texts]`.
        names: list of str, the classes. Of more than two each is told from all others, and the
            softmax of these log-odds is surer than it should be.
        preprocessor: what makes such inputs of text, for the classifier.
        order: int, the longest n-gram.
        count: int, the most n-grams to know: those that tell most.

    Returns:
        A `zoo.models.NgramClassifier`.
    """
    from sklearn.linear_model import LogisticRegression

    texts, found = _found(**inputs, order=order)
    keys, text_counts = np.unique(found, return_counts=True)
    keys = keys[text_counts >= min(LEAST_TEXTS, len(labels))]
    has = _matrix(texts, found, keys, len(labels))
    is_of = np.eye(len(names), dtype="float32")[labels]
    ratios = np.stack([_log_ratios(has, mine) for mine in is_of.T])
    tells = np.abs(ratios).max(axis=0) * np.sqrt(np.asarray(has.sum(axis=0)).ravel())
    kept = np.sort(np.argsort(-tells, kind="stable")[:count])
    keys, has, ratios = keys[kept], has[:, kept], ratios[:, kept]
    scores, bias = np.zeros((len(keys), len(names))), np.zeros(len(names))
    for number, (mine, ratio) in enumerate(zip(is_of.T, ratios, strict=True)):
        if mine.min() == mine.max():
            bias[number] = CERTAIN if mine[0] else -CERTAIN
            continue
        regression = LogisticRegression(
            C=INVERSE_STRENGTH, solver="liblinear", dual=True, max_iter=1000, random_state=0
        )
        regression.fit(has.multiply(ratio).tocsr(), mine)
        scores[:, number], bias[number] = regression.coef_[0] * ratio, regression.intercept_[0]
    if len(names) == 2:  # where each of them has said the same
        scores, bias = scores / 2, bias / 2
    backbone = models.NgramBackbone(len(keys), len(names), order)
    backbone.scores.set_weights([keys, scores, bias])
    return models.NgramClassifier(backbone, names, preprocessor)


def _found(token_ids, padding_mask, order, rows=1000):
    """The different n-grams of each text: the numbers of texts, and beside them their hashes."""
    parts = []
    for start in range(0, len(token_ids), rows):
        part = slice(start, start + rows)
        of_texts = keras.ops.convert_to_numpy(hashes(token_ids[part], padding_mask[part], order))
        of_texts = np.sort(of_texts, axis=1)
        is_new = of_texts != np.pad(of_texts, [[0, 0], [1, 0]])[:, :-1]
        texts, places = np.nonzero(is_new & (of_texts != 0))
        parts.append((texts + start, of_texts[texts, places]))
    return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))


def _matrix(texts, found, keys, rows):
    """Which text has which of the keys, a sparse matrix of 0 and 1."""
    places = np.minimum(np.searchsorted(keys, found), len(keys) - 1)
    is_known = keys[places] == found
    ones = np.ones(is_known.sum(), "float32")
    shape = (rows, len(keys))
    return scipy.sparse.csr_matrix((ones, (texts[is_known], places[is_known])), shape)


def _log_ratios(has, mine):
    """How much more of the n-grams of one class each is than of those of the others."""
    of_mine, of_others = 1 + has.T @ mine, 1 + has.T @ (1 - mine)
    return np.log(of_mine / of_mine.sum()) - np.log(of_others / of_others.sum())
