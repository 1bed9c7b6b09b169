"""Translations: two text files per split, aligned line by line."""

from zoo.datasets.errors import FolderError
from zoo.datasets.layouts.layout import SPLITS, Layout, read_lines


class Translations(Layout):
    """`train.source` and `train.target`, one text per line."""

    description = "train.source and train.target with one text per line"
    endings = (".source", ".target")

    def recognises(self, folder):
        return (folder / "train.source").is_file()

    def examples(self, folder):
        for split in SPLITS:
            source, target = (folder / f"{split}{ending}" for ending in self.endings)
            if source.is_file() or target.is_file():
                for pair in _pairs(source, target):
                    yield split, pair

    def features(self, examples):
        import tensorflow_datasets.public_api as tfds

        return {"source": tfds.features.Text(), "target": tfds.features.Text()}


def _pairs(*paths):
    """Yields an example for each line of the source file and the same line of the target file."""
    for path in paths:
        if not path.is_file():
            raise FolderError(f"{path} is missing: each source needs its target in the other file.")
    sources, targets = map(read_lines, paths)
    if len(sources) != len(targets):
        raise FolderError(
            f"{paths[0]} has {len(sources)} lines and {paths[1]} has {len(targets)}. Each line of "
            "one needs its translation in the other."
        )
    for source, target in zip(sources, targets, strict=True):
        yield {"source": source, "target": target}
