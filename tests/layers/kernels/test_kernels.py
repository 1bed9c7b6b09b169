"""The native kernels match Keras' own layers, or decline."""

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo.layers
from zoo.layers import kernels
from zoo.layers.kernels import build

LAYERS = {
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
    "simple_rnn": keras.layers.SimpleRNN,
}
SHAPES = [  # batch, time, features, units
    (1, 1, 1, 1),
    (1, 20, 3, 130),
    (2, 1, 5, 16),
    (3, 7, 1, 33),
    (7, 5, 19, 16),
    (19, 6, 8, 21),
]
MASKS = {
    "none": lambda random, batch, time: None,
    "right": lambda random, batch, time: np.arange(time) < random.integers(0, time + 1, (batch, 1)),
    "holes": lambda random, batch, time: random.random((batch, time)) < 0.6,
}


pytestmark = pytest.mark.usefixtures("native")


def problem(family, shape, mask="none", seed=0, dtype="float32", **options):
    """Returns a Keras layer with random weights, random inputs and states, and the mask."""
    random = np.random.default_rng(seed)
    batch, time, features, units = shape
    layer = LAYERS[family](units, return_state=True, dtype=dtype, **options)
    layer.build((batch, time, features))
    for weight in layer.weights:
        weight.assign(random.normal(size=weight.shape) * 0.4 / np.sqrt(weight.shape[0]))
    x = tf.constant(random.normal(size=(batch, time, features)), dtype)
    states = 2 if family == "lstm" else 1
    state = [tf.constant(random.normal(size=(batch, units)), dtype) for _ in range(states)]
    return layer, x, state, MASKS[mask](random, batch, time)


def run(family, layer, x, state, mask, weights=None):
    cell = layer.cell
    weights = list(weights or [cell.kernel, cell.recurrent_kernel, cell.bias])
    weights += [None] * (3 - len(weights))
    last, outputs, state = kernels.run(
        family,
        x,
        state,
        mask,
        weights=weights,
        activation=layer.activation,
        recurrent_activation=getattr(layer, "recurrent_activation", "sigmoid"),
        go_backwards=layer.go_backwards,
        return_sequences=layer.return_sequences,
        zero_output_for_mask=layer.zero_output_for_mask,
    )
    return [outputs if layer.return_sequences else last, *state]


def with_gradients(function, layer, x, state):
    """Returns the results of `function`, and the gradients of a random sum of them."""
    sources = [x, *state, *(weight.value for weight in layer.trainable_weights)]
    with tf.GradientTape() as tape:
        tape.watch([x, *state])
        results = function()
        random = np.random.default_rng(1)
        loss = tf.add_n([tf.reduce_sum(r * random.normal(size=r.shape)) for r in results])
    return [*results, *tape.gradient(loss, sources, unconnected_gradients="zero")]


def assert_close(got, expected, tolerance=1e-5):
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1e-30, np.abs(b).max()))


@pytest.mark.parametrize("family", LAYERS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mask", MASKS)
def test_outputs_and_gradients_match_keras(family, shape, mask):
    seed = sum(shape) + len(mask)
    options = {
        "return_sequences": bool(seed % 2),
        "go_backwards": bool(seed // 2 % 2),
        "zero_output_for_mask": bool(seed // 4 % 2),
        "use_bias": seed % 5 > 0,
    }
    layer, x, state, mask = problem(family, shape, mask, seed, **options)
    with_keras = lambda: layer(x, initial_state=state, mask=mask)
    with_kernel = lambda: run(family, layer, x, state, mask)
    expected = with_gradients(with_keras, layer, x, state)
    assert_close(with_gradients(with_kernel, layer, x, state), expected)


@pytest.mark.parametrize("family", LAYERS)
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "linear"])
def test_other_activations_match_keras(family, activation):
    layer, x, state, mask = problem(family, (3, 4, 5, 18), "holes", activation=activation)
    expected = with_gradients(lambda: layer(x, initial_state=state, mask=mask), layer, x, state)
    got = with_gradients(lambda: run(family, layer, x, state, mask), layer, x, state)
    assert_close(got, expected)


@pytest.mark.parametrize("family", LAYERS)
@pytest.mark.parametrize("option", ["dropout", "recurrent_weight_dropout"])
def test_input_and_recurrent_weight_dropout_run_natively(family, option, monkeypatch):
    train = lambda layer, x: [layer(x, training=True)]
    results = {}
    x = tf.constant(np.random.default_rng(0).normal(size=(3, 6, 5)), "float32")
    for choice in ("native", "keras"):
        monkeypatch.setenv("ZOO_KERNEL", choice)
        layer = getattr(zoo.layers, LAYERS[family].__name__)(9, seed=3, **{option: 0.4})
        layer.build(x.shape)
        for index, weight in enumerate(layer.weights):
            values = np.random.default_rng(index).normal(size=weight.shape)
            weight.assign(values / np.sqrt(weight.shape[0]))
        results[choice] = with_gradients(partial(train, layer, x), layer, x, [])
        assert layer.last_kernel == choice
        assert np.abs(layer(x) - results[choice][0]).max() > 0.01
    assert_close(results["native"], results["keras"])


@pytest.mark.parametrize("family", LAYERS)
def test_gradients_match_finite_differences(family):
    layer, x, state, mask = problem(family, (2, 3, 2, 5), "holes", dtype="float64")
    arguments = [x, *state, *(tf.constant(w.numpy()) for w in layer.weights)]

    def loss(x, *rest):
        state, weights = list(rest[: -len(layer.weights)]), list(rest[-len(layer.weights) :])
        results = run(family, layer, x, state, mask, weights)
        return tf.add_n([tf.reduce_sum(tf.sin(r)) for r in results])

    analytic, numeric = tf.test.compute_gradient(loss, arguments, delta=1e-5)
    assert_close(analytic, numeric, tolerance=1e-8)


@pytest.mark.parametrize("family", LAYERS)
def test_swapped_gates_are_detected(family):
    if family == "simple_rnn":
        pytest.skip("it has no gates")
    layer, x, state, _ = problem(family, (2, 3, 4, 6))
    expected = layer(x, initial_state=state)
    order = {"lstm": [1, 0, 2, 3], "gru": [1, 0, 2]}[family]
    for weight in layer.weights:
        blocks = np.split(weight.numpy(), len(order), axis=-1)
        weight.assign(np.concatenate([blocks[i] for i in order], axis=-1))
    with pytest.raises(AssertionError):
        assert_close(run(family, layer, x, state, None), expected)


@pytest.mark.parametrize("family", LAYERS)
def test_repeated_calls_are_bitwise_equal(family):
    layer, x, state, mask = problem(family, (9, 30, 20, 70), "right", return_sequences=True)
    call = lambda: with_gradients(lambda: run(family, layer, x, state, mask), layer, x, state)
    first = call()
    for _ in range(5):
        for a, b in zip(first, call(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_concurrent_calls_do_not_interfere():
    problems = [
        ("lstm", problem("lstm", (1, 50, 64, 200), return_sequences=True)),
        ("gru", problem("gru", (16, 20, 30, 70), "right", return_sequences=True)),
    ]
    gradients = lambda family, p: with_gradients(lambda: run(family, *p), p[0], p[1], p[2])
    expected = [gradients(*each) for each in problems]
    failures = []

    def work(index):
        for _ in range(10):
            try:
                assert_close(gradients(*problems[index]), expected[index], tolerance=0)
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=work, args=(index % 2,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def results_of_both_splits():
    """Returns results and gradients of two problems: one splits rows over threads, one units."""
    lstm = problem("lstm", (9, 30, 20, 70), "right", return_sequences=True)
    gru = problem("gru", (1, 40, 64, 200), return_sequences=True)
    return [
        np.asarray(result)
        for family, p in (("lstm", lstm), ("gru", gru))
        for result in with_gradients(lambda family=family, p=p: run(family, *p), *p[:3])
    ]


def test_results_do_not_depend_on_the_number_of_threads(tmp_path):
    script = (
        "import sys, numpy, tensorflow\n"
        "tensorflow.config.threading.set_intra_op_parallelism_threads(1)\n"
        "from test_kernels import results_of_both_splits\n"
        "numpy.savez(sys.argv[1], *results_of_both_splits())\n"
    )
    path = os.pathsep.join([os.path.dirname(__file__), *sys.path])
    file = tmp_path / "one.npz"
    subprocess.run(
        [sys.executable, "-c", script, str(file)],
        env={**os.environ, "PYTHONPATH": path},
        check=True,
    )
    one = np.load(file)
    assert_close(results_of_both_splits(), [one[name] for name in one.files], 1e-6)


def test_a_graph_accepts_any_batch_size_and_length():
    layer, x, _, _ = problem("lstm", (4, 6, 3, 10), return_sequences=True)
    run_all = tf.function(
        lambda x, mask: run("lstm", layer, x, [tf.zeros((tf.shape(x)[0], 10))] * 2, mask)[0],
        input_signature=[tf.TensorSpec([None, None, 3]), tf.TensorSpec([None, None], tf.bool)],
    )
    for part in (x, x[:2, :3]):
        mask = tf.ones(part.shape[:2], tf.bool)
        assert_close([run_all(part, mask)], [layer(part, mask=mask)[0]])


def test_a_function_traced_without_a_tape_has_gradients():
    layer, x, state, _ = problem("gru", (4, 6, 3, 10))
    expected = with_gradients(lambda: layer(x, initial_state=state), layer, x, state)
    traced = tf.function(lambda x, state: run("gru", layer, x, state, None))
    traced(x, state)
    assert_close(with_gradients(lambda: traced(x, state), layer, x, state), expected)


def test_a_second_derivative_raises():
    layer, x, state, _ = problem("lstm", (2, 3, 4, 5))
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = run("lstm", layer, x, state, None)[0]
        slope = inner.gradient(y, x)
    with pytest.raises(NotImplementedError, match="unroll=True"):
        outer.gradient(slope, x)


def test_inference_saves_nothing_for_a_gradient():
    layer, x, state, _ = problem("lstm", (4, 6, 3, 10))
    graph = tf.function(lambda x: run("lstm", layer, x, state, None)).get_concrete_function(x).graph
    (op,) = [op for op in graph.get_operations() if op.type == "ZooRecurrence"]
    assert not op.get_attr("save")


def test_a_saved_model_of_a_function_that_was_traced_before_runs(tmp_path):
    layer, x, state, _ = problem("lstm", (4, 6, 3, 10))
    module = tf.Module()
    module.weights = [tf.Variable(w.numpy()) for w in layer.weights]
    function = tf.function(lambda x: run("lstm", layer, x, state, None, module.weights)[0])
    module.call = function.get_concrete_function(x)
    expected = module.call(x)
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    assert_close([loaded.call(x)], [expected])


def test_xla_float16_and_unsupported_activations_are_declined():
    reason = kernels.decline_reason
    x = tf.zeros((2, 3, 4))
    assert reason("lstm", x) is None
    assert reason("lstm", tf.cast(x, tf.float16)) == "the data type is float16"
    assert "hard_sigmoid" in reason("lstm", x, recurrent_activation="hard_sigmoid")
    assert reason("peephole", x) == "there is no kernel for peephole"
    in_xla = []
    tf.function(lambda: in_xla.append(reason("lstm", x)), jit_compile=True)()
    assert in_xla == ["XLA compiles this graph"]


def test_zoo_kernel_selects_the_kernel(monkeypatch):
    x = tf.zeros((2, 3, 4))
    monkeypatch.setenv("ZOO_KERNEL", "keras")
    assert kernels.decline_reason("lstm", x) == "ZOO_KERNEL=keras"
    assert not kernels.available()
    monkeypatch.setenv("ZOO_KERNEL", "cuda")
    with pytest.raises(ValueError, match="auto, native, keras; received: 'cuda'"):
        kernels.available()


@pytest.fixture
def nothing_loaded(monkeypatch, tmp_path):
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(kernels, "_ops", None)
    monkeypatch.setattr(kernels, "_failure", None)


@pytest.mark.usefixtures("nothing_loaded")
def test_without_a_compiler_keras_runs_after_one_warning(monkeypatch, caplog):
    monkeypatch.setenv("CXX", "/bin/false")
    monkeypatch.setenv("ZOO_KERNEL", "auto")
    layer, x, state, _ = problem("lstm", (2, 3, 4, 5))
    with caplog.at_level(logging.WARNING, "zoo"):
        for _ in range(2):
            cell = layer.cell
            weights = [cell.kernel, cell.recurrent_kernel, cell.bias]
            with pytest.raises(kernels.Declined, match="the native kernels are not available"):
                kernels.run("lstm", x, state, weights=weights)
    (record,) = caplog.records
    assert "using Keras instead: the C++ compiler failed (/bin/false)" in record.getMessage()
    monkeypatch.setenv("ZOO_KERNEL", "native")
    with pytest.raises(RuntimeError, match="/bin/false"):
        run("lstm", layer, x, state, None)


@pytest.fixture
def compiler(nothing_loaded, tmp_path, monkeypatch):
    """A compiler that writes a newline; each of its runs adds a line to `compiler.runs`."""
    compiler = tmp_path / "compiler"
    compiler.write_text(
        "#!/bin/sh\n"
        'for word; do if [ "$before" = -o ]; then echo >> "$word"; echo >> "$0.runs"; fi; '
        'before="$word"; done\n'
    )
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    return lambda: (tmp_path / "compiler.runs").read_text().count("\n")


def test_the_compiled_library_is_cached(compiler, tmp_path):
    assert build.build() == build.build()
    assert compiler() == 1
    assert [path.suffix for path in tmp_path.iterdir()].count(".so") == 1


def test_the_compilation_is_announced_once(compiler, caplog):
    with caplog.at_level(logging.WARNING, "zoo"):
        build.build()
        build.build()
    (record,) = caplog.records
    assert "Compiling the recurrent kernels" in record.getMessage()


@pytest.mark.parametrize("content", [b"", b"damaged", None])
def test_a_damaged_library_is_compiled_again(compiler, content, tmp_path):
    library = build.build()
    whole = library.read_bytes()
    if content is None:
        library.unlink()
    else:
        library.write_bytes(content)
    assert build.build().read_bytes() == whole
    assert compiler() == 2
    assert [path.suffix for path in tmp_path.iterdir()].count(".so") == 1


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("gone", ["/nowhere/c++", "/bin/false"])
def test_a_cached_library_is_used_where_the_compiler_is_gone(gone, monkeypatch):
    library = build.build()
    monkeypatch.setenv("CXX", gone)
    assert build.build() == library
    library.write_bytes(b"damaged")
    with pytest.raises(build.BuildError, match=gone):
        build.build()


@pytest.mark.usefixtures("compiler")
def test_a_library_that_cannot_be_loaded_leaves_the_work_to_keras(monkeypatch, caplog):
    monkeypatch.setenv("ZOO_KERNEL", "auto")
    with caplog.at_level(logging.WARNING, "zoo"):
        assert not kernels.available()
    assert "the compiled kernels cannot be loaded" in caplog.records[-1].getMessage()
    monkeypatch.setenv("ZOO_KERNEL", "native")
    with pytest.raises(RuntimeError, match="cannot be loaded"):
        kernels.available()


@pytest.mark.usefixtures("compiler")
def test_what_killed_processes_left_behind_is_removed(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    host = socket.gethostname()
    folders = {
        "dead": tmp_path / f"tmp-{host}-{dead.pid}-a",
        "alive": tmp_path / f"tmp-{host}-{os.getpid()}-a",
        "elsewhere": tmp_path / "tmp-elsewhere-1-a",
        "old": tmp_path / "tmpabcdefgh",
    }
    for folder in folders.values():
        folder.mkdir()
    os.utime(folders["old"], (0, 0))
    build.build()
    assert {name for name, folder in folders.items() if folder.exists()} == {"alive", "elsewhere"}
    folders["dead"].mkdir()
    build.build()  # cached
    assert not folders["dead"].exists()


KILLED = """
import runpy, sys

runpy.run_path(sys.argv[1])["_run"](["sh", "-c", "echo $$ > $0; sleep 60; echo", sys.argv[2]])
"""


def test_a_compiler_ends_with_the_process_that_is_killed(tmp_path):
    identifier = tmp_path / "identifier"
    process = subprocess.Popen([sys.executable, "-c", KILLED, build.__file__, str(identifier)])
    deadline = time.monotonic() + 60
    while not (identifier.exists() and identifier.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    group = os.getpgid(int(identifier.read_text()))
    assert group != os.getpgid(process.pid)
    process.kill()
    process.wait()
    while has_processes(group):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def has_processes(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.usefixtures("nothing_loaded")
def test_a_cache_that_cannot_be_written_raises(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(build.BuildError, match="cannot write"):
        build.build()
