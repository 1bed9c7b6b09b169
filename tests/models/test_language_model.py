"""The language model: generation, streaming, probabilities and unusual texts."""

import keras
import keras_hub
import numpy as np
import pytest
from examples import language_model as example

import zoo
from zoo import models


@pytest.fixture(scope="module")
def model():
    return example.build("lstm")


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def test_scores_are_the_log_probabilities_of_the_network(model):
    texts = ["a fine film", "dull\n\nreally", "a"]
    x, y, weights = model.preprocessor(texts)
    expected = log_softmax(np.asarray(model(x)))
    for row, score in enumerate(model.score(texts)):
        count = weights[row].sum()
        assert len(score) == count == len(model.preprocessor.tokenizer([texts[row]])[0])
        right = expected[row, np.arange(count), y[row, :count]]
        np.testing.assert_allclose(score, right, atol=1e-5)


def test_scores_do_not_depend_on_how_a_text_is_cut_for_memory(model, monkeypatch):
    text = "a fine film, really. " * 10
    whole = model.score(text)
    monkeypatch.setattr("zoo.models.language_model.causal_task.LOGITS_AT_ONCE", 3 * 300)
    np.testing.assert_allclose(model.score(text), whole, atol=1e-5)


def test_perplexity_is_the_exponential_of_the_mean_loss(model):
    texts = ["a fine film", "dull"]
    expected = [np.exp(-score.mean()) for score in model.score(texts)]
    np.testing.assert_allclose(model.perplexity(texts), expected, rtol=1e-5)
    assert model.perplexity("dull") == pytest.approx(expected[1], rel=1e-5)


def test_greedy_search_takes_the_likeliest_token_each_time(model):
    preprocessor = model.preprocessor
    row = preprocessor.token_ids(["a fine"])[0]
    start = len(row)
    for _ in range(6):
        x = {"token_ids": np.array([row]), "padding_mask": np.ones((1, len(row)), bool)}
        row = [*row, int(np.argmax(np.asarray(model(x))[0, -1]))]
    expected = preprocessor.detokenize(row[start:])
    options = {"sampler": "greedy", "max_length": start - 1 + 6, "stop_token_ids": None}
    assert model.generate("a fine", strip_prompt=True, **options) == expected
    assert model.generate("a fine", **options) == "a fine" + expected


@pytest.mark.parametrize("sampler", ["greedy", "beam", "contrastive"])
def test_prompts_of_different_length_are_continued_as_if_alone(model, sampler):
    prompts = ["a fine film", "dull"]
    options = {"sampler": sampler, "max_length": 16, "stop_token_ids": None}
    alone = [model.generate(prompt, **options) for prompt in prompts]
    assert model.generate(prompts, **options) == alone


@pytest.mark.parametrize("sampler", ["random", "top_k", "top_p"])
def test_a_seed_makes_sampling_repeatable(model, sampler):
    draw = lambda seed: model.generate("a fine", max_length=40, sampler=sampler, seed=seed)
    assert draw(1) == draw(1)
    assert len({draw(seed) for seed in range(4)}) > 1


def test_a_low_temperature_is_greedy(model):
    options = {"max_length": 20, "stop_token_ids": None}
    cold = model.generate("a fine", sampler="random", temperature=1e-4, **options)
    assert cold == model.generate("a fine", sampler="greedy", **options)


def test_a_sampler_object_and_that_of_compile_are_used(model):
    greedy = model.generate("dull", max_length=20, sampler="greedy")
    sampler = keras_hub.samplers.TopKSampler(k=1)
    assert model.generate("dull", max_length=20, sampler=sampler) == greedy
    other = example.build("lstm")
    other.set_weights(model.get_weights())
    other.compile(sampler="greedy")
    assert other.generate("dull", max_length=20) == greedy


def test_a_streamed_text_is_the_generated_one(model):
    pieces = list(model.stream("a fine", 50, sampler="greedy"))
    start = len(model.preprocessor.tokenizer(["a fine"])[0])
    whole = model.generate("a fine", max_length=start + 50, sampler="greedy", strip_prompt=True)
    assert "".join(pieces) == whole
    assert len(pieces) > 1


@pytest.mark.parametrize("prompt", ["a fine", "film"])
def test_words_after_a_prompt_begin_with_a_space(prompt):
    model = example.build("gru", unit="word")
    bias = np.zeros(model.backbone.vocabulary_size)
    bias[model.preprocessor.tokenizer(["film"])[0]] = 100
    model.backbone.output_bias.bias.assign(bias)
    whole = model.generate(prompt, max_length=12, sampler="greedy")
    rest = model.generate(prompt, max_length=12, sampler="greedy", strip_prompt=True)
    assert prompt + rest == whole
    assert rest.startswith((" ", "\n"))
    count = 12 - len(prompt.split())
    assert "".join(model.stream(prompt, count, sampler="greedy")) == rest


def test_generation_ends_at_a_stop_token():
    model = example.build("lstm")
    token = model.preprocessor.tokenizer.token_to_id("e")
    bias = np.zeros(model.backbone.vocabulary_size, "float32")
    bias[token] = 100
    model.backbone.output_bias.bias.assign(bias)
    assert model.generate("dull", max_length=9, stop_token_ids=None).endswith("eee")
    assert model.generate(["dull", "a"], max_length=9, stop_token_ids=(token,)) == ["dulle", "ae"]


def test_states_are_carried_from_one_call_to_the_next(model):
    row = model.preprocessor.token_ids(["a fine film, really"])[0]
    read = model.backbone.with_states
    ask = lambda row, states: read.predict_on_batch(
        {
            "token_ids": np.array([row], "int32"),
            "padding_mask": np.ones((1, len(row)), bool),
            "states": states,
        }
    )
    start = model._zero_states(1)
    whole = ask(row, start)["sequence"]
    first = ask(row[:3], start)
    second = ask(row[3:], first["states"])["sequence"]
    np.testing.assert_allclose(np.concatenate([first["sequence"], second], 1), whole, atol=1e-6)


def test_any_text_gets_an_answer(model):
    texts = ["", " ", "\n\n", "😀🎭", "日本語", "film " * 20_000, "\x00", "</s><s><pad>"]
    outputs = model.generate(texts[:5] + texts[6:], max_length=60)
    assert [type(output) for output in outputs] == [str] * 7
    assert len(model.generate(texts[5])) > len(texts[5])
    assert np.isfinite(model.score(texts[5])).all()


def test_a_vocabulary_of_one_piece_generates_it():
    tokenizer = models.SubwordTokenizer.train(["aaaa"], 6, unit="character", keep_whitespace=True)
    backbone = models.LanguageBackbone(tokenizer.vocabulary_size(), "gru", 4, 4)
    model = models.LanguageModel(backbone, models.LanguageModelPreprocessor(tokenizer))
    assert model.generate("a", max_length=5).startswith("a")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": "nucleus"}, "`sampler` must be one of greedy.*'nucleus'"),
        ({"temperature": 0}, "`temperature` must be positive. Received: 0"),
        ({"max_length": 2}, "leaves no room after one of 5 tokens. Received: max_length=2"),
        ({"max_length": 0}, "`max_length` must be at least 1"),
        ({"max_length": 10.0}, "`max_length` must be at least 1, an int"),
        ({"temperature": None}, "`temperature` must be positive. Received: None"),
        ({"seed": -1}, "`seed` must be an int of at least 0"),
        ({"batch_size": 0}, "`batch_size` must be at least 1"),
    ],
)
def test_bad_arguments_are_refused(model, options, message):
    with pytest.raises(ValueError, match=message):
        model.generate("a fine film", **options)


@pytest.mark.parametrize("inputs", [None, 5, [3], ["a", None], [b"a"]])
def test_what_is_no_text_is_refused(model, inputs):
    with pytest.raises(ValueError, match=r"must be .*Received"):
        model.generate(inputs)


def test_a_search_can_not_be_streamed(model):
    with pytest.raises(ValueError, match=r"Received: BeamSampler\. Use generate"):
        model.stream("a fine", sampler="beam")


def test_an_architecture_that_reads_backwards_is_refused():
    with pytest.raises(ValueError, match=r"can't read backwards.*'bilstm'"):
        models.LanguageBackbone(10, "bilstm")


def test_a_model_is_fitted_to_raw_texts():
    model = example.build("gru")
    before = model.perplexity("a fine film")
    model.compile(optimizer="adam")
    model.fit(["a fine film"] * 16, batch_size=4, epochs=8, verbose=0)
    assert model.perplexity("a fine film") < before


def test_untied_weights_have_an_output_layer_of_their_own(tmp_path):
    count = lambda tied: models.LanguageBackbone(50, "gru", 8, 6, tied=tied).count_params()
    projection = 8 * (6 + 1)
    assert count(tied=False) - count(tied=True) == 50 * 6 - projection
    tokenizer = example.tokenizer()
    backbone = models.LanguageBackbone(tokenizer.vocabulary_size(), "gru", 8, 6, tied=False)
    model = models.LanguageModel(backbone, models.LanguageModelPreprocessor(tokenizer))
    outputs = model.outputs_of(model.preprocessor.token_ids(["a fine film"])[0])
    assert outputs.shape[-1] == backbone.output_dim == 6
    logits = keras.ops.convert_to_numpy(backbone.logits(outputs))
    expected = outputs @ keras.ops.convert_to_numpy(backbone.output_vectors).T
    np.testing.assert_allclose(logits, expected, atol=1e-5)  # the bias starts at zero
    model.save_to_preset(str(tmp_path))
    loaded = zoo.load(str(tmp_path), verify=False)
    np.testing.assert_array_equal(loaded.score("a fine film"), model.score("a fine film"))
    assert loaded.generate("a", sampler="greedy") == model.generate("a", sampler="greedy")


def test_keras_hub_loads_a_preset(model, tmp_path):
    model.save_to_preset(str(tmp_path))
    loaded = keras_hub.models.CausalLM.from_preset(str(tmp_path))
    assert type(loaded) is models.LanguageModel
    np.testing.assert_array_equal(loaded.score("a fine film"), model.score("a fine film"))


def test_the_network_of_one_step_has_any_number_of_layers():
    tokenizer = example.tokenizer()
    backbone = models.LanguageBackbone(tokenizer.vocabulary_size(), "lstm", 8, 6, num_layers=2)
    model = models.LanguageModel(backbone, models.LanguageModelPreprocessor(tokenizer))
    row = model.preprocessor.token_ids(["a fine film"])[0]
    network = model.export_network()
    names = [tensor.name for tensor in network.inputs if tensor.name != "token_ids"]
    states = dict(zip(names, keras.tree.flatten(model._zero_states(1)), strict=True))
    logits = []
    for token in row[:-1]:
        outputs = network.predict_on_batch({"token_ids": np.array([token], "int32"), **states})
        states = {name: outputs[f"next_{name}"] for name in names}
        logits.append(outputs["logits"][0])
    scores = log_softmax(np.array(logits))[np.arange(len(row) - 1), row[1:]]
    np.testing.assert_allclose(scores, model.score("a fine film"), atol=1e-5)
