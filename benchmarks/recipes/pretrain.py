"""Pretraining without labels: a state predicts the subwords that are near ahead of it."""

import hashlib
import json
import os
import time

import keras
import numpy as np
from keras import ops

from benchmarks.optimizer import adam
from zoo.datasets import cache
from zoo.layers import architectures

STEPS = 128  # of a piece of text
PIECES = 32  # a batch
CANDIDATES = 512  # that the right subword has to stand out from
FREQUENT = 1e-4  # subwords with a greater part in the text count less
LEARNING_RATE = 0.003
WARMUP = 200  # batches
VERSION = 1  # to be raised with every change to what is learned, since results are kept


def pretrain_once(backbone, token_ids, window, epochs, seed, update=lambda **progress: None):
    """As `pretrain`, but what was pretrained before in the same way is taken from the cache.

    Returns:
        The loss, and the seconds that it took when it was done.
    """
    settings = [backbone.architecture, backbone.bidirectional, window, epochs, seed]
    settings += [VERSION, STEPS, PIECES, CANDIDATES, FREQUENT, LEARNING_RATE, WARMUP]
    key = hashlib.sha256(json.dumps(settings).encode())
    for array in (token_ids, *backbone.get_weights()):
        key.update(np.ascontiguousarray(array))
    path = cache.folder("pretrained") / f"{key.hexdigest()}.npz"
    if not path.exists():
        start = time.perf_counter()
        loss = pretrain(backbone, token_ids, window, epochs, seed, update)
        of_this_run = path.with_suffix(f".{os.getpid()}.npz")
        results = {"loss": loss, "seconds": time.perf_counter() - start}
        np.savez(of_this_run, *backbone.get_weights(), **results)
        of_this_run.replace(path)
    with np.load(path) as kept:
        backbone.set_weights([kept[f"arr_{index}"] for index in range(len(kept.files) - 2)])
        return float(kept["loss"]), float(kept["seconds"])


def pretrain(backbone, token_ids, window, epochs, seed, update=lambda **progress: None):
    """Trains the embedding and the recurrent layer of a `TextBackbone` on text alone.

    From the state of each step one of the `window` next subwords, whichever chance takes, is to be
    told from others; where both directions are read, from the backward state one of those before.
    With a window of one this is a language model (A. M. Dai and Q. V. Le, "Semi-supervised Sequence
    Learning", 2015); a wider one asks less for grammar and more for what a text is about, as the
    two-view embeddings of R. Johnson and T. Zhang do ("Supervised and Semi-Supervised Text
    Categorization using LSTM for Region Embeddings", 2016). The softmax is sampled (S. Jean et al.,
    2015), and frequent subwords count less (T. Mikolov et al., 2013).

    Args:
        backbone: a `TextBackbone` of one layer; of more, states of both directions would have seen
            what they are to predict.
        token_ids: int array `[subwords]`, all texts behind one another.
        window: int, how far ahead the farthest subword may be.
        epochs: int.
        seed: int, of the examples. What starts at random is of Keras' own seed.
        update: called with `total` and `completed` batches.

    Returns:
        The loss per direction, the mean over the last tenth of the batches: a float. It is that of
        telling the right subword from the candidates, not from the whole vocabulary.
    """
    import tensorflow as tf

    frequency = np.bincount(token_ids, minlength=backbone.vocabulary_size) / len(token_ids)
    chance = frequency**0.75 / (frequency**0.75).sum()
    network = _network(backbone, chance)
    directions = (1, -1)[: len(network.outputs)]
    # Pieces may begin later than the text, so the last may be missing.
    pieces = max(1, len(token_ids) // STEPS - 1)
    size = min(PIECES, pieces)
    batches = epochs * (pieces // size)
    network.compile(adam(LEARNING_RATE, batches, WARMUP), jit_compile=False)

    def examples():
        generator = np.random.default_rng(seed)
        target_weights = np.minimum(1, np.sqrt(FREQUENT / np.maximum(frequency, 1e-12)))
        for _ in range(epochs):
            for piece in _pieces(token_ids, size, batches // epochs, generator):
                drawn = generator.choice(len(chance), CANDIDATES, p=chance)
                columns = [piece, drawn.astype("int32")]
                for direction in directions:
                    target, is_inside = _ahead(piece, direction, window, generator)
                    weight = np.where(is_inside, target_weights[target], 0)
                    columns += [target, weight.astype("float32")]
                yield (tuple(columns),)

    step, drawn = tf.TensorSpec((None, STEPS), "int32"), tf.TensorSpec((CANDIDATES,), "int32")
    column = [step, tf.TensorSpec((None, STEPS), "float32")]
    signature = ((step, drawn, *column * len(directions)),)
    log = _LossLog(update)
    network.fit(
        tf.data.Dataset.from_generator(examples, output_signature=signature).prefetch(4),
        steps_per_epoch=batches,
        shuffle=False,
        verbose=0,
        callbacks=[log],
    )
    return log.last(max(1, batches // 10)) / len(directions)


def _network(backbone, chance):
    """A model that adds the loss of each direction; its inputs are the subwords, the candidates,
    and for each direction targets and their weights.

    The backbone's dropout is left out: there is text enough to do without.
    """
    text = keras.Input((None,), dtype="int32")
    sequence = backbone.get_layer("encoder_0")(backbone.token_embedding(text))
    both = architectures.get(backbone.architecture).bidirectional or backbone.bidirectional
    candidates = keras.Input(batch_shape=(CANDIDATES,), dtype="int32")
    inputs, outputs = [text, candidates], []
    for states in ops.split(sequence, 2, axis=-1) if both else [sequence]:
        targets, weights = keras.Input((None,), dtype="int32"), keras.Input((None,))
        inputs += [targets, weights]
        outputs.append(_SampledSoftmax(chance)(states, targets, weights, candidates))
    return keras.Model(inputs, outputs)


def _pieces(token_ids, size, count, generator):
    """So many batches of pieces in a new order, that begin elsewhere each time."""
    start = generator.integers(STEPS)
    pieces = (len(token_ids) - start) // STEPS
    text = token_ids[start : start + pieces * STEPS].reshape(pieces, STEPS).astype("int32")
    order = generator.permutation(pieces)
    for batch in range(count):
        yield text[order[batch * size : (batch + 1) * size]]


def _ahead(piece, direction, window, generator):
    """One subword near ahead of each step, and whether it is in the piece still."""
    steps = np.arange(piece.shape[1])
    there = steps + direction * generator.integers(1, window + 1, piece.shape)
    is_inside = (there >= 0) & (there < piece.shape[1])
    return np.take_along_axis(piece, np.where(is_inside, there, 0), axis=1), is_inside


class _SampledSoftmax(keras.layers.Layer):
    """Adds the loss of telling the target from subwords drawn with these probabilities."""

    def __init__(self, probabilities):
        super().__init__()
        expected = CANDIDATES * probabilities
        self.log_expected = np.log(np.maximum(expected, 1e-12)).astype("float32")

    def build(self, state_shape, *_):
        count = len(self.log_expected)
        self.vectors = self.add_weight((count, state_shape[-1]), "random_normal", name="vectors")
        self.bias = self.add_weight((count,), "zeros", name="bias")

    def call(self, states, targets, weights, candidates):
        states = ops.reshape(states, (-1, states.shape[-1]))
        targets, weights = ops.reshape(targets, (-1,)), ops.reshape(weights, (-1,))
        bias = self.bias - self.log_expected
        right = ops.sum(states * ops.take(self.vectors, targets, axis=0), axis=-1)
        right = right + ops.take(bias, targets)
        others = ops.matmul(states, ops.transpose(ops.take(self.vectors, candidates, axis=0)))
        others = others + ops.take(bias, candidates)
        others = ops.where(targets[:, None] == candidates[None], -1e9, others)
        losses = ops.logaddexp(ops.logsumexp(others, axis=-1), right) - right
        loss = ops.sum(weights * losses) / (ops.sum(weights) + 1e-6)
        self.add_loss(loss)
        return loss

    def compute_output_shape(self, *_):
        return ()


class _LossLog(keras.callbacks.Callback):
    """Moves the progress bar and keeps the loss of each batch."""

    def __init__(self, update):
        super().__init__()
        self.update = update
        self.means = []

    def on_train_batch_end(self, batch, logs=None):
        self.means.append(logs["loss"])  # of all batches so far
        self.update(total=self.params["steps"], completed=batch + 1)

    def last(self, count):
        """The mean loss of so many last batches."""
        total = len(self.means)
        before = self.means[-count - 1] * (total - count) if total > count else 0.0
        return float(self.means[-1] * total - before) / count
