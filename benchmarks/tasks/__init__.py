"""The task kinds: data, model, evaluation and baseline, one module per kind."""

from benchmarks.tasks.dialogue import Dialogue
from benchmarks.tasks.forecasting import Forecasting
from benchmarks.tasks.language_modelling import LanguageModelling
from benchmarks.tasks.memory import Memory
from benchmarks.tasks.recognition import Recognition
from benchmarks.tasks.sentiment import Sentiment
from benchmarks.tasks.sequential_images import SequentialImages
from benchmarks.tasks.speech import Speech
from benchmarks.tasks.translation import Translation

TASKS = {
    "sentiment": Sentiment,
    "speech": Speech,
    "translation": Translation,
    "language_modelling": LanguageModelling,
    "dialogue": Dialogue,
    "forecasting": Forecasting,
    "memory": Memory,
    "recognition": Recognition,
    "sequential_images": SequentialImages,
}
