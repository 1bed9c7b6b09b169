"""Step `fit`: supervised training that keeps the weights of the best epoch on validation."""

import math
import time
from typing import ClassVar

import keras
import numpy as np
import pydantic

from benchmarks import metrics
from benchmarks.recipes.checkpoint import Checkpoint, read_variables, write_variables
from benchmarks.recipes.optimizer import adam
from benchmarks.recipes.step import Step, Trained, total_epochs, train
from zoo.models.eager_preprocessing import without_preprocessor

# Between two executions TensorFlow returns to Python, which takes longer than a step of a small
# model.
STEPS_PER_EXECUTION = 16


class Fit(Step, frozen=True):
    """Trains with Adam, a linear warm-up and a cosine decay of the learning rate.

    Attributes:
        epochs: passes over the training split.
        batch_size: examples per training step.
        learning_rate: peak learning rate.
        warmup_epochs: epochs until the peak.
        clip_norm: maximum global norm of the gradients.
        monitor: `"loss"` or the name of the task's validation metric. The weights of the epoch with
            the best value on the validation split are kept.
        averaging: momentum of an exponential moving average of the weights, which is validated and
            kept instead of them; None for no averaging.
    """

    name: ClassVar[str] = "fit"
    trains: ClassVar[bool] = True

    epochs: pydantic.PositiveInt
    batch_size: pydantic.PositiveInt
    learning_rate: pydantic.PositiveFloat
    warmup_epochs: pydantic.NonNegativeFloat = 0.0
    clip_norm: pydantic.PositiveFloat = 1.0
    monitor: str = "loss"
    # Left out of a configuration without it, so that older runs are still found.
    averaging: float | None = pydantic.Field(
        None, gt=0, lt=1, exclude_if=lambda momentum: momentum is None
    )

    def check(self, task, model, splits, before):
        known = ("loss", task.validation_metric.name)
        if self.monitor not in known:
            raise ValueError(f"`monitor` must be one of {known}. Received: {self.monitor!r}")

    def with_epochs(self, epochs):
        return self.model_copy(update={"epochs": epochs})

    def total_epochs(self, before):
        return total_epochs(before) + self.epochs

    def batches(self, training, model, examples):
        """The `Batches` of examples."""
        return training.task.batches(model, examples, training.config, self.batch_size)

    def trainer(self, model, batches):
        """The `keras.Model` to call `fit` on: the model itself, or a wrapper that trains it."""
        return model

    def is_over(self, task, records):
        """Whether the training ends after these epochs.

        Args:
            task: the `Task`.
            records: list of dicts, the arguments of `RunLog.add_epoch`.
        """
        return len(records) >= self.epochs

    def run(self, training, before):
        model = train(training, before).model
        keras.utils.set_random_seed(training.seed)
        config, task = training.config, training.task
        examples, validation = training.examples("train"), training.examples("validation")
        batches = self.batches(training, model, examples)
        batches.shuffle(training.seed)
        validation_batches = self.batches(training, model, validation)
        steps = len(batches)
        optimizer = adam(
            self.learning_rate,
            self.epochs * steps,
            int(self.warmup_epochs * steps),
            self.clip_norm,
            self.averaging,
        )
        trainer = self.trainer(model, batches)
        trainer.compile(
            optimizer,
            loss=task.loss(config, examples),
            steps_per_execution=min(STEPS_PER_EXECUTION, steps),
            jit_compile=False,
        )
        optimizer.build(trainer.trainable_variables)
        checkpoint = Checkpoint(training.checkpoints / f"{len(before)}_{self.name}")
        epochs = _Epochs(self, training, batches, checkpoint)
        epochs.restore(trainer)
        if not self.is_over(task, epochs.records):
            with without_preprocessor(model):
                trainer.fit(
                    batches.dataset,
                    validation_data=validation_batches.dataset,
                    initial_epoch=epochs.done,
                    epochs=self.epochs,
                    shuffle=False,
                    verbose=0,
                    callbacks=[epochs],
                )
        return Trained(model, epochs.take_best(trainer))


class _Epochs(keras.callbacks.Callback):
    """Logs each epoch, keeps the weights of the best one, and saves a checkpoint after each."""

    def __init__(self, step, training, batches, checkpoint):
        super().__init__()
        self.step = step
        self.task = training.task
        self.log = training.log
        self.batches = batches
        self.checkpoint = checkpoint
        self.first = self.log.epoch
        self.records = []
        self.best_epoch = None
        self.best_weights = []

    @property
    def done(self):
        """Number of completed epochs."""
        return len(self.records)

    def restore(self, trainer):
        """Restores the trainer and the log from the last checkpoint, if there is one."""
        saved = self.checkpoint.load()
        if saved is None:
            return
        arrays, facts = saved
        write_variables(trainer, arrays["variables"])
        self.best_weights, self.best_epoch = arrays["best"], facts["best_epoch"]
        for record in facts["records"]:
            self.records.append(record)
            self.log.add_epoch(**record)

    def take_best(self, trainer):
        """Restores the weights of the best epoch and returns its metrics."""
        trainer.set_weights(self.best_weights)
        return {
            "epoch": self.first + self.best_epoch + 1,
            **self.records[self.best_epoch]["metrics"],
        }

    def on_test_begin(self, logs=None):
        self._exchange_average()

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.epoch = epoch
        self._start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self._end = time.perf_counter()
        self.log.progress((batch + 1) / self.params["steps"])

    def on_epoch_end(self, epoch, logs=None):
        seconds = self._end - self._start
        values = {
            (f"val/{name[4:]}" if name.startswith("val_") else f"train/{name}"): float(value)
            for name, value in logs.items()
        }
        self.records.append(
            {
                "metrics": values,
                "seconds": seconds,
                "examples_per_second": len(self.batches.examples) / seconds,
            }
        )
        if self._is_best(values):
            self.best_epoch, self.best_weights = epoch, self.model.get_weights()
        self._exchange_average()
        self.checkpoint.save(
            {"variables": read_variables(self.model), "best": self.best_weights},
            {"records": self.records, "best_epoch": self.best_epoch},
        )
        self.log.add_epoch(**self.records[-1])
        self.model.stop_training = self.step.is_over(self.task, self.records)

    def _exchange_average(self):
        """Swaps the weights with their average, from the validation to the end of an epoch."""
        if self.step.averaging is None:
            return
        optimizer = self.model.optimizer
        averages = optimizer._model_variables_moving_average
        for weight, average in zip(self.model.trainable_variables, averages, strict=True):
            kept = np.array(weight)
            weight.assign(average)
            average.assign(kept)

    def _is_best(self, values):
        if self.best_epoch is None:
            return True
        name = self.step.monitor
        metric = metrics.LOSS if name == "loss" else self.task.validation_metric
        best = self.records[self.best_epoch]["metrics"][f"val/{name}"]
        return not math.isfinite(best) or metric.is_better(values[f"val/{name}"], best)
