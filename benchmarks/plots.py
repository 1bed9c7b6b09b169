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
            values = history.get(f"{part}/{name}", [])
            if values:
                axes.plot(range(1, len(values) + 1), values, style, marker=".", label=part)
        axes.set(xlabel="epoch", ylabel=name)
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def learning_curves(experiments):
    """Plots the validation metric by epoch, an axis for each experiment.

    Args:
        experiments: dict from a title to a tuple: the name of the metric, and a dict from an
            architecture to a dict from the epoch to the value.

    Returns:
        A Matplotlib `Figure`.
    """
    columns = min(3, len(experiments))
    lines = -(-len(experiments) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.2 * lines), layout="constrained")
    grid = list(figure.subplots(lines, columns, squeeze=False).flat)
    names = dict.fromkeys(name for _, curves in experiments.values() for name in curves)
    colors = {name: f"C{index}" for index, name in enumerate(names)}
    for axes, (title, (metric, curves)) in zip(grid, experiments.items(), strict=False):
        for name, curve in curves.items():
            axes.plot(list(curve), list(curve.values()), color=colors[name], label=name)
        axes.set(xlabel="epoch", ylabel=f"validation {metric}")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_title(title, fontsize="small")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    for axes in grid[len(experiments) :]:
        axes.set_axis_off()
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


def alignment(frames, characters):
    """Plots frames of sound with the characters of its text over them.

    Args:
        frames: float array `[frames, features]`.
        characters: list of tuples of a character, its first frame and the one after its last.

    Returns:
        A Matplotlib `Figure`.
    """
    figure = Figure(figsize=(2 + 0.035 * len(frames), 3.4), layout="constrained")
    axes = figure.subplots()
    normalised = (frames - frames.mean(axis=0)) / (frames.std(axis=0) + 1e-6)
    axes.imshow(normalised.T, aspect="auto", origin="lower", cmap="viridis", vmin=-3, vmax=3)
    top = frames.shape[1] - 0.5
    for character, first, end in characters:
        axes.axvline(first - 0.5, color="white", linewidth=0.5)
        axes.text(
            (first + end - 1) / 2,
            top,
            "\N{OPEN BOX}" if character.isspace() else character,
            ha="center",
            va="bottom",
            family="monospace",
        )
    axes.set(xlabel="frame", ylabel="feature")
    return figure


def context_curve(perplexities):
    """Plots the perplexity of replies by the number of turns before them that a model reads.

    Args:
        perplexities: dict from the number of turns to the perplexity; the largest number means all
            turns.

    Returns:
        A Matplotlib `Figure`.
    """
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes = figure.subplots()
    numbers = sorted(perplexities)
    axes.plot([perplexities[number] for number in numbers], marker="o")
    axes.set_xticks(range(len(numbers)), [*numbers[:-1], "all"])
    axes.set(xlabel="turns before the reply", ylabel="perplexity per token")
    axes.grid(alpha=0.3)
    return figure


def forecasts(examples):
    """Plots forecasts against the true values.

    Args:
        examples: dict from a title to a dict: `"history"`, float array `[time]`; `"truth"` and
            `"forecast"`, float arrays `[horizon]`; and `"bands"`, a dict from a quantile to such
            an array.

    Returns:
        A Matplotlib `Figure`.
    """
    rows = -(-len(examples) // 2)
    figure = Figure(figsize=(12, 2.8 * rows), layout="constrained")
    grid = list(figure.subplots(rows, 2, squeeze=False).flat)
    for axes, (title, example) in zip(grid, examples.items(), strict=False):
        history, bands = example["history"], example["bands"]
        steps = np.arange(1, len(example["truth"]) + 1)
        axes.plot(np.arange(1 - len(history), 1), history, color="0.4", label="history")
        axes.plot(steps, example["truth"], color="black", label="truth")
        axes.plot(steps, example["forecast"], color="C1", label="forecast")
        if len(bands) > 1:
            low, high = min(bands), max(bands)
            label = f"quantiles {low:g} to {high:g}"
            axes.fill_between(
                steps, bands[low], bands[high], color="C1", alpha=0.2, linewidth=0, label=label
            )
        axes.set_title(title.replace("$", r"\$"), fontsize="small")
        axes.grid(alpha=0.3)
    for axes in grid[len(examples) :]:
        axes.set_axis_off()
    grid[0].legend(fontsize="small")
    return figure


def gap_curve(accuracies, solved):
    """Plots the accuracy at each gap.

    Args:
        accuracies: dict from a gap to the accuracy on its test split.
        solved: float, the accuracy from which a gap counts as solved.

    Returns:
        A Matplotlib `Figure`.
    """
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.plot(list(accuracies), list(accuracies.values()), marker="o")
    axes.axhline(solved, color="black", linewidth=0.8, linestyle=":")
    axes.set(xlabel="gap (steps)", ylabel="test accuracy", xscale="log", ylim=(0, 1.03))
    axes.grid(alpha=0.3)
    return figure


def gradient_by_lag(curves):
    """Plots norms of gradients with respect to earlier states.

    Args:
        curves: dict from a name to a dict from the lag to the norm.

    Returns:
        A Matplotlib `Figure`.
    """
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes = figure.subplots()
    for name, norms in curves.items():
        # A logarithmic axis has no zero.
        points = [(lag, norm) for lag, norm in norms.items() if norm > 0]
        axes.plot(*zip(*points, strict=True) if points else ([], []), marker=".", label=name)
    axes.set(xlabel="lag k (steps)", ylabel="norm of the gradient of the state", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def gaps(experiments):
    """Plots runs of the step `climb`: solved gaps, accuracy by gap, and gradients by lag.

    Args:
        experiments: dict from the name of an experiment to a dict from an architecture to a dict of
            its curves, `gap/accuracy`, `gap/seconds`, `gap/solved`, `lag/gradient` and
            `lag/gradient_untrained`; each is a dict from the gap or lag to a list of the values of
            all seeds.

    Returns:
        A Matplotlib `Figure` with a column per experiment.
    """
    rows = (_solved_gaps, _accuracy_by_gap, _trained_gradients, _untrained_gradients)
    size = (5 * len(experiments), 3.4 * len(rows))
    figure = Figure(figsize=size, layout="constrained")
    names = list(dict.fromkeys(name for found in experiments.values() for name in found))
    names.sort(key=lambda name: not name.startswith("baseline"))
    styles = {name: _style(number) for number, name in enumerate(names)}
    grid = figure.subplots(len(rows), len(experiments), squeeze=False)
    for column, (experiment, found) in zip(grid.T, experiments.items(), strict=True):
        column[0].set_title(experiment)
        for axes, plot in zip(column, rows, strict=True):
            for name, curves in found.items():
                plot(axes, curves, {**styles[name], "label": name})
            axes.grid(alpha=0.3)
        column[0].xaxis.set_minor_formatter("")
    handles = {}
    for axes in grid.flat:
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(
        [handles[name] for name in names if name in handles],
        [name for name in names if name in handles],
        loc="outside lower center",
        ncols=6,
    )
    return figure


def _style(number):
    """The colour, line and marker of the architecture with this number."""
    lines = ("-", "--", ":")
    return {
        "color": f"C{number % 10}",
        "linestyle": lines[number // 10 % len(lines)],
        "marker": "osD^v"[number % 5],
        "markersize": 4,
    }


def _solved_gaps(axes, curves, style):
    """Gaps that most seeds solved, against the mean seconds that each took."""
    seeds = len(next(iter(curves["gap/solved"].values())))
    solved = [
        (np.mean(curves["gap/seconds"][gap]), gap)
        for gap, values in curves["gap/solved"].items()
        if sum(values) > seeds / 2
    ]
    if solved:
        axes.plot(*zip(*solved, strict=True), **style)
    axes.set(xlabel="seconds of training", ylabel="solved gap (steps)", xscale="log", yscale="log")


def _accuracy_by_gap(axes, curves, style):
    accuracies = curves["gap/accuracy"]
    means = [np.mean(values) for values in accuracies.values()]  # of the seeds that tried it
    axes.plot(list(accuracies), means, **style)
    axes.set(xlabel="gap (steps)", ylabel="test accuracy", xscale="log", ylim=(0, 1.03))


def _trained_gradients(axes, curves, style):
    _gradients(axes, curves.get("lag/gradient", {}), style, "trained")


def _untrained_gradients(axes, curves, style):
    _gradients(axes, curves.get("lag/gradient_untrained", {}), style, "untrained")


def _gradients(axes, curve, style, which):
    # Geometric means; a logarithmic axis has no zero.
    points = [
        (lag, np.exp(np.mean(np.log(values)))) for lag, values in curve.items() if min(values) > 0
    ]
    if points:
        axes.plot(*zip(*points, strict=True), **style)
    axes.set(xlabel="lag k (steps)", ylabel=f"gradient of the state, {which}", yscale="log")
    axes.set_ylim(1e-12, 1e4)
