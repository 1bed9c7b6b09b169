"""Tables of layer timings: one row per mode and implementation, relative to Keras."""

import pydantic

from benchmarks.layers.timing import MODES, REFERENCE
from benchmarks.report.rows import by_experiment
from benchmarks.report.table import MISSING, Table

NOTES = """\
Produced by `make bench SUITE={name}` and `make report SUITE={name}`, on a CPU. The outputs and the
gradient of the input of each implementation are first compared with those of Keras. Then all are
timed in turn, in one process.

A cell is the speed relative to Keras: the median over rounds ± half the interquartile range. For
Keras itself, it is the median time of a call. Columns are shapes: batch x time x input x units.

- **padded**: training with a mask that keeps half of the steps; in brackets, the time relative to
  training without a mask.
- **zoo**: `zoo.layers` with the compiled kernel; **zoo_without_kernel**: with Keras operations.
- **zoo_int8**: quantized to int8, which doesn't train; **zoo_bfloat16**: with the data type policy
  `mixed_bfloat16`. Their numbers aren't compared.
- **lstm_per_operation**: the zoo's LSTM, with its times scaled to the number of operations in the
  architecture's products. One that is as fast uses the processor as well as the LSTM does.
- **keras**: `keras.layers` in a `tf.function`, or `keras.layers.RNN` around the zoo's cell;
  **keras_xla**: compiled by XLA.
- **torch**, **onnxruntime**: their own layers; ONNX Runtime doesn't train. **torch_int8**,
  **onnxruntime_int8**: the same, dynamically quantized; their numbers aren't compared.
- **products**: only the matrix products, in NumPy, which every implementation needs.
"""


class Row(pydantic.BaseModel, frozen=True, extra="forbid"):
    """One implementation in one mode at one shape.

    Attributes:
        shape: batch, time, input and units, joined with `x`.
        speedup: speed relative to Keras, the median over rounds.
        spread: half the interquartile range over rounds.
        ms: the median time of a call.
        part: for padded training, the time relative to training without a mask.
        note: which implementations are left out, and why.
    """

    experiment: str
    mode: str
    implementation: str
    shape: str
    speedup: float
    spread: float
    ms: float | None = None
    part: float | None = None
    rounds: int
    threads: int
    versions: str
    note: str | None = None


def rows(experiment, records):
    """The rows of one layer's experiment, from a list with the `Record` of each implementation."""
    shapes = records[0].params["shapes"].split(", ")
    implementations = records[0].params["implementations"].split(", ")
    found = {record.tags["implementation"]: record for record in records}
    return [
        _row(experiment, found[name], mode, shape)
        for mode in MODES
        for name in implementations
        for shape in shapes
        if name in found and f"{mode}_ms/{shape}" in found[name].metrics
    ]


def _row(experiment, record, mode, shape):
    value = lambda name: record.metrics.get(f"{mode}_{name}/{shape}")
    return Row(
        experiment=experiment,
        mode=mode,
        implementation=record.tags["implementation"],
        shape=shape,
        speedup=value("speedup"),
        spread=(value("high") - value("low")) / 2,
        ms=value("ms"),
        part=value("part"),
        rounds=int(record.params["rounds"]),
        threads=int(record.params["threads"]),
        versions=record.tags["versions"],
        note=record.description or None,
    )


def tables(rows):
    """The tables of these rows, one per layer."""
    return [_table(name, found) for name, found in by_experiment(rows).items()]


def _table(name, rows):
    shapes = list(dict.fromkeys(row.shape for row in rows))
    cells = {(row.mode, row.implementation, row.shape): _cell(row) for row in rows}
    lines = [
        [*line, *(cells.get((*line, shape), MISSING) for shape in shapes)]
        for line in dict.fromkeys((row.mode, row.implementation) for row in rows)
    ]
    notes = [f"{rows[0].rounds} rounds", f"{rows[0].threads} threads", rows[0].versions]
    notes += [rows[0].note] if rows[0].note else []
    return Table(name, ["mode", "implementation", *shapes], lines, "; ".join(notes))


def _cell(row):
    part = "" if row.part is None else f" ({row.part:.2f})"
    if row.implementation == REFERENCE:
        return f"{row.ms:,.1f} ms{part}"
    return f"{row.speedup:.2f} ± {row.spread:.2f}{part}"
