"""Step `truncated_bptt`: trains a language model on one long text, carrying its states along."""

from typing import ClassVar

import keras
import numpy as np
import pydantic
from keras import ops

from benchmarks.pipeline import prefetched
from benchmarks.recipes.fit import Fit
from zoo.models.sampled_softmax import sampled_softmax


class TruncatedBPTT(Fit, frozen=True):
    """Trains as `fit` does, by truncated backpropagation through time.

    The text is divided into `batch_size` rows. Each batch holds the next `steps` tokens of every
    row and starts from the states that the last batch ended with (R. J. Williams and J. Peng, 1990;
    T. Mikolov et al., 2010). In each epoch, the documents are in a different order, and the rows
    begin at different places.

    Attributes:
        steps: tokens per row and batch.
        candidates: tokens of the sampled softmax in training; 0 for the full softmax. Validation
            always computes the full softmax. `train/perplexity` is computed from the training loss.
    """

    name: ClassVar[str] = "truncated_bptt"

    monitor: str = "perplexity"
    steps: pydantic.PositiveInt
    candidates: pydantic.NonNegativeInt = 0

    def batches(self, training, model, examples):
        documents = [np.asarray(row, "int32") for row in training.task.documents(model, examples)]
        return StreamBatches(documents, self.batch_size, self.steps, self.candidates)

    def trainer(self, model, batches):
        return CarriedStates(model, self.batch_size, batches.candidate_probabilities(model))


class StreamBatches:
    """Consecutive pieces of a text in parallel rows.

    Unshuffled, the rows cover the text, and padding ends the last one, until `shuffle` is called.

    Args:
        documents: list of int32 arrays `[tokens]`, read as one text.
        batch_size: int, number of rows.
        steps: int, tokens per piece.
        candidates: int, tokens drawn per batch for a sampled softmax, when shuffled.

    Attributes:
        examples: the tokens of an epoch.
        epoch: int, the epoch that determines the order of the next pass over `dataset`.
    """

    def __init__(self, documents, batch_size, steps, candidates=0):
        self.documents = documents
        self.batch_size = batch_size
        self.steps = steps
        self.candidates = candidates
        self.examples = range(sum(map(len, documents)))
        self.epoch = 0
        self._seed = None

    def shuffle(self, seed):
        """Shuffles documents and moves the rows, in a way that depends on seed and epoch alone."""
        self._seed = seed

    def candidate_probabilities(self, model):
        """The probability of each token to be a candidate, `[vocabulary]`; None without any."""
        if not self.candidates:
            return None
        counts = np.bincount(
            np.concatenate(self.documents), minlength=model.backbone.vocabulary_size
        )
        smoothed = counts**0.75
        self._cumulative = np.cumsum(smoothed / smoothed.sum())
        self._cumulative[-1] = 1.0
        return self.candidates * smoothed / smoothed.sum()

    def __len__(self):
        return -(-self._row_length // self.steps)

    @property
    def _row_length(self):
        """Tokens to predict per row: rounded up to cover all, or in training down to whole
        pieces."""
        count = len(self.examples) - 1
        if self._seed is None:
            return max(1, -(-count // self.batch_size))
        return max(1, count // (self.batch_size * self.steps)) * self.steps

    @property
    def dataset(self):
        """The batches as a `tf.data.Dataset` of known cardinality."""
        import tensorflow as tf

        piece = (self.batch_size, None)
        signature = (
            {  # Keras weights the loss of a batch by the size of the first input by name
                "token_ids": tf.TensorSpec(piece, "int32"),
                "padding_mask": tf.TensorSpec(piece, "bool"),
                "is_start": tf.TensorSpec((self.batch_size, 1), "bool"),
                "sampled_ids": tf.TensorSpec((None,), "int32"),
            },
            tf.TensorSpec(piece, "int32"),
            tf.TensorSpec(piece, "bool"),
        )
        return prefetched(self._pass, signature, len(self))

    def _pass(self):
        text, generator = self._text()
        length = self._row_length
        # The last token of a row is only a target, and the first one of the next row.
        places = np.arange(self.batch_size)[:, None] * length + np.arange(length + 1)
        inside = places < len(text)
        rows = np.where(inside, text[np.minimum(places, len(text) - 1)], 0)
        for start in range(0, length, self.steps):
            piece = slice(start, min(start + self.steps, length))
            after = slice(piece.start + 1, piece.stop + 1)
            drawn = np.zeros(0, "int32")
            if self.candidates and generator is not None:
                drawn = np.searchsorted(self._cumulative, generator.random(self.candidates))
            inputs = {
                "token_ids": rows[:, piece],
                "padding_mask": inside[:, after],
                "is_start": np.full((self.batch_size, 1), start == 0),
                "sampled_ids": drawn.astype("int32"),
            }
            yield inputs, rows[:, after], inside[:, after]

    def _text(self):
        """The tokens of the next pass, and a generator for the candidates, None if unshuffled."""
        if self._seed is None:
            return np.concatenate(self.documents), None
        generator = np.random.default_rng([self._seed, self.epoch])
        order = generator.permutation(len(self.documents))
        text = np.concatenate([self.documents[index] for index in order])
        return np.roll(text, generator.integers(len(text))), generator


class CarriedStates(keras.Model):
    """Trains a language model on batches that continue one another.

    Args:
        model: a `zoo.models.LanguageModel`.
        batch_size: int, rows of every batch.
        expected: float array `[vocabulary]`, how often each token is expected among the candidates
            of a batch; None for the full softmax.
    """

    def __init__(self, model, batch_size, expected=None):
        super().__init__()
        self.language_model = model
        self.log_expected = (
            None if expected is None else np.log(np.maximum(expected, 1e-9)).astype("float32")
        )
        self.carried = [
            [
                self.add_weight(state.shape, "zeros", trainable=False, name="carried")
                for state in states
            ]
            for states in model.backbone.initial_states(batch_size)
        ]
        self.perplexity = Perplexity(name="perplexity")
        self.built = True

    def call(self, x, training=False):
        states = [
            [ops.where(x["is_start"], 0.0, ops.convert_to_tensor(state)) for state in states]
            for states in self.carried
        ]
        outputs = self.language_model.backbone.with_states(
            {"token_ids": x["token_ids"], "padding_mask": x["padding_mask"], "states": states},
            training=training,
        )
        for carried, last in zip(self.carried, outputs["states"], strict=True):
            for variable, state in zip(carried, last, strict=True):
                variable.assign(ops.stop_gradient(state))
        return outputs["sequence"]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        backbone = self.language_model.backbone
        outputs = ops.reshape(y_pred, (-1, backbone.output_dim))
        targets = ops.reshape(y, (-1,))
        if training and self.log_expected is not None:
            losses = sampled_softmax(
                outputs,
                targets,
                backbone.output_vectors,
                ops.convert_to_tensor(backbone.output_bias.bias),
                x["sampled_ids"],
                self.log_expected,
            )
        else:
            logits = backbone.logits(ops.cast(outputs, "float32"))
            right = ops.take_along_axis(logits, targets[:, None], axis=-1)[:, 0]
            losses = ops.logsumexp(logits, axis=-1) - right
        weights = ops.cast(ops.reshape(sample_weight, (-1,)), losses.dtype)
        self.perplexity.update_state(losses, weights)
        return ops.sum(losses * weights) / ops.maximum(ops.sum(weights), 1.0)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return self.get_metrics_result()


class Perplexity(keras.metrics.Mean):
    """The exponential of a mean of losses per token."""

    def result(self):
        return ops.exp(super().result())
