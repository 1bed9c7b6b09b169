"""Command line of the benchmarks: `python -m benchmarks run | report | presets | ui`."""

import argparse
import sys

from rich.console import Console


def main(arguments=None):
    """Runs one command; returns the exit status."""
    from benchmarks.config import ConfigError
    from zoo.datasets.folder import FolderError
    from zoo.datasets.registry import DatasetError
    from zoo.datasets.wheels import WheelError
    from zoo.models.tokenizer import VocabularyError

    options = _parser().parse_args(arguments)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160  # a log file, where tables need not fold
    try:
        return COMMANDS[options.command](options, console)
    except (ConfigError, DatasetError, FolderError, WheelError, VocabularyError) as error:
        console.print(str(error), style="red", markup=False)
        return 2
    except KeyboardInterrupt:
        console.print("Interrupted: the run is KILLED, what is finished is kept.")
        return 130


def run(options, console):
    """Runs a suite and prints its tables."""
    from benchmarks import config

    kind = config.kind(options.suite)
    if kind == "layers":
        return time_layers(config.load_layers(options.suite, options.arch), console)
    if kind == "presets":
        return measure_presets(config.load_presets(options.suite), console)
    scope = {"tasks": options.task, "seeds": options.seeds, "epochs": options.epochs}
    configs = config.load(options.suite, chosen=options.arch, **scope)
    # Beside what was chosen, the tables show what the suite has of the same scope.
    shown = [*config.load(options.suite, **scope), *configs]
    console.print(f"Suite {options.suite}: {len(configs)} runs.")
    from benchmarks import report, runner, tracking

    tracking.connect()
    runner.run_suite(configs, console, rerun=options.rerun)
    report.print_tables(report.comparisons(shown), console)
    return _logged(console)


def time_layers(config, console):
    """Runs a suite that times layers, and prints its tables."""
    from benchmarks import report, tracking
    from benchmarks.layers import runs

    tracking.connect()
    runs.run_suite(config, console)
    tables = report.of_latest(config.suite)
    shown = [f"layers/{family}" for family in config.layers]
    report.print_tables([table for table in tables if table.title in shown], console)
    return _logged(console)


def measure_presets(config, console):
    """Measures the pretrained models anew; the status is 1 where one isn't what its card says."""
    from benchmarks import presets, report, tracking

    tracking.connect()
    kept = presets.measure(config, console)
    report.print_tables(report.of_latest(config.suite), console)
    _logged(console)
    return 0 if kept else 1


def _logged(console):
    from benchmarks import tracking

    console.print("Logged to", tracking.tracking_uri(), soft_wrap=True)
    console.print("Next: [bold]make ui[/bold] to compare the runs in the browser.")
    return 0


def report(options, console):
    """Prints the tables of a suite; `--write FILE` puts them into a file between marks."""
    from pathlib import Path

    from benchmarks import report, tracking

    tracking.connect()
    tables = report.tables(options.suite)
    if not tables:
        console.print(f"No finished runs of suite {options.suite!r}: run make bench first.")
        return 2
    report.print_tables(tables, console)
    if options.write:
        report.write_between_marks(Path(options.write), options.suite, report.markdown(tables))
        console.print(f"Written to {options.write}.")
    return 0


def presets(options, console):
    """Writes the models of a suite's finished runs into zoo/presets."""
    from pathlib import Path

    from benchmarks import presets, report, tracking

    tracking.connect()
    if not presets.export(options.suite, console):
        console.print(f"No finished runs of suite {options.suite!r}: run make bench first.")
        return 2
    table = report.pretrained()
    report.print_tables([table], console)
    if options.write:
        report.write_between_marks(Path(options.write), "presets", report.markdown([table]))
        console.print(f"Written to {options.write}.")
    return 0


def ui(options, console):
    """Serves the MLflow UI on the local store, opened on the newest comparison."""
    import threading
    import webbrowser

    from benchmarks import tracking

    tracking.connect()
    url = tracking.ui_url(options.port)
    if tracking.is_remote():
        console.print(f"MLflow UI: {url}", soft_wrap=True)
        webbrowser.open(url)
        return 0
    console.print(f"MLflow UI: {url}  (Ctrl-C ends it)", soft_wrap=True)
    opener = threading.Timer(5, webbrowser.open, [url])
    opener.daemon = True
    opener.start()
    try:
        return tracking.serve(options.port)
    except KeyboardInterrupt:
        return 0


COMMANDS = {"run": run, "report": report, "presets": presets, "ui": ui}


def _parser():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def words(text):
        return [word.strip() for word in text.split(",") if word.strip()]

    def count(text):
        number = int(text)
        if number < 1:
            raise argparse.ArgumentTypeError(f"expected 1 or more, received {number}")
        return number

    def seeds(text):
        from benchmarks.config import MOST_SEEDS

        if count(text) > MOST_SEEDS:
            raise argparse.ArgumentTypeError(f"expected {MOST_SEEDS} at most, received {text}")
        return int(text)

    command = commands.add_parser("run", help=run.__doc__)
    command.add_argument("--suite", default="quick", help="name of a suite, or a YAML file")
    command.add_argument("--task", type=words, help="only these tasks, with commas between")
    command.add_argument("--arch", type=words, help="these architectures instead")
    command.add_argument("--seeds", type=seeds, help="number of seeds instead")
    command.add_argument("--epochs", type=count, help="number of epochs instead")
    command.add_argument("--rerun", action="store_true", help="train also what is finished")
    command = commands.add_parser("report", help=report.__doc__)
    command.add_argument("--suite", default="quick", help="name of a suite")
    command.add_argument("--write", metavar="FILE", help="put the tables into this file")
    command = commands.add_parser("presets", help=presets.__doc__)
    command.add_argument("--suite", default="quick", help="name of a suite")
    command.add_argument("--write", metavar="FILE", help="put the table of presets into this file")
    command = commands.add_parser("ui", help=ui.__doc__)
    command.add_argument("--port", type=count, default=5000)
    return parser


if __name__ == "__main__":
    sys.exit(main())
