"""Gate activations and states of a model's recurrent layers for one raw input."""

import dataclasses
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from zoo.layers.recurrence import RecurrentLayer
from zoo.models.protocol import TaskModel

if TYPE_CHECKING:  # it may not be installed
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True)
class Gates:
    """Gate activations and states of one recurrent layer for one input.

    Attributes:
        architecture: the architecture of the layer's model, a name of `zoo.layers.architectures`.
        layer: name of the layer, with its direction, `forward` or `backward`, if it reads both.
        steps: label of each step: its subword, or its index.
        values: dict from a symbol of the equations, such as `"i"`, `"f"`, `"o"` and `"c"`, to a
            float32 array `[time, units]`; see the layers' `gates`.
    """

    architecture: str
    layer: str
    steps: list[str]
    values: dict[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.values[name]


def gates(model: TaskModel, input: Any) -> list[Gates]:
    """Gate activations and states of every recurrent layer for one raw input.

    Args:
        model: a model of the zoo with its preprocessor, such as `zoo.load` returns.
        input: one raw input as the model takes it. A generating model first generates its output,
            and its decoder's gates are those for that output.

    Returns:
        A list of `Gates`, one for each layer and direction, from the first layer to the last; for
        an ensemble, member by member.
    """
    inputs = model.gate_inputs(input)
    inputs = {name: ops.convert_to_tensor(value) for name, value in inputs.items()}
    found = []
    for number, member in enumerate(model.members):
        of_member = f" of member {number}" if len(model.members) > 1 else ""
        backbone = member.backbone
        for layer in filter(_directions, backbone.layers):
            called_with = layer._inbound_nodes[0].arguments
            tensors = {
                "sequences": called_with.args[0],
                "mask": called_with.kwargs["mask"],  # which the models of the zoo pass explicitly
                "initial_state": called_with.kwargs.get("initial_state") or [],
            }
            values = keras.Model(backbone.input, tensors)(inputs)
            mask = ops.convert_to_numpy(values["mask"])[0].astype(bool)
            steps = model.step_labels(inputs, tensors["mask"].name, int(mask.sum()))
            for name, direction in _directions(layer):
                series = direction.gates(
                    values["sequences"], values["initial_state"] or None, values["mask"]
                )
                arrays = {
                    key: ops.convert_to_numpy(ops.cast(value[0], "float32"))[mask]
                    for key, value in series.items()
                }
                title = f"{layer.name}{name}{of_member}"
                found.append(Gates(backbone.architecture, title, steps, arrays))
    return found


def plot_gates(model: TaskModel, input: Any, layer: int | str = 0) -> "Figure":
    """Plots the gates of one recurrent layer for one raw input: a map of units over steps for each.

    Units are sorted by their mean output in every map.

    Args:
        model: a model of the zoo, see `gates`.
        input: one raw input.
        layer: int, an index of the list that `gates` returns, or str, the name of a layer.

    Returns:
        A `matplotlib.figure.Figure`; `savefig` writes it to a file.

    Raises:
        ValueError: there is no such layer; the message names the known ones.
        ImportError: matplotlib isn't installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plot_gates needs matplotlib: pip install matplotlib") from error

    every = gates(model, input)
    known: dict[int | str, Gates] = {one.layer: one for one in every}
    known.update(enumerate(every))
    chosen = known.get(layer)
    if chosen is None:
        names = ", ".join(repr(one.layer) for one in every)
        raise ValueError(f"There is no recurrent layer {layer!r}. Known: {names}.")
    count = len(chosen.values)
    figure = Figure(
        figsize=(2.5 + 0.28 * min(len(chosen.steps), 60), 0.8 + 1.5 * count), layout="constrained"
    )
    order = np.argsort(chosen["h"].mean(axis=0))
    rows = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, values) in zip(rows, chosen.values.items(), strict=True):
        is_fraction = values.min() >= 0 and values.max() <= 1
        limit = max(1.0, float(np.abs(values).max()))
        image = axes.imshow(
            values[:, order].T if values.shape[1] == len(order) else values.T,
            aspect="auto",
            interpolation="nearest",
            cmap="viridis" if is_fraction else "RdBu_r",
            vmin=0 if is_fraction else -limit,
            vmax=1 if is_fraction else limit,
        )
        axes.set_ylabel(TITLES.get(name, name))
        axes.set_yticks([])
        figure.colorbar(image, ax=axes)
    every_nth = -(-len(chosen.steps) // 60)
    ticks = range(0, len(chosen.steps), every_nth)
    rows[-1].set_xticks(ticks, [chosen.steps[t] for t in ticks], rotation=60, ha="right")
    figure.suptitle(f"{chosen.architecture}, {chosen.layer}")
    return figure


TITLES = {
    "i": "input gate i",
    "f": "forget gate f",
    "o": "output gate o",
    "z": "update gate z",
    "r": "reset gate r",
    "c_tilde": "candidate C̃",
    "h_tilde": "candidate h̃",
    "c": "cell state C",
    "h": "output h",
}


def _directions(layer):
    """Pairs of a name's suffix and a `RecurrentLayer`; none for other layers."""
    if isinstance(layer, RecurrentLayer):
        return [("", layer)]
    if isinstance(layer, keras.layers.Bidirectional):
        return [(" forward", layer.forward_layer), (" backward", layer.backward_layer)]
    return []
