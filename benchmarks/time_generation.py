"""Times text generation and the training of a language model: python -m benchmarks.time_generation

All implementations are timed in turn, in one process, several times; it prints medians.
"""

import statistics
import time

import keras
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from zoo import models

ROUNDS = 5
CHARACTERS = 100  # size of the vocabulary, with special tokens
GENERATED = 400  # per call of `generate`
PREDICTED = 20  # calls of `predict` per round
BATCH, STEPS, BATCHES = 32, 64, 20  # of training


def main():
    console = Console()
    console.print(_table("Generation at batch 1", "characters/s", generation(units=512, layers=2)))
    console.print(_table("Training, 1 x 512", "tokens/s", training(units=512)))


def generation(units, layers):
    """Characters per second by implementation, a dict of lists, one value per round."""
    letters = [chr(code) for code in range(33, 33 + CHARACTERS - 6)]
    tokenizer = models.SubwordTokenizer.train(
        [" ".join(letters)], CHARACTERS, unit="character", keep_whitespace=True
    )
    backbone = models.LanguageBackbone(tokenizer.vocabulary_size(), "lstm", 64, units, layers)
    model = models.LanguageModel(backbone, models.LanguageModelPreprocessor(tokenizer))
    network = model.export_network()
    states = keras.tree.map_structure(np.asarray, backbone.initial_states(1))

    def by_predict():
        inputs = {"token_ids": np.array([5], "int32")}
        names = [tensor.name for tensor in network.inputs if tensor.name != "token_ids"]
        inputs |= dict(zip(names, keras.tree.flatten(states), strict=True))
        for _ in range(PREDICTED):
            outputs = network.predict(inputs, verbose=0)
            inputs = {name: outputs[f"next_{name}"] for name in names}
            inputs["token_ids"] = outputs["logits"].argmax(axis=-1).astype("int32")
        return PREDICTED

    def by_generate():
        model.generate("!", max_length=GENERATED + 1, sampler="greedy", stop_token_ids=None)
        return GENERATED

    return _timed({"model.predict, a call per character": by_predict, "generate": by_generate})


def training(units):
    """Tokens per second by implementation, a dict of lists, one value per round."""
    generator = np.random.default_rng(0)
    x = generator.integers(0, CHARACTERS, (BATCH, STEPS), "int32")
    y = generator.integers(0, CHARACTERS, (BATCH, STEPS), "int32")

    def of_layer(layer):
        network = keras.Sequential(
            [
                keras.layers.Embedding(CHARACTERS, units),
                layer(units, return_sequences=True),
                keras.layers.Dense(CHARACTERS),
            ]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        network.compile("adam", loss, jit_compile=False)

        def train():
            for _ in range(BATCHES):
                network.train_on_batch(x, y)
            return BATCHES * x.size

        return train

    from zoo import layers

    found = {"keras.layers.LSTM": of_layer(keras.layers.LSTM), "zoo": of_layer(layers.LSTM)}
    try:
        found["torch.nn.LSTM"] = _of_torch(units, x, y)
    except ImportError:
        Console().print("torch isn't installed, so its LSTM isn't timed.")
    return _timed(found)


def _of_torch(units, x, y):
    import torch

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(CHARACTERS, units)
            self.lstm = torch.nn.LSTM(units, units, batch_first=True)
            self.output = torch.nn.Linear(units, CHARACTERS)

        def forward(self, tokens):
            return self.output(self.lstm(self.embedding(tokens))[0])

    network = Network()
    optimizer = torch.optim.Adam(network.parameters())
    inputs, targets = torch.tensor(x.astype("int64")), torch.tensor(y.astype("int64"))

    def train():
        for _ in range(BATCHES):
            optimizer.zero_grad()
            logits = network(inputs).reshape(-1, CHARACTERS)
            torch.nn.functional.cross_entropy(logits, targets.reshape(-1)).backward()
            optimizer.step()
        return BATCHES * x.size

    return train


def _timed(functions):
    rates = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(ROUNDS):
        for name, function in functions.items():
            start = time.perf_counter()
            count = function()
            rates[name].append(count / (time.perf_counter() - start))
    return rates


def _table(title, unit, rates):
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for heading in ("implementation", unit, "lowest", "highest", "ratio"):
        table.add_column(heading, justify="left" if heading == "implementation" else "right")
    first = statistics.median(next(iter(rates.values())))
    for name, values in rates.items():
        middle = statistics.median(values)
        cells = [f"{value:,.0f}" for value in (middle, min(values), max(values))]
        table.add_row(name, *cells, f"{middle / first:.1f}")
    return table


if __name__ == "__main__":
    main()
