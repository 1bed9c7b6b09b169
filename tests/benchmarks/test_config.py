"""Suite files: validation, inheritance, error messages and digests."""

import pytest
import yaml

from benchmarks import config
from benchmarks.tasks import TASKS

QUICK = (config.SUITES / "quick.yaml").read_text()


def write(tmp_path, change):
    content = yaml.safe_load(QUICK)
    change(content)
    path = tmp_path / "changed.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def fit(content, entry):
    """The keys of the step `fit` of an entry of `quick`."""
    return content["tasks"][entry]["recipe"][0]["fit"]


def change_recipe(content, entry, recipe):
    content["tasks"][entry]["recipe"] = recipe


@pytest.mark.parametrize("suite", config.suites())
def test_every_suite_is_valid(suite):
    load = {
        "tasks": config.load,
        "layers": config.load_layers,
        "presets": config.load_presets,
    }[config.kind(suite)]
    assert load(suite)


def test_quick_has_tasks_with_baselines_and_three_architectures():
    of_task = {}
    for run in config.load("quick"):
        of_task.setdefault(run.task, []).append(run.architecture)
    assert of_task.keys() == TASKS.keys() - {"memory", "sequential_images"}
    for architectures in of_task.values():
        *baselines, first, second, third = architectures
        assert (first, second, third) == ("rnn", "lstm", "gru")
        assert baselines[0] == "baseline"
        assert all(config.is_baseline(name) for name in baselines)


def test_variants_runs_the_tasks_of_quick_at_equal_parameters():
    quick = {run.task: run for run in config.load("quick") if run.architecture == "gru"}
    variants = config.load("variants")
    runs = [run for run in variants if run.architecture == "gru"]
    assert {run.seed for run in runs} == {0, 1, 2}
    for run in runs:
        assert run.equal_parameters == "lstm"
        expected = quick[run.task]
        if run.task == "sentiment":  # without its adversarial training
            assert run.model == expected.model.model_copy(update={"embedding_window": 0})
            assert [step.name for step in run.recipe] == ["fit"]
        else:
            assert (run.model, run.recipe) == (expected.model, expected.recipe)
    without_gates = [run for run in variants if run.architecture in ("rnn", "jordan")]
    rates = {run.recipe[0].learning_rate for run in without_gates if run.task == "translation"}
    assert rates == {0.0025}


def test_the_data_type_is_of_the_suite_or_of_an_entry_and_changes_the_run(tmp_path):
    path = tmp_path / "half.yaml"
    path.write_text(
        "{based_on: quick, dtype: mixed_bfloat16, tasks: {translation: {dtype: float32}}}"
    )
    quick = {one.title + one.task: one for one in config.load("quick")}
    for one in config.load(str(path)):
        of_quick = quick[one.title + one.task]
        is_changed = one.task != "translation" and not config.is_baseline(one.architecture)
        assert one.dtype == ("mixed_bfloat16" if is_changed else "float32")
        assert (one.digest != of_quick.digest) == is_changed
        assert ("dtype" in one.flat()) == is_changed


def test_a_suite_overrides_its_base_at_any_level(tmp_path):
    path = tmp_path / "slow.yaml"
    path.write_text("{based_on: quick, tasks: {translation: {model: {units: 7}}}}")
    (run,) = config.load(str(path), tasks=["translation"], chosen=["lstm"])
    (quick,) = config.load("quick", tasks=["translation"], chosen=["lstm"])
    assert run.model == quick.model.model_copy(update={"units": 7})
    assert run.recipe == quick.recipe


def test_an_entry_inherits_from_another_entry(tmp_path):
    def change(content):
        entry = {"based_on": "translation", "model": {"units": 7}, "preset": "small"}
        content["tasks"]["small"] = entry

    path = write(tmp_path, change)
    (small,) = config.load(path, tasks=["small"], chosen=["rnn"])
    (base,) = config.load(path, tasks=["translation"], chosen=["rnn"])
    assert (small.task, small.preset) == ("translation", "small")
    assert small.model == base.model.model_copy(update={"units": 7})
    assert small.recipe == base.recipe


def test_inherited_lists_are_replaced_whole(tmp_path):
    path = tmp_path / "short.yaml"
    fit = "{epochs: 1, batch_size: 8, learning_rate: 0.1}"
    path.write_text(f"{{based_on: quick, tasks: {{speech: {{recipe: [fit: {fit}]}}}}}}")
    (run,) = config.load(str(path), tasks=["speech"], chosen=["rnn"])
    (step,) = run.recipe
    assert (step.epochs, step.warmup_epochs) == (1, 0)


def test_bundled_suites_use_no_yaml_aliases():
    for suite in config.suites():
        events = yaml.parse((config.SUITES / f"{suite}.yaml").read_text())
        assert not any(isinstance(event, yaml.AliasEvent) for event in events)


def test_options_select_tasks_architectures_seeds_and_epochs():
    runs = config.load("quick", tasks=["speech"], chosen=["lstm", "gru"], seeds=2, epochs=1)
    assert [run.title for run in runs] == [
        "lstm, seed 0",
        "gru, seed 0",
        "lstm, seed 1",
        "gru, seed 1",
    ]
    assert {run.recipe[0].epochs for run in runs} == {1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(seed=3), "Unknown key 'seed'. Did you mean 'seeds'?"),
        (
            lambda c: c["tasks"]["speech"]["model"].update(unit=3),
            "speech, model: Unknown key 'unit'. Did you mean 'units'?",
        ),
        (
            lambda c: fit(c, "speech").update(epoch=3),
            "speech, recipe, fit: Unknown key 'epoch'. Did you mean 'epochs'?",
        ),
        (
            lambda c: c["tasks"]["speech"]["recipe"].insert(0, {"pretrian": {}}),
            "speech, recipe: Unknown step 'pretrian'. Did you mean 'pretrain'?",
        ),
        (
            lambda c: c["tasks"]["speech"].update(recipe=[]),
            "tasks.speech.recipe: List should have at least 1 item",
        ),
        (
            lambda c: c["tasks"]["speech"]["recipe"][0].update(ensemble={"members": 2}),
            "tasks.speech.recipe.0: Dictionary should have at most 1 item",
        ),
        (
            lambda c: c["tasks"]["speech"].update(based_on="speach"),
            "speech: Unknown entry 'speach'. Did you mean 'speech'?",
        ),
        (lambda c: c["tasks"]["speech"].update(based_on="speech"), "`based_on` is circular"),
        (lambda c: c.update(based_on="changed.yaml"), "changed.yaml: `based_on` is circular"),
        (lambda c: c["architectures"].append("ltsm"), "'ltsm'. Did you mean 'lstm'?"),
        (
            lambda c: c["tasks"].update(speach=c["tasks"].pop("speech")),
            "Unknown task 'speach'. Did you mean 'speech'?",
        ),
        (
            lambda c: fit(c, "speech").update(epochs=0),
            "speech, recipe, fit: epochs: Input should be greater than 0. Received: 0",
        ),
        (
            lambda c: fit(c, "speech").update(monitor="bleu"),
            "`monitor` must be one of ('loss', 'accuracy'). Received: 'bleu'",
        ),
        (
            lambda c: fit(c, "speech").update(learning_rate={"default": 0.1, "rnnn": 1}),
            "Unknown architecture 'rnnn'. Did you mean 'rnn'?",
        ),
        (
            lambda c: fit(c, "speech").update(learning_rate={"rnn": 0.1}),
            "fit: learning_rate: Input should be a valid number",
        ),
        (lambda c: c.update(seeds="many"), "seeds.default: Input should be a valid integer"),
        (lambda c: c.update(seeds=21), "seeds.default: Input should be less than or equal to 20"),
        (lambda c: c.update(tasks={}), "tasks: Dictionary should have at least 1 item"),
        (lambda c: c.update(architectures=[]), "List should have at least 1 item"),
        (
            lambda c: c["tasks"]["speech"].update(splits={"folds": ["ann", "ann"]}),
            "folds must be two or more distinct words",
        ),
        (
            lambda c: c["tasks"]["speech"].update(splits={"folds": ["ann", "bob"]}),
            "both train and test must contain the word FOLD",
        ),
        (
            lambda c: c["tasks"]["speech"].update(splits={"unlabelled": "more"}),
            "speech: nothing reads the split `unlabelled`",
        ),
        (
            lambda c: change_recipe(c, "sentiment", [{"pretrain": {"epochs": 1}}]),
            "sentiment, recipe: no step trains the model. Add one of: fit, adversarial",
        ),
        (
            lambda c: (
                c["tasks"]["sentiment"]["model"].update(num_layers=2),
                c["tasks"]["sentiment"]["recipe"].insert(0, {"pretrain": {"epochs": 1}}),
            ),
            "pretrain: it needs a model with one layer",
        ),
        (
            lambda c: c["tasks"]["sentiment"]["recipe"].append({"pretrain": {"epochs": 1}}),
            "pretrain: it must come before the steps that train with labels",
        ),
        (
            lambda c: c["tasks"]["translation"]["recipe"].append({"pseudo_label": None}),
            "translation can't be trained with this step. Its steps: fit, ensemble.",
        ),
        (
            lambda c: c["tasks"]["sentiment"]["recipe"].append({"pseudo_label": None}),
            "add `unlabelled` to `splits`",
        ),
        (
            lambda c: (
                c["tasks"]["sentiment"].update(splits={"unlabelled": "test"}),
                c["tasks"]["sentiment"]["recipe"].append({"pseudo_label": {"single": True}}),
            ),
            "`single` needs a teacher of several models: add `ensemble` before it",
        ),
        (
            lambda c: (
                c["tasks"]["speech"].update(splits={"unlabelled": "test"}),
                c["tasks"]["speech"]["recipe"].append({"pseudo_label": {"sentences": 1}}),
            ),
            "`sentences` need a task that classifies texts",
        ),
        (
            lambda c: c["tasks"]["speech"]["recipe"].append({"ensemble": {"members": 1}}),
            "ensemble: an ensemble needs at least two `members` or `architectures`, or `ngrams`",
        ),
        (
            lambda c: c["tasks"]["speech"]["recipe"].extend([{"ensemble": {"members": 2}}] * 2),
            "the members of an ensemble can't be ensembles themselves",
        ),
        (
            lambda c: c["tasks"]["speech"]["recipe"].append(
                {"ensemble": {"architectures": ["grru", "lstm"]}}
            ),
            "grru",
        ),
        (
            lambda c: c["tasks"]["speech"]["recipe"].insert(0, {"ensemble": {"members": 2}}),
            "the earlier steps train the members",
        ),
        (
            lambda c: c["tasks"]["speech"]["recipe"].append({"ensemble": {"ngrams": {"order": 2}}}),
            "`ngrams` need a task that classifies texts",
        ),
    ],
)
def test_an_invalid_suite_is_an_error_that_says_why(tmp_path, change, message):
    with pytest.raises(config.ConfigError) as error:
        config.load(write(tmp_path, change))
    assert message in str(error.value)


def test_an_unknown_option_is_an_error_with_the_nearest_name():
    for options, message in [
        ({"suite": "quikc"}, "Unknown suite 'quikc'. Did you mean 'quick'?"),
        ({"suite": "quick", "tasks": ["sentimant"]}, "Did you mean 'sentiment'?"),
        ({"suite": "quick", "chosen": ["grru"]}, "Did you mean 'gru'?"),
    ]:
        with pytest.raises(config.ConfigError) as error:
            config.load(**options)
        assert message in str(error.value)


def test_the_digest_depends_only_on_what_is_computed():
    first, second = config.load("quick", tasks=["speech"], chosen=["lstm"], seeds=2)
    assert first.digest != second.digest
    assert first.digest == first.model_copy(update={"suite": "other", "quality": 0.1}).digest
    larger = first.model.model_copy(update={"units": 99})
    assert first.digest != first.model_copy(update={"model": larger}).digest
    longer = (first.recipe[0].with_epochs(99),)
    assert first.digest != first.model_copy(update={"recipe": longer}).digest


def test_the_digest_depends_on_defaults_and_step_versions(monkeypatch):
    (run,) = config.load("quick", tasks=["speech"], chosen=["lstm"])
    before = run.digest

    class Later(type(run.model), frozen=True, extra="forbid"):
        speed: float = 0.5  # the default is 0

    keys = run.model.model_dump(exclude={"speed"})
    assert run.model_copy(update={"model": Later(**keys)}).digest != before
    monkeypatch.setattr(type(run.recipe[0]), "VERSION", 99)
    assert run.digest != before


def test_a_configuration_survives_json():
    runs = config.load("standard", tasks=["sentiment_ensemble", "new_speakers"])
    for run in runs:
        again = config.from_json(run.as_json())
        assert again == run
        assert again.digest == run.digest
        assert type(again.model) is type(run.model)


def test_flat_parameters_are_prefixed_with_the_step():
    (run,) = config.load("standard", tasks=["sentiment_ensemble"], chosen=["gru"])
    flat = run.flat()
    assert flat["adversarial.norm"] == 4
    assert flat["ensemble.ngrams.order"] == 4
    assert flat["splits.unlabelled"] == "unsupervised"
    twice = run.model_copy(update={"recipe": run.recipe[:1] * 2}).flat()
    assert twice["pretrain.epochs"] == twice["pretrain_2.epochs"] == 3


def test_flat_parameters_leave_out_what_is_off_by_default():
    (run,) = config.load("quick", tasks=["sentiment"], chosen=["gru"])
    flat = run.flat()
    assert run.model.token_dropout == 0
    assert not {"model.token_dropout", "features"} & flat.keys()
    assert flat["seed"] == 0  # which isn't a default
    assert flat["model.bidirectional"] is False  # nor is this
    assert flat["adversarial.clip_norm"] == 1  # a default that is on
    dropped = run.model.model_copy(update={"token_dropout": 0.1})
    assert run.model_copy(update={"model": dropped}).flat()["model.token_dropout"] == 0.1
    assert '"token_dropout": 0.0' in run.as_json()  # the digest and the tag have all of them


def test_a_value_may_differ_by_architecture(tmp_path):
    path = write(
        tmp_path, lambda content: fit(content, "speech").update(epochs={"default": 9, "rnn": 2})
    )
    epochs = {
        run.architecture: run.recipe[0].epochs
        for run in config.load(path, tasks=["speech"])
        if run.recipe
    }
    assert epochs == {"rnn": 2, "lstm": 9, "gru": 9}


def held_out(content):
    """Adds an entry that holds out each speaker in turn."""
    splits = {"feature": "who", "folds": ["ann", "bob"], "train": "^(?!FOLD)", "test": "^FOLD"}
    entry = {**content["tasks"]["speech"], "task": "speech", "splits": splits}
    content["tasks"]["new_speakers"] = entry


def test_entries_with_the_same_task_have_separate_experiments(tmp_path):
    path = write(tmp_path, held_out)
    first, second = (
        config.load(path, tasks=[entry], chosen=["gru"])[0] for entry in ("speech", "new_speakers")
    )
    assert first.task == second.task == "speech"
    assert first.experiment == "speech/japanese_vowels"
    assert second.experiment == "speech/japanese_vowels/new_speakers"


def test_each_fold_has_a_seed_and_a_baseline(tmp_path):
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


def test_configurations_are_immutable():
    run = config.load("quick")[0]
    with pytest.raises(ValueError, match="frozen"):
        run.seed = 3


def test_a_suite_may_be_based_on_a_file_beside_it(tmp_path, monkeypatch):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "base.yaml").write_text("{based_on: quick, seeds: 4}")
    path = tmp_path / "own" / "mine.yaml"
    path.write_text("{based_on: base.yaml, architectures: [gru]}")
    monkeypatch.chdir(tmp_path)
    runs = config.load(str(path), tasks=["speech"], chosen=["gru"])
    assert [run.seed for run in runs] == [0, 1, 2, 3]


def test_unlabelled_examples_follow_the_fold():
    splits = config.Splits(
        feature="who", folds=("ann", "bob"), train="FOLD", test="FOLD", unlabelled="not FOLD"
    )
    assert splits.of_seed(1).unlabelled == "not bob"
    with pytest.raises(ValueError, match="unlabelled is not a regular expression"):
        config.Splits(feature="who", unlabelled="(")


def test_seeds_may_differ_by_architecture_and_entry(tmp_path):
    def change(content):
        content["seeds"] = {"default": 1, "gru": 3}
        content["tasks"]["speech"]["seeds"] = 2

    runs = config.load(write(tmp_path, change))
    seeds = {}
    for run in runs:
        seeds.setdefault((run.entry, run.architecture), []).append(run.seed)
    assert seeds["sentiment", "gru"] == [0, 1, 2]
    assert seeds["sentiment", "lstm"] == [0]
    assert seeds["speech", "gru"] == seeds["speech", "lstm"] == [0, 1]


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ({"gru": 3}, "need the key `default`"),
        ({"default": 1, "grru": 3}, "Did you mean 'gru'?"),
        ({"default": 0}, "seeds.default: Input should be greater than"),
    ],
)
def test_wrong_seeds_by_architecture_are_an_error(tmp_path, seeds, message):
    with pytest.raises(config.ConfigError) as error:
        config.load(write(tmp_path, lambda content: content.update(seeds=seeds)))
    assert message in str(error.value)


def test_an_entry_may_have_several_baselines():
    runs = config.load("memory", tasks=["temporal_order"])
    assert [run.architecture for run in runs[:4]] == [
        "baseline",
        "baseline_constant",
        "baseline_hmm",
        "rnn",
    ]
    # A chosen baseline is run where an entry has it.
    runs = config.load("memory", chosen=["baseline_hmm", "gru"], seeds=1)
    found = [(run.entry, run.architecture) for run in runs]
    assert ("temporal_order", "baseline_hmm") in found
    assert ("adding", "baseline_hmm") not in found
    with pytest.raises(config.ConfigError, match="Did you mean 'baseline_hmm'"):
        config.load("memory", chosen=["baseline_hm"])


def test_a_baseline_that_the_task_lacks_is_an_error(tmp_path):
    def change(content):
        content["tasks"]["speech"]["baselines"] = ["baseline_hmm"]

    with pytest.raises(config.ConfigError, match="Unknown architecture 'baseline_hmm'"):
        config.load(write(tmp_path, change))


def test_a_task_of_one_direction_refuses_bidirectional_architectures(tmp_path):
    suite = tmp_path / "my.yaml"
    suite.write_text("based_on: memory\narchitectures: [bilstm]\n")
    with pytest.raises(config.ConfigError, match="memory needs architectures of one direction"):
        config.load(str(suite))


def test_a_chosen_bidirectional_architecture_runs_on_the_tasks_that_can_have_it():
    runs = config.load("quick", chosen=["lstm", "bilstm"])
    of_task = lambda task: [run.architecture for run in runs if run.task == task]
    assert of_task("sentiment") == ["lstm", "bilstm"]
    assert of_task("language_modelling") == ["lstm"]
    assert config.load("quick", tasks=["sentiment"], chosen=["bilstm"])
    with pytest.raises(config.ConfigError, match="no chosen task has bilstm"):
        config.load("memory", tasks=["adding"], chosen=["bilstm"])


def test_a_choice_that_leaves_nothing_to_run_is_an_error():
    with pytest.raises(config.ConfigError, match="no chosen task has baseline_hmm"):
        config.load("memory", tasks=["adding"], chosen=["baseline_hmm"])


def test_entries_that_would_share_an_experiment_are_an_error(tmp_path):
    def change(content):
        content["tasks"]["japanese_vowels"] = {"based_on": "speech", "task": "speech"}

    with pytest.raises(config.ConfigError, match="would share the experiment speech/japanese_vo"):
        config.load(write(tmp_path, change))
