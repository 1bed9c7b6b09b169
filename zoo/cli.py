"""The command `zoo`: lists pretrained models, tells what is known of one, and asks it."""

import argparse
import dataclasses
import json
import os
import queue
import sys
import threading

BATCH = 32


def main(arguments=None):
    """Runs one command; returns the exit status: 0, or 2 with a line that says what is wrong."""
    options = _parser().parse_args(arguments)
    from zoo import PresetError

    try:
        return options.run(options)
    except BrokenPipeError:  # whoever read has enough, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (PresetError, OSError, ValueError) as error:
        lines = (line for line in str(error).splitlines() if line.strip())
        print(f"zoo: {next(lines, type(error).__name__)}", file=sys.stderr)
        return 2


def list_command(options):
    """Prints a table of the pretrained models."""
    from rich import box, console, table

    import zoo

    cards = [zoo.card(name) for name in zoo.list_presets(options.pattern)]
    if not cards:
        raise zoo.PresetError(
            f"No preset matches {options.pattern!r}. `zoo list` shows all; `make bench presets` "
            "in a checkout trains and adds those of the benchmark."
        )
    rows = table.Table(box=box.SIMPLE_HEAD)
    for column in ("preset", "task", "dataset"):
        rows.add_column(column)
    for column in ("metric", "parameters", "size"):
        rows.add_column(column, justify="right")
    for card in cards:
        metric = f"{card.metric} {card.value:.3g}"
        size = f"{card.bytes / 1e6:.1f} MB"
        rows.add_row(card.preset, card.task, card.dataset, metric, f"{card.parameters:,}", size)
    output = console.Console()
    if not output.is_terminal:
        output.width = 120
    output.print(rows)
    return 0


def info_command(options):
    """Prints the card of a pretrained model as JSON."""
    import zoo

    print(json.dumps(dataclasses.asdict(zoo.card(options.preset)), indent=2, ensure_ascii=False))
    return 0


def predict_command(options):
    """Answers each input in order; `-` reads lines from standard input."""
    import zoo

    model = zoo.load(options.preset)
    for batch in _batches(_inputs(options.input)):
        _answer(model, batch, options.json)
    return 0


def export_command(options):
    """Writes a pretrained classifier's network for another runtime."""
    import zoo
    from zoo.export import export

    export(zoo.load(options.preset), options.output, options.format, options.length)
    print(f"Written: {options.output}")
    return 0


def _inputs(arguments):
    for argument in arguments:
        if argument == "-":
            for line in sys.stdin:
                yield line.rstrip("\r\n")
        else:
            yield argument


def _batches(inputs):
    """Lists of up to `BATCH` inputs; none waits for one that isn't there yet."""
    waiting = queue.SimpleQueue()

    def read():
        try:
            for one in inputs:
                waiting.put(one)
            waiting.put(None)
        except (OSError, ValueError) as error:  # such as bytes that are no text
            waiting.put(error)

    threading.Thread(target=read, daemon=True).start()
    last = ""
    while isinstance(last, str):
        batch = []
        while isinstance(last := waiting.get(), str):
            batch.append(last)
            if len(batch) == BATCH or waiting.empty():
                break
        if batch:
            yield batch
    if last:
        raise last


def _answer(model, inputs, as_json):
    from zoo.models.answers import answers

    read, wrong = [], None
    for one in inputs:
        try:
            read.append(_read(model, one))
        except (OSError, ValueError) as error:  # those before it are answered
            wrong = error
            break
    for one, answer in zip(inputs, answers(model, read), strict=False):
        if as_json:
            print(json.dumps({"input": one, **answer}, ensure_ascii=False), flush=True)
        elif "output" in answer:
            print(answer["output"], flush=True)
        else:
            part = answer["probabilities"][answer["label"]]
            print(f"{answer['label']} ({part:.3f})", flush=True)
    if wrong:
        raise wrong


def _read(model, one):
    """A raw input from the command line: text as it is, sound or frames from a file."""
    if getattr(model.preprocessor, "tokenizer", None):
        try:
            one.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"Text must be UTF-8. Received: {one!r}") from error
        return one
    if not one:
        raise ValueError("This model takes files: give a path. Received an empty line.")
    if model.backbone.features != "frames":
        from zoo.models.audio_classifier.sound_files import read_sound

        return read_sound(one, model.backbone.sampling_rate)
    import numpy as np

    if not one.endswith(".npy"):
        raise ValueError(
            f"This model takes frames of features: give the path of a NumPy file (.npy) with an "
            f"array [frames, {model.backbone.feature_dim}]. Received: {one}"
        )
    return np.load(one, allow_pickle=False)


def _parser():
    parser = argparse.ArgumentParser(prog="zoo", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("list", help=list_command.__doc__)
    command.add_argument("pattern", nargs="?", default="*", help="wildcards: * ? [...]")
    command.set_defaults(run=list_command)
    command = commands.add_parser("info", help=info_command.__doc__)
    command.add_argument("preset")
    command.set_defaults(run=info_command)
    command = commands.add_parser("predict", help=predict_command.__doc__)
    command.add_argument("preset")
    command.add_argument(
        "input", nargs="+", help="texts or files of sound; - for lines of standard input"
    )
    command.add_argument("--json", action="store_true", help="one JSON object a line")
    command.set_defaults(run=predict_command)
    command = commands.add_parser("export", help=export_command.__doc__)
    command.add_argument("preset")
    command.add_argument("output", help="where to write; must not exist")
    command.add_argument("--format", required=True, help="savedmodel, onnx or tflite")
    command.add_argument("--length", type=int, help="time steps or samples of tflite's input")
    command.set_defaults(run=export_command)
    return parser
