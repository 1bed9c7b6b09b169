"""The command `zoo`: lists, describes, runs and exports pretrained models."""

import argparse
import contextlib
import dataclasses
import json
import os
import queue
import sys
import threading

BATCH = 32


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


def transcribe_command(options):
    """Writes what is said in sound files, or in raw sound as it comes from standard input."""
    import zoo

    model = zoo.load(options.preset)
    for argument in options.input:
        if argument == "-":
            _transcribe_stream(model.transcription(), sys.stdin.buffer)
        else:
            (text,) = model.transcribe([model.read_input(argument)])
            print(text, flush=True)
    return 0


def _transcribe_stream(transcription, stream):
    """Prints the text of raw sound while it is read: 16-bit little-endian samples, one channel."""
    import numpy as np

    size = 2 * transcription.sampling_rate // 10  # bytes of a tenth of a second
    while content := stream.read(size):
        if len(content) % 2:
            raise ValueError(
                "Raw sound must be 16-bit samples, and ended in the middle of one. Received an odd "
                "number of bytes."
            )
        samples = np.frombuffer(content, "<i2").astype("float32") / 32768
        print(transcription.read(samples), end="", flush=True)
    print(transcription.read(np.zeros(0, "float32"), is_last=True), flush=True)


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
        help="a text, or the path of a file for models of audio; - reads lines of standard input",
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
    command = commands.add_parser("transcribe", help=transcribe_command.__doc__)
    command.add_argument("preset")
    command.add_argument(
        "input",
        nargs="+",
        help="a sound file; - reads raw 16-bit samples of one channel, at the model's sampling "
        "rate, from standard input",
    )
    command.set_defaults(run=transcribe_command)
    command = commands.add_parser("export", help=export_command.__doc__)
    command.add_argument("preset")
    command.add_argument("output", help="the file or folder to write; must not exist")
    command.add_argument("--format", required=True, help="savedmodel, onnx or tflite")
    command.add_argument("--length", type=int, help="time steps or samples of tflite's input")
    command.set_defaults(run=export_command)
    return parser
