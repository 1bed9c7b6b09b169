"""Tests of the layout of texts with labels."""

import pytest

from zoo.datasets.errors import FolderError
from zoo.datasets.layouts import Texts


def examples(folder, **files):
    for split, content in files.items():
        (folder / f"{split}.csv").write_bytes(content)
    return list(Texts().examples(folder))


def test_rows_are_examples_of_their_split(folder):
    pairs = examples(
        folder,
        train=b'\xef\xbb\xbfnumber,label,text\r\n1,good,"fine, ""really""\r\nfine"\r\n',
        test=b"text,label\ndull, bad \n",
        unlabelled=b"text,label\na day,good\n",
    )
    assert pairs == [
        ("train", {"text": 'fine, "really"\r\nfine', "label": "good"}),
        ("test", {"text": "dull", "label": "bad"}),
        ("unlabelled", {"text": "a day", "label": -1}),
    ]


@pytest.mark.parametrize(
    ("split", "content", "message"),
    [
        ("train", b"review,label\na,b\n", "needs the columns text and label.*review, label"),
        ("train", b"", "an empty file"),
        ("unlabelled", b"texts\nfine\n", "needs the column text in its first line"),
        ("unlabelled", b"number,text\n3\n", "line 2: a text is missing"),
        ("train", b"text,label\nfine\n", "line 2: a text or a label is missing"),
        ("train", b"text,label\nfine,\n", "line 2: a text or a label is missing"),
        ("train", b"text,label\nfine, \n", "line 2: a text or a label is missing"),
        ("train", b"text,label,text\nfine,good,so\n", "a column is named twice"),
        ("train", b'text,label\n"fine"ly,good\n', "line 2: ',' expected after"),
        ("train", b'text,label\nfine,"good', "line 2: unexpected end of data. Is a double quote"),
        ("train", b"text,label\nfine,good\nyes, fine,good\n", "line 3: 3 fields, but the header"),
        ("unlabelled", b"text\nyes, fine\n", "line 2: 2 fields, but the header has 1"),
        ("train", b'text,label\n"fine,good\n' + b"a" * 200_000, "line 3: field larger.*quote"),
        ("train", b"text,label\nsch\xf6n,good\n", "line 2: the text isn't UTF-8 .byte 0xf6"),
    ],
)
def test_a_broken_file_is_named_with_what_to_change(folder, split, content, message):
    with pytest.raises(FolderError, match=f"(?s){split}.csv.*{message}"):
        examples(folder, **{split: content})
