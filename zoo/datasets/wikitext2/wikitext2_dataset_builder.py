"""Articles of the English Wikipedia, for language modelling."""

import re

import tensorflow_datasets.public_api as tfds

from zoo.datasets.originals import HashedFile

SITE = "https://raw.githubusercontent.com"
ZIP = (
    f"{SITE}/nodiff-229/deeplearning_hw2/76b135200f866feaee5d2920fac7c6f607b929c5"
    "/data/wikitext2.zip"
)


FILES = {
    "train": HashedFile(
        "wiki.train.tokens",
        "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f",
        ZIP,
        "wikitext2/train.txt",
    ),
    "validation": HashedFile(
        "wiki.valid.tokens",
        "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
        ZIP,
        "wikitext2/valid.txt",
    ),
    "test": HashedFile(
        "wiki.test.tokens",
        "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
        f"{SITE}/pimondontknow/Privacy_FL_IoT/264c203c2bb4f6af352e797e4290eef84e9bb906"
        "/data/wikitext-2/wiki.test.tokens",
    ),
}

# The title of an article, between two lines without a word. Section titles have more equals signs.
# A line without such neighbours is a table's legend, which looks the same: "= Wins ; L =".
TITLE = re.compile(r"(?:(?<=\n \n)|(?<=\A \n)) = [^=\n]+ = \n \n")


def articles(text):
    """Returns the articles of a file. Joined, they are the file."""
    starts = [title.start() for title in TITLE.finditer(text)]
    # The line before the first title belongs to the first article.
    return [
        text[start:end] for start, end in zip([0, *starts[1:]], [*starts[1:], None], strict=True)
    ]


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of `wikitext2`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Files in this folder are used instead of the downloads: wiki.train.tokens.gz, "
        "wiki.valid.tokens.gz and wiki.test.tokens.gz."
    )

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict({"text": tfds.features.Text()}),
            # In their order, the articles make up the original files.
            disable_shuffling=True,
            license="CC BY-SA",
            homepage="https://arxiv.org/abs/1609.07843",
        )

    def _split_generators(self, dl_manager):
        return {
            split: self._generate_examples(articles(file.read(dl_manager)))
            for split, file in FILES.items()
        }

    def _generate_examples(self, texts):
        for number, text in enumerate(texts):
            yield number, {"text": text}
