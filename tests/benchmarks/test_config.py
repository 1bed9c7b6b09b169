"""Suite files: what is accepted, what is refused, and what the refusal says."""

import pytest
import yaml

from benchmarks import config

QUICK = (config.SUITES / "quick.yaml").read_text()


def write(tmp_path, change):
    content = yaml.safe_load(QUICK)
    change(content)
    path = tmp_path / "changed.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


@pytest.mark.parametrize("suite", config.suites())
def test_every_suite_is_valid(suite):
    load = {
        "tasks": config.load,
        "layers": config.load_layers,
        "presets": config.load_presets,
    }[config.kind(suite)]
    assert load(suite)


def test_quick_is_three_tasks_of_a_baseline_and_three_architectures():
    runs = config.load("quick")
    assert [(run.task, run.architecture) for run in runs] == [
        (task, architecture)
        for task in ("sentiment", "speech", "translation")
        for architecture in ("baseline", "rnn", "lstm", "gru")
    ]


def test_variants_are_the_tasks_of_quick_at_equal_parameters():
    quick = {run.task: run for run in config.load("quick") if run.architecture == "gru"}
    variants = config.load("variants")
    runs = [run for run in variants if run.architecture == "gru"]
    assert {run.seed for run in runs} == {0, 1, 2}
    for run in runs:
        assert run.equal_parameters == "lstm"
        assert run.model == quick[run.task].model
        assert run.training == quick[run.task].training
    without_gates = [run for run in variants if run.architecture in ("rnn", "jordan")]
    rates = {run.training.learning_rate for run in without_gates if run.task == "translation"}
    assert rates == {0.0025}


def test_a_suite_changes_the_one_that_it_is_based_on_at_any_level(tmp_path):
    path = tmp_path / "slow.yaml"
    path.write_text(
        "{based_on: quick, tasks: {translation: {overrides: {lstm: {learning_rate: 1}}}}}"
    )
    runs = {run.architecture: run for run in config.load(str(path), tasks=["translation"])}
    quick = {run.architecture: run for run in config.load("quick", tasks=["translation"])}
    assert runs["lstm"].training.learning_rate == 1
    assert runs["lstm"].training.epochs == quick["lstm"].training.epochs
    assert runs["lstm"].model == quick["lstm"].model
    assert runs["rnn"].training == quick["rnn"].training  # which quick itself overrides


def test_choices_narrow_the_suite():
    runs = config.load("quick", tasks=["speech"], chosen=["lstm", "gru"], seeds=2, epochs=1)
    assert [run.title for run in runs] == [
        "lstm, seed 0",
        "gru, seed 0",
        "lstm, seed 1",
        "gru, seed 1",
    ]
    assert {run.training.epochs for run in runs} == {1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(seed=3), "Unknown key 'seed'. Did you mean 'seeds'?"),
        (
            lambda c: c["tasks"]["speech"]["model"].update(unit=3),
            "speech, model: Unknown key 'unit'. Did you mean 'units'?",
        ),
        (
            lambda c: c["tasks"]["speech"]["training"].update(epoch=3),
            "Unknown key 'tasks.speech.training.epoch'. Did you mean 'epochs'?",
        ),
        (lambda c: c["architectures"].append("ltsm"), "'ltsm'. Did you mean 'lstm'?"),
        (
            lambda c: c["tasks"].update(speach=c["tasks"].pop("speech")),
            "Unknown task 'speach'. Did you mean 'speech'?",
        ),
        (
            lambda c: c["tasks"]["speech"]["training"].update(epochs=0),
            "tasks.speech.training.epochs: Input should be greater than 0. Received: 0",
        ),
        (
            lambda c: c["tasks"]["speech"].update(overrides={"rnnn": {}}),
            "speech, overrides: Unknown architecture 'rnnn'. Did you mean 'rnn'?",
        ),
        (
            lambda c: c["tasks"]["speech"].update(overrides={"rnn": {"epoch": 3}}),
            "overrides of rnn: Unknown key 'epoch'. Did you mean 'epochs'?",
        ),
        (
            lambda c: c["tasks"]["speech"]["model"].update(deltas=True),
            "`deltas` is of a waveform, not of frames",
        ),
        (lambda c: c.update(seeds="many"), "seeds: Input should be a valid integer"),
        (lambda c: c.update(seeds=21), "seeds: Input should be less than or equal to 20"),
        (lambda c: c.update(tasks={}), "tasks: Dictionary should have at least 1 item"),
        (lambda c: c.update(architectures=[]), "List should have at least 1 item"),
        (
            lambda c: c["tasks"]["speech"].update(splits={"folds": ["ann", "ann"]}),
            "folds must be two or more different words",
        ),
        (
            lambda c: c["tasks"]["speech"].update(splits={"folds": ["ann", "bob"]}),
            "the word FOLD must stand in train and in test",
        ),
        (
            lambda c: c["tasks"]["speech"].update(splits={"unlabelled": "more"}),
            "`unlabelled` needs `embedding_window` or",
        ),
        (
            lambda c: c["tasks"]["sentiment"]["model"].update(pretraining_epochs=1, num_layers=2),
            "`pretraining_epochs` needs a model of one layer",
        ),
        (
            lambda c: c["tasks"]["translation"]["training"].update(self_training=1),
            "translation: `self_training` works for a sentiment task",
        ),
        (
            lambda c: c["tasks"]["sentiment"]["training"].update(self_training=1),
            "whose splits name `unlabelled` texts",
        ),
    ],
)
def test_a_wrong_suite_says_what_is_wrong(tmp_path, change, message):
    with pytest.raises(config.ConfigError) as error:
        config.load(write(tmp_path, change))
    assert message in str(error.value)


def test_wrong_choices_name_the_nearest_right_one():
    for options, message in [
        ({"suite": "quikc"}, "Unknown suite 'quikc'. Did you mean 'quick'?"),
        ({"suite": "quick", "tasks": ["sentimant"]}, "Did you mean 'sentiment'?"),
        ({"suite": "quick", "chosen": ["grru"]}, "Did you mean 'gru'?"),
    ]:
        with pytest.raises(config.ConfigError) as error:
            config.load(**options)
        assert message in str(error.value)


def test_digest_changes_with_what_is_computed_and_with_nothing_else():
    first, second = config.load("quick", tasks=["speech"], chosen=["lstm"], seeds=2)
    assert first.digest != second.digest
    assert first.digest == first.model_copy(update={"suite": "other", "quality": 0.1}).digest
    larger = first.model.model_copy(update={"units": 99})
    assert first.digest != first.model_copy(update={"model": larger}).digest
    longer = first.training.model_copy(update={"epochs": 99})
    assert first.digest != first.model_copy(update={"training": longer}).digest


def test_a_new_option_at_its_default_leaves_the_digest():
    (run,) = config.load("quick", tasks=["speech"], chosen=["lstm"])

    class Later(type(run.model), frozen=True, extra="forbid"):
        option: float = 0.5

    later = run.model_copy(update={"model": Later(**run.model.model_dump())})
    assert later.digest == run.digest
    chosen = later.model.model_copy(update={"option": 0.1})
    assert later.model_copy(update={"model": chosen}).digest != run.digest


def test_members_have_seeds_of_their_own():
    runs = config.load("quick", tasks=["speech"], chosen=["lstm"], seeds=2)
    assert [run.of_members for run in runs] == [[run] for run in runs]
    seeds = []
    for run in runs:
        training = run.training.model_copy(update={"members": 3})
        seeds += [one.seed for one in run.model_copy(update={"training": training}).of_members]
    assert seeds == list(range(6))


def test_overrides_are_of_one_architecture(tmp_path):
    change = {"overrides": {"rnn": {"epochs": 2}}}
    path = write(tmp_path, lambda content: content["tasks"]["speech"].update(change))
    epochs = {
        run.architecture: run.training.epochs
        for run in config.load(path, tasks=["speech"])
        if run.training
    }
    assert epochs["rnn"] == 2
    assert epochs["gru"] == epochs["lstm"] != 2


def held_out(content):
    """Adds an entry that holds one speaker out after the other."""
    splits = {"feature": "who", "folds": ["ann", "bob"], "train": "^(?!FOLD)", "test": "^FOLD"}
    entry = {**content["tasks"]["speech"], "task": "speech", "splits": splits}
    content["tasks"]["new_speakers"] = entry


def test_a_task_stands_in_a_suite_more_than_once_in_experiments_of_their_own(tmp_path):
    path = write(tmp_path, held_out)
    first, second = (
        config.load(path, tasks=[entry], chosen=["gru"])[0] for entry in ("speech", "new_speakers")
    )
    assert first.task == second.task == "speech"
    assert first.experiment == "speech/japanese_vowels"
    assert second.experiment == "speech/japanese_vowels/new_speakers"


def test_each_fold_is_held_out_by_one_seed_and_has_its_baseline(tmp_path):
    path = write(tmp_path, held_out)
    runs = config.load(path, tasks=["new_speakers"], chosen=["baseline", "gru"])
    assert [(run.architecture, run.seed, run.splits.test) for run in runs] == [
        ("baseline", 0, "^ann"),
        ("baseline", 1, "^bob"),
        ("gru", 0, "^ann"),
        ("gru", 1, "^bob"),
    ]
    assert runs[2].splits.train == "^(?!ann)"
    more = config.load(path, tasks=["new_speakers"], chosen=["gru"], seeds=3)
    assert [run.splits.test for run in more] == ["^ann", "^bob", "^ann"]
    assert len({run.digest for run in more}) == 3


def test_configs_cannot_be_changed():
    run = config.load("quick")[0]
    with pytest.raises(ValueError, match="frozen"):
        run.seed = 3
