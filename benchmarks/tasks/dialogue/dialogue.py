"""Dialogue: predicts the turns of conversations, and replies."""

import dataclasses
import functools
import time

import numpy as np
import pydantic

from benchmarks import plots
from benchmarks.metrics import PERPLEXITY
from benchmarks.tasks import token_prediction
from benchmarks.tasks.batches import Batches
from benchmarks.tasks.dialogue import choice, context
from benchmarks.tasks.dialogue.context import CONTEXTS, GIVEN, TokenizedConversations
from benchmarks.tasks.dialogue.replies import measures, table
from benchmarks.tasks.dialogue.retrieval import Retrieval
from benchmarks.tasks.task import Baseline, Evaluation, Examples, Task
from benchmarks.tasks.token_prediction import TokenModelConfig
from zoo import models
from zoo.models.dialogue.dialogue_preprocessor import CUT
from zoo.models.kneser_ney import KneserNey

VOCABULARY = 4096  # perplexities per token are comparable only with equal tokens
ORDER = 4  # n-grams of the baseline
SCORED = 4000  # replies whose perplexity is measured
ANSWERED = 300  # contexts that models reply to, and choose replies for
PENALTY = 0.7  # the `likelihood_penalty` that is measured, chosen on validation
PLOTTED_TOKENS = 40
CUT_FRACTION = 0.5  # of training batches


class Dialogue(Task):
    """Predicts conversations, the dataset's feature `turns`, with a recurrent `DialogueModel`.

    The metric is the perplexity per token of replies given the 4 turns before them, `</s>`
    included. Replies are the turns of test conversations that follow at least 4 turns, up to 4,000
    of them, drawn with a fixed seed. On validation it is the perplexity per token of conversations,
    up to `max_length` tokens of each.

    Where the dataset has a feature `duplicate`, a bool, the marked conversations of the training
    split are also in another split and aren't trained on. Those of the test split count only for
    `perplexity_official`, the perplexity on all test conversations.

    In addition, a model is given 0, 1, 2 and all turns before the same replies; it chooses replies
    among ten candidates, see `choice`; and it replies to the first 4 turns of up to 300
    conversations: greedily, greedily with a penalty on what is likely without them, and with
    nucleus sampling.
    """

    metric = PERPLEXITY
    validation_metric = PERPLEXITY
    feature = "turns"
    one_direction = True

    class Model(TokenModelConfig, frozen=True):
        max_length: pydantic.PositiveInt

    def read_examples(self, split):
        turns = self.read(split)["turns"]
        if split == "train":
            duplicate = self._duplicate(split)
            turns = [one for one, is_known in zip(turns, duplicate, strict=True) if not is_known]
        return Examples(turns, None)

    def build(self, config):
        tokenizer, length = self._tokenizer(), config.model.max_length
        train = self._tokenized(tokenizer, self.examples("train"))
        backbone = token_prediction.backbone(
            models.DialogueBackbone,
            config,
            tokenizer,
            train.unigrams(tokenizer.vocabulary_size()),
            timescale=length,
        )
        preprocessor = models.DialoguePreprocessor(tokenizer, sequence_length=length)
        return models.DialogueModel(backbone, preprocessor)

    def batches(self, model, examples, config, batch_size=32):
        """Batches of conversations; shuffled, half of them begin at a random turn, with `<cut>`.

        Otherwise a model would mistake a reply without context for the opening of a conversation.
        The conversations of a batch begin after the same fraction of their turns, so that they stay
        of similar length.
        """
        preprocessor = model.preprocessor
        conversations = self._tokenized(preprocessor.tokenizer, examples)
        lengths = [sum(map(len, turns)) for turns in conversations.turns]

        def columns(chosen, generator):
            is_cut = generator is not None and generator.random() < CUT_FRACTION
            fraction = generator.random() if is_cut else None
            rows = [
                conversations.row(index, _beginning(len(conversations.turns[index]), fraction))
                for index in chosen
            ]
            return preprocessor.batch(rows)

        return Batches(examples, columns, np.minimum(lengths, config.model.max_length), batch_size)

    def loss(self, config, examples):
        return models.SequenceCrossEntropy()

    def evaluate(self, model, config):
        score, tokenizer = model.score_token_ids, model.preprocessor.tokenizer
        evaluation, choices = self._evaluation(score, tokenizer, CONTEXTS)
        replies = self._without_duplicates(self._replies)
        of_all = context.perplexity(
            context.given_all_turns(
                score, self._tokenized(tokenizer, self.examples("test")), replies
            )
        )
        by_turns = {
            **evaluation.curves["context/perplexity"],
            max(reply.turn for reply in replies): of_all,
        }
        contexts, human = self._contexts_and_replies(choices)
        greedy = model.generate(contexts, sampler="greedy")
        penalized = model.generate(contexts, sampler="greedy", likelihood_penalty=PENALTY)
        nucleus = model.generate(contexts, sampler="top_p", seed=0)
        columns = {"human": human, "greedy": greedy, "penalized": penalized, "nucleus": nucleus}
        return dataclasses.replace(
            evaluation,
            details={
                **evaluation.details,
                "perplexity_all_turns": of_all,
                **measures("human", human),
                **measures("greedy", greedy, human),
                **measures("penalized", penalized, human),
                **measures("top_p", nucleus, human),
            },
            figures={"context_curve": plots.context_curve(by_turns)},
            texts={"replies.tsv": table(contexts, columns)},
            curves={"context/perplexity": by_turns},
        )

    def baseline(self):
        """A Kneser-Ney model of subwords; its details include replies copied by `Retrieval`.

        Its history crosses turns. Where a conversation is cut, it is `</s>`.
        """
        tokenizer = self._tokenizer()
        train = self._tokenized(tokenizer, self.examples("train"))
        start = time.perf_counter()
        model = KneserNey.fit(
            [np.array(train.row(index)[1:], "int64") for index in range(len(train.turns))],
            ORDER,
            tokenizer.vocabulary_size(),
        )
        seconds = time.perf_counter() - start

        def score(rows):
            return [
                model.log_probabilities([tokenizer.end_token_id, *row[1:]], start=1)
                if row[0] == train.cut_id
                else model.log_probabilities(row[1:])
                for row in rows
            ]

        evaluation, choices = self._evaluation(score, tokenizer, (0, GIVEN))
        retrieval = Retrieval(self.examples("train").inputs)
        values = retrieval.values(self.examples("test").inputs, choices)
        contexts, human = self._contexts_and_replies(choices)
        copied = retrieval.replies(contexts)
        return Baseline(
            name=f"Kneser-Ney {ORDER}-grams of subwords; replies copied by TF-IDF of words",
            seconds=seconds,
            parameters=model.parameters,
            evaluation=dataclasses.replace(
                evaluation,
                details={
                    **evaluation.details,
                    "retrieval_choice_accuracy": choice.accuracy(choices, values),
                    **measures("human", human),
                    **measures("retrieval", copied, human),
                },
                texts={"replies.tsv": table(contexts, {"human": human, "retrieval": copied})},
            ),
        )

    def example(self):
        """The shortest beginning of two turns."""
        beginnings = [turns[:2] for turns in self.examples("validation").inputs]
        return min(beginnings, key=lambda turns: sum(map(len, turns)))

    def plotted_input(self):
        test = self.examples("test")
        tokenized = self._tokenized(self._tokenizer(), test)
        distances = [
            abs(len(tokenized.row(index)) - PLOTTED_TOKENS) for index in range(len(test.inputs))
        ]
        return test.inputs[int(np.argmin(distances))]

    def _evaluation(self, score, tokenizer, contexts):
        """The part of an evaluation that needs only probabilities.

        Args:
            score: see `context.given_turns`.
            tokenizer: the tokenizer of its rows.
            contexts: tuple of int, numbers of turns before a reply; 0 and `GIVEN` among them.

        Returns:
            `(evaluation, choices)`: an `Evaluation`, and a list of `Choice`.
        """
        test = self.examples("test")
        tokenized = self._tokenized(tokenizer, test)
        replies = self._without_duplicates(self._replies)
        scores = dict(
            zip(
                self._replies,
                context.given_turns(score, tokenized, self._replies, GIVEN),
                strict=True,
            )
        )
        kept = [scores[reply] for reply in replies]
        value = context.perplexity(kept)
        by_turns = {
            given: value
            if given == GIVEN
            else context.perplexity(context.given_turns(score, tokenized, replies, given))
            for given in contexts
        }
        firsts = context.first_replies(context.replies_of(test.inputs))
        firsts = context.some(self._without_duplicates(firsts), ANSWERED)
        choices = choice.draw(test.inputs, firsts)
        values = choice.by_information(score, tokenized, choices)
        details = {f"perplexity_{given}_turns": of_given for given, of_given in by_turns.items()}
        if len(replies) < len(scores):
            details["perplexity_official"] = context.perplexity(list(scores.values()))
        evaluation = Evaluation(
            value,
            context.perplexity_interval(kept, replies),
            f"perplexity per token of replies given {GIVEN} turns, </s> included, of "
            f"{tokenizer.vocabulary_size()} subwords",
            details={
                **details,
                "context_gain": by_turns[0] / value - 1,
                "choice_accuracy": choice.accuracy(choices, values),
            },
            curves={"context/perplexity": by_turns},
        )
        return evaluation, choices

    @functools.cached_property
    def _replies(self):
        """The replies of the test split, duplicates included: a list of `context.Reply`."""
        return context.some(context.replies_of(self.examples("test").inputs), SCORED)

    def _without_duplicates(self, replies):
        """The replies, of the test split, that aren't in a duplicate."""
        duplicate = self._duplicate("test")
        return [reply for reply in replies if not duplicate[reply.conversation]]

    def _contexts_and_replies(self, choices):
        """The contexts of choices, lists of str, and the replies that were given, str."""
        test = self.examples("test").inputs
        replies = [one.reply for one in choices]
        return [one.context(test) for one in replies], [one.text(test) for one in replies]

    def _duplicate(self, split):
        """Whether each conversation of a split is a duplicate, a list of bool."""
        data = self.read(split)
        return data.get("duplicate", [False] * len(data["turns"]))

    @functools.cache  # noqa: B019 - a task lives as long as its process
    def _tokenizer(self):
        turns = [turn for turns in self.examples("train").inputs for turn in turns]
        return models.SubwordTokenizer.train(turns, VOCABULARY, byte_fallback=True, markers=[CUT])

    @functools.cache  # noqa: B019
    def _tokenized(self, tokenizer, examples):
        preprocessor = models.DialoguePreprocessor(tokenizer)
        ids = iter(preprocessor.turn_ids([turn for turns in examples.inputs for turn in turns]))
        turns = [[next(ids) for _ in conversation] for conversation in examples.inputs]
        return TokenizedConversations(turns, tokenizer.start_token_id, preprocessor.cut_id)


def _beginning(count, fraction):
    """The turn after a fraction of a conversation's turns, with at least two turns left; else 0."""
    later = count - 2
    return 0 if fraction is None or later < 1 else 1 + int(fraction * later)
