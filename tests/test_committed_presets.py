"""The committed presets give good answers to inputs of our own."""

import numpy as np
import pytest
from sacrebleu.metrics import CHRF

import zoo

REVIEWS = {  # our own, with their sentiment
    "A wonderful film. I laughed, I cried, and I want to see it again.": "pos",
    "One of the best performances of the year, in a story that never lets go.": "pos",
    "The script is clever, the cast is superb and the ending moved me deeply.": "pos",
    "I didn't expect much, but this little gem is beautiful from start to finish.": "pos",
    "A masterpiece of quiet tension; highly recommended.": "pos",
    "Great fun for the whole family, with charming songs and lovely animation.": "pos",
    "A dull, predictable mess that wastes two hours of your life.": "neg",
    "Terrible acting, awful dialogue and the worst ending I have ever seen.": "neg",
    "I walked out after thirty minutes. Boring and pointless.": "neg",
    "The plot makes no sense and nobody seems to care.": "neg",
    "A lazy sequel without a single laugh. Avoid it.": "neg",
    "What a disappointment: cheap effects, a weak story and annoying characters.": "neg",
}
CAPTIONS = {  # our own, with our translations
    "Ein Hund läuft über eine Wiese.": "A dog runs across a meadow.",
    "Zwei Kinder spielen im Sand.": "Two children play in the sand.",
    "Eine Frau in einem roten Kleid tanzt auf der Straße.": (
        "A woman in a red dress is dancing on the street."
    ),
    "Ein Mann fährt mit dem Fahrrad durch die Stadt.": "A man rides a bicycle through the city.",
    "Drei Männer sitzen auf einer Bank und reden.": "Three men sit on a bench and talk.",
    "Ein kleines Mädchen isst ein Eis.": "A little girl is eating ice cream.",
    "Leute warten auf den Zug.": "People are waiting for the train.",
    "Ein Junge springt ins Wasser.": "A boy jumps into the water.",
    "Eine Gruppe von Menschen steht vor einem Gebäude.": (
        "A group of people is standing in front of a building."
    ),
    "Ein alter Mann spielt Gitarre.": "An old man is playing the guitar.",
}


def presets(task):
    return [name for name in zoo.list_presets() if zoo.card(name).task == task]


@pytest.mark.parametrize("task", ["sentiment", "speech", "translation"])
def test_every_task_has_presets(task):
    assert len(presets(task)) > 1


@pytest.mark.parametrize("name", presets("sentiment"))
def test_reviews_are_classified(name):
    model = zoo.load(name)
    probabilities = model.predict(list(REVIEWS))
    right = [
        model.labels[row.argmax()][:3] == label
        for row, label in zip(probabilities, REVIEWS.values(), strict=True)
    ]
    assert sum(right) >= 11
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", presets("translation"))
def test_captions_are_translated(name):
    answers = zoo.load(name).generate(list(CAPTIONS))
    assert CHRF().corpus_score(answers, [list(CAPTIONS.values())]).score > 55


@pytest.mark.parametrize("name", presets("speech"))
def test_clips_of_any_length_are_classified(name):
    model = zoo.load(name)
    random = np.random.default_rng(0)
    frame = () if model.input_schema.rank == 1 else (model.backbone.feature_dim,)
    shapes = [(count, *frame) for count in (1, 700, 9000)]
    clips = [random.normal(0, 0.1, shape).astype("float32") for shape in shapes]
    probabilities = model.predict(clips)
    assert probabilities.shape == (3, len(model.labels))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    # A clip has the same probabilities alone and in a batch.
    np.testing.assert_allclose(model.predict(clips[1:2]), probabilities[1:2], atol=1e-4)
