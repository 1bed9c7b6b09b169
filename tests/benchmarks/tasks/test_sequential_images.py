"""Sequential images, on generated data in the place of MNIST."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from benchmarks import config, data
from zoo import datasets


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """Prepared data of TFDS' `mnist`, with bright and dark images instead of digits."""
    builder = tfds.builder_cls("mnist")

    def examples(builder, count, seed):
        random = np.random.default_rng(seed)
        for number in range(count):
            image = random.integers(0, 40, (28, 28, 1)) + 200 * (number % 2)
            yield number, {"image": image.astype("uint8"), "label": number % 2}

    def splits(builder, manager):
        return {"train": examples(builder, 60, 0), "test": examples(builder, 20, 1)}

    monkeypatch.setattr(builder, "_split_generators", splits)
    builder(data_dir=str(tmp_path)).download_and_prepare()
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert datasets.builder("mnist").info.splits["train"].num_examples == 60
    data.load_task.cache_clear()
    yield
    data.load_task.cache_clear()


def of_suite(entry, architecture="gru"):
    (run,) = config.load("memory", tasks=[entry], chosen=[architecture], seeds=1)
    splits = run.splits.model_copy(update={"train": "train[:40]", "validation": "train[40:]"})
    return run.model_copy(update={"splits": splits})


@pytest.mark.parametrize("entry", ["sequential_mnist", "permuted_mnist"])
def test_an_image_is_read_pixel_by_pixel(mnist, entry):
    run = of_suite(entry)
    task, _ = data.task_of(run)
    assert [len(task.examples(split)) for split in ("train", "validation", "test")] == [40, 20, 20]
    pixels = task.examples("train").inputs[0]
    assert pixels.shape == (784, 1)
    assert pixels.max() <= 1
    model = task.build(run)
    assert model.labels == [str(digit) for digit in range(10)]
    read = np.asarray(model.preprocessor([pixels])["sequence"])[0]
    np.testing.assert_array_equal(np.sort(read, axis=0), np.sort(pixels, axis=0))
    assert np.array_equal(read, pixels) == (entry == "sequential_mnist")


def test_the_histogram_of_pixels_tells_bright_from_dark(mnist):
    task, _ = data.task_of(of_suite("sequential_mnist"))
    assert task.baseline().evaluation.value == 1
