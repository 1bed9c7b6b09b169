"""Folders whose files are damaged at random: each is read, or refused with a FolderError.

`make test ARGS="-m slow"` tries 600 (`FOLDERS`); the default run tries 60.
"""

import io
import os
import random

import numpy as np
import pytest
import soundfile

from zoo.datasets import folder as module
from zoo.datasets.errors import FolderError

FOLDERS = int(os.environ.get("FOLDERS", 600))
ODD = [
    b"\x00",
    b"\xff\xfe",
    b"\r",
    b"\n",
    b'"',
    b",",
    b"\t",
    b"{",
    b"\xe4",
    b"\xed\xa0\x80",
    b"nan",
]
ODD += [b"-", b"x" * 140_000, b"\xef\xbb\xbf", b"1e999", "\u2028".encode(), b"[" * 2000, b"=1"]


def wav():
    content = io.BytesIO()
    soundfile.write(content, np.sin(np.arange(800) / 5) / 2, 16000, format="WAV")
    return content.getvalue()


def lines(*rows):
    return "\n".join(rows).encode() + b"\n"


FILES = {
    "texts": {"train.csv": lines("text,label", *(f'"a {n}, b",{"xy"[n % 2]}' for n in range(40)))},
    "translations": {
        "train.source": lines(*(f"one {n}" for n in range(40))),
        "train.target": lines(*(f"eins {n}" for n in range(40))),
    },
    "documents": {"train.txt": lines(*(f"line {n}\n" for n in range(40)))},
    "conversations": {"train.jsonl": lines(*(f'{{"turns": ["{n}", "b"]}}' for n in range(40)))},
    "series": {
        "train.csv": lines("unique_id,ds,y", *(f"a,2020-01-{n:02d},{n}" for n in range(1, 31)))
    },
    "sounds": {f"train/{label}/{n}.wav": wav() for label in "ab" for n in range(20)},
    "transcripts": {
        "train/transcripts.tsv": lines(*(f"{n}.wav\tyes {n}" for n in range(20))),
        **{f"train/{n}.wav": wav() for n in range(20)},
    },
}


def damaged(content, generator):
    """A file in which a few bytes are replaced, inserted or cut off."""
    for _ in range(generator.randint(1, 3)):
        place = generator.randrange(len(content) + 1)
        change = generator.randrange(4)
        if change == 0:
            content = content[:place]
        elif change == 1:
            content = content[:place] + generator.choice(ODD) + content[place:]
        else:
            content = content[:place] + generator.randbytes(2) + content[place + 2 :]
    return content


def is_read(root, files):
    """Reads a folder and each of its examples; returns whether it is a dataset."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    try:
        builder = module.builder(root, root.parent / "prepared")
        config = builder.builder_config
        module.divided(config.examples, config.layout.tenths)
        for _, example in config.examples:
            config.layout.encode(example)
    except FolderError as error:
        message = str(error)
    else:
        return True
    assert "\n" not in message
    assert len(message) < 2000
    return False


def campaign(count, root):
    read = 0
    for seed in range(count):
        generator = random.Random(seed)
        kind = generator.choice(list(FILES))
        files = dict(FILES[kind])
        for name in generator.sample(sorted(files), min(len(files), generator.randint(1, 2))):
            files[name] = damaged(files[name], generator)
        try:
            read += is_read(root / str(seed), files)
        except BaseException as error:
            error.add_note(f"seed {seed}, {kind}")
            raise
    return read


@pytest.mark.parametrize("kind", FILES)
def test_an_intact_folder_is_read(kind, tmp_path):
    assert is_read(tmp_path / kind, FILES[kind])


def test_some_damaged_folders_are_read_or_refused(tmp_path):
    assert 0 < campaign(60, tmp_path) < 60


@pytest.mark.slow
def test_damaged_folders_are_read_or_refused(tmp_path):
    assert 0 < campaign(FOLDERS, tmp_path) < FOLDERS
