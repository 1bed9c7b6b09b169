"""User interface texts of a home automation program, in pairs of languages."""

import dataclasses
import hashlib
import json
import re
import unicodedata

import tensorflow_datasets.public_api as tfds

from zoo.datasets.wheels import Wheel, WheelError

WHEEL = Wheel(
    "homeassistant", "2024.3.3", "6e1ec2c07441d63fdcfb8acd2c4bbb6f68bc97330855784d3623d10c38fe3577"
)
MEMBER = re.compile(
    r"homeassistant/components/(?P<component>\w+)/translations/(?P<language>[\w-]+)\.json"
)

# The languages, besides English, that at least nine in ten components are translated into.
# fmt: off
LANGUAGES = [
    "bg", "ca", "cs", "de", "es", "et", "fi", "fr", "he", "hu", "id", "it", "ja", "ko", "lt", "nb",
    "nl", "pl", "pt", "pt-BR", "ru", "sk", "sv", "tr", "zh-Hans", "zh-Hant",
]
# fmt: on

# References, placeholders, tags and URLs.
MARKUP = re.compile(r"\[%key:[^%\]]*%\]|\{[^{}]*\}|<[^<>]*>|\w+://\S+|www\.\S+")
NO_LETTERS = re.compile(r"[\W\d_]+")


def normalised(text):
    """Returns the words of a text, without case, numbers, placeholders, references, markup, URLs
    and punctuation."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return NO_LETTERS.sub(" ", MARKUP.sub(" ", text)).strip()


def split_of(component):
    """Returns the split that a component belongs to."""
    percent = int(hashlib.sha256(component.encode()).hexdigest(), 16) % 100
    return "train" if percent < 70 else "validation" if percent < 85 else "test"


def splits(examples):
    """Returns the examples of each split, without duplicates within a split or leaks across them.

    Of examples with the same two texts, a split keeps the first. An example is dropped if its
    normalised source or target occurs in an earlier split, in the order train, validation, test.
    Also dropped are examples without a word on one side, and those with the same text of more than
    two words on both, which were left untranslated.

    Args:
        examples: Dicts with `source`, `target` and `component`.

    Returns:
        A dict of lists.
    """
    kept = {"train": {}, "validation": {}, "test": {}}
    # The first split that each normalised text occurs in.
    sources, targets = {}, {}
    for split, texts in kept.items():
        for example in examples:
            if split_of(example["component"]) != split:
                continue
            source, target = example["source"], example["target"]
            words, target_words = normalised(source), normalised(target)
            untranslated = source == target and len(words.split()) > 2
            if not words or not target_words or untranslated:
                continue
            if {sources.get(words, split), targets.get(target_words, split)} == {split}:
                sources[words] = targets[target_words] = split
                texts.setdefault((source, target), example)
    return {split: list(texts.values()) for split, texts in kept.items()}


def flattened(node, path=()):
    """Yields the path, joined by dots, and the text of each leaf of nested dicts."""
    for name, child in node.items():
        if isinstance(child, dict):
            yield from flattened(child, (*path, name))
        else:
            yield ".".join((*path, name)), child


@dataclasses.dataclass
class LanguagePair(tfds.core.BuilderConfig):
    """A source language and a target language."""

    source: str = "en"
    target: str = "de"


def pair(source, target):
    return LanguagePair(
        name=f"{source}-{target}",
        description=f"From {source} to {target}.",
        source=source,
        target=target,
    )


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of `home_assistant`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}
    BUILDER_CONFIGS = [
        *(pair("en", language) for language in LANGUAGES),
        *(pair(language, "en") for language in LANGUAGES),
    ]
    DEFAULT_BUILDER_CONFIG_NAME = "en-de"

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "source": tfds.features.Text(),
                    "target": tfds.features.Text(),
                    "component": tfds.features.Text(),
                    "key": tfds.features.Text(),
                }
            ),
            supervised_keys=("source", "target"),
            license="Apache-2.0",
            homepage="https://www.home-assistant.io/",
        )

    def _split_generators(self, dl_manager):
        return {
            split: self._generate_examples(examples)
            for split, examples in splits(self._pairs()).items()
        }

    def _generate_examples(self, examples):
        for example in examples:
            yield f"{example['component']}.{example['key']}", example

    def _pairs(self):
        """Returns the texts that exist in both languages, ordered by component and key."""
        texts = {self.builder_config.source: {}, self.builder_config.target: {}}
        with WHEEL.open() as archive:
            for name in archive.namelist():
                member = MEMBER.fullmatch(name)
                if member and member["language"] in texts:
                    for key, text in flattened(json.loads(archive.read(name))):
                        texts[member["language"]][member["component"], key] = text.strip()
        for language, found in texts.items():
            if not found:
                raise WheelError(
                    f"{WHEEL.filename} has no member that matches {MEMBER.pattern} for the "
                    f"language {language}. Pin the version that has them."
                )
        sources, targets = texts.values()
        return [
            {
                "source": sources[component, key],
                "target": targets[component, key],
                "component": component,
                "key": key,
            }
            for component, key in sorted(sources.keys() & targets.keys())
        ]
