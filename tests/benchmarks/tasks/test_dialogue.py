"""Dialogue: beginnings of training, replies given turns, choices, measures and the baseline."""

import math
import types

import numpy as np
import pytest

from benchmarks.tasks import TASKS
from benchmarks.tasks.dialogue import choice, context, dialogue, replies
from benchmarks.tasks.dialogue.context import CONTEXTS, GIVEN, Reply
from benchmarks.tasks.dialogue.retrieval import Retrieval
from zoo.datasets.errors import DatasetError

WORDS = ("tea", "coffee", "milk", "a cake", "some bread", "jam")


def conversations(count, turns, seed):
    generator = np.random.default_rng(seed)
    lengths = generator.integers(2, turns + 1, count)
    return [
        [f"Do you like {WORDS[one]}?" for one in generator.integers(0, len(WORDS), length)]
        for length in lengths
    ]


@pytest.fixture
def data():
    splits = {"train": 60, "validation": 8, "test": 24}
    return {
        split: {"turns": conversations(count, 9, seed)}
        for seed, (split, count) in enumerate(splits.items())
    }


@pytest.fixture
def task(data):
    return TASKS["dialogue"](data.get, {"turns": None}, "none")


@pytest.fixture
def config(task):
    model = task.Model(embedding_dim=8, units=6, num_layers=1, dropout=0.0, max_length=400)
    return types.SimpleNamespace(architecture="gru", model=model)


@pytest.fixture
def model(task, config):
    return task.build(config)


def trained_rows(task, model, config, seed):
    """The token ids of the training conversations of one epoch."""
    batches = task.batches(model, task.examples("train"), config, batch_size=2)
    batches.shuffle(seed)
    rows = []
    for inputs, targets, mask in batches.dataset:
        for ids, after, is_token in zip(
            inputs["token_ids"].numpy(), targets.numpy(), mask.numpy(), strict=True
        ):
            rows.append([*ids[is_token], after[is_token][-1]])
    return rows


def test_some_training_conversations_begin_later_with_a_marker_and_two_turns_left(
    task, model, config
):
    preprocessor = model.preprocessor
    rows = trained_rows(task, model, config, 0)
    wholes = {tuple(row) for row in preprocessor.token_ids(task.examples("train").inputs)}
    cut = [row for row in rows if row[0] == preprocessor.cut_id]
    assert all(tuple(row) in wholes for row in rows if row[0] != preprocessor.cut_id)
    assert 0.2 < len(cut) / len(rows) < 0.6
    (end,) = preprocessor.stop_token_ids
    assert min(row.count(end) for row in cut) == 2
    assert all(any(whole[1 - len(row) :] == tuple(row[1:]) for whole in wholes) for row in cut)
    assert trained_rows(task, model, config, 0) == rows
    assert trained_rows(task, model, config, 1) != rows


def test_validation_conversations_are_whole(task, model, config):
    examples = task.examples("validation")
    (batch,) = task.batches(model, examples, config).dataset
    inputs, _, mask = batch
    assert (inputs["token_ids"].numpy()[:, 0] == model.preprocessor.tokenizer.start_token_id).all()
    tokens = sum(len(row) - 1 for row in model.preprocessor.token_ids(examples.inputs))
    assert mask.numpy().sum() == tokens


def test_the_validation_metric_is_the_perplexity_per_token(task, model, config):
    examples = task.examples("validation")
    (batch,) = task.batches(model, examples, config).dataset
    model.compile(loss=task.loss(config, examples))
    model.preprocessor, preprocessor = None, model.preprocessor
    found = model.evaluate(*batch[:2], sample_weight=batch[2], return_dict=True, verbose=0)
    scores = model.score_token_ids(preprocessor.token_ids(examples.inputs))
    expected = math.exp(-np.concatenate(scores).mean())
    assert found[task.validation_metric.name] == pytest.approx(expected, rel=1e-4)


def test_replies_follow_four_turns_or_one_if_all_conversations_are_short():
    assert context.replies_of([list("abcdef"), list("ab")]) == [Reply(0, 4), Reply(0, 5)]
    assert context.replies_of([list("abc"), ["a"]]) == [Reply(0, 1), Reply(0, 2)]
    with pytest.raises(DatasetError, match="two turns"):
        context.replies_of([["a"], []])


def test_the_same_replies_are_scored_given_any_number_of_turns(task, model):
    scored = {given: [] for given in CONTEXTS}
    tokenized = task._tokenized(model.preprocessor.tokenizer, task.examples("test"))
    found = context.replies_of(task.examples("test").inputs)
    said = [tokenized.reply(reply) for reply in found]
    for given, rows in scored.items():

        def score(asked, rows=rows):
            rows += asked
            return [np.array(row[1:]) for row in asked]

        # A token stands for its own probability, so what is scored can be read.
        scores = context.given_turns(score, tokenized, found, given)
        assert [list(one) for one in scores] == said
        ends = [row.count(tokenized.reply(found[0])[-1]) for row in rows]
        assert ends == [given + 1] * len(found)
        assert {row[0] for row in rows} == (
            {tokenized.start_id, tokenized.cut_id} if given == GIVEN else {tokenized.cut_id}
        )
    scores = context.given_all_turns(lambda rows: [np.array(r[1:]) for r in rows], tokenized, found)
    assert [list(one) for one in scores] == said


def test_the_perplexity_is_that_of_the_logits_of_the_replies(task, model, config):
    evaluation = task.evaluate(model, config)
    preprocessor = model.preprocessor
    losses = []
    for turns in task.examples("test").inputs:
        for last in range(GIVEN, len(turns)):
            row = preprocessor.conversation_ids(turns[last - GIVEN : last + 1], last > GIVEN)
            count = len(preprocessor.turn_ids([turns[last]])[0])
            inputs, targets, _ = preprocessor.batch([row])
            logits = np.asarray(model(inputs), "float64")[0]
            log_sum = np.log(np.exp(logits).sum(axis=-1))
            losses += list((log_sum - logits[np.arange(len(row) - 1), targets[0]])[-count:])
    assert evaluation.value == pytest.approx(math.exp(np.mean(losses)), rel=1e-5)
    low, high = evaluation.interval
    assert low < evaluation.value < high
    curve = evaluation.curves["context/perplexity"]
    assert list(curve) == [0, 1, 2, 4, 8]
    assert curve[4] == evaluation.value
    assert curve[8] == evaluation.details["perplexity_all_turns"]
    assert curve[0] / curve[4] - 1 == pytest.approx(evaluation.details["context_gain"])
    assert "perplexity_official" not in evaluation.details
    lines = evaluation.texts["replies.tsv"].splitlines()
    assert lines[0] == "context\thuman\tgreedy\tpenalized\tnucleus"
    long = sum(len(turns) > GIVEN for turns in task.examples("test").inputs)
    assert len(lines) == 1 + long
    assert all(line.split("\t")[0].count(" | ") == 3 for line in lines[1:])


def test_duplicates_are_left_out_of_training_and_of_the_metric(data, config):
    for content in data.values():
        content["duplicate"] = [index % 3 == 0 for index in range(len(content["turns"]))]
    marked = TASKS["dialogue"](data.get, {}, "none")
    kept = [turns for index, turns in enumerate(data["train"]["turns"]) if index % 3]
    assert marked.examples("train").inputs == kept
    model = marked.build(config)
    evaluation = marked.evaluate(model, config)
    for content in data.values():
        del content["duplicate"]
    score = lambda: TASKS["dialogue"](data.get, {}, "none").evaluate(model, config).value
    assert evaluation.details["perplexity_official"] == pytest.approx(score(), rel=1e-5)
    data["test"]["turns"] = [t for index, t in enumerate(data["test"]["turns"]) if index % 3]
    assert evaluation.value == pytest.approx(score(), rel=1e-5)


def test_the_interval_is_that_of_a_ratio_over_conversations():
    generator = np.random.default_rng(0)
    said = [Reply(index // 2, 4 + index % 2) for index in range(600)]
    scores = [-generator.gamma(2, 1, generator.integers(1, 20)) for _ in said]
    low, high = context.perplexity_interval(scores, said)
    means = []
    for _ in range(1000):
        drawn = generator.integers(0, 300, 300)
        means.append(np.concatenate([scores[2 * i + j] for i in drawn for j in (0, 1)]).mean())
    expected = np.exp(-np.percentile(means, [97.5, 2.5]))
    np.testing.assert_allclose([low, high], expected, rtol=0.01)
    assert high / low > 1.05


def unlike(count):
    """Conversations of which no two replies are alike."""
    return [[f"{index} {turn}" for turn in range(6)] for index in range(count)]


def test_the_right_reply_is_chosen_by_who_knows_it_and_by_chance_otherwise():
    spoken = unlike(400)
    ids = [[[10 * index + turn + 4, 3] for turn in range(6)] for index in range(len(spoken))]
    tokenized = context.TokenizedConversations(ids, 2, 1)
    choices = choice.draw(spoken, context.first_replies(context.replies_of(spoken)))
    assert choices == choice.draw(spoken, [one.reply for one in choices])
    for one in choices:
        others = {other.conversation for other in one.candidates}
        assert len(one.candidates) == len(others) == choice.CHOICES
        assert one.reply in one.candidates

    def follows(rows):
        return [np.array([0.0] * (len(row) - 2) + [float(row[-2] == row[-4] + 1)]) for row in rows]

    def values(score):
        padded = lambda rows: score([[0, 0, 0, *row] for row in rows])
        return choice.by_information(padded, tokenized, choices)

    assert choice.accuracy(choices, values(follows)) == 1
    constant = values(lambda rows: [np.zeros(len(row) - 1) for row in rows])
    assert 0.05 < choice.accuracy(choices, constant) < 0.15


def test_a_reply_that_is_likely_everywhere_isnt_preferred():
    spoken = unlike(12)
    ids = [[[10 * index + turn + 4, 3] for turn in range(6)] for index in range(len(spoken))]
    tokenized = context.TokenizedConversations(ids, 2, 1)
    (one, *_) = choices = choice.draw(spoken, context.first_replies(context.replies_of(spoken)))
    common = next(tokenized.reply(other) for other in one.candidates if other != one.reply)

    def score(rows):
        right = tokenized.reply(one.reply)
        values = [
            5.0 if row[-2:] == common else float(row[-2:] == right and len(row) > 3) for row in rows
        ]
        return [np.full(len(row) - 1, value) for row, value in zip(rows, values, strict=True)]

    assert one.is_right(choice.by_information(score, tokenized, choices)[0])


def test_candidates_of_a_choice_have_different_texts():
    spoken = [["a"] * 4 + [str(index % 3)] for index in range(30)]
    for one in choice.draw(spoken, context.replies_of(spoken)):
        assert sorted(other.text(spoken) for other in one.candidates) == ["0", "1", "2"]


def test_candidates_of_a_choice_are_of_other_conversations():
    spoken = unlike(20)  # of two replies each
    for one in choice.draw(spoken, context.replies_of(spoken)):
        of_same = [
            other for other in one.candidates if other.conversation == one.reply.conversation
        ]
        assert of_same == [one.reply]


def test_the_baseline_does_not_take_a_reply_without_context_for_an_opening(data):
    for content in data.values():
        content["turns"] = [["Hello!", *turns] for turns in content["turns"]]
    details = TASKS["dialogue"](data.get, {}, "none").baseline().evaluation.details
    assert details["perplexity_0_turns"] < 1.15 * details["perplexity_4_turns"]


def test_measures_of_replies():
    texts = ["Yes.", "yes!", "I don't know.", "I don't like tea."]
    assert replies.words("I don't  know, 'Jo'.") == ["i", "don't", "know", "jo"]
    assert replies.distinct(texts, 1) == 6 / 9
    assert replies.distinct(texts, 2) == 4 / 5
    assert replies.distinct(["Yes."], 2) == 0
    numbered = [f"number {n}" for n in range(50)]
    assert replies.distinct([*numbered, *numbered, "number 1"], 2) == 1  # compared fifty by fifty
    assert replies.dullness(texts) == 1
    assert replies.dullness(["Yes."] * 30 + ["YES."] + [str(n) for n in range(29)]) == 40 / 60
    found = replies.measures("greedy", texts, texts)
    assert found["greedy_words"] == 9 / 4
    assert found["greedy_bleu"] == pytest.approx(100)
    assert "human_bleu" not in replies.measures("human", texts)


def test_retrieval_copies_the_reply_to_the_nearest_context():
    known = [["Is it raining?", "No.", "Let's walk.", "Where?", "To the park."], list("abcde")]
    retrieval = Retrieval(known)
    asked = [["x", "It's raining.", "Where shall we walk?", "No idea."], ["x", "y", "a", "b"]]
    assert retrieval.replies(asked) == ["To the park.", "e"]
    spoken = [["I", "like", "hot", "tea", "Tea is hot."], ["I", "see", "a", "dog", "A dog barks."]]
    choices = choice.draw(spoken, context.replies_of(spoken))
    assert all(len(one.candidates) == 2 for one in choices)
    spoken_of = Retrieval([*spoken, *known])
    assert choice.accuracy(choices, spoken_of.values(spoken, choices)) == 1


def test_the_baseline_is_scored_on_the_same_tokens_as_a_model(task, model, config):
    baseline = task.baseline()
    trained = baseline.evaluation
    assert 1 < trained.value < trained.details["perplexity_0_turns"] * 1.5
    assert trained.value < task.evaluate(model, config).value
    assert trained.signature == task.evaluate(model, config).signature
    assert 0 <= trained.details["retrieval_choice_accuracy"] <= 1
    assert trained.details["retrieval_words"] > 3
    assert baseline.parameters > 0


def test_inputs_to_show_are_conversations(task, data):
    assert len(task.example()) == 2
    assert task.plotted_input() in data["test"]["turns"]
    tokens = len(task._tokenizer()(["".join(task.plotted_input())])[0])
    assert tokens == pytest.approx(dialogue.PLOTTED_TOKENS, abs=25)
