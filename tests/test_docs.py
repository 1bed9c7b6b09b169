"""README and guides: their code runs, their links lead somewhere, their numbers are the results'.

Blocks of a file run in their order, in one folder. A comment behind a Python expression that is a
literal, such as `# ["neg", "pos"]`, states its value; any other comment is prose.
"""

import ast
import functools
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from benchmarks import config, metrics, new_suite
from benchmarks.report import files, guides, presets, readme
from zoo import cli
from zoo.layers import architectures

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
GUIDES = [README, *sorted((ROOT / "docs").glob("*.md")), ROOT / "docs" / "results" / "README.md"]
LINKED = [*GUIDES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
RESULTS = sorted((ROOT / "docs" / "results").glob("*.csv"))

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CHOICES = {"SUITE", "TASK", "ARCH", "SEEDS", "EPOCHS", "RERUN", "WORKERS", "TRIALS", "OUT", "DATA"}
CHOICES |= {"RAY_ADDRESS", "MLFLOW_TRACKING_URI", "ARTIFACTS"}
ELSEWHERE = {  # what needs a network, an environment or a server
    "git clone https://github.com/recurrent-zoo/recurrent-zoo",
    "cd recurrent-zoo",
    "pip install .",
    ".venv/bin/pip install -e '.[peers]'",
    ".venv/bin/pip install -e '.[backends]'",
    "KERAS_BACKEND=jax .venv/bin/python train.py",
    "KERAS_BACKEND=torch python -m benchmarks.time_backends",
    "KERAS_BACKEND=jax python -m benchmarks.time_backends lstm gru",
    "python -m benchmarks.time_generation",
    "python -m benchmarks.time_stream",
    "python -m benchmarks.time_workers",
    "arecord -f S16_LE -r 16000 | zoo predict spoken_digit_gru --stream --rate 16000",
    "arecord -f S16_LE -r 16000 | zoo transcribe an4_lstm -",
    "zoo serve imdb_lstm --port 8000",
    "curl localhost:8000/answers -H 'Content-Type: application/json' "
    """-d '{"inputs": ["a wonderful film"]}'""",
    "curl localhost:8000/files -F files=@seven.wav",
    'export MLFLOW_TRACKING_URI=sqlite:///mlruns/mlflow.db PATH="$PWD/.venv/bin:$PATH"',
    "mlflow models serve -m models:/sentiment.rotten_tomatoes@champion --env-manager local -p 8000",
    "curl localhost:8000/invocations -H 'Content-Type: application/json' "
    """-d '{"inputs": {"text": ["a wonderful film"]}}'""",
    "sudo apt-get install postgresql",
    "sudo -u postgres createuser $USER",
    "sudo -u postgres createdb --owner $USER recurrent_zoo",
    "mlflow server --host 0.0.0.0 --backend-store-uri postgresql+psycopg2:///recurrent_zoo "
    "--artifacts-destination /srv/zoo/artifacts",
    ".venv/bin/ray get-auth-token --generate",
    "export RAY_AUTH_MODE=token",
    ".venv/bin/ray start --head",
    ".venv/bin/ray start --address 10.0.0.1:6379",
}


@pytest.fixture(params=GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
def guide(request):
    return request.param


@pytest.fixture(scope="module", autouse=True)
def _presets_are_loaded_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo, "load", functools.cache(zoo.load))
        yield


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function that runs a block of a language."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(architectures, "_architectures", dict(architectures._architectures))
    monkeypatch.setattr(metrics, "_metrics", dict(metrics._metrics))
    namespace = {"__name__": "guide"}

    def shell(code):
        for command in commands(code):
            if command not in ELSEWHERE:
                run_command(command, monkeypatch)

    runners = {"python": lambda code: run_python(code, namespace), "sh": shell, "yaml": load_suite}
    runners["mermaid"] = lambda code: None  # a diagram
    return lambda language, code: runners[language](code)


def blocks(path):
    return BLOCK.findall(path.read_text(encoding="utf-8"))


def commands(code):
    """The commands of a shell block, without comments, each on a line."""
    lines = re.sub(r"\\\n\s*", "", code).splitlines()
    stripped = [re.sub(r"(^|\s+)#.*", "", line).strip() for line in lines]
    return [line for line in stripped if line]


def run_python(code, namespace):
    """Executes statements, and compares expressions with the values that comments state."""
    lines = code.encode().splitlines()
    for node in ast.parse(code).body:
        if not isinstance(node, ast.Expr):
            exec(compile(ast.Module([node], []), "guide", "exec"), namespace)
            continue
        value = eval(compile(ast.Expression(node.value), "guide", "eval"), namespace)
        comment = lines[node.end_lineno - 1][node.end_col_offset :].decode().strip(" #")
        try:
            stated = ast.literal_eval(comment)
        except (SyntaxError, ValueError):
            continue
        assert value == stated, ast.unparse(node)


def run_command(command, monkeypatch):
    """Runs a command of the zoo; of make, looks whether there is such a target and such runs."""
    echo, _, piped = command.partition(" | ")
    if piped:
        name, *words = shlex.split(echo)
        assert name == "echo"
        monkeypatch.setattr(sys, "stdin", io.StringIO(" ".join(words) + "\n"))
        command = piped
    program, *arguments = shlex.split(command)
    if program == "zoo":
        assert cli.main(arguments) == 0, command
    elif program == "make":
        check_make(*arguments)
    else:
        raise AssertionError(f"Nothing is known about the command: {command}")


def check_make(target, *assignments):
    subprocess.run(["make", "-n", "-C", ROOT, target], check=True, capture_output=True)
    chosen = dict(assignment.split("=", 1) for assignment in assignments)
    assert chosen.keys() <= CHOICES
    suite = chosen.get("SUITE", "quick")
    if target == "new":
        text = new_suite.text_of(suite, chosen["TASK"], chosen["DATA"])
        Path(suite).write_text(text, encoding="utf-8")
    kind = config.kind(suite)
    names = lambda key: chosen[key].split(",") if key in chosen else None
    numbers = {key.lower(): int(chosen[key]) for key in ("SEEDS", "EPOCHS") if key in chosen}
    if kind == "tasks":
        assert config.load(suite, tasks=names("TASK"), chosen=names("ARCH"), **numbers)
    elif kind == "layers":
        assert config.load_layers(suite, names("ARCH")).layers
    else:
        assert zoo.list_presets(config.load_presets(suite).presets)


def load_suite(code):
    """Writes a block as the suite of which commands behind it speak, and validates it."""
    Path("my.yaml").write_text(code, encoding="utf-8")
    assert config.load("my.yaml")


def test_every_block_runs(guide, run, capsys):
    found = blocks(guide)
    assert guide.read_text(encoding="utf-8").count("```") == 2 * len(found)
    for language, code in found:
        run(language, code)


def test_a_wrong_value_in_a_comment_is_found():
    run_python("1 + 1  # 2", {})
    with pytest.raises(AssertionError, match=r"1 \+ 1"):
        run_python("1 + 1  # 3", {})


def test_commands_that_do_not_run_here_are_those_of_the_guides():
    found = {
        command
        for path in GUIDES
        for language, code in blocks(path)
        if language == "sh"
        for command in commands(code)
    }
    assert found >= ELSEWHERE


@pytest.mark.parametrize("guide", LINKED, ids=lambda path: path.name)
def test_links_lead_to_files_and_headings(guide):
    for target, anchor in re.findall(
        r"\]\(([^)#\s]*)(#[^)]*)?\)", guide.read_text(encoding="utf-8")
    ):
        if re.match(r"\w+:", target):
            continue
        path = (guide.parent / target) if target else guide
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"(?m)^#+ (.*)$", path.read_text(encoding="utf-8"))
            slugs = [re.sub(r"[^\w\- ]", "", line).lower().replace(" ", "-") for line in headings]
            assert anchor[1:] in slugs, f"{target}{anchor}"


def test_the_readme_is_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("name", ["best", "speed"])
def test_the_generated_parts_of_the_readme_are_those_of_the_results(name):
    content = README.read_text(encoding="utf-8")
    assert readme.between_marks(content, name, getattr(readme, name)()) == content


def test_the_tables_of_a_guide_are_those_of_the_results(guide):
    content = guide.read_text(encoding="utf-8")
    assert guides.updated(content) == content


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_results_are_rendered_from_their_csv(path):
    assert path.with_suffix(".md").read_text(encoding="utf-8") == files.render(path.stem)


def test_the_results_of_presets_are_those_of_their_cards(tmp_path, monkeypatch):
    kept = files.RESULTS / "pretrained.csv"
    monkeypatch.setattr(files, "RESULTS", tmp_path)
    files.write("pretrained", presets.rows())
    written = tmp_path / "pretrained.csv"
    assert written.read_text(encoding="utf-8") == kept.read_text(encoding="utf-8")


def test_the_guide_of_memory_says_what_the_results_show():
    rows = {(row.dataset, row.architecture): row for row in files.read("memory")}
    longest = {key: row.value for key, row in rows.items()}
    order = {name: gap for (dataset, name), gap in longest.items() if dataset == "temporal_order"}
    assert order["lstm"] == order["gru"] == order["rnn"] == 50
    assert (order["lstm_chrono"], order["gru_chrono"]) == (2000, 5000)
    assert order["baseline_hmm"] == order["lstm_coupled"] == order["slstm"] == 100
    assert order["lstm_layernorm"] == 200
    untold = order.keys() - {"lstm_chrono", "gru_chrono", "lstm_layernorm"}
    assert max(order[name] for name in untold) == 100
    adding = {name: gap for (dataset, name), gap in longest.items() if dataset == "adding"}
    assert (adding["rnn"], adding["lstm"], adding["gru"]) == (0, 200, 500)
    copy = {name: gap for (dataset, name), gap in longest.items() if dataset == "copy"}
    assert {name for name in adding if adding[name] > 200} == {"gru", "lstm_chrono", "gru_chrono"}
    assert adding["lstm_coupled"] == adding["gru_reset_before"] == 200
    assert copy["rnn"] == copy["lstm"] == copy["gru"] == max(copy.values()) == 20
    assert copy["lstm_chrono"] == copy["gru_chrono"] == 20
    assert copy["min_gru"] == copy["min_lstm"] == copy["lstm_zoneout"] == 0
    assert rows["copy", "rnn"].train_seconds < rows["copy", "lstm"].train_seconds
    assert rows["copy", "rnn"].train_seconds < rows["copy", "gru"].train_seconds


@pytest.mark.parametrize("folder", ["docs", "docs/results"])
def test_every_file_is_in_the_index(folder):
    index = (ROOT / folder / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / folder).glob("*.md"):
        assert path.name == "README.md" or f"]({path.name})" in index


def test_every_architecture_is_in_the_guide_of_layers():
    rows = re.findall(
        r"(?m)^\| `(\w+)` \| `(\w+)`", (ROOT / "docs" / "layers.md").read_text(encoding="utf-8")
    )
    known = {name: architectures.get(name).layer.__name__ for name in architectures.names()}
    assert dict(rows) == known
