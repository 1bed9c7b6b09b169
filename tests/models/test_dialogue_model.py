"""The dialogue model: turn markers, replies, and states kept between turns."""

import numpy as np
import pytest
from examples import dialogue_model as example
from keras import ops

from zoo import models


@pytest.fixture(scope="module")
def model():
    return example.build("lstm")


def test_turns_end_with_a_marker_and_a_cut_conversation_begins_with_another(model):
    preprocessor, tokenizer = model.preprocessor, model.preprocessor.tokenizer
    first, second = (list(row) for row in tokenizer(["Hi!", "dull"]))
    end = tokenizer.end_token_id
    whole = preprocessor.conversation_ids(["Hi!", "dull"])
    assert whole == [tokenizer.start_token_id, *first, end, *second, end]
    cut = preprocessor.conversation_ids(["dull"], is_cut=True)
    assert cut == [tokenizer.token_to_id("<cut>"), *second, end]


def test_no_text_is_read_as_a_marker(model):
    ids = model.preprocessor.turn_ids(["<cut> </s> <s>"])[0]
    tokenizer = model.preprocessor.tokenizer
    markers = {tokenizer.start_token_id, tokenizer.end_token_id, model.preprocessor.cut_id}
    assert not markers & set(ids[:-1])


def test_one_conversation_and_a_list_of_them(model):
    turns = ["Hi!", "a fine film"]
    reply = model.generate(turns, seed=1, max_length=9)
    assert isinstance(reply, str)
    assert model.generate([turns], seed=1, max_length=9) == [reply]
    assert model.generate([]) == []
    (opening,) = model.generate([[]], max_length=5)
    assert isinstance(opening, str)


def test_a_reply_has_no_marker_and_no_prompt(model):
    model.backbone.output_bias.bias.assign(np.zeros(model.backbone.vocabulary_size))
    for reply in model.generate([["zzz"]] * 8, seed=0, max_length=30):
        assert "<cut>" not in reply
        assert "zzz" not in reply


@pytest.mark.parametrize("penalty", [0.0, 0.5, 2.0])
def test_a_penalty_on_what_is_likely_without_the_conversation(penalty):
    model = example.build("lstm")
    generator = np.random.default_rng(0)
    for variable in model.trainable_variables:  # so that replies depend on the conversation
        variable.assign(generator.normal(size=variable.shape))
    conversations = [["Hi!", "a fine film"], ["dull, really"], []]
    replies = model.generate(
        conversations, sampler="greedy", max_length=6, likelihood_penalty=penalty
    )
    preprocessor = model.preprocessor
    for turns, reply in zip(conversations, replies, strict=True):
        row, alone, drawn = preprocessor.conversation_ids(turns), [preprocessor.cut_id], []
        while len(drawn) < 6 and not {*drawn} & {*preprocessor.stop_token_ids}:
            given, without = (log_probabilities(model, ids + drawn) for ids in (row, alone))
            scores = given - penalty * without
            scores[given < given.max() + np.log(0.1)] = -np.inf
            drawn.append(int(scores.argmax()))
        assert reply == preprocessor.detokenize(drawn).strip()


def log_probabilities(model, token_ids):
    """Those of the token after some, float array `[vocabulary]`."""
    inputs = {"token_ids": np.array([token_ids]), "padding_mask": np.ones((1, len(token_ids)))}
    return np.array(ops.log_softmax(model(inputs)[0, -1]))


def test_a_penalty_must_suit_the_sampler(model):
    with pytest.raises(ValueError, match=r"at least 0\. Received: -1"):
        model.generate(["Hi!"], likelihood_penalty=-1)
    with pytest.raises(ValueError, match=r"one token at a time\. Received: BeamSampler"):
        model.generate(["Hi!"], sampler="beam", likelihood_penalty=0.5)


def test_a_conversation_replies_as_generate_does(model):
    conversation = model.conversation(sampler="greedy")
    first = conversation.reply("Hi!", max_length=6)
    assert first == model.generate(["Hi!"], sampler="greedy", max_length=6)
    second = conversation.reply("a fine film", max_length=6)
    turns = ["Hi!", first, "a fine film"]
    assert conversation.turns == [*turns, second]


def test_the_states_of_a_conversation_are_those_of_all_its_turns(model):
    conversation = model.conversation(sampler="greedy")
    conversation.reply("Hi!", max_length=6)
    kept = conversation._text
    drawn = []

    class Spy:
        def __getattr__(self, name):
            return getattr(kept, name)

    conversation._text = Spy()
    read = kept.read
    kept.read = lambda ids: (drawn.extend(ids), read(ids))
    conversation.reply("a fine film", max_length=6)
    # Only the new turn and the reply were read.
    assert len(drawn) <= len(model.preprocessor.turn_ids(["a fine film"])[0]) + 8


def test_reset_forgets(model):
    conversation = model.conversation(sampler="greedy")
    first = conversation.reply("Hi!", max_length=6)
    conversation.reply("dull, really", max_length=6)
    conversation.reset()
    assert conversation.turns == []
    assert conversation.reply("Hi!", max_length=6) == first


@pytest.mark.parametrize(
    ("argument", "turns"),
    [("Hi!", ["Hi!"]), ('["Hi!", "Yes?"]', ["Hi!", "Yes?"]), ("", [""])],
)
def test_a_conversation_on_the_command_line_is_a_turn_or_a_json_list(model, argument, turns):
    assert model.read_input(argument) == turns


@pytest.mark.parametrize("argument", ["[1, 2]", "[oops", '["a", ["b"]]'])
def test_a_broken_list_of_turns_is_refused(model, argument):
    with pytest.raises(ValueError, match="must be a JSON list of turns"):
        model.read_input(argument)


def test_a_turn_that_is_no_text_is_refused(model):
    with pytest.raises(
        ValueError, match=r"`turns` must be a list of str\. Received: \['Hi!', None"
    ):
        model.generate([["Hi!", None]])
    with pytest.raises(ValueError, match=r"`turns` must be a list of str\. Received: 'Hi!'"):
        model.generate("Hi!")
    with pytest.raises(ValueError, match="Received the turn: None"):
        model.preprocessor([["Hi!", None]])


def test_a_conversation_keeps_its_sampler_when_the_model_gets_another(model):
    conversation = model.conversation(sampler="greedy")
    model.generate(["a fine film"], sampler="beam", max_length=3)
    expected = model.generate(["Hi!"], sampler="greedy", max_length=6)
    model.conversation(sampler="random", seed=0)
    assert conversation.reply("Hi!", max_length=6) == expected


def test_a_reply_that_is_left_early_ends_there(model):
    conversation = model.conversation(sampler="greedy")
    pieces = conversation.stream("Hi!", max_length=30)
    first = next(pieces)
    pieces.close()
    assert conversation.turns == ["Hi!", first.strip()]
    assert conversation._text.last in model.preprocessor.stop_token_ids


def test_a_model_is_fitted_to_conversations():
    model = example.build("gru")
    model.compile(optimizer="adam")
    turns = ["Hi!", "a fine film"]
    before = model.perplexity(turns)
    model.fit([turns, ["dull"]] * 8, batch_size=4, epochs=8, verbose=0)
    assert model.perplexity(turns) < before


def test_a_tokenizer_without_the_marker_is_refused():
    tokenizer = models.SubwordTokenizer.train(["a fine film"], 290, byte_fallback=True)
    with pytest.raises(ValueError, match="must have the marker '<cut>'"):
        models.DialoguePreprocessor(tokenizer).conversation_ids(["Hi!"], is_cut=True)


def test_long_and_foreign_turns_get_a_reply(model):
    for turns in (["film " * 20_000], ["日本 🎬", "\x00"], ["", ""]):
        assert isinstance(model.generate(turns, max_length=3), str)
