"""A full disk is one line of error, and what was on it can be used once there is room.

The disks are small ones in memory; where mounting isn't allowed, these tests are skipped.
"""

import errno
import os
import subprocess

import numpy as np
import pytest

from benchmarks import __main__ as command_line
from benchmarks.tracking import store as module
from zoo import datasets, models
from zoo.datasets import testing
from zoo.export import export
from zoo.layers.kernels import build

SIZE = 32_000_000


@pytest.fixture
def disk(tmp_path):
    """The folder of a small disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a disk can't be mounted: {error}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk, left):
    """Fills a disk but for some bytes; returns the `Path` of the file that does."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize)
        file.truncate(max(0, filler.stat().st_size - left))
    return filler


@pytest.mark.slow
@pytest.mark.parametrize("left", [0, 40_000, 400_000, 900_000])
def test_a_full_store_is_one_line_and_usable_once_there_is_room(
    suite, disk, monkeypatch, capsys, left
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # which MLflow has set
    monkeypatch.setattr(module, "LOCAL_STORE", disk / "mlruns")
    command = ["run", "--suite", suite, "--task", "speech", "--arch", "gru", "--epochs", "1"]
    filler = fill(disk, left)
    assert command_line.main(command) == 2
    captured = capsys.readouterr()
    assert captured.err == ""
    (told,) = (line for line in captured.out.splitlines() if not line.startswith("Suite "))
    assert told.startswith("[Errno 28] The disk is full")
    filler.unlink()
    assert command_line.main(command) == 0
    assert "gru, seed 0: accuracy" in capsys.readouterr().out


def test_a_full_cache_of_data_is_usable_once_there_is_room(disk, tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_DATA_DIR", str(disk))
    folder = tmp_path / "films"
    folder.mkdir()
    rows = [f"{'a film ' * 50}{n},{n % 2}" for n in range(500)]
    (folder / "train.csv").write_text("\n".join(["text,label", *rows]))
    filler = fill(disk, 50_000)
    with pytest.raises(OSError, match="The disk is full: make room") as error:
        datasets.builder(str(folder))
    assert error.value.errno == errno.ENOSPC
    filler.unlink()
    assert datasets.builder(str(folder)).info.splits["train"].num_examples > 300


def test_a_full_cache_of_wheels_is_usable_once_there_is_room(disk, tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_DATA_DIR", str(disk))
    content = np.random.default_rng(0).bytes(200_000)
    with testing.only_from(tmp_path):
        wheel = testing.make_wheel(tmp_path, "some-data", "1.0", {"some_data/table.csv": content})
        filler = fill(disk, 50_000)
        with pytest.raises(OSError, match="The disk is full: make room") as error:
            wheel.fetch()
        assert error.value.errno == errno.ENOSPC
        filler.unlink()
        assert wheel.fetch().is_file()


def test_a_full_folder_of_kernels_is_usable_once_there_is_room(disk, monkeypatch, tmp_path):
    compiler = tmp_path / "compiler"
    compiler.write_text(
        '#!/bin/sh\nfor word; do [ "$before" = -o ] && exec cp "$0" "$word"; before="$word"; done\n'
    )
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv("ZOO_CACHE_DIR", str(disk))
    filler = fill(disk, 0)
    with pytest.raises(build.BuildError, match="No space left on device"):
        build.build()
    filler.unlink()
    assert build.build().read_bytes() == compiler.read_bytes()


@pytest.mark.parametrize("format", ["savedmodel", "tflite"])
def test_an_export_to_a_full_disk_leaves_nothing(disk, format):
    backbone = models.AudioBackbone("gru", feature_dim=3, units=32)
    model = models.AudioClassifier(backbone, ["a", "b"])
    fill(disk, 8_192)
    with pytest.raises(OSError, match="The disk is full: make room"):
        export(model, disk / "model", format)
    assert [path.name for path in disk.iterdir()] == ["filler"]
