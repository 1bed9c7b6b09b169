"""The auxiliary model of an ensemble: a linear n-gram classifier, fitted to labelled texts."""

import time

import keras
import numpy as np
import scipy.sparse

from zoo import models
from zoo.models.ngram_classifier.ngram_backbone import hashes

MIN_TEXTS = 2  # rarer n-grams are dropped
INVERSE_STRENGTH = 1.0  # C of scikit-learn: smaller values regularise more
CERTAIN = 10.0  # magnitude of the log-odds of a class that all texts have, or none


def fitted(examples, member, order, count):
    """Fits the auxiliary model for an ensemble with a text classifier.

    Args:
        examples: the labelled `Examples`.
        member: the `TextClassifier`, whose labels and preprocessor are reused.
        order, count: see `fit`.

    Returns:
        `(model, seconds)`: a `zoo.models.NgramClassifier`, and the time that it took.
    """
    start = time.perf_counter()
    preprocessor = member.preprocessor
    inputs = preprocessor(examples.inputs)
    model = fit(inputs, examples.targets, member.labels, preprocessor, order, count)
    return model, time.perf_counter() - start


def fit(inputs, labels, names, preprocessor, order, count):
    """Fits logistic regression on the presence of n-grams, scaled by their log-count ratios.

    The ratio compares how often an n-gram occurs in one class and in the others ("NBSVM", S. Wang
    and C. D. Manning, "Baselines and Bigrams", 2012). With more than two classes, each is fitted
    against all others; the softmax of these log-odds is then overconfident.

    Args:
        inputs: dict with `"token_ids"`, int32 array `[texts, time]`, and `"padding_mask"`, bool
            array `[texts, time]`.
        labels: int array `[texts]`.
        names: list of str, the classes.
        preprocessor: the classifier's preprocessor, which makes such inputs from texts.
        order: int, maximum length of an n-gram.
        count: int, maximum number of n-grams; the most informative ones are kept.

    Returns:
        A `zoo.models.NgramClassifier`.
    """
    from sklearn.linear_model import LogisticRegression

    texts, found = _found(**inputs, order=order)
    keys, text_counts = np.unique(found, return_counts=True)
    keys = keys[text_counts >= min(MIN_TEXTS, len(labels))]
    has = _matrix(texts, found, keys, len(labels))
    one_hot = np.eye(len(names), dtype="float32")[labels]
    ratios = np.stack([_log_ratios(has, is_class) for is_class in one_hot.T])
    information = np.abs(ratios).max(axis=0) * np.sqrt(np.asarray(has.sum(axis=0)).ravel())
    kept = np.sort(np.argsort(-information, kind="stable")[:count])
    keys, has, ratios = keys[kept], has[:, kept], ratios[:, kept]
    scores, bias = np.zeros((len(keys), len(names))), np.zeros(len(names))
    for number, (is_class, ratio) in enumerate(zip(one_hot.T, ratios, strict=True)):
        if is_class.min() == is_class.max():
            bias[number] = CERTAIN if is_class[0] else -CERTAIN
            continue
        regression = LogisticRegression(
            C=INVERSE_STRENGTH, solver="liblinear", dual=True, max_iter=1000, random_state=0
        )
        regression.fit(has.multiply(ratio).tocsr(), is_class)
        scores[:, number], bias[number] = regression.coef_[0] * ratio, regression.intercept_[0]
    if len(names) == 2:  # both regressions estimate the same log-odds
        scores, bias = scores / 2, bias / 2
    backbone = models.NgramBackbone(len(keys), len(names), order)
    backbone.scores.set_weights([keys, scores, bias])
    return models.NgramClassifier(backbone, names, preprocessor)


def _found(token_ids, padding_mask, order, rows=1000):
    """The distinct n-grams of each text: int arrays `[pairs]` of text indices and of hashes."""
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
    """Which text has which n-gram: a sparse matrix `[rows, keys]` of 0 and 1."""
    places = np.minimum(np.searchsorted(keys, found), len(keys) - 1)
    is_known = keys[places] == found
    ones = np.ones(is_known.sum(), "float32")
    shape = (rows, len(keys))
    return scipy.sparse.csr_matrix((ones, (texts[is_known], places[is_known])), shape)


def _log_ratios(has, is_class):
    """The log-count ratio of each n-gram: its smoothed share in one class against the others."""
    inside, outside = 1 + has.T @ is_class, 1 + has.T @ (1 - is_class)
    return np.log(inside / inside.sum()) - np.log(outside / outside.sum())
