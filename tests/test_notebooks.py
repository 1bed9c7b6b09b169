"""The committed notebooks ran from top to bottom without errors, on what the extras install."""

import ast
import configparser
import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXTRAS = ("benchmarks", "notebooks")
OURS = {"benchmarks", "zoo"}  # the packages of this checkout
IMPORTED_AS = {"IPython": "ipython", "sklearn": "scikit_learn"}
MOST_BYTES = 400_000


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def python(cell):
    """The source of a cell without its magics."""
    lines = "".join(cell["source"]).splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("%"))


def test_there_are_four():
    assert [path.stem for path in NOTEBOOKS] == ["1_what", "2_how", "3_why", "4_practice"]


def test_format_is_nbformat_4_5(notebook):
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in notebook["cells"]:
        assert re.fullmatch(r"[\w-]{1,64}", cell["id"])
        assert cell["cell_type"] in ("code", "markdown")
        assert all(isinstance(line, str) for line in cell["source"])


def test_metadata_names_no_machine_and_no_time(notebook):
    assert list(notebook["metadata"]) == ["kernelspec"]
    assert [cell["metadata"] for cell in notebook["cells"] if cell["metadata"]] == []


def test_all_cells_ran_in_order(notebook):
    counts = [cell["execution_count"] for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_outputs_hold_no_error_and_no_warning(notebook):
    outputs = [output for cell in code_cells(notebook) for output in cell["outputs"]]
    assert [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"] == []


def test_is_small(path):
    assert path.stat().st_size < MOST_BYTES


def test_links_lead_to_files(path, notebook):
    prose = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown"]
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", "\n".join(prose)):
        assert (path.parent / target).is_file(), target


def test_cells_import_only_what_the_extras_install(notebook):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    needed = setup["options"]["install_requires"]
    needed += "".join(setup["options.extras_require"][extra] for extra in EXTRAS)
    installed = {name.replace("-", "_").lower() for name in re.findall(r"(?m)^[\w-]+", needed)}
    imported = set()
    for cell in code_cells(notebook):
        for node in ast.walk(ast.parse(python(cell))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.partition(".")[0])
    assert "zoo" in imported
    foreign = imported - OURS - sys.stdlib_module_names
    assert {IMPORTED_AS.get(name, name) for name in foreign} - installed == set()
