"""The command line itself: how fast it starts, its streams, and what it says of bad input."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import zoo
from zoo import _quiet_start, cli
from zoo.array_files import read_array
from zoo.models import InputSchema
from zoo.sound_files import read_sound

ROOT = Path(__file__).parent.parent
SCRIPT = "import sys\nfrom zoo.cli import main\nsys.exit(main())\n"  # as pip writes it
FRAMES = InputSchema("frames", "float32", rank=2)


def run(*arguments, shell="", **options):
    """Runs `python -m zoo`, with redirections of a shell."""
    command = ["sh", "-c", f'"$@" {shell}', "sh", sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, **options)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["list"], ["info", "imdb_rnn"]])
@pytest.mark.parametrize("is_script", [False, True])
def test_what_needs_no_model_imports_no_keras(arguments, is_script, tmp_path):
    program = ["-m", "zoo"]
    if is_script:
        (tmp_path / "zoo").write_text(SCRIPT)
        program = [str(tmp_path / "zoo")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = run("-X", "importtime", *program, *arguments, env=environment)
    assert done.returncode == 0
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "zoo.cli" in imported
    assert imported & {"keras", "keras_hub", "tensorflow", "numpy"} == set()


def test_kerashub_loads_a_preset_once_the_zoo_is_imported():
    code = (
        "import zoo, keras_hub; path = zoo.pretrained.PRESETS / 'imdb_rnn'; "
        "print(type(keras_hub.models.TextClassifier.from_preset(str(path))).__name__)"
    )
    done = run("-c", code)
    assert done.stdout.strip() == "TextClassifier", done.stderr


def test_the_command_alone_prints_its_help(capsys):
    assert cli.main([]) == 0
    assert "predict" in capsys.readouterr().out


def test_the_version_is_that_of_the_zoo(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.strip() == zoo.__version__


def test_presets_are_listed_as_json(capsys):
    assert cli.main(["list", "imdb*", "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["preset"] for one in found] == zoo.list_presets("imdb*")
    for one in found:
        assert zoo.card(one["preset"]).value == one["value"]


class Stub:
    """A model that answers each text with its length, and refuses some."""

    def read_input(self, argument):
        if argument == "unreadable":
            raise ValueError("unreadable")
        return argument

    def answers(self, inputs):
        if "refused" in inputs:
            raise ValueError("refused")
        return [{"output": float(one) if one.isalpha() else one} for one in inputs]

    def answer_text(self, answer):
        return str(answer["output"])


@pytest.fixture
def stub(monkeypatch):
    monkeypatch.setattr(zoo, "load", lambda preset, verify=True: Stub())


@pytest.mark.usefixtures("stub")
@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize("options", [["--json"], []])
def test_an_answer_that_is_not_finite_is_an_error(capsys, value, options):
    assert cli.main(["predict", "stub", "1", value, "2", *options]) == 2
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 1
    assert f"answer to '{value}' holds NaN or infinity" in printed.err


@pytest.mark.usefixtures("stub")
@pytest.mark.parametrize("bad", ["unreadable", "refused"])
def test_inputs_before_a_bad_one_are_answered(capsys, bad):
    assert cli.main(["predict", "stub", "1", "2", bad, "3"]) == 2
    printed = capsys.readouterr()
    assert printed.out == "1\n2\n"
    assert printed.err.count("\n") == 1
    assert bad in printed.err


@pytest.mark.usefixtures("stub")
def test_an_empty_line_is_answered_by_a_line(capsys, monkeypatch):
    monkeypatch.setattr(cli.sys, "stdin", io.StringIO("1\n\n\n2"))
    assert cli.main(["predict", "stub", "-"]) == 0
    assert capsys.readouterr().out == "1\n\n\n2\n"


@pytest.mark.usefixtures("stub")
def test_a_name_that_is_not_utf8_is_valid_json(capsys):
    assert cli.main(["predict", "stub", "1\udce9", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["input"] == "1\udce9"


@pytest.mark.usefixtures("stub")
@pytest.mark.parametrize("command", [["predict", "stub", "-"], ["generate", "stub", "-"]])
def test_closed_standard_input_is_one_line_of_error(capsys, monkeypatch, command):
    monkeypatch.setattr(cli.sys, "stdin", None)
    assert cli.main(command) == 2
    error = capsys.readouterr().err
    assert error.startswith("zoo: Standard input is closed")
    assert error.count("\n") == 1


@pytest.mark.usefixtures("stub")
def test_an_error_of_any_kind_ends_the_wait_for_lines(monkeypatch):
    def lines():
        yield "1\n"
        raise RuntimeError("lost")

    monkeypatch.setattr(cli.sys, "stdin", lines())
    with pytest.raises(RuntimeError, match="lost"):
        cli.main(["predict", "stub", "-"])


def test_closed_output_streams_are_no_error():
    assert run("-m", "zoo", "list", shell=">&- 2>&- <&-").returncode == 0
    done = run("-m", "zoo", "info", "nothing", shell="2>&-")
    assert (done.returncode, done.stdout) == (2, "")


def test_the_start_up_log_is_held_back_without_standard_error(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with _quiet_start.held_back():
        pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="There is no /dev/full.")
def test_a_full_disk_is_one_line_of_error():
    done = run("-m", "zoo", "list", shell=">/dev/full")
    assert done.returncode == 2
    assert done.stderr == "zoo: No space left on device\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (FileNotFoundError(2, "No such file or directory", "a.wav"), "No such file or directory: "),
        (ValueError("\n first\nsecond"), " first"),
        (MemoryError(), "There isn't enough memory"),
        (ValueError(), "ValueError"),
    ],
)
def test_an_error_is_told_plainly(error, line):
    assert cli._reason(error).startswith(line)


HEADERS = {
    "huge shape": b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999, 3)}",
    "shape over 64 bits": b"{'descr': '<f4', 'fortran_order': False, 'shape': (%s, 3)}"
    % (b"9" * 30),
    "negative shape": b"{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3)}",
    "no shape": b"{'descr': '<f4', 'fortran_order': False, 'shape': ()}",
    "bool shape": b"{'descr': '<f4', 'fortran_order': False, 'shape': (True, 3)}",
    "missing key": b"{'descr': '<f4'}",
    "cut": b"{'descr': '<f",
    "brackets": b"(" * 500,
    "types": b"{'descr': ',,', 'fortran_order': False, 'shape': (1, 3)}",
    "objects": b"{'descr': '|O', 'fortran_order': False, 'shape': (1, 3)}",
    "complex": b"{'descr': '<c8', 'fortran_order': False, 'shape': (1, 1)}",
    "not UTF-8": b"\xff\xfe{}",
}


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_numpy_file_is_refused(header, tmp_path):
    content = HEADERS[header] + b"\n"
    version = b"\x03\x00" + len(content).to_bytes(4, "little")
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY" + version + content + b"12345678")
    with pytest.raises(ValueError, match=r"a\.npy can't be read as frames: .") as error:
        read_array(str(tmp_path / "a.npy"), FRAMES, "[frames, 3]")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("ending", ["raw", "wav", "flac", "ogg", "mp3", "aiff", "au", "w64", ""])
def test_bytes_that_are_no_sound_are_refused_whatever_their_name(ending, tmp_path):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(bytes(range(256)) * 20)
    with pytest.raises(ValueError, match=r"can't be read as a sound file: ."):
        read_sound(path, 8000)


def test_sound_in_a_file_of_another_name_is_read(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.ones(800) / 2, 8000)
    (tmp_path / "a.wav").rename(tmp_path / "a.raw")
    assert read_sound(tmp_path / "a.raw", 8000).shape == (800,)


@pytest.mark.parametrize("rate", [1, 2_000_000_000])
def test_a_sampling_rate_that_no_sound_has_is_refused(rate, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.ones(80) / 2, rate)
    with pytest.raises(ValueError, match=f"sampling rate of {rate} Hz"):
        read_sound(tmp_path / "a.wav", 8000)


@pytest.mark.filterwarnings("error")
def test_sound_beyond_the_range_of_floats_is_refused(tmp_path):
    sound = np.full((80, 2), 3e38, "float32")
    soundfile.write(tmp_path / "a.wav", sound, 8000, subtype="FLOAT")
    with pytest.raises(ValueError, match="NaN or infinite"):
        read_sound(tmp_path / "a.wav", 8000)


def test_pipes_devices_and_folders_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.npy")
    for read in (lambda path: read_sound(path, 8000), lambda path: read_array(path, FRAMES, "")):
        with pytest.raises(ValueError, match="is a pipe or a device"):
            read(str(tmp_path / "pipe.npy"))
    with pytest.raises(IsADirectoryError):
        read_sound(tmp_path, 8000)
