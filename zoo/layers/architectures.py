"""The registry of architectures: names, layers, titles and papers."""

import dataclasses
import difflib
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from zoo.layers.chrono import ChronoGRU, ChronoLSTM
from zoo.layers.gru import GRU
from zoo.layers.gru_reset_before import GRUResetBefore
from zoo.layers.jordan import JordanRNN
from zoo.layers.lstm import LSTM
from zoo.layers.lstm_1997 import LSTM1997
from zoo.layers.lstm_coupled import CoupledLSTM
from zoo.layers.lstm_layernorm import LayerNormLSTM
from zoo.layers.lstm_peephole import PeepholeLSTM
from zoo.layers.lstm_projection import ProjectionLSTM
from zoo.layers.lstm_zoneout import ZoneoutLSTM
from zoo.layers.min_gru import MinGRU
from zoo.layers.min_lstm import MinLSTM
from zoo.layers.recurrence import RecurrentLayer
from zoo.layers.simple_rnn import SimpleRNN
from zoo.layers.slstm import SLSTM
from zoo.typing import Tensor


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A recurrent architecture, registered under a name.

    Attributes:
        name: The name that `get` and `make` take.
        layer: The layer class of one direction.
        bidirectional: Whether it reads the sequence in both directions.
        title: The name in tables and plots.
        paper: The reference.
        chrono: Whether its gates start at the timescales of the data.
    """

    name: str
    layer: type[RecurrentLayer]
    bidirectional: bool
    title: str
    paper: str
    chrono: bool


_architectures: dict[str, Architecture] = {}


def register(
    name: str,
    layer: type[RecurrentLayer],
    title: str,
    paper: str,
    *,
    bidirectional: bool = False,
    chrono: bool = False,
) -> None:
    """Registers an architecture.

    Raises:
        ValueError: If the name is already registered.
    """
    if name in _architectures:
        raise ValueError(
            f"Architecture '{name}' is already registered: {_architectures[name]}. "
            "Choose another name."
        )
    _architectures[name] = Architecture(name, layer, bidirectional, title, paper, chrono)


def names() -> list[str]:
    """Returns the names of all architectures, in the order of registration."""
    return list(_architectures)


def get(name: str) -> Architecture:
    """Returns the `Architecture` with this name.

    Raises:
        ValueError: If the name is unknown. The message suggests the nearest one.
    """
    if name not in _architectures:
        nearest = difflib.get_close_matches(str(name), names(), n=1, cutoff=0.0)[0]
        raise ValueError(
            f"Unknown architecture '{name}'. Did you mean '{nearest}'? Known: {', '.join(names())}."
        )
    return _architectures[name]


def make(
    name: str,
    units: int,
    /,
    *,
    bidirectional: bool = False,
    return_sequences: bool = False,
    return_state: bool = False,
    timescale: float | None = None,
    **kwargs: Any,
) -> RecurrentLayer | keras.layers.Bidirectional:
    """Creates the layer of an architecture.

    For a bidirectional architecture this is a `keras.layers.Bidirectional` that concatenates the
    outputs of both directions.

    Args:
        name: Name of the architecture.
        units: Positive integer, the units of one direction. The output of a bidirectional
            architecture has `2 * units` features.
        bidirectional: Whether to read both directions even if the architecture reads one.
        return_sequences: Whether to return the output of every step instead of the last one.
        return_state: Whether to return the last states too; see `split_states`.
        timescale: The longest dependency of the data in steps, or `None` if it is unknown. It is
            the `max_timescale` of architectures with chrono initialization; the others ignore it.
        **kwargs: Further arguments of the layer.

    Returns:
        A Keras layer.

    Raises:
        ValueError: If the name is unknown, or if the architecture uses `timescale` and it is at
            most 2.
    """
    architecture = get(name)
    bidirectional = bidirectional or architecture.bidirectional
    outer: dict[str, Any] = {key: kwargs.pop(key) for key in ("name",) if key in kwargs}
    # A name that doesn't count layers: saved data type policies are found by the paths of weights.
    inner: dict[str, Any] = (
        {"name": architecture.layer.__name__.lower()} if bidirectional else outer
    )
    chrono: dict[str, Any] = {}
    if architecture.chrono and timescale is not None:
        chrono = {"max_timescale": timescale}
    layer = architecture.layer(
        units,
        return_sequences=return_sequences,
        return_state=return_state,
        **kwargs,
        **chrono,
        **inner,
    )
    if not bidirectional:
        return layer
    return keras.layers.Bidirectional(layer, merge_mode="concat", dtype=layer.dtype_policy, **outer)


def split_states(
    layer: keras.layers.Layer, outputs: Sequence[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """Splits the result of a layer with `return_state=True` into output and states.

    A layer of one direction returns `(output, state, ...)` with the states of its cell. A
    bidirectional layer returns `(output, forward state, ..., backward state, ...)`, and this
    function concatenates the forward and the backward part of each state.

    Args:
        layer: A layer from `make`.
        outputs: The result of calling it.

    Returns:
        A tuple of the output and the list of states, each `(batch, state size)`, or
        `(batch, 2 * state size)` if the layer is bidirectional.
    """
    output, *states = outputs
    if isinstance(layer, keras.layers.Bidirectional):
        half = len(states) // 2
        states = [
            ops.concatenate(pair, axis=-1)
            for pair in zip(states[:half], states[half:], strict=True)
        ]
    return output, states


_LSTM_1997 = 'S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory", 1997'
_LSTM = _LSTM_1997 + '; F. Gers, J. Schmidhuber and F. Cummins, "Learning to Forget", 2000'
_GRU = (
    'K. Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical '
    'Machine Translation", 2014'
)
_BIDIRECTIONAL = 'M. Schuster and K. K. Paliwal, "Bidirectional Recurrent Neural Networks", 1997; '
_CHRONO = 'C. Tallec and Y. Ollivier, "Can recurrent neural networks warp time?", 2018'
_MINIMAL = 'L. Feng et al., "Were RNNs All We Needed?", 2024'

register("rnn", SimpleRNN, "RNN", 'J. L. Elman, "Finding Structure in Time", 1990')
register("lstm", LSTM, "LSTM", _LSTM)
register("gru", GRU, "GRU", _GRU)
register("bilstm", LSTM, "BiLSTM", _BIDIRECTIONAL + _LSTM, bidirectional=True)
register("bigru", GRU, "BiGRU", _BIDIRECTIONAL + _GRU, bidirectional=True)
register("jordan", JordanRNN, "Jordan RNN", 'M. I. Jordan, "Attractor Dynamics", 1986')
register("lstm_1997", LSTM1997, "LSTM without forget gate", _LSTM_1997)
register(
    "lstm_peephole",
    PeepholeLSTM,
    "LSTM with peepholes",
    'F. Gers and J. Schmidhuber, "Recurrent Nets that Time and Count", 2000',
)
register(
    "lstm_coupled",
    CoupledLSTM,
    "LSTM with coupled gates",
    'K. Greff et al., "LSTM: A Search Space Odyssey", 2017',
)
register(
    "lstm_layernorm",
    LayerNormLSTM,
    "LSTM with layer normalization",
    'J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer Normalization", 2016',
)
register(
    "lstm_projection",
    ProjectionLSTM,
    "LSTM with projection",
    "H. Sak, A. Senior and F. Beaufays, "
    '"Long Short-Term Memory Recurrent Neural Network Architectures", 2014',
)
register(
    "lstm_zoneout",
    ZoneoutLSTM,
    "LSTM with zoneout",
    'D. Krueger et al., "Zoneout: Regularizing RNNs", 2017',
)
register("lstm_chrono", ChronoLSTM, "LSTM with chrono initialization", _CHRONO, chrono=True)
register("gru_chrono", ChronoGRU, "GRU with chrono initialization", _CHRONO, chrono=True)
register("gru_reset_before", GRUResetBefore, "GRU, reset before product", _GRU)
register("min_gru", MinGRU, "minGRU", _MINIMAL)
register("min_lstm", MinLSTM, "minLSTM", _MINIMAL)
register("slstm", SLSTM, "sLSTM", 'M. Beck et al., "xLSTM: Extended Long Short-Term Memory", 2024')
