"""Plots of a benchmark: Matplotlib figures that need no display."""

import numpy as np
from matplotlib.figure import Figure


def learning_curve(history):
    """Plots loss and metric by epoch, for training and validation.

    Args:
        history: dict of lists, such as `{"train/loss": [...], "val/loss": [...]}`.

    Returns:
        A Matplotlib `Figure`.
    """
    names = sorted({key.split("/", 1)[1] for key in history})
    figure = Figure(figsize=(4.5 * len(names), 3.4), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for part, style in (("train", "--"), ("val", "-")):
            values = history[f"{part}/{name}"]
            axes.plot(range(1, len(values) + 1), values, style, marker=".", label=part)
        axes.set(xlabel="epoch", ylabel=name)
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def confusion_matrix(counts, names):
    """Plots a confusion matrix, coloured by the fraction of each true class.

    Args:
        counts: int array `[true class, predicted class]`.
        names: list of str, the classes.

    Returns:
        A Matplotlib `Figure`.
    """
    figure = Figure(figsize=(1.8 + 0.5 * len(names),) * 2, layout="constrained")
    axes = figure.subplots()
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        shade = "white" if fractions[row, column] > 0.5 else "black"
        axes.text(column, row, count, ha="center", va="center", color=shade, fontsize=8)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    return figure


def speeds(timings, implementations):
    """Plots speed relative to Keras, by shape and implementation, for inference and training.

    Args:
        timings: dict from a shape's name to a dict from `(mode, implementation)` to `Timing`.
        implementations: list of str, in the order of the bars.

    Returns:
        A Matplotlib `Figure`.
    """
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    for axes, mode in zip(figure.subplots(2, 1), ("inference", "training"), strict=True):
        width = 0.85 / len(implementations)
        for index, implementation in enumerate(implementations):
            bars = [
                (place + (index - (len(implementations) - 1) / 2) * width, *found.quartiles())
                for place, of_shape in enumerate(timings.values())
                if (found := of_shape.get((mode, implementation)))
            ]
            if bars:
                x, middle, low, high = np.array(bars).T
                axes.bar(
                    x,
                    middle,
                    width,
                    yerr=(middle - low, high - middle),
                    label=implementation,
                    color=f"C{index}",
                )
        axes.axhline(1, color="black", linewidth=0.8)
        axes.set_xticks(range(len(timings)), list(timings))
        axes.set(title=mode, ylabel="times faster than Keras", yscale="log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
        axes.grid(axis="y", alpha=0.3, which="both")
    figure.axes[0].legend(ncols=4)
    return figure


def attention_map(weights, source_tokens, target_tokens):
    """Plots attention weights.

    Args:
        weights: float array `[target, source]`.
        source_tokens: list of str, the subwords of the source.
        target_tokens: list of str, the subwords of the translation.

    Returns:
        A Matplotlib `Figure`.
    """
    size = (2 + 0.32 * len(source_tokens), 1.5 + 0.32 * len(target_tokens))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.imshow(weights, cmap="viridis", vmin=0, vmax=1)
    axes.set_xticks(range(len(source_tokens)), source_tokens, rotation=60, ha="right")
    axes.set_yticks(range(len(target_tokens)), target_tokens)
    axes.set(xlabel="source", ylabel="translation")
    return figure
