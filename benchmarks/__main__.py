"""The command line of the benchmarks: run, sweep, report, presets, ui, serve, new, migrate."""

import argparse
import sys

from rich.console import Console


def main(arguments=None):
    """Runs one command.

    Args:
        arguments: list of str; by default those of the command line.

    Returns:
        The exit status: 0; 1 if a preset differs from its card; 2 if the command can't run; 130 if
        it was interrupted.
    """
    from benchmarks import interrupts

    options = _parser().parse_args(arguments)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160  # a log file; tables need not wrap
    try:
        with interrupts.handled():
            return _run_command(options, console)
    except KeyboardInterrupt:
        console.print("Interrupted. Finished runs are kept; make bench resumes the others.")
        return 130


def _run_command(options, console):
    """Runs a command; returns its status, 2 after printing a line of error."""
    from benchmarks.config import ConfigError
    from benchmarks.tracking.errors import TrackingError, explained
    from benchmarks.workers import WorkerError
    from zoo import PresetError
    from zoo.datasets.errors import DatasetError
    from zoo.datasets.wheels import WheelError
    from zoo.models.tokenizer import VocabularyError

    known = (ConfigError, DatasetError, PresetError, TrackingError, WheelError, WorkerError)
    known += (VocabularyError,)
    try:
        with explained():
            return COMMANDS[options.command](options, console)
    except known as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return 2
    except OSError as error:  # such as a full disk, with notes on what to do
        for line in (str(error), *getattr(error, "__notes__", ())):
            console.print(line, style="red", markup=False, soft_wrap=True)
        return 2


def run(options, console):
    """Runs a suite and prints its tables."""
    from benchmarks import config

    kind = config.kind(options.suite)
    _check_choices(options, kind)
    if kind == "layers":
        return run_layers(options, config.load_layers(options.suite, options.arch), console)
    if kind == "presets":
        return measure_presets(options, config.load_presets(options.suite), console)
    scope = {"tasks": options.task, "seeds": options.seeds, "epochs": options.epochs}
    configs = config.load(options.suite, chosen=options.arch, **scope)
    # In addition to the chosen architectures, the tables show finished ones of the suite.
    shown = [*config.load(options.suite, **scope), *configs]
    console.print(f"Suite {options.suite}: {len(configs)} runs.")
    from benchmarks import report, workers
    from benchmarks.run import run_suite
    from benchmarks.tracking import store

    store.connect()
    store.check_version()
    if workers.address():
        store.check_shared()
    with workers.started(options.workers) as pool:
        run_suite(configs, console, options.rerun, pool)
    report.publish(options.suite, options.epochs)
    report.print_tables(report.comparisons(shown), console)
    return _logged(console)


def _check_choices(options, kind):
    """Raises ConfigError for a choice that doesn't apply to a suite of this kind."""
    from benchmarks.config import ConfigError

    choices = ("task", "arch", "seeds", "epochs", "rerun", "workers")
    known = {"tasks": choices, "layers": ("arch",), "presets": ()}[kind]
    for name in choices:
        if getattr(options, name) and name not in known:
            does = {"layers": "times layers", "presets": "measures presets"}[kind]
            raise ConfigError(f"Suite {options.suite!r} {does}; {name!r} doesn't apply to it.")


def run_layers(options, config, console):
    """Runs a suite that times layers and prints its tables."""
    from benchmarks import report, time_layers
    from benchmarks.tracking import store

    store.connect()
    time_layers.run_suite(config, console)
    report.publish(options.suite)
    tables = report.of_latest(config.suite)
    shown = [f"layers/{family}" for family in config.layers]
    report.print_tables([table for table in tables if table.title in shown], console)
    return _logged(console)


def measure_presets(options, config, console):
    """Measures the pretrained models again; the status is 1 if one differs from its card."""
    from benchmarks import presets, report
    from benchmarks.tracking import store

    store.connect()
    all_match = presets.measure(config, console)
    report.publish(options.suite)
    report.print_tables(report.of_latest(config.suite), console)
    _logged(console)
    return 0 if all_match else 1


def _logged(console):
    from benchmarks.tracking import store

    console.print("Logged to", store.tracking_uri(), soft_wrap=True)
    console.print("Next: [bold]make ui[/bold] to compare the runs in the browser.")
    return 0


def sweep(options, console):
    """Searches for good hyperparameters of each architecture, and retrains with the best ones."""
    from benchmarks import config, report, sweep, workers
    from benchmarks.tracking import store

    scope = {"tasks": options.task, "chosen": options.arch, "epochs": options.epochs}
    entries = config.load_sweeps(options.suite, **scope)
    store.connect()
    store.check_version()
    if workers.address():
        store.check_shared()
    with workers.started(options.workers) as pool:
        for configs, space in entries.values():
            table, again = sweep.run(configs, space, options.trials, options.seeds, console, pool)
            report.print_tables([table, *report.comparisons(again)], console)
    return _logged(console)


def report(options, console):
    """Prints a suite's tables; those of bundled suites also go to docs/results and the README."""
    from benchmarks import config, report
    from benchmarks.tracking import store

    store.connect()
    store.check_version()
    tables = report.tables(options.suite)
    if not tables:
        return _nothing_finished(options, console)
    report.print_tables(tables, console)
    if options.suite in config.suites():
        _written(report.results.write(options.suite), console)
    return 0


def presets(options, console):
    """Writes the models of a suite's finished runs to zoo/presets, or to another folder."""
    from benchmarks import presets, report
    from benchmarks.tracking import store

    store.connect()
    store.check_version()
    paths = presets.export(options.suite, console, options.out)
    if not paths:
        return _nothing_finished(options, console)
    if options.out:
        console.print(f'Next: zoo.load("{paths[0]}")', markup=False, soft_wrap=True)
        return 0
    report.print_tables([report.pretrained()], console)
    _written(report.results.write_presets(), console)
    return 0


def _nothing_finished(options, console):
    console.print(
        f"No finished runs of suite {options.suite!r} as it stands: run make bench first. Runs "
        "with another EPOCHS don't count."
    )
    return 2


def _written(paths, console):
    for path in paths:
        console.print(f"Written: {path}", soft_wrap=True)


def ui(options, console):
    """Serves the MLflow UI for the local store, opened on the newest comparison."""
    import webbrowser

    from benchmarks.tracking import server, store

    store.connect()
    url = server.ui_url(options.port)
    if server.is_remote():
        console.print(f"MLflow UI: {url}", soft_wrap=True)
        webbrowser.open(url)
        return 0
    waiting = console.status("Starting the MLflow UI; on a busy machine this takes a minute")
    try:
        with waiting, server.running(options.port) as process:
            waiting.stop()
            if process.poll() is None:
                console.print(f"MLflow UI: {url}  (Ctrl-C to stop)", soft_wrap=True)
                webbrowser.open(url)
            return process.wait()
    except KeyboardInterrupt:
        return 0


def serve(options, console):
    """Answers raw input over HTTP with the best finished model of a task, its champion."""
    from benchmarks import config
    from benchmarks.config import ConfigError
    from benchmarks.tracking import models, store
    from zoo import serving

    if len(options.task) != 1:
        raise ConfigError(f"TASK must name one task. Received: {','.join(options.task) or 'none'}")
    experiment = config.load(options.suite, tasks=options.task)[0].experiment
    store.connect()
    model = models.load_champion(experiment)
    if model is None:
        console.print(f"No finished run of {experiment}: run make bench first.")
        return 2
    serving.serve(model, options.host, options.port)
    return 0


def new(options, console):
    """Writes a suite that trains and compares models on your own data."""
    from benchmarks import new_suite

    new_suite.write(options.path, options.task, options.data)
    console.print(f"Written: {options.path}", soft_wrap=True)
    console.print(f"Next: [bold]make bench SUITE={options.path}[/bold]", soft_wrap=True)
    return 0


def migrate(options, console):
    """Updates the store and the presets of an older version; needed only once."""
    from benchmarks import migration
    from benchmarks.tracking import store

    store.connect()
    migration.migrate(console)
    return 0


COMMANDS = {
    "run": run,
    "sweep": sweep,
    "report": report,
    "presets": presets,
    "ui": ui,
    "serve": serve,
    "new": new,
    "migrate": migrate,
}


def _parser():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def words(text):
        return [word.strip() for word in text.split(",") if word.strip()]

    def count(text):
        number = int(text)
        if number < 1:
            raise argparse.ArgumentTypeError(f"expected at least 1, received {number}")
        return number

    def seeds(text):
        from benchmarks.config import MAX_SEEDS

        if count(text) > MAX_SEEDS:
            raise argparse.ArgumentTypeError(f"expected at most {MAX_SEEDS}, received {text}")
        return int(text)

    command = commands.add_parser("run", help=run.__doc__)
    command.add_argument("--suite", default="quick", help="name of a suite, or path of a YAML file")
    command.add_argument("--task", type=words, help="only these tasks, comma-separated")
    command.add_argument("--arch", type=words, help="architectures instead of the suite's")
    command.add_argument("--seeds", type=seeds, help="number of seeds instead of the suite's")
    command.add_argument("--epochs", type=count, help="number of epochs instead of the suite's")
    command.add_argument("--rerun", action="store_true", help="train finished runs again")
    command.add_argument(
        "--workers", type=count, help="runs side by side, with Ray; by default one"
    )
    command = commands.add_parser("sweep", help=sweep.__doc__)
    command.add_argument("--suite", default="quick", help="name of a suite, or path of a YAML file")
    command.add_argument("--task", type=words, help="only these tasks, comma-separated")
    command.add_argument("--arch", type=words, help="architectures instead of the suite's")
    command.add_argument("--trials", type=count, default=20, help="per architecture")
    command.add_argument("--seeds", type=seeds, default=3, help="for retraining the best trial")
    command.add_argument("--epochs", type=count, help="number of epochs instead of the suite's")
    command.add_argument("--workers", type=count, help="architectures side by side, with Ray")
    command = commands.add_parser("report", help=report.__doc__)
    command.add_argument("--suite", default="quick", help="name of a suite, or path of a YAML file")
    command = commands.add_parser("presets", help=presets.__doc__)
    command.add_argument("--suite", default="quick", help="name of a suite, or path of a YAML file")
    command.add_argument("--out", help="the folder to write to; suites of your own need one")
    command = commands.add_parser("ui", help=ui.__doc__)
    command.add_argument("--port", type=count, default=5000)
    command = commands.add_parser("serve", help=serve.__doc__)
    command.add_argument("--suite", default="quick", help="name of a suite, or path of a YAML file")
    command.add_argument("--task", type=words, default=[], help="the task whose model is served")
    command.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    command.add_argument("--port", type=int, default=8000, help="0 for a free one")
    command = commands.add_parser("new", help=new.__doc__)
    command.add_argument("path", help="the YAML file to write; must not exist")
    command.add_argument(
        "--task", required=True, help="a task kind, such as sentiment or forecasting"
    )
    command.add_argument("--data", required=True, help="a folder, or the name of a dataset")
    commands.add_parser("migrate", help=migrate.__doc__)
    return parser


if __name__ == "__main__":
    sys.exit(main())
