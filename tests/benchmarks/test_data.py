"""Data of a run: TFDS datasets without code, renamed features and divided splits."""

import types

import mlflow
import pytest
import tensorflow_datasets as tfds
import yaml

from benchmarks import __main__ as command_line
from benchmarks import config, data
from zoo import datasets
from zoo.datasets import reading

TEXT = {
    "vocabulary_size": 60,
    "embedding_dim": 4,
    "units": 4,
    "bidirectional": False,
    "num_layers": 1,
    "pooling": "mean",
    "dropout": 0.0,
    "max_length": 16,
}
SOUND = {
    "front_end": "log_mel",
    "feature_dim": 8,
    "units": 4,
    "bidirectional": False,
    "num_layers": 1,
    "pooling": "mean",
    "dropout": 0.0,
    "noise": 0.0,
    "shift": 0.0,
    "frame_dropout": 0.0,
}
SENTENCES = {
    "max_frequency": 3800,  # for a sampling rate of 8,000
    "stack": 1,
    "normalization": "utterance",
    "units": 4,
    "num_layers": 1,
    "dropout": 0.0,
    "noise": 0.0,
}
PAIRS = {
    "vocabulary_size": 300,
    "embedding_dim": 4,
    "units": 4,
    "bidirectional": False,
    "num_layers": 1,
    "attention": "luong",
    "dropout": 0.0,
    "max_length": 16,
    "beam_width": 1,
}


@pytest.fixture
def mock_data(monkeypatch):
    """Mocks TFDS with random examples of the right features in every split."""
    monkeypatch.setattr(reading, "_check_split", lambda split, builder: None)
    monkeypatch.setattr(datasets, "digest", lambda builder: "0" * 64)
    policy = tfds.testing.MockPolicy.USE_CODE
    data.load_task.cache_clear()
    with tfds.testing.mock_data(num_examples=24, policy=policy):
        yield
    data.load_task.cache_clear()


@pytest.mark.usefixtures("store", "mock_data")
@pytest.mark.parametrize(
    ("task", "content"),
    [
        (
            "sentiment",
            {
                "dataset": "imdb_reviews",
                "model": TEXT,
                "splits": {"train": "train[:90%]", "validation": "train[90%:]"},
            },
        ),
        (
            "sentiment",
            {
                "dataset": "glue/sst2",
                "model": TEXT,
                "features": {"text": "sentence"},
                "splits": {"train": "train[5%:]", "validation": "train[:5%]", "test": "validation"},
            },
        ),
        (
            "translation",
            {
                "dataset": "ted_hrlr_translate/pt_to_en",
                "model": PAIRS,
                "features": {"source": "pt", "target": "en"},
            },
        ),
        ("speech", {"dataset": "speech_commands", "model": SOUND}),
        (
            "recognition",
            {
                "dataset": "librispeech",
                "model": SENTENCES,
                "features": {"audio": "speech"},
                "splits": {
                    "train": "train_clean100",
                    "validation": "dev_clean",
                    "test": "test_clean",
                },
            },
        ),
        (
            "recognition",
            {
                "dataset": "yes_no",
                "model": SENTENCES,
                "features": {"text": "label"},
                "splits": {
                    "train": "train[:80%]",
                    "validation": "train[80%:90%]",
                    "test": "train[90%:]",
                },
            },
        ),
    ],
)
def test_a_tfds_dataset_runs_without_code(task, content, tmp_path):
    path = tmp_path / "own.yaml"
    recipe = [{"fit": {"epochs": 1, "batch_size": 8, "learning_rate": 0.01}}]
    tasks = {task: {**content, "quality": 0.1, "recipe": recipe}}
    path.write_text(yaml.safe_dump({"architectures": ["gru"], "seeds": 1, "tasks": tasks}))
    arguments = ["run", "--suite", str(path), "--arch", "gru"]
    assert command_line.main(arguments) == 0
    query = "tags.task LIKE '%'"  # not those of the leaderboard
    (run,) = mlflow.search_runs(
        search_all_experiments=True, filter_string=query, output_format="list"
    )
    assert run.info.status == "FINISHED"
    assert run.data.tags["dataset"] == content["dataset"]


def a_builder(**features):
    licence = types.SimpleNamespace(license="CC0")
    info = types.SimpleNamespace(
        features=features, redistribution_info=licence, description=None, splits={}
    )
    return types.SimpleNamespace(info=info)


@pytest.fixture
def loads(monkeypatch):
    """A function that calls `load_task` with a fake builder and its data."""

    def load(builder, content, *arguments):
        monkeypatch.setattr(datasets, "builder", lambda name: builder)
        monkeypatch.setattr(datasets, "digest", lambda builder: "")
        monkeypatch.setattr(datasets, "read", lambda builder, split: dict(content))
        data.load_task.cache_clear()
        return data.load_task(*arguments)[0]

    yield load
    data.load_task.cache_clear()


def test_a_feature_divides_the_training_split(loads):
    speakers = ("0_eva", "1_eva", "0_jan", "1_jan")
    names = [f"{speaker}_{number}.wav" for speaker in speakers for number in range(50)]
    data = {"audio/filename": names, "label": list(range(len(names)))}
    (known, *_) = config.load("standard", tasks=["speech"])
    builder = a_builder(**{"audio": None, "audio/filename": None, "label": None})
    task = loads(builder, data, "speech", "digits", known.splits)
    parts = [set(task.read(split)["audio/filename"]) for split in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [160, 20, 20]
    assert set.union(*parts) == set(names)
    assert {"0_eva_5.wav", "1_jan_44.wav"} <= parts[0]
    assert "1_jan_45.wav" in parts[1]
    assert "0_eva_4.wav" in parts[2]


def test_features_are_renamed_for_the_task(loads):
    label = tfds.features.ClassLabel(names=["dull", "fine"])
    builder = a_builder(sentence=None, verdict=label)
    renamed = (("text", "sentence"), ("label", "verdict"))
    data = {"sentence": ["so so"], "verdict": [1]}
    task = loads(builder, data, "sentiment", "films", config.Splits(), renamed)
    assert task.read("train") == {"text": ["so so"], "label": [1]}
    assert task.features["label"].names == ["dull", "fine"]


def test_an_unknown_feature_is_an_error_that_lists_the_known_ones(loads):
    builder = a_builder(sentence=None, label=None)
    for splits, features in (
        (config.Splits(), (("text", "sentense"),)),
        (config.Splits(feature="sentense"), ()),
    ):
        with pytest.raises(
            config.ConfigError, match=r"films has no feature 'sentense'.*sentence, label"
        ):
            loads(builder, {}, "sentiment", "films", splits, features)


def test_an_invalid_regular_expression_is_an_error():
    with pytest.raises(ValueError, match="test is not a regular expression"):
        config.Splits(feature="name", test="(")


def test_a_dataset_without_the_target_is_an_error(loads):
    with pytest.raises(config.ConfigError, match="films has no feature 'label', which sentiment"):
        loads(a_builder(text=None), {}, "sentiment", "films", config.Splits())
