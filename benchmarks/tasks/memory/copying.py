"""The copying problem: ten symbols, repeated after a gap."""

import keras
import numpy as np

from benchmarks.tasks.memory.problem import Fitted, Problem
from zoo import models
from zoo.datasets.copy import copy_dataset_builder as dataset


class Copying(Problem):
    """Repeats the symbols at the start of a sequence at its end."""

    feature = "symbols"
    target_feature = "copied"
    correct = "symbols"
    alphabet = dataset.SYMBOLS + dataset.BLANK + dataset.DELIMITER
    draw = staticmethod(dataset.draw)

    @property
    def answer_steps(self):
        return dataset.COUNT

    def timescale(self, gap):
        """The distance from the first symbol to its recall: the gap and the symbols."""
        return gap + dataset.COUNT

    def targets(self, column):
        return np.array([[dataset.SYMBOLS.index(symbol) for symbol in text] for text in column])

    def model(self, backbone, preprocessor):
        return models.MemoryRecaller(backbone, dataset.COUNT, dataset.SYMBOLS, preprocessor)

    def is_correct(self, outputs, targets):
        return outputs.argmax(axis=-1) == targets

    def loss_of_steps(self, head, outputs, targets):
        losses = keras.losses.sparse_categorical_crossentropy(targets, head(outputs))
        return keras.ops.mean(losses, axis=-1)

    def order_blind(self, train, validation):
        """Each position is predicted from the counts of the symbols alone."""
        from sklearn.linear_model import LogisticRegression

        counts = lambda inputs: np.array(
            [[text.count(symbol) for symbol in dataset.SYMBOLS] for text in inputs]
        )
        # All positions are alike, so one regression is enough.
        rows = np.repeat(counts(train.inputs), dataset.COUNT, axis=0)
        regression = LogisticRegression(max_iter=1000).fit(rows, train.targets.ravel())
        answer = lambda inputs: np.repeat(
            regression.predict_proba(counts(inputs))[:, None], dataset.COUNT, axis=1
        )
        parameters = regression.coef_.size + regression.intercept_.size
        return Fitted("counts of symbols, logistic regression", answer, parameters)

    def constant(self, train):
        count = len(dataset.SYMBOLS)
        likeliest = np.bincount(train.targets.ravel(), minlength=count).argmax()
        answer = np.eye(count)[[likeliest] * dataset.COUNT]
        return Fitted("the likeliest symbol", lambda inputs: np.stack([answer] * len(inputs)), 1)
