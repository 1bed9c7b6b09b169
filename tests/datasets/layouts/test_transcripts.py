"""Tests of the layout of sounds with transcripts."""

import numpy as np
import pytest
import soundfile

from zoo.datasets.errors import FolderError
from zoo.datasets.folder import layout_of
from zoo.datasets.layouts import Transcripts


def write(folder, split, content, **sounds):
    (folder / split).mkdir(exist_ok=True)
    (folder / split / "transcripts.tsv").write_bytes(content)
    for name, samples in sounds.items():
        soundfile.write(folder / split / f"{name}.wav", samples, 8000)


def test_each_line_is_a_sound_and_its_text(folder):
    write(folder, "train", "a.wav\tgrüß  Gott\r\nb.wav\tyes\n".encode(), a=[0.5] * 80, b=[0.1] * 9)
    layout = layout_of(folder)
    assert isinstance(layout, Transcripts)
    encoded = [(split, layout.encode(example)) for split, example in layout.examples(folder)]
    assert [(split, example["text"]) for split, example in encoded] == [
        ("train", "grüß Gott"),
        ("train", "yes"),
    ]
    audio = encoded[0][1]["audio"]
    assert (audio.dtype, len(audio)) == (np.int16, 160)  # resampled to 16 kHz


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r" is empty"),
        (b"a.wav\tsch\xf6n\n", ", line 1: the text isn't UTF-8"),
        (b"a.wav\tyes\n\n", r", line 2: expected the name of a sound file, one tab"),
        (b"a.wav yes\n", r", line 1: expected the name .* Received: 'a\.wav yes'"),
        (b"a.wav\t \n", r", line 1: expected the name"),
        (b"a.wav\tyes\tno\n", r", line 1: expected the name"),
        (b"b.wav\tyes\n", r", line 1: there is no file .*b\.wav"),
        (b"a.wav\tyes\na.wav\tno\n", r", line 2: a\.wav has a transcript on line 1 too"),
    ],
)
def test_a_broken_line_is_named_with_its_file(folder, content, message):
    write(folder, "train", content, a=[0.5] * 80)
    with pytest.raises(FolderError, match=rf"transcripts\.tsv{message}"):
        list(Transcripts().examples(folder))


def test_a_broken_sound_is_named_with_its_line(folder):
    write(folder, "train", b"a.wav\tyes\nb.wav\tno\n", a=[0.5] * 80, b=[])
    (folder / "train" / "a.wav").write_bytes(b"no sound")
    layout = Transcripts()
    (_, broken), (_, empty) = layout.examples(folder)
    with pytest.raises(FolderError, match=r"line 1: .*a\.wav can't be read as a sound file"):
        layout.encode(broken)
    with pytest.raises(FolderError, match=r"line 2: .*b\.wav holds no sound"):
        layout.encode(empty)
