"""Descriptions of photographs in English, German and French."""

import gzip

import tensorflow_datasets.public_api as tfds

URL = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"
FILES = {"train": "train", "validation": "val", "test": "test_2016_flickr"}
NAMES = {"de": "German", "en": "English", "fr": "French"}


class Config(tfds.core.BuilderConfig):
    """A pair of languages, such as `de-en`."""

    def __init__(self, source, target):
        super().__init__(
            name=f"{source}-{target}", description=f"From {NAMES[source]} to {NAMES[target]}."
        )
        self.source = source
        self.target = target


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of `multi30k`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}
    BUILDER_CONFIGS = [
        Config(source, target)
        for source, target in (("de", "en"), ("en", "de"), ("fr", "en"), ("en", "fr"))
    ]

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {"source": tfds.features.Text(), "target": tfds.features.Text()}
            ),
            supervised_keys=("source", "target"),
            license="CC BY-NC-SA 4.0",
            homepage="https://github.com/multi30k/dataset",
        )

    def _split_generators(self, dl_manager):
        languages = self.builder_config.source, self.builder_config.target
        paths = dl_manager.download(
            {
                split: [f"{URL}/{name}.{language}.gz" for language in languages]
                for split, name in FILES.items()
            }
        )
        return {split: self._generate_examples(*of_split) for split, of_split in paths.items()}

    def _generate_examples(self, *paths):
        sources, targets = (
            gzip.decompress(path.read_bytes()).decode("utf-8").removesuffix("\n").split("\n")
            for path in paths
        )
        if len(sources) != len(targets):
            raise ValueError(
                f"{paths[0]} has {len(sources)} lines and {paths[1]} has {len(targets)}. Each line "
                "of one has its translation in the other: take both from one release."
            )
        for number, (source, target) in enumerate(zip(sources, targets, strict=True)):
            yield number, {"source": source.strip(), "target": target.strip()}
