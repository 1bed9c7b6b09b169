"""Suites that are damaged at random: each is read, or refused with a ConfigError, in a second.

`make test ARGS="-m slow"` tries 1,000 (`SUITES`); the default run tries 60.
"""

import copy
import os
import random
import time

import pytest
import yaml

from benchmarks import config

SUITES = int(os.environ.get("SUITES", 1000))
STRANGE = [
    None, True, -1, 0, 3.7, float("inf"), float("-inf"), float("nan"), 10**400, "", "x" * 100_000,
    "ü\u0000\ud83d", "quick", "all", [], [[]], {}, {"default": 1}, {"default": {"default": 2}},
    {1: 2}, [None], ["gru", "gru"], {"a": {"b": {"c": []}}}, "2001-01-01", "../../x.yaml",
]  # fmt: skip
TEXTS = [
    b"\xff\xfe\x00", b"a: \xe4\n", b"[" * 5000, b"{a: " * 3000, b"&a [*a]", b"a: &a {b: *a}",
    b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n",
    b"based_on: [quick]\n", b"based_on: 3\n", b"based_on: self\n", b"a: 1\na: 2\n",
    b"!!python/object/apply:os.system ['false']", b"a: !!timestamp 2001-99-99", b"--- a\n--- b\n",
    b"%YAML 9.9\n---\na: b", b"a: 0x" + b"f" * 9000, b"a: " + b"1" * 9000, b"? [a]\n: b", b"<<: 3",
    b"tasks: {<<: {sentiment: {}}}", b"", b"\x00", b"\t", b"tasks:\n  1: {}\n", b"=: 3", b"a: =",
]  # fmt: skip


def places(content, path=()):
    """The path of every value in nested dicts and lists."""
    found = [path] if path else []
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        found.append((*path, key))
        if isinstance(value, dict | list):
            found += places(value, (*path, key))
    return found


def mutated(content, generator):
    """A suite in which some values or keys are replaced, removed or moved."""
    content = copy.deepcopy(content)
    for _ in range(generator.randint(1, 3)):
        *parents, key = generator.choice(places(content))
        inner = content
        for parent in parents:
            inner = inner[parent]
        change = generator.randrange(4)
        if change == 0 and len(inner) > 1:
            inner.pop(key)
        elif change == 1 and isinstance(inner, dict):
            inner[generator.choice(["", 1, None, "units", "based_on", f"{key}s"])] = inner[key]
        else:
            inner[key] = copy.deepcopy(generator.choice(STRANGE))
    return yaml.safe_dump(content, allow_unicode=True).encode("utf-8", "surrogatepass")


def damaged(text, generator):
    """A text in which some bytes are replaced, removed or repeated."""
    text = bytearray(text)
    for _ in range(generator.randint(1, 8)):
        place = generator.randrange(len(text))
        length = generator.choice([1, 1, 2, 30])
        piece = generator.choice([b"", generator.randbytes(length), text[place : place + length]])
        text[place : place + generator.randrange(length + 1)] = piece
    return bytes(text)


def check(text, folder):
    """Reads a suite as the command line does; returns whether it is one."""
    path = folder / "self.yaml"
    path.write_bytes(text)
    start, message = time.perf_counter(), ""
    try:
        if config.kind(str(path)) == "tasks":
            config.load(str(path))
        elif config.kind(str(path)) == "layers":
            config.load_layers(str(path))
        else:
            config.load_presets(str(path))
    except config.ConfigError as error:
        message = str(error)
    assert time.perf_counter() - start < 5  # a second, on a machine that does nothing else
    assert len(message) < 20_000
    return not message


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_text_that_is_no_suite_is_refused(text, tmp_path):
    assert not check(text, tmp_path)


def test_an_alias_bomb_is_refused(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    assert not check("\n".join(lines).encode(), tmp_path)


def _campaign(count, folder):
    texts = {name: (config.SUITES / f"{name}.yaml").read_bytes() for name in config.suites()}
    read = 0
    for seed in range(count):
        generator = random.Random(seed)
        text = texts[generator.choice(sorted(texts))]
        change = generator.choice([mutated, damaged])
        text = change(yaml.safe_load(text) if change is mutated else text, generator)
        try:
            read += check(text, folder)
        except BaseException as error:
            error.add_note(f"seed {seed}: {text[:2000]!r}")
            raise
    return read


def test_some_mutated_suites_are_read_or_refused(tmp_path):
    assert 0 < _campaign(60, tmp_path) < 60


@pytest.mark.slow
def test_mutated_suites_are_read_or_refused(tmp_path):
    assert 0 < _campaign(SUITES, tmp_path) < SUITES
