"""Fixtures for tests of datasets."""

import pytest


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder for a user's files. The cache is another empty folder."""
    monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    (tmp_path / "own").mkdir()
    return tmp_path / "own"
