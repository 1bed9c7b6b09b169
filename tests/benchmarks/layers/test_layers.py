"""Timing layers: implementations agree with Keras, and are timed, logged and reported."""

import mlflow
import numpy as np
import pytest
import yaml

from benchmarks import __main__ as command_line
from benchmarks import config, report
from benchmarks.layers import timing
from benchmarks.layers.implementations import FAMILIES, IMPLEMENTATIONS, Problem
from benchmarks.tracking import store
from zoo.layers import architectures

SHAPE = (2, 4, 3, 5)


@pytest.fixture
def small_suite(tmp_path):
    content = {
        "layers": ["gru"],
        "shapes": [list(SHAPE)],
        "implementations": ["zoo", "keras", "torch", "products"],
        "rounds": 2,
        "least_ms": 0.1,
    }
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


@pytest.mark.parametrize("family", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("name", ["zoo", "zoo_without_kernel", "keras_xla", "torch", "onnxruntime"])
def test_an_implementation_agrees_with_keras(family, name):
    try:
        functions = IMPLEMENTATIONS[name](Problem(family, *SHAPE))
    except ImportError as error:
        pytest.skip(f"not installed: {error}")
    expected = IMPLEMENTATIONS["keras"](Problem(family, *SHAPE))
    np.testing.assert_allclose(functions["inference"](), expected["inference"](), atol=1e-5)
    if "training" in functions:
        got = [np.asarray(gradient) for gradient in functions["training"]()]
        wanted = [np.asarray(gradient) for gradient in expected["training"]()]
        np.testing.assert_allclose(got[0], wanted[0], atol=1e-5)
        sizes = [np.abs(gradients[1]).sum() for gradients in (got, wanted)]
        np.testing.assert_allclose(*sizes, rtol=1e-5)


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("lstm", "zoo_int8"),
        ("rnn", "zoo_int8"),
        ("lstm", "torch_int8"),
        ("gru", "torch_int8"),
        ("lstm", "onnxruntime_int8"),
    ],
)
def test_a_quantized_implementation_is_near_keras_but_not_equal(family, name):
    try:
        functions = IMPLEMENTATIONS[name](Problem(family, *SHAPE))
    except ImportError as error:
        pytest.skip(f"not installed: {error}")
    expected = IMPLEMENTATIONS["keras"](Problem(family, *SHAPE))["inference"]().numpy()
    error = np.abs(functions["inference"]() - expected).max()
    assert 1e-4 < error < 0.2 * np.abs(expected).max()
    assert "training" not in functions


@pytest.mark.parametrize("family", FAMILIES)
def test_every_architecture_agrees_with_the_loop_of_keras(family):
    ours, expected = (IMPLEMENTATIONS[name](Problem(family, *SHAPE)) for name in ("zoo", "keras"))
    for mode in ("inference", "training", "padded"):
        got, wanted = ours[mode](), expected[mode]()
        for a, b in zip(*((x if isinstance(x, list) else [x]) for x in (got, wanted)), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


def test_an_architecture_is_compared_with_an_lstm_of_as_many_operations():
    timings, missing, _ = timing.measure(
        "min_gru", SHAPE, ["lstm_per_operation", "torch", "products"], rounds=1, least_ms=0.1
    )
    assert missing == {
        "torch": "torch has no min_gru",
        "products": "min_gru has no recurrent product",
    }
    assert ("training", "lstm_per_operation") in timings
    found = IMPLEMENTATIONS["lstm_per_operation"](Problem("min_gru", *SHAPE))
    assert found["scale"] == (3 * 2 * 5) / (3 * 4 * 5 + 5 * 4 * 5)


def test_what_a_peer_does_not_quantize_is_left_out():
    names = ["torch_int8", "onnxruntime_int8"]
    _, missing, _ = timing.measure("rnn", SHAPE, names, rounds=1, least_ms=0.1)
    assert missing == {
        "torch_int8": "torch does not quantize rnn",
        "onnxruntime_int8": "ONNX Runtime does not quantize rnn",
    }


def test_an_implementation_with_other_numbers_is_an_error(monkeypatch):
    def wrong(problem):
        return {"inference": lambda: np.zeros((2, 4, 5))}

    monkeypatch.setitem(IMPLEMENTATIONS, "zoo", wrong)
    with pytest.raises(AssertionError, match="zoo, inference"):
        timing.measure("lstm", SHAPE, ["zoo"], rounds=1, least_ms=0.1)


def test_a_suite_is_logged_and_names_what_is_missing(suite, small_suite, monkeypatch, capsys):
    def missing(problem):
        raise ImportError("No module named 'torch'")

    monkeypatch.setitem(IMPLEMENTATIONS, "torch", missing)
    assert command_line.main(["run", "--suite", small_suite]) == 0
    assert "layers/gru: torch is left out: No module named 'torch'" in capsys.readouterr().out
    (table,) = report.tables(small_suite)
    assert [row[:2] for row in table.rows] == [
        *(
            [mode, name]
            for mode in ("inference", "training")
            for name in ("zoo", "keras", "products")
        ),
        *(["padded", name] for name in ("zoo", "keras")),
    ]
    assert "torch is left out" in table.footnote
    (zoo,) = (r for r in store.latest("tiny")["layers/gru"] if r.tags["implementation"] == "zoo")
    speedup = zoo.metrics["training_speedup/2x4x3x5"]
    assert table.rows[3][2].startswith(f"{speedup:.2f} ± ")
    part = zoo.metrics["padded_part/2x4x3x5"]
    assert table.rows[6][2].endswith(f" ({part:.2f})")
    assert zoo.tags["kernel"] == zoo_layer_kernel()
    artifacts = mlflow.MlflowClient().list_artifacts(zoo.run_id)
    assert [file.path for file in artifacts] == ["speed.png"]


def zoo_layer_kernel():
    layer = architectures.get("gru").layer(5)
    layer(np.zeros(SHAPE[:3], "float32"))
    return layer.last_kernel


def test_the_mask_of_padded_batches_keeps_half_of_the_steps():
    for shape in ((64, 200, 1, 1), (1, 100, 1, 1), (2, 4, 3, 5)):
        mask = Problem("lstm", *shape).mask()
        assert mask.mean() == pytest.approx(0.5, abs=0.005)
        assert mask.any(axis=1).all()
        assert (np.diff(mask.astype(int), axis=1) <= 0).all()


def test_an_unknown_implementation_is_an_error(small_suite, tmp_path):
    content = config.load_layers(small_suite).model_dump(mode="json", exclude={"suite"})
    content["implementations"].append("kears")
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(config.ConfigError, match=r"implementations.4.*'keras'.*'kears'"):
        config.load_layers(str(tmp_path / "wrong.yaml"))
