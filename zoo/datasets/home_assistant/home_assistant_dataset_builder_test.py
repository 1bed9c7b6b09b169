"""Tests of the dataset `home_assistant`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.datasets import testing
from zoo.datasets.home_assistant import home_assistant_dataset_builder
from zoo.datasets.home_assistant.home_assistant_dataset_builder import (
    normalised,
    split_of,
    splits,
)


class HomeAssistantTest(testing.BuilderTestCase):
    DATASET_CLASS = home_assistant_dataset_builder.Builder
    BUILDER_CONFIG_NAMES_TO_TEST = ["en-de", "de-en"]
    SPLITS = {"train": 5, "validation": 2, "test": 2}


def example(source, target, component="lamp", key="name"):
    return {"source": source, "target": target, "component": component, "key": key}


@pytest.mark.parametrize(
    "text",
    [
        "Connect to the host",
        "connect to the HOST.",
        "Connect to the host {name} ({ip_address})",
        "Connect to the host [%key:common::config_flow::data::host%]",
        "Connect to **the** `host`",
        "<b>Connect</b> to the host: https://www.home-assistant.io/docs/?a=b",
        "Connect\n\nto the  host 192.168.0.1",
        "Ｃonnect to the host…",
    ],
)
def test_normalising_keeps_only_the_words(text):
    assert normalised(text) == "connect to the host"


def test_normalising_keeps_words_of_other_scripts():
    assert normalised("Größe ändern: {size}") == "grösse ändern"
    assert normalised("無効なホスト名") == "無効なホスト名"


TEXTS = st.text("ab1 {}", max_size=4)
COMPONENTS = st.sampled_from(["lamp", "camera", "heater", "switch", "door", "light"])


@given(st.lists(st.builds(example, TEXTS, TEXTS, COMPONENTS, TEXTS), max_size=30))
def test_no_normalised_text_is_in_two_splits(examples):
    split = splits(examples)
    for side in ("source", "target"):
        texts = [{normalised(example[side]) for example in part} for part in split.values()]
        assert sum(map(len, texts)) == len(set().union(*texts))
    for name, part in split.items():
        assert all(split_of(example["component"]) == name for example in part)
        pairs = [(example["source"], example["target"]) for example in part]
        assert len(set(pairs)) == len(pairs)
        assert all(normalised(text) for pair in pairs for text in pair)


def test_a_text_shared_by_splits_stays_in_the_first():
    train, validation, test = "lamp", "heater", "door"
    shared = [example("Port {n}", "Anschluss {n}", name) for name in (test, validation, train)]
    assert splits(shared) == {"train": [shared[2]], "validation": [], "test": []}
    same_target = [example("port", "Anschluss", test), example("jack", "ANSCHLUSS!", validation)]
    assert splits(same_target) == {"train": [], "validation": [same_target[1]], "test": []}


def test_a_dropped_example_drops_no_others():
    # The validation example is dropped for its target, so its source may still occur in test.
    examples = [
        example("closed", "zu", "lamp"),
        example("shut", "zu", "heater"),
        example("shut", "geschlossen", "door"),
    ]
    assert splits(examples) == {"train": [examples[0]], "validation": [], "test": [examples[2]]}


def test_untranslated_texts_are_dropped_and_names_are_kept():
    name = example("Home Assistant", "Home Assistant")
    sentence = example("Failed to connect", "Failed to connect")
    assert splits([name, sentence])["train"] == [name]


def test_seventy_percent_of_components_are_for_training():
    split = [split_of(f"component_{n}") for n in range(10_000)]
    assert 6_850 < split.count("train") < 7_150
    assert 1_400 < split.count("validation") < 1_600
    assert 1_400 < split.count("test") < 1_600


def test_every_language_pair_has_its_reverse():
    configs = set(home_assistant_dataset_builder.Builder.builder_configs)
    assert {"en-de", "de-en", "en-fr", "en-zh-Hans"} <= configs
    assert {
        config.source + "-" + config.target
        for config in home_assistant_dataset_builder.Builder.BUILDER_CONFIGS
    } == configs
    assert {
        f"{config.target}-{config.source}"
        for config in home_assistant_dataset_builder.Builder.BUILDER_CONFIGS
    } == configs
