"""The leaderboard: how the architectures of a suite do over all of its tasks."""

import dataclasses
import statistics

from benchmarks import metrics
from benchmarks.config import BASELINE, is_baseline
from benchmarks.report.comparison import place
from benchmarks.report.table import MISSING, Table


@dataclasses.dataclass(frozen=True)
class Standing:
    """An architecture on the leaderboard.

    Attributes:
        architecture: str.
        rows: dict from an experiment to its `comparison.Row`.
        scores: dict from an experiment to its score: the fraction of the baseline's error that the
            architecture avoids. Experiments without a baseline have none.
        is_complete: bool, whether it has a score in each experiment that ranks architectures.
            Means over different tasks aren't comparable, so the others have none.
        score: float, the mean of the scores that rank architectures; None if it isn't complete.
        ranking: list of these experiments.
    """

    architecture: str
    rows: dict
    scores: dict
    ranking: list

    @property
    def is_complete(self):
        return bool(self.ranking) and all(name in self.scores for name in self.ranking)

    @property
    def score(self):
        if not self.is_complete:
            return None
        return statistics.fmean(self.scores[name] for name in self.ranking)

    def values(self):
        """The metrics that are logged to MLflow: a dict of float by name."""
        values = {"tasks": sum(name in self.scores for name in self.ranking)}
        for name, row in self.rows.items():
            data = label(name)
            found = {
                f"score/{data}": self.scores.get(name),
                f"test/{data}": row.value,
                f"test/{data}_low": row.low,
                f"test/{data}_high": row.high,
                f"params/{data}": row.parameters,
                f"train_seconds/{data}": row.train_seconds,
                f"predict_ms/{data}": row.predict_ms,
            }
            values |= {key: value for key, value in found.items() if value is not None}
        if self.is_complete:
            rows = [self.rows[name] for name in self.ranking]
            values["score/mean"] = self.score
            values["params/mean"] = statistics.fmean(row.parameters for row in rows)
            values["train_seconds/sum"] = sum(row.train_seconds for row in rows)
            latencies = [row.predict_ms for row in rows if row.predict_ms is not None]
            if len(latencies) == len(rows):
                values["predict_ms/mean"] = statistics.fmean(latencies)
        return values


def label(experiment):
    """The name of an experiment's data on the leaderboard: `multi30k.de-en`."""
    return experiment.partition("/")[2].replace("/", ".")


def standings(tables):
    """The leaderboard of a suite, the best architecture first, then those that aren't complete.

    Tasks rank architectures if at least two have scores on them.

    Args:
        tables: dict from an experiment to its list of `comparison.Row`.

    Returns:
        A list of `Standing`: the baseline and all architectures.
    """
    scores = {name: _scores(rows) for name, rows in tables.items()}
    ranking = [
        name
        for name, found in scores.items()
        if sum(not is_baseline(architecture) for architecture in found) > 1
    ]
    names = {row.architecture for rows in tables.values() for row in rows}
    found = [
        Standing(
            architecture=name,
            rows={
                experiment: row
                for experiment, rows in tables.items()
                for row in rows
                if row.architecture == name
            },
            scores={
                experiment: of_task[name]
                for experiment, of_task in scores.items()
                if name in of_task
            },
            ranking=ranking,
        )
        for name in sorted(names, key=place)
        if name == BASELINE or not is_baseline(name)
    ]
    return sorted(found, key=lambda one: (not one.is_complete, -(one.score or 0)))


def _scores(rows):
    """The scores of a task by architecture; empty without a baseline."""
    reference = next((row.value for row in rows if row.architecture == BASELINE), None)
    if reference is None:
        return {}
    metric = metrics.get(rows[0].metric)
    found = {row.architecture: metric.score(row.value, reference) for row in rows}
    return {name: score for name, score in found.items() if score is not None}


def table(title, found):
    """The table of a leaderboard: one row per architecture, one column per task that ranks them."""
    ranking = found[0].ranking
    headings = ["architecture", "mean score", *map(label, ranking)]
    rows = [
        [
            one.architecture,
            MISSING if one.score is None else f"{one.score:.3f}",
            *(_cell(one, name) for name in ranking),
        ]
        for one in found
    ]
    footnote = (
        "score: the fraction of the baseline's error that an architecture avoids; 0 is as good as "
        "the baseline, 1 without error"
    )
    return Table(title, headings, rows, footnote)


def _cell(standing, experiment):
    row, score = standing.rows.get(experiment), standing.scores.get(experiment)
    if row is None or score is None:
        return MISSING
    number = metrics.get(row.metric).text
    bounds = "" if row.low is None else f", {number(row.low)}–{number(row.high)}"
    return f"{score:.3f} ({row.metric} {number(row.value)}{bounds})"
