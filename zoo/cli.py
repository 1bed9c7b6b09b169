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
LISTED = ("preset", "task", "dataset", "metric", "value", "parameters", "bytes")
PICTURES = ("png", "svg", "pdf")


def main(arguments=None):
    """Runs one command. Returns the exit status: 0, or 2 after printing one line of error."""
    _open_closed_streams()
    try:
        options = _parser().parse_args(arguments)
        status = options.run(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader, such as `head`, has stopped reading
        _leave_standard_output()
        return 0
    except KeyboardInterrupt:
        return 130
    except (OSError, ValueError, MemoryError) as error:
        print(f"zoo: {_reason(error)}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:  # such as a full disk: Python would fail again to write it at exit
            _leave_standard_output()
        return 2


def _open_closed_streams():
    """Opens the standard streams that were closed before Python started.

    Otherwise the next file opened would take the descriptor of one, and be written to.
    """
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)


def _leave_standard_output():
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _reason(error):
    """The message of an error, on one line."""
    if isinstance(error, MemoryError):
        return "There isn't enough memory. Give shorter inputs, or one at a time."
    if isinstance(error, OSError) and error.strerror:  # its text would begin with the error number
        return ": ".join(filter(None, [error.strerror, error.filename and str(error.filename)]))
    lines = (line for line in str(error).splitlines() if line.strip())
    return next(lines, type(error).__name__)


def list_command(options):
    """Prints a table of pretrained models."""
    import zoo

    cards = [zoo.card(name) for name in zoo.list_presets(options.pattern)]
    if not cards:
        raise zoo.PresetError(
            f"No preset matches {options.pattern!r}. `zoo list` shows all; `make presets` "
            "in a checkout trains and adds those of the benchmark."
        )
    if options.json:
        for card in cards:
            print(json.dumps({name: getattr(card, name) for name in LISTED}, ensure_ascii=False))
        return 0
    from rich import box, console, table

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

    if options.stream and set(options.input) - {"-"}:
        raise ValueError(
            f"With --stream the input comes from standard input. Received: {options.input[0]}"
        )
    if not options.stream and not options.input:
        raise ValueError("Give an INPUT, or --stream and the input on standard input.")
    if not options.stream and options.rate:
        raise ValueError("--rate is for the raw sound of --stream; a file has its own.")
    model = zoo.load(options.preset, verify=options.verify)
    if options.stream:
        _answer_stream(zoo.stream(model), options)
        return 0
    for batch in _batches(_inputs(options.input)):
        _answer(model, batch, options.json)
    return 0


def generate_command(options):
    """Continues a text with a pretrained language model and prints it as it is generated."""
    import zoo

    model = zoo.load(options.preset, verify=options.verify)
    for prompt in _inputs(options.prompt or [""]):
        pieces = model.stream(model.read_input(prompt), options.length, **_sampling(options))
        print(prompt, end="", flush=True)
        for piece in pieces:
            print(piece, end="", flush=True)
        print(flush=True)
    return 0


def chat_command(options):
    """Converses with a pretrained dialogue model. /reset starts over, /quit or Ctrl-D ends."""
    import zoo

    model = zoo.load(options.preset, verify=options.verify)
    conversation = model.conversation(**_sampling(options))
    is_terminal = _standard_input().isatty()
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
        raise ValueError(
            f"The plot's name must end with .{', .'.join(PICTURES)}. Received: {options.plot}"
        )
    model = zoo.load(options.preset, verify=options.verify)
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


def transcribe_command(options):
    """Transcribes sound files, or raw sound as it arrives on standard input."""
    import zoo

    model = zoo.load(options.preset, verify=options.verify)
    model.transcribe([])  # raises an error if models of this kind can't
    for argument in options.input:
        if argument == "-":
            stream = zoo.stream(model)
            for piece, is_last in _pieces(stream, options.rate):
                print(stream.read(piece, is_last), end="", flush=True)
            print(flush=True)
        else:
            (text,) = model.transcribe([model.read_input(argument)])
            print(text, flush=True)
    return 0


def _answer_stream(stream, options):
    """Reads standard input, and prints the answer to it whenever it changes, and at the end.

    A change of probabilities alone doesn't count.
    """
    told, as_told = None, lambda answer: {**answer, "probabilities": None}
    for piece, is_last in _pieces(stream, options.rate):
        stream.read(piece, is_last)
        answer = stream.answer
        if answer is not None and (is_last or as_told(answer) != told):
            told = as_told(answer)
            line = json.dumps({"input": "-", **answer}, ensure_ascii=False)
            print(line if options.json else stream.answer_text(answer), flush=True)


def _pieces(stream, rate):
    """What a stream reads from standard input: pairs of a piece and whether it is the last.

    A stream of sound reads 20 ms of raw sound at a time, any other stream a line.
    """
    if stream.sampling_rate is None:
        if rate:
            raise ValueError(
                f"This model doesn't read raw sound. Leave out --rate. Received: {rate}"
            )
        for line in _standard_input():
            yield stream.piece_of(line), False
        yield None, True
        return
    from zoo.sound_files import RawSound

    rate = rate or stream.sampling_rate
    sound = RawSound(rate, stream.sampling_rate)
    while content := _standard_input().buffer.read(2 * (rate // 50)):
        yield sound.read(content), False
    yield sound.read(b"", is_last=True), True


def _sampling(options):
    """The sampler's arguments that were given on the command line."""
    return {name: getattr(options, name) for name in ("sampler", "temperature", "seed")}


def export_command(options):
    """Exports a pretrained model's network for another runtime."""
    import zoo
    from zoo.export import export

    model = zoo.load(options.preset, verify=options.verify)
    export(model, options.output, options.format, options.length)
    print(f"Written: {options.output}")
    return 0


def serve_command(options):
    """Answers raw input over HTTP with a pretrained model, until it is interrupted."""
    import zoo

    try:
        from zoo import serving
    except ImportError as error:
        raise ValueError(
            f"Serving needs {error.name}. Try: pip install 'recurrent-zoo[serve]'"
        ) from error
    model = zoo.load(options.preset, verify=options.verify)
    serving.serve(model, options.host, options.port)
    return 0


def _inputs(arguments):
    for argument in arguments:
        if argument == "-":
            for line in _standard_input():
                yield line.rstrip("\r\n")
        else:
            yield argument


def _standard_input():
    if sys.stdin is None:
        raise ValueError("Standard input is closed. Give it lines, such as: echo text | zoo ...")
    return sys.stdin


def _batches(inputs):
    """Lists of up to `BATCH` inputs; none waits for an input that hasn't arrived yet."""
    waiting = queue.SimpleQueue()

    def read():
        try:
            for one in inputs:
                waiting.put(one)
            waiting.put(None)
        except BaseException as error:  # such as bytes that aren't UTF-8
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
    for one, answer in zip(inputs, _answers(model, read, inputs), strict=False):
        try:
            line = json.dumps({"input": one, **answer}, ensure_ascii=False, allow_nan=False)
        except ValueError:
            raise ValueError(
                f"The model's answer to {_short(one)} holds NaN or infinity. Give another input; "
                "if all answers do, the model's weights are broken."
            ) from None
        # A file's name may have bytes that aren't UTF-8.
        line = line.encode("utf-8", "backslashreplace").decode()
        print(line if as_json else model.answer_text(answer), flush=True)
    if failure:
        raise failure


def _answers(model, read, inputs):
    """Yields the answer to each raw input; those before a rejected input come first."""
    with contextlib.suppress(ValueError):
        yield from model.answers(read) if read else []
        return
    for raw, one in zip(read, inputs, strict=False):
        try:
            yield from model.answers([raw])
        except ValueError as error:
            raise ValueError(f"{_short(one)}: {_reason(error)}") from error


def _short(text):
    return repr(text if len(text) <= 100 else f"{text[:100]}...")


def _parser():
    import zoo

    parser = argparse.ArgumentParser(prog="zoo", description=__doc__)
    parser.add_argument("--version", action="version", version=zoo.__version__)
    parser.set_defaults(run=lambda options: parser.print_help() or 0)
    commands = parser.add_subparsers(metavar="COMMAND")
    preset = argparse.ArgumentParser(add_help=False)
    preset.add_argument("preset", help="its name, or the path of its folder")
    preset.add_argument(
        "--no-verify",
        dest="verify",
        action="store_false",
        help="load a folder without a card, such as one that you saved yourself",
    )
    command = commands.add_parser("list", help=list_command.__doc__)
    command.add_argument("pattern", nargs="?", default="*", help="wildcards: * ? [...]")
    command.add_argument("--json", action="store_true", help="print one JSON object per line")
    command.set_defaults(run=list_command)
    command = commands.add_parser("info", help=info_command.__doc__)
    command.add_argument("preset")
    command.set_defaults(run=info_command)
    raw = argparse.ArgumentParser(add_help=False)
    raw.add_argument(
        "--rate", type=int, help="the sampling rate of raw sound, in Hz; by default the model's"
    )
    command = commands.add_parser("predict", help=predict_command.__doc__, parents=[preset, raw])
    command.add_argument(
        "input",
        nargs="*",
        help="a text, or the path of a file for models of audio or series; - reads lines of "
        "standard input",
    )
    command.add_argument(
        "--stream",
        action="store_true",
        help="read one input from standard input as it arrives, and print its answer whenever it "
        "changes: raw 16-bit samples of one channel, or lines",
    )
    command.add_argument("--json", action="store_true", help="print one JSON object per line")
    command.set_defaults(run=predict_command)
    sampling = argparse.ArgumentParser(add_help=False)
    sampling.add_argument("--length", type=int, help="the most tokens to generate", default=None)
    sampling.add_argument("--sampler", help="greedy, random, top_k or top_p (the default)")
    sampling.add_argument("--temperature", type=float, default=1.0, help="divides the logits")
    sampling.add_argument("--seed", type=int, help="makes the result repeatable")
    command = commands.add_parser(
        "generate", help=generate_command.__doc__, parents=[preset, sampling]
    )
    command.add_argument(
        "prompt", nargs="*", help="the beginning of a text; - reads lines of standard input"
    )
    command.set_defaults(run=generate_command)
    command = commands.add_parser("chat", help=chat_command.__doc__, parents=[preset, sampling])
    command.set_defaults(run=chat_command)
    command = commands.add_parser("forecast", help=forecast_command.__doc__, parents=[preset])
    command.add_argument(
        "series", help="a CSV file: a column of values, or the columns unique_id, ds and y"
    )
    command.add_argument("--horizon", type=int, help="values to forecast, up to the model's")
    command.add_argument(
        "--quantiles", type=float, nargs="*", help="such as 0.1 0.9; by default the model's"
    )
    command.add_argument("--output", help="the CSV file to write instead of printing")
    command.add_argument("--plot", help="the plot to write: .png, .svg or .pdf")
    command.set_defaults(run=forecast_command)
    command = commands.add_parser(
        "transcribe", help=transcribe_command.__doc__, parents=[preset, raw]
    )
    command.add_argument(
        "input",
        nargs="+",
        help="a sound file; - reads raw 16-bit samples of one channel from standard input",
    )
    command.set_defaults(run=transcribe_command)
    command = commands.add_parser("export", help=export_command.__doc__, parents=[preset])
    command.add_argument("output", help="the file or folder to write; must not exist")
    command.add_argument("--format", required=True, help="savedmodel, onnx or tflite")
    command.add_argument("--length", type=int, help="time steps or samples of tflite's input")
    command.set_defaults(run=export_command)
    command = commands.add_parser("serve", help=serve_command.__doc__, parents=[preset])
    command.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    command.add_argument("--port", type=int, default=8000, help="0 for a free one")
    command.set_defaults(run=serve_command)
    return parser
