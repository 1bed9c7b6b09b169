"""The registry of architectures: the one place where each has its name."""

import dataclasses
import difflib

import keras
from keras import ops

from zoo.layers.gru import GRU
from zoo.layers.lstm import LSTM
from zoo.layers.recurrence import RecurrentLayer
from zoo.layers.simple_rnn import SimpleRNN


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A recurrent architecture that models, suites and tests know by its name.

    Attributes:
        name: The name, as in `make(name, units)`.
        layer: The layer class of one direction.
        bidirectional: Whether it reads the sequence in both directions.
        title: What tables and plots call it.
        paper: The reference.
    """

    name: str
    layer: type[RecurrentLayer]
    bidirectional: bool
    title: str
    paper: str


_architectures: dict[str, Architecture] = {}


def register(name, layer, title, paper, *, bidirectional=False):
    """Adds an architecture.

    Raises:
        ValueError: If the name is taken.
    """
    if name in _architectures:
        raise ValueError(f"Architecture '{name}' is registered already: {_architectures[name]}")
    _architectures[name] = Architecture(name, layer, bidirectional, title, paper)


def names():
    """The names of all architectures, in the order of the registry."""
    return list(_architectures)


def get(name):
    """Returns the `Architecture` of that name.

    Raises:
        ValueError: If there is none; it names the nearest one.
    """
    if name not in _architectures:
        nearest = difflib.get_close_matches(str(name), names(), n=1, cutoff=0.0)[0]
        raise ValueError(
            f"Unknown architecture '{name}'. Did you mean '{nearest}'? Known: {', '.join(names())}."
        )
    return _architectures[name]


def make(name, units, /, *, return_sequences=False, return_state=False, **kwargs):
    """Makes the layer of an architecture.

    A bidirectional architecture is a `keras.layers.Bidirectional` that concatenates the outputs of
    both directions.

    Args:
        name: Name of the architecture.
        units: Positive integer, the units of one direction: the output of a bidirectional
            architecture has `2 * units` features.
        return_sequences: Whether to return the output of every step, and not of the last alone.
        return_state: Whether to return the last states too; `split_states` reads them.
        **kwargs: Further arguments of the layer.

    Returns:
        A Keras layer.

    Raises:
        ValueError: If the name is unknown.
    """
    architecture = get(name)
    outer = {key: kwargs.pop(key) for key in ("name",) if key in kwargs}
    layer = architecture.layer(
        units,
        return_sequences=return_sequences,
        return_state=return_state,
        **kwargs,
        **({} if architecture.bidirectional else outer),
    )
    if not architecture.bidirectional:
        return layer
    return keras.layers.Bidirectional(layer, merge_mode="concat", dtype=layer.dtype_policy, **outer)


def split_states(name, outputs):
    """Splits what a layer made with `return_state=True` returns into its output and its states.

    A layer of one direction returns `(output, state, ...)`, with as many states as its cell has; a
    bidirectional one `(output, forward state, ..., backward state, ...)`. Here each state of the
    cell comes once, with the forward and the backward one concatenated.

    Args:
        name: Name of the architecture.
        outputs: The outputs of the layer.

    Returns:
        A tuple of the output and the list of states, each `(batch, units)`, or
        `(batch, 2 * units)` if the architecture is bidirectional.
    """
    output, *states = outputs
    if get(name).bidirectional:
        half = len(states) // 2
        states = [
            ops.concatenate(pair, axis=-1)
            for pair in zip(states[:half], states[half:], strict=True)
        ]
    return output, states


_ELMAN = 'J. L. Elman, "Finding Structure in Time", 1990'
_LSTM = (
    'S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory", 1997; '
    'F. Gers, J. Schmidhuber and F. Cummins, "Learning to Forget", 2000'
)
_GRU = (
    'K. Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical '
    'Machine Translation", 2014'
)
_BIDIRECTIONAL = 'M. Schuster and K. K. Paliwal, "Bidirectional Recurrent Neural Networks", 1997; '

register("rnn", SimpleRNN, "RNN", _ELMAN)
register("lstm", LSTM, "LSTM", _LSTM)
register("gru", GRU, "GRU", _GRU)
register("bilstm", LSTM, "BiLSTM", _BIDIRECTIONAL + _LSTM, bidirectional=True)
register("bigru", GRU, "BiGRU", _BIDIRECTIONAL + _GRU, bidirectional=True)
