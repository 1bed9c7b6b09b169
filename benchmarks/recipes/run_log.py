"""The record of a run while it trains: epochs, seconds and the progress bar."""

import statistics


class RunLog:
    """Keeps what each epoch gave, and how long it took without its validation.

    Of an ensemble, the first member that reaches the target ends the seconds to quality.

    Args:
        metric: the `Metric` on the validation split that the target is of.
        target: float, the quality target.
        total_epochs: int, for the progress bar.
        update: called with `total` and `completed`, epochs or parts of them.
        log_epoch: called with the metrics of an epoch, a dict, and its number from 1 on.

    Attributes:
        history: dict from a metric's name to its values by epoch.
        metrics: dict of further metrics that steps measured.
        notes: dict of further facts, str.
        seconds_to_quality: float, or None where the target wasn't reached.
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
        """How many epochs are over."""
        return len(self._epoch_seconds)

    @property
    def seconds(self):
        """How long the training has taken so far, without validation."""
        return sum(self._other_seconds.values()) + sum(self._epoch_seconds)

    @property
    def examples_per_second(self):
        """The median over epochs."""
        return statistics.median(self._examples_per_second)

    def progress(self, part):
        """Moves the progress bar to a part of the current epoch."""
        self.update(total=self.total_epochs, completed=self.epoch + part)

    def spend(self, key, seconds):
        """Counts time that no epoch took; of one key once, since its result is kept."""
        self._other_seconds.setdefault(key, seconds)

    def add_epoch(self, metrics, seconds, examples_per_second):
        """Records one epoch.

        Args:
            metrics: dict of float, such as `"train/loss"` and `"val/loss"`.
            seconds: float, its time without validation.
            examples_per_second: float.
        """
        self._epoch_seconds.append(seconds)
        self._examples_per_second.append(examples_per_second)
        for name, value in metrics.items():
            self.history.setdefault(name, []).append(float(value))
        self.log_epoch(metrics, self.epoch)
        if self.seconds_to_quality is None:
            value = metrics[f"val/{self.metric.name}"]
            if self.metric.reaches(value, self.target):
                self.seconds_to_quality = self.seconds
        self.progress(0)

    def add_finished(self, finished):
        """Records the epochs of a training that was finished before, its seconds divided equally
        among them."""
        to_quality = finished.seconds_to_quality
        if self.seconds_to_quality is None and to_quality is not None:
            self.seconds_to_quality = self.seconds + to_quality
        for metrics in finished.epochs:
            self.add_epoch(
                metrics, finished.seconds / len(finished.epochs), finished.examples_per_second
            )
