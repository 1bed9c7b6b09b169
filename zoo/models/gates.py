"""The gates of a trained model, step by step: what it lets in, keeps and shows."""

import dataclasses

import keras
import numpy as np
from keras import ops

from zoo.layers.recurrence import RecurrentLayer


@dataclasses.dataclass(frozen=True)
class Gates:
    """What one recurrent layer did with one input.

    Attributes:
        architecture: of the model that the layer is in, as `zoo.layers.architectures` names it.
        layer: name of the layer, with `forward` or `backward` where it reads both directions.
        steps: the subword of each step, or the number of the frame.
        values: dict from a name of the equations, such as `"i"`, `"f"`, `"o"` and `"c"`, to a
            float32 array `[time, units]`; see `gates` of the layers.
    """

    architecture: str
    layer: str
    steps: list[str]
    values: dict[str, np.ndarray]

    def __getitem__(self, name):
        return self.values[name]


def gates(model, input):
    """The gates and states of every recurrent layer for one raw input.

    Args:
        model: a model of the zoo with its preprocessor, such as `zoo.load` returns.
        input: one raw input as the model takes it: a str, a waveform or frames. A translator
            translates it, and its decoder's gates are those on the way to that translation.

    Returns:
        A list of `Gates`, one a layer and direction, from the first layer to the last; of an
        ensemble those of one member after the other.
    """
    inputs = {name: ops.convert_to_tensor(value) for name, value in _inputs(model, input).items()}
    members = getattr(model.backbone, "members", [model])
    found = []
    for number, member in enumerate(members):
        of_member = f" of member {number}" if len(members) > 1 else ""
        backbone = member.backbone
        for layer in filter(_directions, backbone.layers):
            called_with = layer._inbound_nodes[0].arguments
            tensors = {
                "sequences": called_with.args[0],
                "mask": called_with.kwargs["mask"],
                "initial_state": called_with.kwargs.get("initial_state") or [],
            }
            values = keras.Model(backbone.input, tensors)(inputs)
            steps = _steps(model, inputs, tensors["mask"], values["mask"])
            for name, direction in _directions(layer):
                series = direction.gates(
                    values["sequences"], values["initial_state"] or None, values["mask"]
                )
                arrays = {
                    key: ops.convert_to_numpy(ops.cast(value[0], "float32"))[: len(steps)]
                    for key, value in series.items()
                }
                title = f"{layer.name}{name}{of_member}"
                found.append(Gates(backbone.architecture, title, steps, arrays))
    return found


def plot_gates(model, input, layer=0):
    """Draws what one recurrent layer did with one raw input, a map of units and steps a gate.

    In every map the units stand in the order of their mean output.

    Args:
        model: a model of the zoo, see `gates`.
        input: one raw input.
        layer: int, the index in what `gates` returns, or str, the name of the layer.

    Returns:
        A `matplotlib.figure.Figure`; `savefig` writes it to a file.

    Raises:
        ValueError: if there is no such layer; it names those there are.
        ImportError: without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plot_gates needs matplotlib: pip install matplotlib") from error

    every = gates(model, input)
    chosen = {**dict(enumerate(every)), **{seen.layer: seen for seen in every}}.get(layer)
    if chosen is None:
        names = ", ".join(repr(seen.layer) for seen in every)
        raise ValueError(f"There is no recurrent layer {layer!r}. Known: {names}.")
    count = len(chosen.values)
    figure = Figure(
        figsize=(2.5 + 0.28 * min(len(chosen.steps), 60), 0.8 + 1.5 * count), layout="constrained"
    )
    order = np.argsort(chosen["h"].mean(axis=0))
    rows = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, values) in zip(rows, chosen.values.items(), strict=True):
        opens = values.min() >= 0 and values.max() <= 1
        limit = max(1.0, float(np.abs(values).max()))
        image = axes.imshow(
            values[:, order].T if values.shape[1] == len(order) else values.T,
            aspect="auto",
            interpolation="nearest",
            cmap="viridis" if opens else "RdBu_r",
            vmin=0 if opens else -limit,
            vmax=1 if opens else limit,
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


def _inputs(model, input):
    if hasattr(model, "generate"):
        texts = {"encoder_text": [input], "decoder_text": model.generate([input])}
        return model.preprocessor(texts)[0]
    return model.preprocessor([input])


def _directions(layer):
    """Pairs of a name's ending and a `RecurrentLayer`; none for other layers."""
    if isinstance(layer, RecurrentLayer):
        return [("", layer)]
    if isinstance(layer, keras.layers.Bidirectional):
        return [(" forward", layer.forward_layer), (" backward", layer.backward_layer)]
    return []


def _steps(model, inputs, mask, mask_values):
    """What stands at each step: the subwords under this mask, or numbers."""
    count = int(ops.convert_to_numpy(mask_values)[0].sum())
    name = mask.name.replace("padding_mask", "token_ids")
    if name not in inputs:
        return [str(step) for step in range(count)]
    piece = model.preprocessor.tokenizer.id_to_token
    return [piece(int(index)) for index in ops.convert_to_numpy(inputs[name])[0][:count]]
