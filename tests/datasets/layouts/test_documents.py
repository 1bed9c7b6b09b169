"""Tests of the layout of texts without labels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.datasets.errors import FolderError
from zoo.datasets.layouts import Documents
from zoo.datasets.layouts.documents import paragraphs


def examples(folder, **files):
    for split, content in files.items():
        (folder / f"{split}.txt").write_bytes(content)
    return [(split, example["text"]) for split, example in Documents().examples(folder)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one", ["one"]),
        ("one\ntwo\n", ["one\ntwo\n"]),
        ("one\n\ntwo", ["one\n\n", "two"]),
        ("\n\none\n\n \t\n\ntwo\n\n", ["\n\none\n\n \t\n\n", "two\n\n"]),
        ("one\r\n\r\ntwo\r\n", ["one\r\n\r\n", "two\r\n"]),
    ],
)
def test_a_paragraph_ends_with_its_empty_lines(text, expected):
    assert list(paragraphs(text)) == expected


@given(st.text("a \n\r\t\u2028", min_size=1))
def test_joined_paragraphs_are_the_text(text):
    found = list(paragraphs(text))
    assert "".join(found) == text
    assert all(paragraph.strip() for paragraph in found) or len(found) == 1


def test_each_file_is_a_split(folder):
    assert examples(folder, train=b"\xef\xbb\xbfone\n\ntwo\n", test="schön\n".encode()) == [
        ("train", "one\n\n"),
        ("train", "two\n"),
        ("test", "schön\n"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no text"),
        (b" \n\n", "holds no text"),
        (b"sch\xf6n\n", "line 1: the text isn't UTF-8"),
    ],
)
def test_a_broken_file_is_named(folder, content, message):
    with pytest.raises(FolderError, match=rf"validation\.txt,? {message}"):
        examples(folder, train=b"one\n", validation=content)


def test_a_text_of_few_paragraphs_is_divided_into_lines(folder):
    lines = [f"line {number}\n" for number in range(12)]
    text = "".join(lines[:6]) + "\n" + "".join(lines[6:])
    found = [text for _, text in examples(folder, train=text.encode())]
    assert len(found) == 13
    assert "".join(found) == text
