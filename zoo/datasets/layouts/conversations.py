"""Conversations: one file of JSON lines per split, for dialogue."""

import json

from zoo.datasets.errors import FolderError
from zoo.datasets.layouts.layout import SPLITS, Layout, read_lines


class Conversations(Layout):
    """`train.jsonl`: a line is an object whose `turns` are the alternating turns of two people."""

    description = 'train.jsonl with {"turns": ["...", "..."]} on each line'
    endings = (".jsonl",)

    def recognises(self, folder):
        return (folder / "train.jsonl").is_file()

    def examples(self, folder):
        for split in SPLITS:
            path = folder / f"{split}.jsonl"
            if path.is_file():
                lines = read_lines(path)
                if not lines:
                    raise FolderError(
                        f"{path} is empty. Write conversations into it, or delete it."
                    )
                for number, line in enumerate(lines, 1):
                    yield split, {"turns": _turns(line, f"{path}, line {number}")}

    def features(self, examples):
        import tensorflow_datasets.public_api as tfds

        return {"turns": tfds.features.Sequence(tfds.features.Text())}

    def identity(self, example):
        return json.dumps(example["turns"])


def _turns(line, place):
    """Returns the turns on a line.

    Args:
        line: The line.
        place: The file and the number of the line, for error messages.
    """
    try:
        conversation = json.loads(line)
        json.dumps(conversation, ensure_ascii=False).encode()  # fails for half a surrogate pair
    except (ValueError, RecursionError) as error:
        raise FolderError(
            f"{place}: not valid JSON ({error}). Write one conversation per line, such as "
            '{"turns": ["Hi!", "Hello."]}.'
        ) from error
    if not isinstance(conversation, dict) or "turns" not in conversation:
        raise FolderError(
            f"{place}: expected an object with the key turns, received {_short(line)}."
        )
    turns = conversation["turns"]
    if not isinstance(turns, list) or not all(isinstance(turn, str) for turn in turns):
        raise FolderError(
            f"{place}: turns must be a list of texts, received {_short(json.dumps(turns))}."
        )
    if len(turns) < 2:
        raise FolderError(
            f"{place}: a conversation needs at least two turns, received {len(turns)}."
        )
    return turns


def _short(text):
    return text if len(text) <= 60 else f"{text[:57]}..."
