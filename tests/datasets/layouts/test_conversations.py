"""Tests of the layout of conversations."""

import pytest

from zoo.datasets.errors import FolderError
from zoo.datasets.layouts import Conversations


def examples(folder, **files):
    for split, content in files.items():
        (folder / f"{split}.jsonl").write_bytes(content)
    return [(split, example["turns"]) for split, example in Conversations().examples(folder)]


def test_each_line_is_a_conversation(folder):
    pairs = examples(
        folder,
        train=(
            '\ufeff{"turns": ["Hi!", "schön\\nda"], "place": 3}\r\n{"turns": ["a", "b", "c"]}'
        ).encode(),
        validation='{"turns": ["\u2028", "ö"]}\n'.encode(),
    )
    assert pairs == [
        ("train", ["Hi!", "schön\nda"]),
        ("train", ["a", "b", "c"]),
        ("validation", ["\u2028", "ö"]),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r" is empty"),
        (b'{"turns": ["sch\xf6n", "b"]}\n', ", line 1: the text isn't UTF-8"),
        (b'{"turns": ["a", "b"]}\n{"turns": ["a", "b"]\n', r", line 2: not valid JSON"),
        (b'{"turns": ["a", "b"]}\n\n{"turns": ["a", "b"]}\n', r", line 2: not valid JSON"),
        (b'["a", "b"]\n', r", line 1: expected an object with the key turns, received \[\"a\""),
        (b'{"turn": ["a", "b"]}\n', r", line 1: expected an object with the key turns"),
        (b'{"turns": "ab"}\n', r', line 1: turns must be a list of texts, received "ab"'),
        (b'{"turns": ["a", null]}\n', r", line 1: turns must be a list of texts"),
        (b'{"turns": ["\\ud800", "b"]}\n', r", line 1: not valid JSON .*surrogates not allowed"),
        (b'{"turns": [' + b"1" * 9000 + b"]}\n", r", line 1: not valid JSON"),
        (b"[" * 200_000 + b"\n", r", line 1: not valid JSON"),
        (b'{"turns": ["a"]}\n', r", line 1: .* at least two turns, received 1"),
    ],
)
def test_a_broken_line_is_named_with_its_file(folder, content, message):
    with pytest.raises(FolderError, match=rf"test\.jsonl{message}"):
        examples(folder, train=b'{"turns": ["a", "b"]}\n', test=content)
