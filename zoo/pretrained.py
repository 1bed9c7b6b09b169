"""Pretrained models: their list, their cards, and loading them."""

import dataclasses
import difflib
import fnmatch
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from zoo import preset_download, preset_files
from zoo.preset_files import CARD, TASK, PresetError, digests

if TYPE_CHECKING:  # it imports Keras, which takes seconds
    from zoo.models.protocol import TaskModel

__all__ = ["CARD", "FORMAT", "PRESETS", "Card", "PresetError", "card", "digests", "list_presets"]
__all__ += ["load"]

PRESETS = Path(__file__).parent / "presets"
FORMAT = 1
LOCAL_STORES = ("mlflow.db", "mlruns")  # MLflow's default, created in the current folder


@dataclasses.dataclass(frozen=True)
class Card:
    """Describes a pretrained model.

    Attributes:
        format: int, version of the card and its files.
        preset: its name, `<dataset>_<architecture>`, with the way it was trained in between if
            there are several, as in `imdb_ensemble_gru`.
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
        details: further metrics on the test split, such as `refused`, the fraction of sounds other
            than the known words that get the label `unknown`.
        elsewhere: the metric on other datasets, unlike the training data, by their names.
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
    details: dict[str, float] = dataclasses.field(default_factory=dict)
    elsewhere: dict[str, float] = dataclasses.field(default_factory=dict)


def list_presets(pattern: str = "*") -> list[str]:
    """Names of all pretrained models.

    Args:
        pattern: str, with the wildcards `*`, `?` and `[...]`.

    Returns:
        A list of str, naturally sorted.
    """
    names = [path.parent.name for path in PRESETS.glob(f"*/{CARD}")]
    natural = lambda name: [int(t) if t.isdecimal() else t for t in re.split(r"(\d+)", name)]
    return sorted(fnmatch.filter(names, pattern), key=natural)


def card(preset: str | os.PathLike[str]) -> Card:
    """The `Card` of a preset.

    Args:
        preset: str, a name of `list_presets()`, or the path of a preset's folder.

    Raises:
        PresetError: there is no such preset, or its card can't be read.
    """
    path = _folder(preset) / CARD
    if not path.is_file():
        raise PresetError(f"Preset {_short(preset)} has no card: there is no file {path}.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
        format = content["format"]
        if format == FORMAT:
            return _parsed(content)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise PresetError(f"The card of preset {_short(preset)} can't be read: {reason}") from error
    raise PresetError(
        f"Preset {_short(preset)} has format {str(format)[:50]}, this version of the zoo reads "
        f"format {FORMAT}. Install the version of the zoo that the preset came with."
    )


def _refuse_constant(name):
    raise ValueError(f"a number must be finite, received {name}")


def _parsed(content):
    """The `Card` of a JSON object, whose values are checked."""
    content = {
        **content,
        "interval": content["interval"] and tuple(content["interval"]),
        "seeds": tuple(content["seeds"]),
    }
    parsed = Card(**content)
    kinds = {int: int, float: (int, float), str: str}
    for field in dataclasses.fields(Card):
        value = getattr(parsed, field.name)
        kind = kinds.get(field.type, object)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(f"{field.name!r} must be {field.type.__name__}, received {value!r}")
    for name in ("sha256", "details", "elsewhere"):
        if not isinstance(getattr(parsed, name), dict):
            raise ValueError(f"{name!r} must be an object, received {getattr(parsed, name)!r}")
    strings = [*parsed.sha256, *parsed.sha256.values()]
    numbers = [*parsed.seeds, *(parsed.interval or (0, 0))]
    if not all(isinstance(one, str) for one in strings) or len(numbers) != len(parsed.seeds) + 2:
        raise ValueError("'sha256' must map files to digests, and 'interval' must have two numbers")
    numbers += [*parsed.details.values(), *parsed.elsewhere.values()]
    if not all(isinstance(one, (int, float)) for one in numbers):
        raise ValueError("'seeds', 'interval', 'details' and 'elsewhere' must hold numbers")
    return parsed


def load(preset: str | os.PathLike[str], verify: bool = True) -> "TaskModel":
    """Loads a pretrained model, ready for raw input.

    Needs no network, unless the zoo was installed from a wheel, which doesn't include the weights
    of large presets. They are then downloaded once, from `ZOO_PRESETS` if it is set: a folder or
    URL with the presets.

    Args:
        preset: str, a name of `list_presets()`, the path of a preset's folder, or the MLflow URI
            of a benchmark's model, such as `models:/sentiment.rotten_tomatoes@champion`, in the
            store that `MLFLOW_TRACKING_URI` names.
        verify: bool, whether to compare every file with the preset's card. A folder without a card,
            such as one that `save_to_preset` wrote, loads only with `verify=False`. Either way,
            only classes of registered models are built.

    Returns:
        A `zoo.models.TaskModel` with weights, such as a `TextClassifier` or a `Translator`.

    Raises:
        PresetError: there is no such preset; a file is missing, or differs from its card; or the
            files describe no registered model.

    Example:
    ```python
    model = zoo.load("imdb_gru")
    model.predict(["a wonderful film"])
    ```
    """
    if re.match("(models|runs):/", str(preset)):
        with tempfile.TemporaryDirectory() as temporary:
            return load(_download(preset, temporary), verify=False)
    from zoo import _quiet_start  # noqa: F401 - before anything imports TensorFlow

    folder = _folder(preset)
    try:
        if verify and not (folder / CARD).is_file():
            raise PresetError(
                f"The folder {preset} has no {CARD} to compare its files with. If you trust its "
                "source, as one that you saved yourself, load it with zoo.load(folder, "
                "verify=False), or on the command line with --no-verify."
            )
        if folder.parent == PRESETS and (folder / CARD).is_file():
            folder = preset_download.folder(folder, card(preset).sha256)
        if verify:
            preset_files.verify(folder, card(preset))
        model_class = preset_files.model_class(folder)
        # The whole path: KerasHub would look up some names on a hub.
        return model_class.from_preset(str(folder.resolve()))
    except PresetError:
        raise
    except Exception as error:  # damaged files cause errors of any kind in Keras
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise PresetError(f"Preset {_short(preset)} can't be loaded: {reason}") from error


def _download(uri, folder):
    """Downloads the preset of a model in MLflow into `folder`; returns its path.

    MLflow runs in a separate process, since the zoo doesn't import it.
    """
    if "MLFLOW_TRACKING_URI" not in os.environ and not any(map(os.path.exists, LOCAL_STORES)):
        raise PresetError(
            f"{uri} is in an MLflow store, but MLFLOW_TRACKING_URI isn't set. Set it, such as to "
            "sqlite:///mlruns/mlflow.db."
        )
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
    for path in Path(folder).rglob(TASK):
        return str(path.parent)
    raise PresetError(f"{uri} is not a model of the benchmarks: it has no {TASK}.")


def _folder(preset):
    if isinstance(preset, (str, os.PathLike)):
        path = Path(preset)
        try:
            if path.name == str(preset) and (PRESETS / path / CARD).is_file():
                return PRESETS / path
            if str(preset) and path.is_dir() and (path / TASK).is_file():
                return path
        except (OSError, ValueError):  # such as a name that is too long
            pass
    near = difflib.get_close_matches(str(preset)[:100], list_presets(), n=1, cutoff=0.0)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise PresetError(
        f"There is no preset and no preset folder {_short(preset)}.{hint} `zoo list` shows all."
    )


def _short(value):
    text = str(value)
    return repr(text if len(text) <= 200 else f"{text[:200]}...")
