"""Texts with labels: one CSV file per split, for classification."""

import csv
import io

from zoo.datasets.errors import FolderError
from zoo.datasets.layouts.layout import (
    SPLITS,
    UNLABELLED,
    Layout,
    class_label,
    read_text,
)


class Texts(Layout):
    """`train.csv` with the columns `text` and `label`.

    Texts without labels may be in `unlabelled.csv`, with the column `text`. Their label is -1,
    which is TFDS' convention.
    """

    description = "train.csv with the columns text and label"
    endings = (".csv",)

    def recognises(self, folder):
        return (folder / "train.csv").is_file()

    def examples(self, folder):
        for split in (*SPLITS, UNLABELLED):
            path = folder / f"{split}.csv"
            if path.is_file():
                columns = ["text"] if split == UNLABELLED else ["text", "label"]
                for row in _rows(path, columns):
                    # The order of the keys is part of the identity.
                    yield split, {"label": row.get("label", -1), "text": row["text"]}

    def features(self, examples):
        import tensorflow_datasets.public_api as tfds

        return {"text": tfds.features.Text(), "label": class_label(examples)}


def _rows(path, columns):
    """Yields a dict of `columns` for each row of a CSV file."""
    rows = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        header = rows.fieldnames or []
        if len(set(header)) < len(header):
            raise FolderError(f"{path}: a column is named twice. Received: {', '.join(header)}.")
        if not set(columns) <= set(header):
            raise FolderError(
                f"{path} needs the column{'s' * (len(columns) > 1)} {' and '.join(columns)} in its "
                f"first line. Received: {', '.join(header) or 'an empty file'}."
            )
        for row in rows:
            if None in row:
                raise FolderError(
                    f"{path}, line {rows.line_num}: {len(header) + len(row[None])} fields, but the "
                    f"header has {len(header)}. Put double quotes around a text with a comma."
                )
            if row["text"] is None or ("label" in columns and not (row["label"] or "").strip()):
                raise FolderError(
                    f"{path}, line {rows.line_num}: a {' or a '.join(columns)} is missing."
                )
            # A label with white space around it would be a separate class.
            yield {name: row[name].strip() if name == "label" else row[name] for name in columns}
    except csv.Error as error:
        raise FolderError(
            f"{path}, line {rows.reader.line_num}: {error}. Is a double quote left open?"
        ) from error
