"""A campaign of generated bad input: no traceback, no hang, no foreign code, and valid JSON.

Hundreds of inputs and options for the command line, and damaged and malicious presets for
`zoo.load`. `ZOO_CAMPAIGN` sets the number of each, by default 400; the counts are printed.
"""

import collections
import contextlib
import io
import json
import os
import random
import shutil
import signal
import sys

import numpy as np
import pytest
import soundfile
from test_pretrained import MALICIOUS, PLACES, folder, sign  # noqa: F401

import zoo
from zoo import cli, models

pytestmark = pytest.mark.slow

COUNT = int(os.environ.get("ZOO_CAMPAIGN", "400"))
SECONDS = 60  # of one input: machines may be busy
ENDINGS = ["wav", "flac", "ogg", "mp3", "aiff", "au", "caf", "raw", "w64", "sd2", "txt", "npy", ""]
TEXTS = [
    "",
    " ",
    "\t",
    "\n",
    "\0",
    "-",
    "--",
    "nan",
    "NaN",
    "1e400",
    "caf\udce9",
    "\ud800",
    "🎬" * 300,
    "e\u0301" * 200,
    "\u202eabc",
    "\ufeff",
    "a" * 20_000,
    "word " * 3_000,
    "[",
    "[" * 5_000,
    '["a", null]',
    '["a", 3]',
    "[]",
    "{}",
    '["\ud800"]',
    "<s></s><pad><unk>",
    "../../etc/passwd",
    "http://localhost:1/a.wav",
    "hf://a/b",
]


class TooLong(BaseException):
    """An input wasn't answered in time; not an error that the command line would catch."""


@contextlib.contextmanager
def time_limit():
    def stop(*_):
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def presets_of_kinds(tmp_path_factory):
    """Folders of small models, by the kind of their input."""
    root = tmp_path_factory.mktemp("kinds")
    texts = ["the king is dead\n", "long live the queen\n"]
    subwords = models.SubwordTokenizer.train(texts, 300, byte_fallback=True, markers=["<cut>"])
    size = {"embedding_dim": 4, "units": 4}
    labels = ["a", "b"]
    built = {
        "text": models.TextClassifier(
            models.TextBackbone(subwords.vocabulary_size(), "gru", **size),
            labels,
            models.TextClassifierPreprocessor(subwords),
        ),
        "pairs": models.Translator(
            models.TranslatorBackbone(subwords.vocabulary_size(), "gru", **size),
            models.TranslatorPreprocessor(subwords),
        ),
        "turns": models.DialogueModel(
            models.DialogueBackbone(subwords.vocabulary_size(), "gru", **size),
            models.DialoguePreprocessor(subwords),
        ),
        "sound": models.AudioClassifier(
            models.AudioBackbone("gru", front_end="log_mel", feature_dim=4, units=4),
            labels,
            models.AudioClassifierPreprocessor(),
        ),
        "frames": models.AudioClassifier(
            models.AudioBackbone("gru", feature_dim=3, units=4),
            labels,
            models.AudioClassifierPreprocessor(feature_dim=3),
        ),
        "symbols": models.MemoryClassifier(
            models.MemoryBackbone("gru", feature_dim=2, units=4),
            labels,
            models.MemoryPreprocessor(alphabet="ab"),
        ),
    }
    for name, model in built.items():
        model.save_to_preset(str(root / name))
    return {name: str(root / name) for name in built}


def mutated(content, generator):
    """Bytes with a few changes."""
    content = bytearray(content)
    for _ in range(generator.randint(1, 8)):
        kind = generator.choice(["flip", "cut", "insert", "repeat"])
        at = generator.randrange(max(1, min(len(content), generator.choice([64, 10**9]))))
        if kind == "flip" and content:
            content[at] = generator.randrange(256)
        elif kind == "cut":
            del content[at : at + generator.choice([1, 4, 10**9])]
        elif kind == "insert":
            content[at:at] = generator.randbytes(generator.choice([1, 4, 100]))
        else:
            content[at:at] = content[:at]
    return bytes(content[:200_000])


def files(place, generator):
    """Yields paths, of damaged and valid files, and of what is no file."""
    wave = np.sin(np.arange(800)).astype("float32") / 2
    whole = []
    for form in ("WAV", "FLAC", "OGG", "AIFF", "AU", "CAF", "W64"):
        with io.BytesIO() as file:
            soundfile.write(file, wave, 8000, format=form)
            whole.append((form.lower(), file.getvalue()))
    values = [np.ones((4, 3)), np.full((4, 3), np.nan), np.full((4, 3), 1e300), np.ones((0, 3))]
    values += [np.ones((4, 3), "int8"), np.ones(3), np.array(["a"]), np.ones((2, 3), "complex64")]
    values += [np.full((4, 3), 3e38, "float32"), np.array(3.0), np.ones((2, 2, 3))]
    for value in values:
        with io.BytesIO() as file:
            np.save(file, value)
            whole.append(("npy", file.getvalue()))
    os.mkfifo(place / "pipe.wav")
    os.mkfifo(place / "pipe.npy")
    (place / "folder.npy").mkdir()
    (place / "loop.wav").symlink_to(place / "loop.wav")
    strange = ["pipe.wav", "pipe.npy", "folder.npy", "loop.wav", "missing.wav", "missing.npy"]
    yield from [*(str(place / name) for name in strange), "/dev/zero", "/dev/null", "/", "~"]
    number = 0
    while True:
        number += 1
        ending, content = generator.choice(whole)
        if generator.random() < 0.3:
            ending = generator.choice(ENDINGS)
        if generator.random() < 0.1:
            content = generator.randbytes(generator.choice([0, 1, 44, 5_000]))
        elif generator.random() < 0.9:
            content = mutated(content, generator)
        path = place / f"{number}.{ending}"
        path.write_bytes(content)
        yield str(path)


def commands(kinds, place, generator):
    """Yields arguments of the command line, with lines of standard input."""
    paths = files(place, generator)
    own = "--no-verify"
    while True:
        kind = generator.choice(list(kinds))
        text = generator.choice(TEXTS)
        if generator.random() < 0.3:
            text = generator.randbytes(generator.randint(0, 60)).decode("utf-8", "surrogateescape")
        if kind in ("sound", "frames") and generator.random() < 0.9:
            text = next(paths)
        options = generator.sample(["--json"], generator.randint(0, 1))
        name = generator.choice(["predict"] * 8 + ["generate", "chat", "info", "export", "list"])
        lines = [text.replace("\n", " "), generator.choice(TEXTS), "a"]
        if name == "predict" and generator.random() < 0.3:
            yield [name, own, kinds[kind], "-", *options], lines
        elif name == "predict":
            yield [name, own, kinds[kind], *options, "--", text, text], lines
        elif name == "generate":
            value = generator.choice(["0", "-1", "nan", "inf", "1e-320", "x", "3"])
            option = generator.choice(["--temperature", "--length", "--seed", "--sampler"])
            length = [] if option == "--length" else ["--length", "3"]
            yield [name, own, kinds["turns"], *length, f"{option}={value}", "--", text], lines
        elif name == "chat":
            yield [name, own, kinds["turns"], "--length", "3"], lines
        elif name == "export":
            form = generator.choice(["savedmodel", "torch", "tflite", ""])
            target = generator.choice([str(place), "/nowhere/model", "/dev/null/model"])
            yield [name, own, kinds[kind], target, "--format", form], lines
        else:
            yield [name, generator.choice([text, kinds[kind], *zoo.list_presets()])], lines


def refuse_constant(name):
    raise AssertionError(f"This isn't JSON: {name}")


def test_bad_input_is_answered_or_one_line_of_error(presets_of_kinds, tmp_path, monkeypatch):
    generator = random.Random(0)
    outcomes, wrong = collections.Counter(), []
    made = commands(presets_of_kinds, tmp_path, generator)
    for _ in range(COUNT):
        arguments, lines = next(made)
        content = b"\n".join(line.encode("utf-8", "surrogatepass") for line in lines)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), "utf-8"))
        output, error = io.StringIO(), io.StringIO()
        try:
            with (
                time_limit(),
                contextlib.redirect_stdout(output),
                contextlib.redirect_stderr(error),
            ):
                status = cli.main(arguments)
        except SystemExit as end:  # argparse has told the usage
            status = end.code
            error.seek(0)
            error.truncate()
            error.write("zoo: usage\n")
        except TooLong:
            status = "hang"
        except BaseException as failure:
            status = f"traceback {failure!r}"
        told = error.getvalue()
        is_told = told.startswith("zoo: ") and told.count("\n") == 1
        if status not in (0, 2) or (status == 2 and not is_told):
            wrong.append((arguments, status, told[:300]))
        if "Exception encountered" in told or "Errno" in told:
            wrong.append((arguments, "no reason", told[:300]))
        if "--json" in arguments and status in (0, 2):
            for line in output.getvalue().splitlines():
                json.loads(line, parse_constant=refuse_constant)
        outcomes[{0: "answered", 2: "one line of error"}.get(status, "wrong")] += 1
    print(f"Command line: {COUNT} inputs, {dict(outcomes)}")
    assert wrong == []


@contextlib.contextmanager
def watched():
    """A list of events of the interpreter that code of a preset would cause."""
    seen, is_on = [], True

    def hook(event, arguments):
        if is_on and event in ("os.system", "subprocess.Popen", "socket.connect", "os.exec"):
            seen.append((event, arguments))

    sys.addaudithook(hook)  # can't be removed
    yield seen
    is_on = False


def damaged(preset, generator):
    """Damages a preset; returns whether its card agrees with it again."""
    path = generator.choice([path for path in sorted(preset.rglob("*")) if path.is_file()])
    kind = generator.choice(["bytes", "bytes", "delete", "add", "empty", "json"])
    if kind == "bytes":
        path.write_bytes(mutated(path.read_bytes(), generator))
    elif kind == "delete":
        path.unlink()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "add":
        name = generator.choice(["task.weights.h5", "x.py", "assets/a", "audio_converter.json"])
        (preset / name).write_bytes(path.read_bytes())
    else:
        path = preset / generator.choice(["task.json", "config.json", "preprocessor.json"])
        words = path.read_text().split('"')
        at = generator.randrange(len(words))
        words[at] = generator.choice(["", "null", "0", "-1", "1e999", "zoo>Translator", "config"])
        path.write_text('"'.join(words))
    is_signed = (preset / "card.json").exists() and path.name != "card.json"
    is_signed = is_signed and generator.random() < 0.7
    if is_signed:
        sign(preset)
    return is_signed


def load(path, outcomes, wrong, what):
    try:
        with time_limit():
            zoo.load(path)
        outcomes["loaded"] += 1
    except zoo.PresetError as error:
        outcomes["refused"] += 1
        if not str(error).strip():
            wrong.append((what, "no reason"))
    except BaseException as error:
        wrong.append((what, repr(error)[:300]))


def test_damaged_and_malicious_presets_are_refused(folder, tmp_path):  # noqa: F811
    generator = random.Random(1)
    outcomes, wrong = collections.Counter(), []
    copy = tmp_path / "films_gru"
    with watched() as seen:
        for number in range(COUNT // 2):
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(folder / "films_gru", copy)
            is_signed = damaged(copy, generator)
            before = outcomes["loaded"]
            load(copy, outcomes, wrong, number)
            # A change that isn't signed can be harmless only if it wrote the same bytes.
            if not is_signed and outcomes["loaded"] > before:
                same = {
                    path.relative_to(copy): path.read_bytes()
                    for path in copy.rglob("*")
                    if path.is_file()
                } == {
                    path.relative_to(folder / "films_gru"): path.read_bytes()
                    for path in (folder / "films_gru").rglob("*")
                    if path.is_file()
                }
                if (
                    not same
                    and (copy / "card.json").read_bytes()
                    == (folder / "films_gru" / "card.json").read_bytes()
                ):
                    wrong.append((number, "loaded with a change"))
        print(f"Damaged presets: {COUNT // 2}, {dict(outcomes)}")
        malicious = collections.Counter()
        for payload in MALICIOUS:
            for place, put in PLACES.items():
                shutil.rmtree(copy, ignore_errors=True)
                shutil.copytree(folder / "films_gru", copy)
                names = ("task.json", "config.json")
                task, config = (json.loads((copy / name).read_text()) for name in names)
                put(task, config, MALICIOUS[payload])
                for name, value in zip(names, (task, config), strict=True):
                    (copy / name).write_text(json.dumps(value))
                sign(copy)
                load(copy, malicious, wrong, (payload, place))
        print(f"Malicious presets: {len(MALICIOUS) * len(PLACES)}, {dict(malicious)}")
    assert malicious["loaded"] == 0
    assert seen == []
    assert wrong == []
