"""The commands that make text: `zoo generate` and `zoo chat`."""

import io

import pytest

from zoo import cli, models

OWN = "--no-verify"  # these folders have no card
TEXTS = ["the king is dead\n", "long live the queen\n"]


def backbone(cls, tokenizer):
    return cls(tokenizer.vocabulary_size(), "gru", embedding_dim=4, units=4)


@pytest.fixture(scope="module")
def plays(tmp_path_factory):
    """A preset's folder of a language model."""
    tokenizer = models.SubwordTokenizer.train(TEXTS, 300, byte_fallback=True, keep_whitespace=True)
    preprocessor = models.LanguageModelPreprocessor(tokenizer)
    model = models.LanguageModel(backbone(models.LanguageBackbone, tokenizer), preprocessor)
    folder = str(tmp_path_factory.mktemp("plays"))
    model.save_to_preset(folder)
    return folder


@pytest.fixture(scope="module")
def chats(tmp_path_factory):
    """A preset's folder of a dialogue model."""
    tokenizer = models.SubwordTokenizer.train(TEXTS, 300, byte_fallback=True, markers=["<cut>"])
    preprocessor = models.DialoguePreprocessor(tokenizer)
    model = models.DialogueModel(backbone(models.DialogueBackbone, tokenizer), preprocessor)
    folder = str(tmp_path_factory.mktemp("chats"))
    model.save_to_preset(folder)
    return folder


def test_a_prompt_is_printed_with_its_continuation(plays, capsys):
    arguments = ["generate", OWN, plays, "the king", "--length", "9", "--seed", "1"]
    assert cli.main(arguments) == 0
    first = capsys.readouterr().out
    assert first.startswith("the king")
    assert len(first) > len("the king\n")
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out == first


def test_text_is_printed_as_it_is_made(plays, capsys, monkeypatch):
    written = []
    monkeypatch.setattr("builtins.print", lambda *words, **options: written.append(words))
    assert (
        cli.main(["generate", OWN, plays, "the king", "--length", "40", "--sampler", "greedy"]) == 0
    )
    assert len(written) > 3


def test_no_prompt_and_prompts_from_standard_input(plays, capsys, monkeypatch):
    assert cli.main(["generate", OWN, plays, "--length", "4"]) == 0
    assert capsys.readouterr().out.endswith("\n")
    monkeypatch.setattr(cli.sys, "stdin", io.StringIO("the king\nlong\n"))
    assert cli.main(["generate", OWN, plays, "-", "--length", "2", "--sampler", "greedy"]) == 0
    assert "the king" in (output := capsys.readouterr().out)
    assert "\nlong" in output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--temperature", "0"], "`temperature` must be positive"),
        (["--sampler", "beam"], "Text can be streamed if the sampler chooses one token"),
        (["--sampler", "nucleus"], "`sampler` must be one of greedy"),
        (["--length", "0"], "`max_length` must be at least 1"),
    ],
)
def test_a_bad_option_is_one_line_of_error(plays, capsys, options, message):
    assert cli.main(["generate", OWN, plays, "the king", *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_model_of_another_kind_says_so(plays, capsys):
    assert cli.main(["generate", "imdb_rnn", "the king"]) == 2
    assert "sentiment doesn't continue text" in capsys.readouterr().err
    assert cli.main(["chat", OWN, plays]) == 2
    assert "language_modelling doesn't converse" in capsys.readouterr().err


def test_a_chat_answers_each_line_and_begins_anew(chats, capsys, monkeypatch):
    replies = {}
    for name, lines in {"once": ["Hi!"], "again": ["Hi!", "Well?", "/reset", "", "Hi!"]}.items():
        monkeypatch.setattr(cli.sys, "stdin", io.StringIO("\n".join([*lines, "/quit", "unheard"])))
        assert cli.main(["chat", OWN, chats, "--sampler", "greedy", "--length", "5"]) == 0
        replies[name] = capsys.readouterr().out
    assert replies["once"]
    assert replies["again"].startswith(replies["once"])
    assert replies["again"].endswith(replies["once"])


def test_a_chat_ends_with_its_input(chats, monkeypatch):
    monkeypatch.setattr(cli.sys, "stdin", io.StringIO(""))
    assert cli.main(["chat", OWN, chats]) == 0
