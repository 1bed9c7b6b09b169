"""Times pretrained models that read their input piece by piece: python -m benchmarks.time_stream

It reads an hour of sound in chunks of 20 ms without pauses, or 10,000 words of text, and prints the
time from a piece to its answer, how much faster than real time that is, and the memory of the
process after a minute and at the end.
"""

import argparse
import gc
import time

import numpy as np
import psutil
from rich import box
from rich.console import Console
from rich.table import Table

import zoo

PRESETS = ["spoken_digit_gru", "an4_lstm", "imdb_gru", "wikitext2_lstm"]
CHUNKS = 50  # chunks of 20 ms in a second
HOUR = 3600 * CHUNKS
WORDS = 10_000
WARM_UP = 60 * CHUNKS  # pieces that aren't timed
TEXT = "The film begins slowly, but the ending is a wonderful surprise."


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("presets", nargs="*", default=PRESETS, help=f"by default {PRESETS}")
    parser.add_argument("--pieces", type=int, help="by default an hour of sound or 10,000 words")
    options = parser.parse_args()
    table = Table(title="Streams", box=box.SIMPLE_HEAD, title_justify="left")
    for heading in ("preset", "pieces", "p50 ms", "p99 ms", "real time", "MB", "grown MB"):
        table.add_column(heading, justify="left" if heading == "preset" else "right")
    for preset in options.presets:
        table.add_row(preset, *_measured(zoo.stream(zoo.load(preset)), options.pieces))
    Console().print(table)


def _measured(stream, count):
    """The cells of a stream's row but the first."""
    is_sound = stream.sampling_rate is not None
    count = count or (HOUR if is_sound else WORDS)
    pieces = _chunks(stream.sampling_rate) if is_sound else [f"{word} " for word in TEXT.split()]
    _times(stream, pieces, min(WARM_UP, count))
    process = psutil.Process()
    gc.collect()
    before = process.memory_info().rss
    times = _times(stream, pieces, count)
    gc.collect()
    grown = process.memory_info().rss - before
    p50, p99 = 1e3 * np.percentile(times, [50, 99])
    speed = f"{count / CHUNKS / times.sum():.0f} x" if is_sound else ""
    memory = [f"{before / 1e6:.0f}", f"{grown / 1e6:+.1f}"]
    return [f"{count:,}", f"{p50:.2f}", f"{p99:.2f}", speed, *memory]


def _chunks(sampling_rate):
    """Ten seconds of noise that swells and fades like speech, in chunks."""
    samples = np.arange(10 * sampling_rate)
    loudness = np.sin(np.pi * samples / sampling_rate) ** 2 / 4
    sound = np.random.default_rng(0).uniform(-1, 1, len(samples)) * loudness
    return np.split(sound.astype("float32"), 10 * CHUNKS)


def _times(stream, pieces, count):
    """Seconds until the answer to each of `count` pieces, which are repeated when they run out."""
    times = np.zeros(count)
    for index in range(count):
        piece = pieces[index % len(pieces)]
        start = time.perf_counter()
        stream.read(piece)
        times[index] = time.perf_counter() - start
    return times


if __name__ == "__main__":
    main()
