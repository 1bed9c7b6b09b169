"""The pages of the MLflow UI: results of a suite's finished runs, rewritten after each bench."""

from pathlib import Path

from benchmarks import config
from benchmarks.report import comparison, leaderboard, results
from benchmarks.report.table import grid
from benchmarks.tracking import charts, descriptions, store
from benchmarks.tracking import leaderboard as board
from zoo.layers import architectures


def publish(suite, epochs=None):
    """Arranges and describes the experiments of a suite, and writes the leaderboard.

    Runs with another number of epochs form a separate comparison: a page only has runs that a table
    compares.

    Args:
        suite: str, a name of `config.suites()`, or the path of a YAML file.
        epochs: int or None, the number of epochs instead of the suite's.
    """
    name = Path(suite).stem
    with store.claim("pages"):
        if config.kind(suite) == "tasks":
            _publish_comparison(suite, epochs, name)
            return
        for experiment, records in store.latest(name).items():
            experiment_id = records[0].experiment_id
            if "implementation" in records[0].tags:
                charts.speeds(experiment_id, name, records)
            else:
                charts.compare(experiment_id, name, records, grouped=False)
            tables = results.of_records(experiment, records)
            texts = [f"{grid(table)}\n\n{table.footnote}." for table in tables]
            descriptions.describe(experiment_id, [], name, [*texts, descriptions.command(name)])


def _publish_comparison(suite, epochs, name):
    title = name if epochs is None else f"{name}, {epochs} epochs"
    choices = {"SUITE": name} | ({} if epochs is None else {"EPOCHS": epochs})
    found = store.finished(_configs(suite, epochs))
    tables = {experiment: comparison.rows(records) for experiment, records in found.items()}
    for experiment, records in found.items():
        charts.compare(records[0].experiment_id, title, records)
        (table,) = comparison.tables(tables[experiment])
        descriptions.describe_experiment(
            records[0],
            title,
            f"{grid(table)}\n\n{table.footnote}.",
            comparison.conclusion(tables[experiment]),
            choices | {"TASK": records[0].tags["entry"]},
        )
    standings = leaderboard.standings(tables)
    if not standings:
        return
    ranking = [f"score/{leaderboard.label(experiment)}" for experiment in standings[0].ranking]
    values = {standing.architecture: standing.values() for standing in standings}
    table = leaderboard.table(title, standings)
    experiment_id = board.write(title, values, ranking)
    descriptions.describe_leaderboard(experiment_id, title, grid(table), table.footnote, choices)


def _configs(suite, epochs):
    """The runs of a suite with every seed and architecture that may have been run."""
    scope = {"seeds": config.MAX_SEEDS, "epochs": epochs}
    own = {run.architecture for run in config.load(suite, **scope)}
    chosen = own | (store.architectures() & set(architectures.names()))
    return config.load(suite, chosen=sorted(chosen), **scope)
