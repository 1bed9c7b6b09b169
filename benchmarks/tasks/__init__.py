"""The tasks: how data of a kind becomes a trained and measured model. One module a task kind."""

from benchmarks.tasks.sentiment import Sentiment
from benchmarks.tasks.speech import Speech
from benchmarks.tasks.translation import Translation

TASKS = {"sentiment": Sentiment, "speech": Speech, "translation": Translation}
