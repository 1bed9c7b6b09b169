"""Results of runs, read from MLflow and written to `docs/results` and the README."""

from pathlib import Path

from benchmarks import config
from benchmarks.report import comparison, curves, files, gaps, guides, layers, presets, readme
from benchmarks.report.rows import by_experiment
from benchmarks.tracking import store


def tables(suite):
    """The tables of a suite's newest runs, one per experiment."""
    if config.kind(suite) == "tasks":
        return comparisons(config.every_seed(suite))
    return of_latest(Path(suite).stem)


def comparisons(configs):
    """The tables of the finished runs of these configurations, one per experiment."""
    return comparison.tables(_compared(configs))


def of_latest(suite):
    """The tables of a suite that times layers or measures presets, one per experiment."""
    found = store.latest(suite).items()
    return [table for name, records in found for table in of_records(name, records)]


def of_records(name, records):
    """The tables of an experiment that times layers or measures presets.

    Args:
        name: str, the name of the experiment.
        records: list of its `Record`.
    """
    if "implementation" in records[0].tags:
        return layers.tables(layers.rows(name, records))
    return [presets.measured(name, records)]


def pretrained():
    """The table of the pretrained models, from their cards."""
    return presets.tables(presets.rows())[0]


def write(suite):
    """Writes a suite's newest runs to `docs/results`, and updates the README.

    Experiments without runs in MLflow keep their rows.

    Args:
        suite: str, name of a suite, or path of a YAML file.

    Returns:
        The paths of the files, a list; empty if there are no finished runs.
    """
    kind, name = config.kind(suite), Path(suite).stem
    if kind == "presets":
        return write_presets()
    if kind == "layers":
        found = store.latest(name).items()
        rows = [row for experiment, records in found for row in layers.rows(experiment, records)]
        also = []
    else:
        found = store.finished(config.every_seed(suite)).values()
        rows = [row for records in found for row in comparison.rows(records)]
        rows = comparison.merged(files.read(name), rows)
        also = [*_write_gaps(f"{name}_gaps", found), *_write_curves(f"{name}_curves", found)]
    return [*_write(name, _merged(files.read(name), rows)), *also] if rows else []


def write_presets():
    """Writes the cards of the presets; see `write`."""
    return _write("pretrained", presets.rows())


def _compared(configs):
    return [row for records in store.finished(configs).values() for row in comparison.rows(records)]


def _write_gaps(name, found):
    """Writes the table of gaps and its figure.

    Args:
        name: str, the name of the files.
        found: iterable of the lists of `Record` of each experiment.

    Returns:
        The paths of the files, a list; empty if no run has the step `climb`.
    """
    new = [row for records in found for row in gaps.rows(records)]
    if not new:
        return []
    old = files.read(name)
    rows = _merged(old, gaps.merged(old, new))
    written = files.write(name, rows)
    files.save_figure(written.with_suffix(".png"), gaps.picture(rows))
    return [written.with_suffix(suffix) for suffix in (".csv", ".md", ".png")]


def _write_curves(name, found):
    """Writes the learning curves of an experiment's architectures, and a figure per task; see
    `_write_gaps`."""
    new = [row for records in found for row in curves.rows(records)]
    if not new:
        return []
    old = files.read(name)
    rows = _merged(old, curves.merged(old, new))
    written = files.write(name, rows)
    pictures = {
        written.with_name(f"{name}_{task}.png"): figure
        for task, figure in curves.pictures(rows).items()
    }
    for path, figure in pictures.items():
        files.save_figure(path, figure)
    return [written.with_suffix(".csv"), written, *pictures]


def _merged(old, new):
    """The old rows, with experiments that have new rows replaced."""
    experiments = by_experiment(old) | by_experiment(new)
    return [row for rows in experiments.values() for row in rows]


def _write(name, rows):
    written = files.write(name, rows)
    readme.update()
    return [written.with_suffix(".csv"), written, files.README, *guides.update()]
