"""Strings of digits by one speaker each, concatenated from sound, to recognise new speakers."""

import collections
import io
import re
import tarfile
import wave

import numpy as np
import tensorflow_datasets.public_api as tfds

from zoo.datasets.digit_string_builder import DigitStringBuilder

URL = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.9.tar.gz"
SAMPLING_RATE = 8000
FILE = re.compile(r"/recordings/(\d)_([a-z]+)_(\d+)\.wav$")  # digit, speaker and number
SPEAKERS = {
    "train": ("george", "jackson", "nicolas"),
    "validation": ("theo",),
    "test": ("yweweler",),
}


def recordings(path):
    """Returns a dict from a speaker to the recordings in an archive: a list of pairs of samples,
    int16, and the digit, an int, in the order of digits and numbers."""
    found = collections.defaultdict(list)
    with tarfile.open(path) as archive:
        for member in archive:
            if match := FILE.search(member.name):
                digit, speaker, number = match.groups()
                content = io.BytesIO(archive.extractfile(member).read())
                found[speaker].append((int(digit), int(number), samples(content)))
    return {
        speaker: [(sound, digit) for digit, _, sound in sorted(of_speaker, key=lambda one: one[:2])]
        for speaker, of_speaker in found.items()
    }


def samples(file):
    """Returns the samples, int16, of a 16-bit WAV file with one channel."""
    with wave.open(file) as sound:
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype("int16")


class Builder(DigitStringBuilder):
    """Builder of `spoken_digit_strings`."""

    SOUND = "audio", tfds.features.Audio(sample_rate=SAMPLING_RATE, dtype=np.int16)
    FEATURES = {"speaker": tfds.features.Text()}

    def recordings(self, dl_manager):
        found = recordings(dl_manager.download(URL))
        return {
            split: [({"speaker": speaker}, found[speaker]) for speaker in speakers]
            for split, speakers in SPEAKERS.items()
        }
