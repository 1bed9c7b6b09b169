"""Step `pretrain`: a text model learns to predict nearby subwords from texts without labels."""

import hashlib
import json
import time
from typing import ClassVar

import keras
import numpy as np
import pydantic
from keras import ops

from benchmarks.recipes.checkpoint import Checkpoint, read_variables, write_variables
from benchmarks.recipes.optimizer import adam
from benchmarks.recipes.step import Step, Trained, train
from zoo.datasets import cache
from zoo.layers import architectures
from zoo.models.sampled_softmax import sampled_softmax

STEPS = 128  # subwords per piece of text
PIECES = 32  # pieces per batch
CANDIDATES = 512  # negatives of the sampled softmax
FREQUENT = 1e-4  # more frequent subwords are down-weighted as targets
LEARNING_RATE = 0.003
WARMUP = 200  # batches
TOKENIZED_AT_ONCE = 1000  # texts per call of the preprocessor


class Pretrain(Step, frozen=True):
    """Pretrains the embedding and the recurrent layer without labels; see `pretrain`.

    The texts are those of the training split and, if there is one, of the split `unlabelled`.
    Pretrained weights are cached and reused.

    Attributes:
        epochs: passes over the texts.
        window: maximum distance of the predicted subword.
    """

    name: ClassVar[str] = "pretrain"
    reads_unlabelled: ClassVar[bool] = True

    epochs: pydantic.PositiveInt
    window: pydantic.PositiveInt = 10

    def check(self, task, model, splits, before):
        if model.num_layers > 1:
            raise ValueError("it needs a model with one layer (`num_layers: 1`)")
        if any(step.trains for step in before):
            raise ValueError("it must come before the steps that train with labels")

    def run(self, training, before):
        model = train(training, before).model
        log = training.log
        loss, seconds = self.pretrained(
            model.backbone,
            _token_ids(training.task.examples("train").inputs, training.task.unlabelled(), model),
            training.seed,
            lambda part: log.update(total=1, completed=part),
        )
        log.spend(f"pretraining, seed {training.seed}", seconds)
        log.metrics |= {"pretraining/loss": loss, "pretraining/seconds": seconds}
        return Trained(model)

    def pretrained(self, backbone, token_ids, seed, progress=lambda part: None):
        """Sets the weights of a backbone to pretrained ones, from the cache or by `pretrain`.

        Args:
            backbone, token_ids, seed, progress: see `pretrain`.

        Returns:
            `(loss, seconds)`, as `pretrain` returned them when the weights were trained.
        """
        settings = [backbone.architecture, backbone.bidirectional, self.window, self.epochs, seed]
        settings += [self.VERSION, STEPS, PIECES, CANDIDATES, FREQUENT, LEARNING_RATE, WARMUP]
        key = hashlib.sha256(json.dumps(settings).encode())
        for array in (token_ids, *backbone.get_weights()):
            key.update(np.ascontiguousarray(array))
        folder = cache.folder("pretrained")
        result = Checkpoint(folder / key.hexdigest())
        if (kept := result.load()) is None:
            passes = Checkpoint(folder / f"{key.hexdigest()}-passes")
            loss, seconds = pretrain(
                backbone, token_ids, self.window, self.epochs, seed, progress, passes
            )
            kept = {"weights": backbone.get_weights()}, {"loss": loss, "seconds": seconds}
            result.save(*kept)
            passes.path.unlink(missing_ok=True)
        arrays, facts = kept
        backbone.set_weights(arrays["weights"])
        return facts["loss"], facts["seconds"]


def _token_ids(texts, unlabelled, model):
    """The subwords of all texts, concatenated, int32 `[subwords]`."""
    texts = [*texts, *unlabelled]
    parts = []
    for start in range(0, len(texts), TOKENIZED_AT_ONCE):
        inputs = model.preprocessor(texts[start : start + TOKENIZED_AT_ONCE])
        parts.append(inputs["token_ids"][inputs["padding_mask"]])
    return np.concatenate(parts)


def pretrain(backbone, token_ids, window, epochs, seed, progress=lambda part: None, passes=None):
    """Trains the embedding and the recurrent layer of a `TextBackbone` on text without labels.

    From each forward state, the network predicts one of the next `window` subwords, drawn at
    random; from each backward state, one of the previous ones. A window of one makes it a language
    model (A. M. Dai and Q. V. Le, "Semi-supervised Sequence Learning", 2015). A wider window
    emphasises topic over grammar, like the two-view embeddings of R. Johnson and T. Zhang
    ("Supervised and Semi-Supervised Text Categorization using LSTM for Region Embeddings", 2016).
    The softmax is sampled (S. Jean et al., 2015), and frequent subwords are down-weighted
    (T. Mikolov et al., 2013).

    Args:
        backbone: a `TextBackbone` with one layer. In a bidirectional stack, upper layers would see
            the subwords that they predict.
        token_ids: int array `[subwords]`, all texts concatenated.
        window: int, maximum distance of the predicted subword.
        epochs: int, passes over the text.
        seed: int, for the order of the examples; initial weights depend on Keras' seed.
        progress: called with the completed fraction of the training, 0 to 1.
        passes: `Checkpoint` or None. Training resumes from it, and it is saved after each pass.

    Returns:
        `(loss, seconds)`: the sampled-softmax loss per direction, averaged over the last tenth of
        the batches, and the time of the training.
    """
    import tensorflow as tf

    frequency = np.bincount(token_ids, minlength=backbone.vocabulary_size) / len(token_ids)
    chance = frequency**0.75 / (frequency**0.75).sum()
    network = _network(backbone, chance)
    directions = (1, -1)[: len(network.outputs)]
    # Each pass starts at a random offset, so the last piece may be lost.
    pieces = max(1, len(token_ids) // STEPS - 1)
    size = min(PIECES, pieces)
    batches = pieces // size
    network.compile(adam(LEARNING_RATE, epochs * batches, WARMUP), jit_compile=False)
    network.optimizer.build(network.trainable_variables)
    log = _Passes(epochs * batches, progress, passes)
    log.restore(network)

    def examples():
        target_weights = np.minimum(1, np.sqrt(FREQUENT / np.maximum(frequency, 1e-12)))
        for epoch in range(log.done, epochs):
            generator = np.random.default_rng([seed, epoch])
            for piece in _pieces(token_ids, size, batches, generator):
                drawn = generator.choice(len(chance), CANDIDATES, p=chance)
                columns = [piece, drawn.astype("int32")]
                for direction in directions:
                    target, is_inside = _sample_targets(piece, direction, window, generator)
                    weight = np.where(is_inside, target_weights[target], 0)
                    columns += [target, weight.astype("float32")]
                yield (tuple(columns),)

    step, drawn = tf.TensorSpec((None, STEPS), "int32"), tf.TensorSpec((CANDIDATES,), "int32")
    column = [step, tf.TensorSpec((None, STEPS), "float32")]
    signature = ((step, drawn, *column * len(directions)),)
    if log.done < epochs:
        network.fit(
            tf.data.Dataset.from_generator(examples, output_signature=signature).prefetch(4),
            initial_epoch=log.done,
            epochs=epochs,
            steps_per_epoch=batches,
            shuffle=False,
            verbose=0,
            callbacks=[log],
        )
    last = log.losses[-max(1, epochs * batches // 10) :]
    return float(np.mean(last)) / len(directions), log.seconds


def _network(backbone, chance):
    """A `keras.Model` that adds the loss of each direction.

    Its inputs are the subwords, the candidates, and for each direction the targets and their
    weights. It skips the backbone's dropout, since there is enough text.
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
    """Yields `count` batches of pieces `[size, STEPS]`, at a random offset, in random order."""
    start = generator.integers(STEPS)
    pieces = (len(token_ids) - start) // STEPS
    text = token_ids[start : start + pieces * STEPS].reshape(pieces, STEPS).astype("int32")
    order = generator.permutation(pieces)
    for batch in range(count):
        yield text[order[batch * size : (batch + 1) * size]]


def _sample_targets(piece, direction, window, generator):
    """Draws a target within the window of each step, and whether it lies inside the piece."""
    steps = np.arange(piece.shape[1])
    there = steps + direction * generator.integers(1, window + 1, piece.shape)
    is_inside = (there >= 0) & (there < piece.shape[1])
    return np.take_along_axis(piece, np.where(is_inside, there, 0), axis=1), is_inside


class _SampledSoftmax(keras.layers.Layer):
    """Adds a sampled-softmax loss over the target and candidates drawn with these probabilities."""

    def __init__(self, probabilities):
        # Under a policy of mixed precision only the products with candidates are in that precision.
        super().__init__(dtype="float32", autocast=False)
        expected = CANDIDATES * probabilities
        self.log_expected = np.log(np.maximum(expected, 1e-12)).astype("float32")

    def build(self, state_shape, *_):
        count = len(self.log_expected)
        self.vectors = self.add_weight((count, state_shape[-1]), "random_normal", name="vectors")
        self.bias = self.add_weight((count,), "zeros", name="bias")

    def call(self, states, targets, weights, candidates):
        states = ops.reshape(states, (-1, states.shape[-1]))
        targets, weights = ops.reshape(targets, (-1,)), ops.reshape(weights, (-1,))
        losses = sampled_softmax(
            states,
            targets,
            ops.convert_to_tensor(self.vectors),
            ops.convert_to_tensor(self.bias),
            candidates,
            self.log_expected,
            correct_targets=True,
        )
        loss = ops.sum(weights * losses) / (ops.sum(weights) + 1e-6)
        self.add_loss(loss)
        return loss

    def compute_output_shape(self, *_):
        return ()


class _Passes(keras.callbacks.Callback):
    """Records the loss of each batch, and saves a checkpoint after each pass."""

    def __init__(self, batches, progress, checkpoint):
        super().__init__()
        self.batches = batches
        self.progress = progress
        self.checkpoint = checkpoint
        self.losses = []
        self.done = 0
        self.seconds = 0.0

    def restore(self, network):
        """Restores the network from the last checkpoint, if there is one."""
        if self.checkpoint is None or (saved := self.checkpoint.load()) is None:
            return
        arrays, facts = saved
        write_variables(network, arrays["variables"])
        self.losses = facts["losses"]
        self.done, self.seconds = facts["done"], facts["seconds"]

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter()
        self._before = 0.0

    def on_train_batch_end(self, batch, logs=None):
        total = float(logs["loss"]) * (batch + 1)  # the log has the mean so far
        self.losses.append(total - self._before)
        self._before = total
        self.progress(len(self.losses) / self.batches)

    def on_epoch_end(self, epoch, logs=None):
        self.done = epoch + 1
        self.seconds += time.perf_counter() - self._start
        if self.checkpoint is not None:
            facts = {"done": self.done, "seconds": self.seconds, "losses": self.losses}
            self.checkpoint.save({"variables": read_variables(self.model)}, facts)
