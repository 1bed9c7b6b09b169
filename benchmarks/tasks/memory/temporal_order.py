"""The temporal order problem: which of two symbols came first."""

import keras
import numpy as np

from benchmarks.tasks.memory.problem import Fitted, Problem
from zoo import models
from zoo.datasets.temporal_order import temporal_order_dataset_builder as dataset

STRENGTHS = (0.01, 1.0, 100.0)  # C of scikit-learn: smaller values regularise more
STATES = (2, 4, 8)
ROUNDS = 50  # of expectation maximisation


class TemporalOrder(Problem):
    """Predicts two symbols in the order in which they appeared."""

    feature = "symbols"
    target_feature = "label"
    correct = "classes"
    alphabet = dataset.START + dataset.DISTRACTORS + dataset.RELEVANT + dataset.TRIGGER
    draw = staticmethod(dataset.draw)

    def targets(self, column):
        return np.asarray(column, "int32")

    def model(self, backbone, preprocessor):
        return models.MemoryClassifier(backbone, self.features["label"].names, preprocessor)

    def is_correct(self, outputs, targets):
        return outputs.argmax(axis=-1) == targets

    def loss_of_steps(self, head, outputs, targets):
        probabilities = head(outputs[:, -1])
        return keras.losses.sparse_categorical_crossentropy(targets, probabilities)

    def order_blind(self, train, validation):
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        counts = lambda inputs: np.array(
            [[text.count(symbol) for symbol in self.alphabet] for text in inputs]
        )
        fitted = [
            make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000)).fit(
                counts(train.inputs), train.targets
            )
            for strength in STRENGTHS
        ]
        inputs = counts(validation.inputs)
        best = max(fitted, key=lambda model: model.score(inputs, validation.targets))
        answer = lambda inputs: best.predict_proba(counts(inputs))
        regression = best[-1]
        parameters = regression.coef_.size + regression.intercept_.size
        return Fitted("counts of symbols, logistic regression", answer, parameters)

    def constant(self, train):
        classes = len(dataset.LABELS)
        likeliest = np.bincount(train.targets, minlength=classes).argmax()
        answer = lambda inputs: np.eye(classes)[[likeliest] * len(inputs)]
        return Fitted("the likeliest class", answer, 1)

    def hidden_markov(self, train, validation):
        """One model per class, with the number of states that is best on validation; the answer is
        the class whose model gives the sequence the highest likelihood."""
        fitted = [self._fitted(train, states) for states in STATES]
        accuracy = lambda found: self.is_correct(
            self._likelihoods(found, validation.inputs), validation.targets
        ).mean()
        best = max(fitted, key=accuracy)
        answer = lambda inputs: self._likelihoods(best, inputs)
        states = best[0].n_components
        parameters = len(best) * states * (1 + states + len(self.alphabet))
        return Fitted(f"a hidden Markov model of {states} states a class", answer, parameters)

    def _fitted(self, train, states):
        from hmmlearn.hmm import CategoricalHMM

        models_of_classes = []
        for label in range(len(dataset.LABELS)):
            texts = [train.inputs[index] for index in np.flatnonzero(train.targets == label)]
            model = CategoricalHMM(
                states,
                n_features=len(self.alphabet),
                n_iter=ROUNDS,
                random_state=0,
                implementation="scaling",
                emissionprob_prior=1.01,  # symbols that a class never has keep a small probability
            )
            sequence, lengths = self._joined(texts)
            models_of_classes.append(model.fit(sequence, lengths))
        return models_of_classes

    def _likelihoods(self, models_of_classes, inputs):
        """The log-likelihood of each input under each model, float `[inputs, classes]`."""
        encoded = [self._joined([text])[0] for text in inputs]
        return np.array([[model.score(one) for model in models_of_classes] for one in encoded])

    def _joined(self, texts):
        """The indices of the symbols of all texts, int `[steps, 1]`, and the texts' lengths."""
        codes = np.frombuffer("".join(texts).encode("ascii"), "uint8")
        indices = np.zeros(256, int)
        indices[np.frombuffer(self.alphabet.encode("ascii"), "uint8")] = range(len(self.alphabet))
        return indices[codes][:, None], [len(text) for text in texts]
