"""The speech recogniser: its loss, decoding, timestamps, sound that comes in pieces, bad input."""

import functools
import itertools

import jiwer
import keras
import numpy as np
import pytest
from examples import speech_recognizer_of_frames as of_frames
from examples import speech_recognizer_of_waveforms as of_waveforms

import zoo
from zoo import models
from zoo.export import export
from zoo.models.audio import front_ends
from zoo.models.audio.frame_stream import FrameStream
from zoo.models.audio.windows import Windows
from zoo.models.speech_recognizer import speech_recognizer
from zoo.models.speech_recognizer.alignment import align, greedy_labels
from zoo.models.speech_recognizer.character_error_rate import CharacterErrorRate
from zoo.models.speech_recognizer.ctc_loss import CTCLoss
from zoo.models.speech_recognizer.ngrams import CharacterNgrams, WordNgrams, from_config
from zoo.models.speech_recognizer.prefix_beam_search import PrefixBeamSearch
from zoo.models.speech_recognizer.speech_backbone import SUBSAMPLINGS
from zoo.models.speech_recognizer.speech_recognizer import BlankPadding


def log_probabilities(steps, labels=3, seed=0, scale=1.0):
    logits = scale * np.random.default_rng(seed).normal(size=(steps, 1 + labels))
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype("float32")


def collapsed(path):
    return tuple(label for label, _ in itertools.groupby(path) if label)


def by_enumeration(rows):
    """The probability of each text, summed over all of its paths."""
    found = {}
    for path in itertools.product(range(rows.shape[1]), repeat=len(rows)):
        value = np.exp(rows[np.arange(len(rows)), path].sum(dtype="float64"))
        found[collapsed(path)] = found.get(collapsed(path), 0.0) + value
    return found


@pytest.fixture(scope="module")
def recognizer():
    keras.utils.set_random_seed(0)
    return of_waveforms.build()


def noise(samples, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, samples).clip(-1, 1).astype("float32")


# The loss


def test_the_loss_is_the_probability_of_all_paths():
    rows = log_probabilities(5)
    sums = by_enumeration(rows)
    texts = [(1, 2), (1, 1), (3,), ()]
    y = np.zeros((len(texts), 3), "int32")
    for row, text in zip(y, texts, strict=True):
        row[: len(text)] = text
    losses = CTCLoss(reduction=None)(y, np.stack([rows] * len(texts)))
    np.testing.assert_allclose(losses, [-np.log(sums[text]) for text in texts], rtol=1e-5)


def test_padding_has_no_effect_on_loss_and_metric():
    short, long = log_probabilities(4), log_probabilities(9, seed=1)
    y = np.array([[2, 1, 0], [3, 1, 1]])
    logits = np.zeros((2, 9, 4), "float32")
    logits[0, :4], logits[1] = short, long
    logits[0, 4:] = np.random.default_rng(2).normal(size=(5, 4))
    mask = np.arange(9) < np.array([[4], [9]])
    padded = BlankPadding()(logits, mask)
    together = np.asarray(CTCLoss(reduction=None)(y, padded))
    alone = [
        float(CTCLoss()(y[:1], short[None])),
        float(CTCLoss()(y[1:], long[None])),
    ]
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    np.testing.assert_allclose(keras.losses.CTC(reduction=None)(y, padded), alone, rtol=1e-4)


def test_a_transcript_longer_than_the_sound_has_a_finite_loss():
    loss = CTCLoss()(np.array([[1, 2, 3, 1]]), log_probabilities(2)[None])
    assert np.isfinite(float(loss))


def test_the_character_error_rate_is_that_of_jiwer():
    alphabet = "abc"
    rows = np.stack([log_probabilities(8, seed=seed, scale=3) for seed in range(6)])
    labels = np.random.default_rng(0).integers(1, 4, (6, 5))
    labels[np.arange(5) >= np.array([5, 4, 3, 2, 1, 1])[:, None]] = 0
    texts = ["".join(alphabet[one - 1] for one in row if one) for row in labels]
    found = ["".join(alphabet[one - 1] for one in greedy_labels(row)) for row in rows]
    metric = CharacterErrorRate()
    metric.update_state(labels[:2], rows[:2])
    metric.update_state(labels[2:], rows[2:])
    assert float(metric.result()) == pytest.approx(100 * jiwer.cer(texts, found), rel=1e-5)
    metric.reset_state()
    metric.update_state(np.zeros((1, 1), "int32"), rows[:1])  # nothing was said
    assert np.isfinite(float(metric.result()))


# Decoding


def test_the_greedy_path_merges_repetitions_and_removes_blanks():
    path = [0, 1, 1, 0, 1, 2, 2, 0]
    assert greedy_labels(np.log(np.eye(3)[path] * 0.9 + 0.05)) == [1, 1, 2]
    assert greedy_labels(np.zeros((0, 3))) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_wide_beam_finds_the_likeliest_text(seed):
    rows = log_probabilities(5, seed=seed, scale=1.5)
    sums = by_enumeration(rows)
    assert tuple(PrefixBeamSearch("abc", 1000)(rows)) == max(sums, key=sums.get)


def test_beam_search_can_differ_from_the_likeliest_path():
    rows = np.log(np.array([[0.6, 0.4], [0.6, 0.4]]))  # A. Graves 2006, figure 2
    assert greedy_labels(rows) == []
    assert PrefixBeamSearch("a", 5)(rows) == [1]


@pytest.mark.parametrize("kind", [WordNgrams, CharacterNgrams])
def test_the_value_of_a_text_includes_its_n_grams_and_its_words(kind):
    ngrams = kind.fit(["ab a", "ab b", "ab b"], order=2)
    alphabet = "ab "
    weight, bonus = 0.7, 0.4
    for seed in range(4):
        rows = log_probabilities(6, seed=seed, scale=1.5)
        values = {}
        for labels, probability in by_enumeration(rows).items():
            text = "".join(alphabet[label - 1] for label in labels)
            value = np.log(probability) + bonus * len(text.split())
            tokens = kind.tokens(text)
            for index, token in enumerate([*tokens, None]):
                value += weight * ngrams.log_probability(token, tuple(tokens[:index]))
            values[labels] = value
        search = PrefixBeamSearch(alphabet, 5000, ngrams, weight, bonus)
        assert tuple(search(rows)) == max(values, key=values.get)


def test_probabilities_of_words_depend_on_the_word_before_and_sum_to_one():
    ngrams = WordNgrams.fit(["go home", "go home", "go away", "stay home"], order=2)
    score = ngrams.log_probability
    assert score("home", ("go",)) > score("away", ("go",)) > score("moon", ("go",))
    assert score("home", ("stay", "go")) == score("home", ("stay", "stay", "go"))
    assert score("go", ()) > score("home", ())
    total = sum(np.exp(score(word, ("go",))) for word in [*ngrams.vocabulary, "moon", None])
    assert total == pytest.approx(1)


def test_characters_depend_on_those_before_white_space_too():
    ngrams = CharacterNgrams.fit(["on no", "on no", "an on"], order=3)
    score = ngrams.log_probability
    assert score(" ", ("o", "n")) > score("o", ("o", "n"))
    assert score("n", ("n", " ")) > score("a", ("n", " "))
    assert score("n", tuple("an ")) == score("n", tuple("nan "))


@pytest.mark.parametrize("kind", [WordNgrams, CharacterNgrams])
def test_n_grams_are_the_same_from_their_config(kind):
    ngrams = kind.fit(["go home", "go away"], order=2)
    again = from_config(ngrams.get_config())
    assert type(again) is kind
    token = kind.tokens("go")[0]
    assert again.log_probability(token, ()) == ngrams.log_probability(token, ())


def test_a_preset_keeps_its_n_grams(tmp_path):
    model = of_waveforms.build()
    model.use_ngrams(CharacterNgrams.fit(["a bee", "be a bee"], order=3), 0.5, 0.3)
    model.save_to_preset(str(tmp_path))
    loaded = zoo.load(str(tmp_path), verify=False)
    assert loaded.get_config()["ngrams"] == model.get_config()["ngrams"]
    assert loaded.generate(of_waveforms.INPUTS) == model.generate(of_waveforms.INPUTS)


def test_alignment_is_the_likeliest_path_of_the_text():
    rows = log_probabilities(6, seed=3)
    for labels in ([1], [2, 2], [1, 2, 1], [3, 3, 3]):
        paths = [
            path
            for path in itertools.product(range(4), repeat=6)
            if collapsed(path) == tuple(labels)
        ]
        best = max(paths, key=lambda path: rows[np.arange(6), path].sum())
        runs, place = [], 0
        for label, run in itertools.groupby(best):
            end = place + len(list(run))
            if label:
                runs.append((place, end))
            place = end
        assert align(rows, labels) == runs
    assert align(rows, []) == []
    with pytest.raises(ValueError, match="2 steps are too few for 2 labels"):
        align(rows[:2], [1, 1])


def test_generate_takes_one_sound_or_a_list(recognizer):
    texts = recognizer.generate(of_waveforms.INPUTS)
    assert [type(text) for text in texts] == [str] * 3
    assert recognizer.generate(of_waveforms.INPUTS[2]) == texts[2]
    assert recognizer.generate([]) == []
    with pytest.raises(ValueError, match="`beam_width` must be at least 1"):
        recognizer.generate(of_waveforms.INPUTS, beam_width=0)


def test_a_model_of_waveforms_takes_their_frames_too(recognizer):
    sound = noise(5000)
    frames = recognizer.preprocessor.frames(sound)
    assert recognizer.generate([frames]) == recognizer.generate([sound])


def test_timestamps_spell_the_text_in_order(recognizer):
    sound = noise(16000)
    found = recognizer.timestamps(sound)
    text = "".join(one.character for one in found)
    assert len(text) > 2
    assert text == recognizer.generate(sound)
    starts = [one.start for one in found]
    assert starts == sorted(starts)
    for one in found:
        assert 0 <= one.first_frame < one.end_frame <= 98
        assert (one.start, one.end) == (one.first_frame / 100, pytest.approx(one.end_frame / 100))
    of_features = of_frames.build()
    for one in of_features.timestamps(of_frames.INPUTS[2]):
        assert one.start is one.end is None


# Sound in pieces


@pytest.mark.parametrize("name", front_ends.NAMES)
@pytest.mark.parametrize("size", [1, 33, 160, 1000, 9000])
def test_frames_do_not_depend_on_the_pieces(name, size):
    front_end = front_ends.make(name, 16000, 13)
    for samples in (700, 3):
        sound = noise(samples)
        frames, mask = front_end(sound[None], np.ones((1, samples), bool))
        expected = np.asarray(frames)[0][np.asarray(mask)[0]]
        stream, starts = FrameStream(front_end), range(0, samples, size)
        found = [stream.read(sound[at : at + size], at == starts[-1]) for at in starts]
        np.testing.assert_allclose(np.concatenate(found), expected, atol=1e-3)


STEPS, SIZES = (0.1, 0.9, 0.3, 0.7, 0.05, 1.5, 0.2, 1.1), (0.9, 0.1, 0.5, 0.05, 0.7, 0.3, 0.01, 1)


@pytest.fixture(scope="module", params=SUBSAMPLINGS)
def subsampled(request):
    keras.utils.set_random_seed(0)
    return of_waveforms.build(subsampling=request.param)


@pytest.mark.parametrize("size", [77, 1600, 30000])
def test_sound_in_pieces_gives_the_text_of_all_of_it(subsampled, size):
    recognizer = subsampled
    tones = [np.sin(np.arange(2000) * step) * size for step, size in zip(STEPS, SIZES, strict=True)]
    sound = np.concatenate(tones).astype("float32")
    transcription = zoo.stream(recognizer)
    pieces = [transcription.read(sound[at : at + size]) for at in range(0, len(sound), size)]
    pieces.append(transcription.read(is_last=True))
    assert "".join(pieces) == recognizer.generate(sound, beam_width=1)
    assert transcription.answer == {"output": "".join(pieces)}
    if size == 1600:
        assert sum(map(bool, pieces)) > 2  # text comes with the sound


def test_no_sound_at_all_gives_no_text(recognizer):
    assert zoo.stream(recognizer).read(is_last=True) == ""


def test_models_that_need_all_of_the_sound_say_so(recognizer):
    with pytest.raises(ValueError, match=r"mean and variance of all .* a running normalization"):
        zoo.stream(of_frames.build())
    with pytest.raises(ValueError, match=r"\(bilstm\) reads its input in both directions"):
        zoo.stream(of_frames.build("bilstm"))
    with pytest.raises(ValueError, match="must be finite"):
        zoo.stream(recognizer).read(np.array([np.nan]))


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("size", [7, 60])
def test_frames_in_pieces_give_the_log_probabilities_of_all_of_them(subsampling, size):
    keras.utils.set_random_seed(0)
    options = {"normalization": "running", "subsampling": subsampling}
    backbone = models.SpeechBackbone("lstm", feature_dim=3, units=6, **options)
    backbone.adapt(of_frames.INPUTS)
    preprocessor = models.SpeechRecognizerPreprocessor(" abe", feature_dim=3)
    model = models.SpeechRecognizer(backbone, preprocessor)
    frames = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
    windows = Windows(backbone.stack, backbone.slopes.reach, backbone.stack + backbone.slopes.reach)
    states, found = backbone.initial_states(1), []
    for start in range(0, 60, size):
        piece = windows.read(frames[start : start + size], is_last=start + size >= 60)
        if piece is not None:
            rows, states = model.continued((piece[0][None], piece[1]), states)
            found.append(np.asarray(rows)[0])
    (expected,) = model.log_probabilities([frames])
    np.testing.assert_allclose(np.concatenate(found), expected, atol=1e-5)
    assert zoo.stream(model).read(frames, is_last=True) == model.generate(frames)


# Bad input


@pytest.mark.parametrize(
    ("sound", "message"),
    [
        (np.zeros(0, "float32"), "at least one sample"),
        (np.array([0.1, np.nan]), "must be finite"),
        (np.ones(400, "int16"), r"16-bit integers by 32768\. Received: dtype=int16"),
        (np.zeros((4, 2)), r"shape \[frames, 5\]. Received: shape=\(4, 2\)"),
    ],
)
def test_a_bad_sound_is_refused(recognizer, sound, message):
    with pytest.raises(ValueError, match=message):
        recognizer.generate([sound])


@pytest.mark.parametrize(
    "sound",
    [np.zeros(8000), np.sign(noise(8000)), np.full(8000, 1.0), np.zeros(1)],
    ids=["silence", "clipped", "constant", "one sample"],
)
def test_every_sound_has_an_answer(recognizer, sound):
    assert isinstance(recognizer.generate(sound.astype("float32")), str)


def test_long_sound_is_read_in_pieces_of_a_minute(recognizer):
    sound = noise(16000 * 125)
    frames = recognizer.preprocessor.frames(sound)
    assert len(frames) == (len(sound) - 410) // 160 + 1
    middle = recognizer.preprocessor.frames(sound[16000 * 59 : 16000 * 62])
    np.testing.assert_allclose(frames[5900 + 1 : 6190], middle[1:290], atol=1e-3)
    assert isinstance(recognizer.generate(sound, beam_width=1), str)


@pytest.mark.parametrize("count", [1, 29, 30, 31, 95])
def test_long_sound_is_encoded_in_pieces_with_context(count, monkeypatch):
    model = of_frames.build()  # of two frames a step
    frames = np.random.default_rng(0).normal(size=(count, 3)).astype("float32")
    expected = []
    for start in range(0, count, 30):
        (rows,) = model.log_probabilities([frames[max(0, start - 6) : start + 36]])
        expected.append(rows[3 if start else 0 :][:15])
    monkeypatch.setattr(speech_recognizer, "FRAMES_AT_ONCE", 31)
    monkeypatch.setattr(speech_recognizer, "CONTEXT", 7)
    (rows,) = model.log_probabilities([frames])
    assert len(rows) == -(-count // 2)
    np.testing.assert_allclose(rows, np.concatenate(expected), atol=1e-4)
    found = model.timestamps(frames)
    assert "".join(one.character for one in found) == model.generate(frames)
    assert all(one.end_frame <= count for one in found)


def test_characters_outside_of_the_alphabet_are_left_out():
    labels = models.SpeechRecognizerPreprocessor("ab", feature_dim=3).labels(["axb", "x", "b"])
    np.testing.assert_array_equal(labels, [[1, 2], [0, 0], [2, 0]])


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"`front_end` must be one of .* front_end='mel'"):
        models.SpeechRecognizerPreprocessor("ab", front_end="mel")
    with pytest.raises(ValueError, match="`normalization` must be one of"):
        models.SpeechBackbone("gru", normalization="none")
    with pytest.raises(ValueError, match="`subsampling` must be one of"):
        models.SpeechBackbone("gru", subsampling="pool")


def test_a_convolution_takes_the_frames_of_a_step_and_of_the_step_before():
    keras.utils.set_random_seed(0)
    backbone = models.SpeechBackbone("rnn", units=8, stack=3, subsampling="convolution")
    features = np.random.default_rng(0).normal(size=(1, 14, 39)).astype("float32")

    def steps():
        x, _ = backbone.get_layer("stacking")(features, np.ones((1, 14), bool))
        return np.asarray(backbone.convolution(x))[0]

    before = steps()
    features[0, 4] += 1
    is_changed = np.abs(steps() - before).max(axis=1) > 0
    assert is_changed.tolist() == [False, True, True, False, False]


@functools.cache
def learned():
    """A model that has learned to tell two sounds, in any order."""
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    frames, texts = [], []
    for _ in range(64):
        text = "".join(generator.choice(list("ab"), generator.integers(1, 4)))
        parts = [generator.normal(0, 0.2, (6, 2)) + (2 * np.eye(2)["ab".index(c)]) for c in text]
        gaps = [generator.normal(0, 0.2, (3, 2)) for _ in text]
        frames.append(np.concatenate([x for pair in zip(parts, gaps, strict=True) for x in pair]))
        texts.append(text)
    backbone = models.SpeechBackbone("gru", feature_dim=2, units=16, num_layers=1, stack=1)
    model = models.SpeechRecognizer(backbone, models.SpeechRecognizerPreprocessor("ab", 2))
    model.compile(keras.optimizers.Adam(0.02), jit_compile=False)
    held_out = frames[:8], texts[:8]
    model.fit(frames, texts, batch_size=16, epochs=25, verbose=0, validation_data=held_out)
    return model, frames, texts


def test_training_learns_to_write():
    model, frames, texts = learned()
    assert model.preprocessor is not None
    assert model.evaluate(frames, texts, verbose=0, return_dict=True)["cer"] < 5
    assert jiwer.cer(texts, model.generate(frames)) < 0.05
    assert jiwer.cer(texts, model.generate(frames, beam_width=8)) < 0.05


def test_timestamps_lie_in_the_sounds_of_their_characters():
    model, frames, texts = learned()
    right = total = 0
    for one, text in zip(frames, texts, strict=True):
        found = model.timestamps(one)
        if "".join(stamp.character for stamp in found) == text:
            right += sum(
                9 * place <= stamp.first_frame < 9 * place + 9 for place, stamp in enumerate(found)
            )
            total += len(text)
    assert total > 50
    assert right / total > 0.9


@pytest.mark.parametrize("format", ["tflite", "onnx"])
def test_export_to_other_runtimes(recognizer, format, tmp_path):
    path = tmp_path / f"model.{format}"
    if format == "onnx":
        pytest.importorskip("tf2onnx")
    export(recognizer, path, format)
    assert path.stat().st_size > 1000
