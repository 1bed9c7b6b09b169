"""Sequential images: classifies images that are read pixel by pixel."""

import numpy as np
import pydantic

from benchmarks.tasks.batches import Batches
from benchmarks.tasks.classification import Classification, ClassifierConfig, accuracy
from benchmarks.tasks.task import Examples
from zoo import models

PERMUTATION_SEED = 0
BINS = 16


class SequentialImages(Classification):
    """Classifies images, the dataset's feature `image`, as sequences of their pixels.

    Pixels are read row by row, or in one random order that is the same for all images (Q. V. Le,
    N. Jaitly and G. Hinton, "A Simple Way to Initialize Recurrent Networks of Rectified Linear
    Units", 2015). All images have the same size.
    """

    feature = "image"
    supports = ("fit",)
    one_direction = True

    class Model(ClassifierConfig, frozen=True):
        permuted: bool
        units: pydantic.PositiveInt
        num_layers: pydantic.PositiveInt

    def read_examples(self, split):
        examples = super().read_examples(split)
        return Examples([_pixels(image) for image in examples.inputs], examples.targets)

    def build(self, config):
        steps, channels = self.examples("train").inputs[0].shape
        backbone = models.MemoryBackbone(
            config.architecture,
            feature_dim=channels,
            units=config.model.units,
            num_layers=config.model.num_layers,
            timescale=steps,
        )
        permutation = np.random.default_rng(PERMUTATION_SEED).permutation(steps).tolist()
        preprocessor = models.MemoryPreprocessor(
            feature_dim=channels, permutation=permutation if config.model.permuted else None
        )
        return models.MemoryClassifier(backbone, self.labels, preprocessor)

    def batches(self, model, examples, config, batch_size=32):
        preprocessor = model.preprocessor

        def columns(chosen, generator):
            return preprocessor([examples.inputs[i] for i in chosen]), examples.targets[chosen]

        lengths = [len(pixels) for pixels in examples.inputs]
        return Batches(examples, columns, lengths, batch_size)

    def evaluate(self, model, config):
        test = self.examples("test")
        return accuracy(test.targets, model.predict(test.inputs), model.labels)

    def baseline(self):
        """Logistic regression on the histogram of the pixels' values; it ignores order."""
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer, StandardScaler

        return self.linear_baseline(
            "histogram of the pixels",
            make_pipeline(FunctionTransformer(_histograms), StandardScaler()),
            candidates=(0.01, 0.1, 1.0),
        )

    def example(self):
        return self.examples("validation").inputs[0]

    def plotted_input(self):
        return self.examples("test").inputs[0]


def _pixels(image):
    """An image, uint8 `[height, width, channels]`, as float32 `[pixels, channels]` in [0, 1]."""
    return image.reshape(-1, image.shape[-1]).astype("float32") / 255


def _histograms(inputs):
    return [
        np.concatenate([np.histogram(channel, BINS, (0, 1))[0] for channel in pixels.T])
        for pixels in inputs
    ]
