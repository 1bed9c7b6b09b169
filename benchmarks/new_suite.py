"""A suite for your own data: one entry of the suite `quick`, comments included."""

import re
import tempfile
from pathlib import Path

import yaml

from benchmarks import config
from benchmarks.atomic import replace_text
from benchmarks.config import ConfigError
from benchmarks.data import task_of

TEMPLATE = "quick"
HEADER = """\
# Compares recurrent layers on your own data: make bench SUITE={path}
#
# docs/benchmarks.md explains suites and the form of your own data. Paths of folders are relative to
# the folder in which `make` runs.

"""


def write(path, task, data):
    """Writes a suite once its data has been read and checked.

    Args:
        path: str, the YAML file to write.
        task: str, a task kind; its first entry in `TEMPLATE` is copied.
        data: str, the dataset of the new entry: a folder, or a name as `zoo.datasets.builder` takes
            it.

    Raises:
        ConfigError: the file exists or isn't named as YAML, or the task is unknown.
        zoo.datasets.errors.DatasetError: the data can't be read, or doesn't suit the task.
    """
    if Path(path).suffix not in (".yaml", ".yml"):
        raise ConfigError(f"A suite is a file that ends with .yaml. Received: {path}")
    if Path(path).exists():
        raise ConfigError(f"{path} exists. Choose another name, or remove it first.")
    text = text_of(path, task, data)
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder, Path(path).name)
        replace_text(draft, text)
        run = next(run for run in config.load(str(draft)) if run.model is not None)
        task_of(run)[0].check(run)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    replace_text(Path(path), text)


def text_of(path, task, data):
    """The text of the suite that `write` writes."""
    template = (config.SUITES / f"{TEMPLATE}.yaml").read_text(encoding="utf-8")
    settings = re.search(r"^architectures:.*?(?=^tasks:)", template, re.MULTILINE | re.DOTALL)[0]
    entries = re.split(r"^  (?=\w+:$)", template.partition("\ntasks:\n")[2], flags=re.MULTILINE)
    blocks = {}
    for entry in entries[1:]:
        name, _, block = entry.partition(":\n")
        kind = re.search(r"^    task: (\w+).*\n", block, re.MULTILINE)
        block = block.replace(kind[0], "") if kind else block
        blocks.setdefault(kind[1] if kind else name, block.rstrip() + "\n")
    if task not in blocks:
        raise ConfigError(config.unknown("task", task, blocks))
    block = re.sub(r"^    splits:.*\n(     .*\n)*", "", blocks[task], flags=re.MULTILINE)
    dataset = yaml.safe_dump(data, width=1000).removesuffix("\n...\n").strip()
    block = re.sub(r"^    dataset: \S+", lambda _: f"    dataset: {dataset}", block, flags=re.M)
    return f"{HEADER.format(path=path)}{settings}tasks:\n  {task}:\n{block}"
