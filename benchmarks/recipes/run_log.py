"""The log of a run during training: metrics and times of its epochs, and its progress."""

import statistics

from benchmarks import interrupts


class RunLog:
    """Records the metrics of each epoch and its time without validation.

    In an ensemble, `seconds_to_quality` ends when the first member reaches the target.

    Args:
        metric: the `Metric` of the quality target, on the validation split.
        target: float, the quality target.
        total_epochs: int, for the progress bar.
        update: called with `total` and `completed`, in epochs and fractions of them.
        log_epoch: called with the metrics of an epoch, a dict, and its number, from 1.

    Attributes:
        history: dict from a metric's name to its values by epoch.
        metrics: dict of further metrics, set by steps.
        notes: dict of further str facts, set by steps.
        seconds_to_quality: float, or None if the target wasn't reached.
    """

    def __init__(self, metric, target, total_epochs, update, log_epoch):
        self.metric = metric
        self.target = target
        self.total_epochs = total_epochs
        self.update = update
        self.log_epoch = log_epoch
        self.history = {}
        self.metrics = {}
        self.notes = {}
        self.seconds_to_quality = None
        self._epoch_seconds = []
        self._examples_per_second = []
        self._other_seconds = {}

    @property
    def epoch(self):
        """Number of completed epochs."""
        return len(self._epoch_seconds)

    @property
    def seconds(self):
        """Training time so far, without validation."""
        return sum(self._other_seconds.values()) + sum(self._epoch_seconds)

    @property
    def examples_per_second(self):
        """Training throughput, the median over epochs."""
        return statistics.median(self._examples_per_second)

    def progress(self, part):
        """Reports the completed part of the current epoch, 0 to 1."""
        interrupts.check()
        self.update(total=self.total_epochs, completed=self.epoch + part)

    def spend(self, key, seconds):
        """Adds time spent outside of epochs. Each key counts once, since its result is reused."""
        self._other_seconds.setdefault(key, seconds)

    def add_epoch(self, metrics, seconds, examples_per_second):
        """Records one epoch.

        Args:
            metrics: dict of float, such as `"train/loss"` and `"val/loss"`.
            seconds: float, its time without validation.
            examples_per_second: float, its training throughput.
        """
        self._epoch_seconds.append(seconds)
        self._examples_per_second.append(examples_per_second)
        for name, value in metrics.items():
            self.history.setdefault(name, []).append(float(value))
        self.log_epoch(metrics, self.epoch)
        if self.seconds_to_quality is None:
            value = self._validation_value(metrics)
            if self.metric.reaches(value, self.target):
                self.seconds_to_quality = self.seconds
        self.progress(0)

    def add_finished(self, finished):
        """Records the epochs of a `Finished` training, dividing its time equally among them."""
        to_quality = finished.seconds_to_quality
        if self.seconds_to_quality is None and to_quality is not None:
            self.seconds_to_quality = self.seconds + to_quality
        for metrics in finished.epochs:
            self.add_epoch(
                metrics, finished.seconds / len(finished.epochs), finished.examples_per_second
            )

    def _validation_value(self, metrics):
        name = f"val/{self.metric.name}"
        if name not in metrics:
            raise ValueError(
                f"The model must be compiled with a metric named {self.metric.name!r}, the task's "
                f"validation metric. Its metrics: {', '.join(metrics)}."
            )
        return metrics[name]
