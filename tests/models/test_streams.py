"""Streams: pieces of an input give what the whole of it gives, whatever the model."""

import gc
import tracemalloc

import keras
import numpy as np
import pytest
from examples import EXAMPLES
from texts import TEXTS

import zoo
from zoo import models
from zoo.layers import architectures
from zoo.models.pooling import SequencePooling
from zoo.models.tokenizer import completed_words

SIZES = [1, 3, 1000]
IN_ONE_DIRECTION = [
    name for name in architectures.names() if not architectures.get(name).bidirectional
]
# Kinds of which no model can be read in pieces, and why.
OBSTACLES = {
    "forecaster": "normalises each window",
    "ngram_classifier": "keeps no state",
    "translator": "attends to all of the source",
}
NORMALIZED = {"speech_recognizer_of_frames"}  # by the whole of an utterance
PREDICTORS = ["audio_classifier_of_frames", "text_classifier", "memory_recaller"]
PREDICTORS += ["memory_classifier", "memory_regressor", "audio_classifier_of_waveforms"]


def read_in_pieces(stream, input, size):
    """What each piece of some size gives, and last the end of the input."""
    pieces = [input[start : start + size] for start in range(0, len(input), size)]
    return [*map(stream.read, pieces), stream.read(is_last=True)]


def build(name, architecture=None, seed=0):
    keras.utils.set_random_seed(seed)
    return EXAMPLES[name].build(*([architecture] if architecture else []))


def noise(samples, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, samples).clip(-1, 1).astype("float32")


# Every kind of model


@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        (name, one)
        for name in PREDICTORS
        for one in EXAMPLES[name].ARCHITECTURES
        if one in IN_ONE_DIRECTION
    ],
)
def test_pieces_give_the_prediction_of_the_whole_input(name, architecture):
    model = build(name, architecture)
    stream = zoo.stream(model)
    for input in EXAMPLES[name].INPUTS:
        for size in SIZES:
            stream.reset()
            output = read_in_pieces(stream, input, size)[-1]
            np.testing.assert_allclose(output, model.predict([input])[0], atol=1e-5)
            assert stream.answer == model.answer_of(output)


@pytest.mark.parametrize("name", ["audio_classifier_of_frames", "text_classifier"])
def test_pieces_give_the_same_without_native_kernels(name, monkeypatch):
    monkeypatch.setenv("ZOO_KERNEL", "keras")
    model = build(name, "lstm")
    input = EXAMPLES[name].INPUTS[2]
    output = read_in_pieces(zoo.stream(model), input, 2)[-1]
    np.testing.assert_allclose(output, model.predict([input])[0], atol=1e-5)


@pytest.mark.parametrize("name", OBSTACLES)
def test_a_kind_that_needs_its_whole_input_says_why(name):
    for model in (build(name), models.ensemble([build(name), build(name, seed=1)])):
        with pytest.raises(ValueError, match=OBSTACLES[name]):
            zoo.stream(model)


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - OBSTACLES.keys() - NORMALIZED))
def test_every_other_kind_has_a_stream(name):
    assert zoo.stream(build(name)).is_over is False


@pytest.mark.parametrize("name", ["audio_classifier_of_frames", "text_classifier"])
def test_a_bidirectional_model_is_refused(name):
    with pytest.raises(ValueError, match=r"\(bigru\) reads its input in both directions"):
        zoo.stream(build(name, "bigru"))
    backbone = models.AudioBackbone("gru", feature_dim=3, units=6, bidirectional=True)
    preprocessor = models.AudioClassifierPreprocessor(feature_dim=3)
    with pytest.raises(ValueError, match="in both directions"):
        zoo.stream(models.AudioClassifier(backbone, ["a", "b"], preprocessor))


@pytest.mark.parametrize(
    "name", ["audio_classifier_of_frames", "audio_classifier_of_waveforms", "text_classifier"]
)
def test_an_ensemble_reads_a_piece_with_all_its_members(name):
    model = models.ensemble([build(name, "gru"), build(name, "gru", seed=1)])
    input = EXAMPLES[name].INPUTS[2]
    output = read_in_pieces(zoo.stream(model), input, len(input) // 3)[-1]
    np.testing.assert_allclose(output, model.predict([input])[0], atol=1e-5)


def test_an_ensemble_is_refused_if_a_member_is():
    members = [build("text_classifier", "gru"), build("text_classifier", "bilstm")]
    with pytest.raises(ValueError, match=r"\(bilstm\) reads its input in both directions"):
        zoo.stream(models.ensemble(members))


def test_a_model_without_its_preprocessor_is_refused():
    model = build("text_classifier")
    network = type(model).from_config({**model.get_config(), "preprocessor": None})
    with pytest.raises(ValueError, match="needs its preprocessor"):
        zoo.stream(network)


# One stream after the other


def test_an_input_that_has_ended_is_not_continued():
    stream = zoo.stream(build("text_classifier"))
    stream.read("a fine film", is_last=True)
    with pytest.raises(ValueError, match=r"has ended\. Call `reset`"):
        stream.read("really")
    stream.reset()
    assert stream.answer is None
    stream.read("really")


def test_streams_of_one_model_do_not_meet():
    model = build("audio_classifier_of_waveforms")
    first, second = zoo.stream(model), zoo.stream(model)
    sounds = noise(1000), noise(1000, seed=1)
    for start in range(0, 1000, 160):
        first.read(sounds[0][start : start + 160])
        second.read(sounds[1][start : start + 160])
    found = [first.read(is_last=True), second.read(is_last=True)]
    np.testing.assert_allclose(found, model.predict(sounds), atol=1e-5)


def test_a_model_is_compiled_once_for_pieces_of_any_length(monkeypatch):
    model = build("text_classifier")
    traced = []
    continued = type(model).continued
    monkeypatch.setattr(
        type(model), "continued", lambda *arguments: traced.append(1) or continued(*arguments)
    )
    for text in TEXTS:
        read_in_pieces(zoo.stream(model), text, 5)
    assert len(traced) == 1


def test_new_weights_count_in_streams_too():
    model = build("audio_classifier_of_frames")
    (_, input, *_) = EXAMPLES["audio_classifier_of_frames"].INPUTS
    zoo.stream(model).read(input, is_last=True)
    model.set_weights([weight + 0.1 for weight in model.get_weights()])
    np.testing.assert_allclose(
        zoo.stream(model).read(input, is_last=True), model.predict([input])[0], atol=1e-5
    )


def test_a_model_that_was_read_from_in_pieces_is_saved(tmp_path):
    model = build("audio_classifier_of_waveforms")
    sound = noise(900)
    expected = zoo.stream(model).read(sound, is_last=True)
    model.save_to_preset(str(tmp_path))
    loaded = zoo.load(str(tmp_path), verify=False)
    np.testing.assert_array_equal(zoo.stream(loaded).read(sound, is_last=True), expected)


# Sound


@pytest.mark.parametrize("pooling", ["mean", "max", "last"])
@pytest.mark.parametrize(
    "front_end", [{"front_end": "log_mel"}, {"front_end": "mfcc", "deltas": True}]
)
@pytest.mark.parametrize("size", [1, 37, 160, 5000])
def test_sound_in_pieces_is_classified_as_all_of_it(pooling, front_end, size):
    keras.utils.set_random_seed(0)
    backbone = models.AudioBackbone("gru", feature_dim=13, units=6, num_layers=2, **front_end)
    backbone.adapt([noise(3000)])
    preprocessor = models.AudioClassifierPreprocessor()
    model = models.AudioClassifier(backbone, list("abc"), preprocessor, pooling=pooling)
    for samples in (1, 81, 2 * size + 300):
        sound = noise(samples, seed=samples)
        output = read_in_pieces(zoo.stream(model), sound, size)[-1]
        np.testing.assert_allclose(output, model.predict([sound])[0], atol=1e-5)


def test_long_pieces_are_read_bit_by_bit(monkeypatch):
    monkeypatch.setattr("zoo.models.audio.audio_stream.AT_ONCE", 1)
    model = build("audio_classifier_of_waveforms")
    sound = noise(17_000)
    for rest in (None, noise(2)):
        stream = zoo.stream(model)
        stream.read(sound)
        output = stream.read(rest, is_last=True)
        whole = sound if rest is None else np.concatenate([sound, rest])
        np.testing.assert_allclose(output, model.predict([whole])[0], atol=1e-5)


@pytest.mark.parametrize("option", [{"mean_normalization": 0.5}, {"root_compression": 0.1}])
def test_a_front_end_that_measures_the_whole_sound_is_refused(option):
    backbone = models.AudioBackbone("gru", front_end="log_mel", units=6, **option)
    model = models.AudioClassifier(backbone, ["a"], models.AudioClassifierPreprocessor())
    with pytest.raises(ValueError, match=rf"\({next(iter(option))}\) needs the whole sound"):
        zoo.stream(model)


def test_a_bad_piece_is_refused_and_not_read():
    model = build("audio_classifier_of_waveforms")
    stream, sound = zoo.stream(model), noise(900)
    stream.read(sound[:400])
    for piece, message in [
        (np.array([0.1, np.nan]), "must be finite"),
        (np.ones(400, "int16"), r"16-bit integers by 32768"),
        (np.zeros((4, 2)), r"must have the shape \[samples\]. Received: shape=\(4, 2\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            stream.read(piece)
    output = stream.read(sound[400:], is_last=True)
    np.testing.assert_allclose(output, model.predict([sound])[0], atol=1e-5)


def test_no_input_at_all_is_refused():
    for name in ("audio_classifier_of_waveforms", "audio_classifier_of_frames"):
        with pytest.raises(ValueError, match="at least one sample or frame"):
            zoo.stream(build(name)).read(is_last=True)
    with pytest.raises(ValueError, match=r"at least 2 steps\. Received: 1"):
        zoo.stream(build("memory_recaller")).read("b", is_last=True)


@pytest.mark.parametrize("kind", ["audio_classifier", "speech_recognizer"])
def test_memory_does_not_grow_with_the_sound(kind):
    stream = zoo.stream(build(f"{kind}_of_waveforms"))
    sound = noise(160)
    kept = []
    tracemalloc.start()
    for _ in range(3):
        for _ in range(100):
            stream.read(sound)
        gc.collect()
        kept.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert kept[2] - kept[1] < 20_000, kept  # the samples of 100 pieces are 64,000 bytes


def test_the_mean_of_a_long_sequence_keeps_its_digits():
    layer = SequencePooling("mean")
    steps = np.random.default_rng(0).normal(0.3, 0.5, (1, 100_000, 4)).astype("float32")
    state = layer.initial_state(1, 4)
    for start in range(0, 100_000, 200):
        pooled, state = layer.continued(steps[:, start : start + 200], state)
    np.testing.assert_allclose(pooled, steps.mean(axis=1, dtype="float64"), atol=1e-6)


# Text

CHARACTERS = [*"aefilmn", "ä", "Ä", "ﬁ", "é", "e\u0301", "\u0301", " ", " ", " ", "  ", "\n", "\t"]
CHARACTERS += ["\xa0", "\u3000", "日", "😀", "▁", "</s>"]


def random_texts(count, seed=0):
    generator = np.random.default_rng(seed)
    for _ in range(count):
        yield "".join(generator.choice(CHARACTERS, generator.integers(1, 60)))


def random_pieces(text, seed=0):
    """Pieces of a text, some of them empty."""
    places = np.sort(np.random.default_rng(seed).integers(0, len(text) + 1, 6)).tolist()
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lowercase": True},
        {"byte_fallback": True},
        {"byte_fallback": True, "keep_whitespace": True},
        {"unit": "character"},
        {"unit": "word", "keep_whitespace": True},
    ],
)
def test_tokens_of_words_are_those_of_the_whole_text(options):
    tokenizer = models.SubwordTokenizer.train([*TEXTS, *random_texts(100)] * 5, 300, **options)
    tokenize = lambda text: [*map(int, tokenizer([text])[0])]
    for text in random_texts(200, seed=1):
        found, rest = [], ""
        for piece in random_pieces(text):
            words, rest = completed_words(rest + piece, tokenize)
            found += words
        assert [*found, *tokenize(rest)] == tokenize(text), repr(text)


def test_the_answer_to_a_text_is_always_that_to_what_was_read():
    model = build("text_classifier")
    for text in (*TEXTS, *random_texts(5)):
        stream, so_far = zoo.stream(model), ""
        for piece in random_pieces(text):
            so_far += piece
            expected = model.predict([so_far])[0]
            np.testing.assert_allclose(stream.read(piece), expected, atol=1e-5)
        np.testing.assert_allclose(stream.read(is_last=True), expected, atol=1e-5)


def test_text_beyond_the_sequence_length_does_not_count():
    model = build("text_classifier")
    model.preprocessor.sequence_length = 7
    text = " ".join(TEXTS)
    stream = zoo.stream(model)
    for size in (1, 4, 50):
        stream.reset()
        output = read_in_pieces(stream, text, size)[-1]
        np.testing.assert_allclose(output, model.predict([text])[0], atol=1e-5)
    assert stream._rest == ""


def test_no_text_is_an_empty_one():
    model = build("text_classifier")
    found = zoo.stream(model).read(is_last=True)
    np.testing.assert_allclose(found, model.predict([""])[0], atol=1e-5)


@pytest.mark.parametrize("architecture", IN_ONE_DIRECTION)
def test_a_language_model_scores_pieces_as_the_whole_text(architecture):
    model = build("language_model", architecture)
    for text in ("a fine film\nwith wit", *random_texts(3)):
        stream = zoo.stream(model)
        scores = [*map(stream.read, random_pieces(text)), stream.read(is_last=True)]
        np.testing.assert_allclose(np.concatenate(scores), model.score(text), atol=1e-5)
        assert stream.answer["perplexity"] == pytest.approx(model.perplexity(text), rel=1e-5)


def test_a_language_model_of_words_scores_pieces_as_the_whole_text():
    model = EXAMPLES["language_model"].build("lstm", unit="word")
    for text in (" a fine\nfilm with  wit", *random_texts(3)):
        stream = zoo.stream(model)
        scores = [*map(stream.read, random_pieces(text)), stream.read(is_last=True)]
        np.testing.assert_allclose(np.concatenate(scores), model.score(text), atol=1e-5)


def test_a_text_goes_on_where_a_stream_has_read_to(monkeypatch):
    monkeypatch.setattr("zoo.models.language_model.continuation.SCORED_AT_ONCE", 2)
    model = build("language_model", "lstm")
    model.compile(sampler="greedy")
    stream = zoo.stream(model)
    stream.read("a fine film", is_last=True)
    assert "".join(stream.text.pieces(9)) == "".join(model.stream("a fine film", 9))


def test_a_dialogue_model_scores_turn_by_turn():
    model = build("dialogue_model")
    for turns in EXAMPLES["dialogue_model"].INPUTS:
        stream = zoo.stream(model)
        assert stream.answer is None
        scores = [*map(stream.read, turns), stream.read(is_last=True)]
        np.testing.assert_allclose(np.concatenate(scores), model.score(turns), atol=1e-5)


@pytest.mark.parametrize("name", ["text_classifier", "language_model", "dialogue_model"])
def test_what_is_no_text_is_refused(name):
    with pytest.raises(ValueError, match="Received"):
        zoo.stream(build(name)).read(7)


def test_a_line_of_numbers_is_a_piece():
    stream = zoo.stream(build("audio_classifier_of_frames"))
    np.testing.assert_array_equal(stream.piece_of("1, 2.5 -3\n"), [[1, 2.5, -3]])
    assert stream.piece_of("\n") is None
    with pytest.raises(ValueError, match=r"numbers with commas or spaces .* Received: 'a film'"):
        stream.piece_of("a film\n")
