"""Errors about datasets."""


class DatasetError(ValueError):
    """A dataset is unknown, can't be fetched or can't be used."""


class FolderError(DatasetError):
    """The files of a folder can't be read as a dataset."""
