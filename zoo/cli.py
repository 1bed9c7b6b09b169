"""The command `zoo`: lists, describes, runs and exports pretrained models."""

import argparse
import contextlib
import dataclasses
import io
import json
import os
import queue
import sys
import threading

BATCH = 32
PICTURES = ("png", "svg", "pdf")


def main(arguments=None):
    """Runs one command. Returns the exit status: 0, or 2 after printing one line of error."""
    options = _parser().parse_args(arguments)
    from zoo import PresetError

    try:
        return options.run(options)
    except BrokenPipeError:  # the reader, such as `head`, has stopped reading
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except (PresetError, OSError, ValueError) as error:
        lines = (line for line in str(error).splitlines() if line.strip())
        print(f"zoo: {next(lines, type(error).__name__)}", file=sys.stderr)
        return 2


def list_command(options):
    """Prints a table of pretrained models."""
    from rich import box, console, table

    import zoo

    cards = [zoo.card(name) for name in zoo.list_presets(options.pattern)]
    if not cards:
        raise zoo.PresetError(
            f"No preset matches {options.pattern!r}. `zoo list` shows all; `make presets` "
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
    """Runs a pretrained model on each input, in order."""
    import zoo

    model = zoo.load(options.preset)
    for batch in _batches(_inputs(options.input)):
        _answer(model, batch, options.json)
    return 0


def generate_command(options):
    """Continues a text with a pretrained language model and prints it as it is made."""
    import zoo

    model = zoo.load(options.preset)
    for prompt in _inputs(options.prompt or [""]):
        pieces = model.stream(model.read_input(prompt), options.length, **_sampling(options))
        print(prompt, end="", flush=True)
        for piece in pieces:
            print(piece, end="", flush=True)
        print(flush=True)
    return 0


def chat_command(options):
    """Converses with a pretrained dialogue model. /reset begins anew, /quit or Ctrl-D ends."""
    import zoo

    conversation = zoo.load(options.preset).conversation(**_sampling(options))
    is_terminal = sys.stdin.isatty()
    if is_terminal:
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - arrow keys and history in `input`
    while True:
        try:
            turn = input("> " if is_terminal else "").strip()
        except EOFError:
            return 0
        if turn == "/quit":
            return 0
        if turn == "/reset":
            conversation.reset()
        elif turn:
            for piece in conversation.stream(turn, options.length):
                print(piece, end="", flush=True)
            print(flush=True)


def forecast_command(options):
    """Forecasts the series of a CSV file and prints a CSV table, or writes it to a file."""
    import zoo

    ending = os.path.splitext(options.plot or "")[1].removeprefix(".").lower()
    if options.plot and ending not in PICTURES:
        raise ValueError(f"A picture ends with .{', .'.join(PICTURES)}. Received: {options.plot}")
    model = zoo.load(options.preset)
    forecasts = model.forecast_file(options.series, options.horizon, options.quantiles)
    if options.plot:
        picture = io.BytesIO()
        forecasts.plot().savefig(picture, format=ending)
        _replace(options.plot, picture.getvalue())
    if options.output:
        _replace(options.output, forecasts.csv().encode())
    else:
        print(forecasts.csv(), end="")
    return 0


def _replace(path, content):
    """Writes a file of bytes, replacing an earlier one once it is complete."""
    temporary = f"{path}.new"
    with open(temporary, "wb") as file:
        file.write(content)
    os.replace(temporary, path)


def _sampling(options):
    """The arguments of a sampler that were chosen on the command line."""
    return {name: getattr(options, name) for name in ("sampler", "temperature", "seed")}


def export_command(options):
    """Exports a pretrained model's network for another runtime."""
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
    """Lists of up to `BATCH` inputs; none waits for an input that hasn't arrived yet."""
    waiting = queue.SimpleQueue()

    def read():
        try:
            for one in inputs:
                waiting.put(one)
            waiting.put(None)
        except (OSError, ValueError) as error:  # such as bytes that aren't UTF-8
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
    read, failure = [], None
    for one in inputs:
        try:
            read.append(model.read_input(one))
        except (OSError, ValueError) as error:  # the inputs before it are answered first
            failure = error
            break
    answers = model.answers(read) if read else []
    for one, answer in zip(inputs, answers, strict=False):
        if as_json:
            print(json.dumps({"input": one, **answer}, ensure_ascii=False), flush=True)
        else:
            print(model.answer_text(answer), flush=True)
    if failure:
        raise failure


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
        "input",
        nargs="+",
        help="a text, or the path of a file for models of audio or series; - reads lines of "
        "standard input",
    )
    command.add_argument("--json", action="store_true", help="print one JSON object per line")
    command.set_defaults(run=predict_command)
    sampling = argparse.ArgumentParser(add_help=False)
    sampling.add_argument("--length", type=int, help="the most tokens to generate", default=None)
    sampling.add_argument("--sampler", help="greedy, random, top_k or top_p (the default)")
    sampling.add_argument("--temperature", type=float, default=1.0, help="divides the logits")
    sampling.add_argument("--seed", type=int, help="makes the result repeatable")
    command = commands.add_parser("generate", help=generate_command.__doc__, parents=[sampling])
    command.add_argument("preset")
    command.add_argument(
        "prompt", nargs="*", help="the beginning of a text; - reads lines of standard input"
    )
    command.set_defaults(run=generate_command)
    command = commands.add_parser("chat", help=chat_command.__doc__, parents=[sampling])
    command.add_argument("preset")
    command.set_defaults(run=chat_command)
    command = commands.add_parser("forecast", help=forecast_command.__doc__)
    command.add_argument("preset")
    command.add_argument(
        "series", help="a CSV file: a column of values, or the columns unique_id, ds and y"
    )
    command.add_argument("--horizon", type=int, help="values to forecast, up to the model's")
    command.add_argument(
        "--quantiles", type=float, nargs="*", help="such as 0.1 0.9; by default the model's"
    )
    command.add_argument("--output", help="the CSV file to write instead of printing")
    command.add_argument("--plot", help="the picture to write: .png, .svg or .pdf")
    command.set_defaults(run=forecast_command)
    command = commands.add_parser("export", help=export_command.__doc__)
    command.add_argument("preset")
    command.add_argument("output", help="the file or folder to write; must not exist")
    command.add_argument("--format", required=True, help="savedmodel, onnx or tflite")
    command.add_argument("--length", type=int, help="time steps or samples of tflite's input")
    command.set_defaults(run=export_command)
    return parser
