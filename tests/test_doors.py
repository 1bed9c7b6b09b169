"""The doors between rooms: imports go one way, and never in a circle."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# From the top down: a room imports from the rooms below it, and from itself.
ZOO = [
    {"__main__"},
    {"cli"},
    {"__init__", "adapters"},
    {"export", "pretrained", "serving"},
    {"preset_download"},
    {"preset_files"},
    {"models", "datasets"},  # beside each other
    {"layers", "sound_files", "array_files", "series_files"},
    {"_quiet_start", "_command", "files", "typing"},
]
BENCHMARKS = [
    {"__main__"},
    {"presets", "migration", "sweep"},
    {"report", "run", "new_suite", "time_layers", "time_generation", "time_serving", "time_stream"}
    | {"time_workers", "time_backends", "gpu_check"},
    {"tracking"},
    {"data"},
    {"config"},
    {"tasks", "recipes", "layers"},
    {"plots", "metrics", "measure", "atomic", "pipeline", "workers", "__init__"},
    {"interrupts"},
]


def modules(package):
    """A dict from the name of each module of a package to its path."""
    paths = (ROOT / package).rglob("*.py")
    names = {}
    for path in paths:
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


MODULES = {**modules("zoo"), **modules("benchmarks")}


def imports(path, everywhere=True):
    """The names that a module imports, those inside of functions too, or those of its top alone."""
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            inside = submodules & MODULES.keys()
            found |= inside
            if len(inside) < len(submodules):
                found.add(node.module)
    return found


def room(module, package):
    """The room of a module: the file or folder in its package."""
    return module.removeprefix(package).lstrip(".").split(".")[0] or "__init__"


def is_test(path):
    return path.name.endswith("_test.py") or path.name == "testing.py"


@pytest.mark.parametrize("package", ["zoo", "benchmarks"])
def test_rooms_import_from_below_alone(package):
    levels = {"zoo": ZOO, "benchmarks": BENCHMARKS}[package]
    level = {name: depth for depth, names in enumerate(levels) for name in names}
    wrong = []
    for module, path in modules(package).items():
        here = room(module, package)
        for target in imports(path):
            if target.split(".")[0] != package:
                continue
            there = room(target, package)
            if there != here and level[there] <= level[here]:
                wrong.append(f"{module} imports {target}")
    assert wrong == []


def test_no_imports_in_a_circle():
    graph = {
        module: {target for target in imports(path) if target in MODULES and target != module}
        for module, path in MODULES.items()
    }
    graphlib.TopologicalSorter(graph).prepare()


def test_the_zoo_knows_neither_benchmarks_nor_mlflow():
    wrong = [
        f"{module} imports {target}"
        for module, path in modules("zoo").items()
        for target in imports(path)
        if target.split(".")[0] in ("benchmarks", "mlflow")
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("package", "where"),
    [("mlflow", {"tracking"}), ("ray", {"workers", "time_workers"}), ("optuna", {"sweep"})],
)
def test_one_room_knows_a_package(package, where):
    rooms = {
        room(module, "benchmarks")
        for module, path in modules("benchmarks").items()
        if any(target.split(".")[0] == package for target in imports(path))
    }
    assert rooms == where


def test_what_a_plain_bench_lacks_is_imported_when_it_is_needed():
    for module, path in modules("benchmarks").items():
        at_the_top = {name.split(".")[0] for name in imports(path, everywhere=False)}
        assert at_the_top.isdisjoint({"ray", "optuna"}), module


def test_what_an_installed_zoo_lacks_is_imported_when_it_is_needed():
    brought = {"keras", "keras_hub", "numpy", "rich", "sentencepiece", "tensorflow", "zoo"}
    for module, path in modules("zoo").items():
        if module.endswith("_builder") or module == "zoo.datasets.folder" or is_test(path):
            continue  # builders are imported by `zoo.datasets.builder` alone
        if module in ("zoo.adapters", "zoo.serving"):  # imported by who has what they need
            continue
        if module.startswith("zoo.layers.kernels.on_"):  # imported on the backend that they bind
            continue
        at_the_top = {name.split(".")[0] for name in imports(path, everywhere=False)}
        assert at_the_top - brought - sys.stdlib_module_names == set(), module


def test_a_model_is_loaded_without_tensorflow_datasets_and_mlflow():
    code = (
        "import sys, zoo; zoo.load('spoken_digit_rnn'); "
        "print(*{'tensorflow_datasets', 'mlflow', 'benchmarks'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == ""
