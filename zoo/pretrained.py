"""Pretrained models: their list, their cards, and loading them."""

import dataclasses
import difflib
import fnmatch
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PRESETS = Path(__file__).parent / "presets"
CARD = "card.json"
FORMAT = 1


class PresetError(ValueError):
    """A preset is unknown, damaged or of another format; no model was built."""


@dataclasses.dataclass(frozen=True)
class Card:
    """Describes a pretrained model.

    Attributes:
        format: int, version of the card and its files.
        preset: its name, `<dataset>_<architecture>`, with the way it was trained in between if
            there are several, as in `imdb_pretrained_bilstm`.
        suite, entry: the benchmark suite that trained it, and the suite's entry for its task.
        task: the task kind, such as `"sentiment"`.
        architecture: a name of `zoo.layers.architectures`.
        dataset, dataset_digest, dataset_licence: the training data; the digest is a SHA-256 of
            all of it.
        metric, value, interval: the metric on the test split with its 95 % interval, if it has one.
        signature: how the metric was computed.
        seed: the seed of these weights, the best on the validation split.
        seeds: the metric's value for every trained seed, this one included.
        parameters: number of weights.
        train_seconds: training time.
        command: the command that trains and evaluates it again.
        git_commit: the commit of the run that trained it; an ensemble's members may come from
            earlier commits.
        paper: the paper of the architecture.
        licence: the licence of the weights.
        bytes: total size of the files.
        sha256: SHA-256 of each file, by its path in the preset's folder.
    """

    format: int
    preset: str
    suite: str
    entry: str
    task: str
    architecture: str
    dataset: str
    dataset_digest: str
    dataset_licence: str
    metric: str
    value: float
    interval: tuple[float, float] | None
    signature: str
    seed: int
    seeds: tuple[float, ...]
    parameters: int
    train_seconds: float
    command: str
    git_commit: str
    paper: str
    licence: str
    bytes: int
    sha256: dict[str, str]


def list_presets(pattern="*"):
    """Names of all pretrained models.

    Args:
        pattern: str, with the wildcards `*`, `?` and `[...]`.

    Returns:
        A list of str, naturally sorted.
    """
    names = [path.parent.name for path in PRESETS.glob(f"*/{CARD}")]
    natural = lambda name: [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", name)]
    return sorted(fnmatch.filter(names, pattern), key=natural)


def card(preset):
    """The `Card` of a preset.

    Args:
        preset: str, a name of `list_presets()`, or the path of a preset's folder.

    Raises:
        PresetError: there is no such preset, or its card can't be read.
    """
    path = _folder(preset) / CARD
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        format = content["format"]
        if format == FORMAT:
            return Card(
                **{
                    **content,
                    "interval": content["interval"] and tuple(content["interval"]),
                    "seeds": tuple(content["seeds"]),
                }
            )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PresetError(f"The card of preset {preset!r} can't be read: {error!r}") from error
    raise PresetError(
        f"Preset {preset!r} has format {format}, this version of the zoo reads format {FORMAT}. "
        "Install the version of the zoo that the preset came with."
    )


def load(preset):
    """Loads a pretrained model, ready for raw input. Needs no network.

    Args:
        preset: str, a name of `list_presets()`, the path of a preset's folder, or the MLflow URI
            of a benchmark's model, such as `models:/sentiment.rotten_tomatoes@champion`, in the
            store that `MLFLOW_TRACKING_URI` names.

    Returns:
        A `zoo.models.TaskModel` with weights, such as a `TextClassifier` or a `Translator`.

    Raises:
        PresetError: there is no such preset, or a file is missing or differs from its card.

    Example:
    ```python
    model = zoo.load("imdb_gru")
    model.predict(["a wonderful film"])
    ```
    """
    if re.match("(models|runs):/", str(preset)):
        with tempfile.TemporaryDirectory() as temporary:
            return load(_download(preset, temporary))
    from zoo import _quiet_start  # noqa: F401, I001 - before anything imports TensorFlow
    from zoo.models import protocol

    folder = _folder(preset)
    if (folder / CARD).is_file():
        _verify(folder, card(preset))
    try:
        name = json.loads((folder / "task.json").read_text(encoding="utf-8"))["class_name"]
    except (OSError, ValueError, KeyError) as error:
        raise PresetError(f"Preset {preset!r} has no readable task.json: {error}") from error
    try:
        model_class = protocol.get(name)
    except ValueError as error:
        raise PresetError(f"Preset {preset!r} can't be loaded. {error}") from error
    return model_class.from_preset(str(folder))


def digests(folder):
    """SHA-256 of each file of a preset except its card, by its path in the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != CARD)
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def _download(uri, folder):
    """Downloads the preset of a model in MLflow into `folder`; returns its path.

    MLflow runs in a separate process, since the zoo doesn't import it.
    """
    command = [sys.executable, "-m", "mlflow", "artifacts", "download", "--artifact-uri"]
    done = subprocess.run(
        [*command, f"{uri}/artifacts/preset", "--dst-path", folder], capture_output=True, text=True
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise PresetError(
            f"MLflow can't load {uri}: {reason[0]} Check the URI and MLFLOW_TRACKING_URI. "
            "MLflow comes with pip install 'recurrent-zoo[benchmarks]'."
        )
    return str(next(Path(folder).rglob("task.json")).parent)


def _verify(folder, card):
    found = digests(folder)
    for name, expected in card.sha256.items():
        if name not in found:
            raise PresetError(f"Preset {card.preset!r} lacks its file {name}. Reinstall the zoo.")
        if found[name] != expected:
            raise PresetError(
                f"The file {name} of preset {card.preset!r} is damaged: its SHA-256 is "
                f"{found[name]}, the card says {expected}. Reinstall the zoo."
            )


def _folder(preset):
    if (PRESETS / preset / CARD).is_file():
        return PRESETS / preset
    if Path(preset).is_dir() and Path(preset, "task.json").is_file():
        return Path(preset)
    near = difflib.get_close_matches(str(preset), list_presets(), n=1, cutoff=0.0)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise PresetError(
        f"There is no preset and no preset folder {preset!r}.{hint} `zoo list` shows all."
    )
