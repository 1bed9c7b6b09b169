"""The MLflow UI in a browser: what its pages draw, and the picture for the docs.

`make test-ui` runs it, with Debian's Chromium. Screenshots go to `reports/ui`.
"""

import contextlib
import io
import json
import re
import shutil
import socket

import mlflow
import pytest
from rich.console import Console

from benchmarks import report
from benchmarks import run as running
from benchmarks.atomic import replace_bytes
from benchmarks.tracking import charts, server, store

pytestmark = pytest.mark.ui
PICTURE = store.ROOT / "docs" / "comparison.png"
SCREENSHOTS = store.ROOT / "reports" / "ui"
OWN_STORE = store.LOCAL_STORE
PATIENCE = 240_000  # milliseconds, on a busy machine
# MLflow's own: that its assistant has already been shown.
SEEN = "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')"


@contextlib.contextmanager
def browser(height):
    """A page of Chromium of this height, and the address of a running UI of the connected store."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    assert chromium, "Install Chromium: apt-get install chromium"
    with socket.socket() as free:
        free.bind((server.HOST, 0))
        port = free.getsockname()[1]
    with server.running(port) as process, sync_playwright() as playwright:
        assert process.poll() is None
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = started.new_page(viewport={"width": 1360, "height": height})
        page.set_default_timeout(PATIENCE)
        page.set_default_navigation_timeout(PATIENCE)
        page.add_init_script(SEEN)
        yield page, f"http://{server.HOST}:{port}"
        started.close()


def screenshot(page, name):
    """Saves a screenshot."""
    page.wait_for_timeout(3000)  # charts are animated, and the page asks for new runs for ever
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def arranged(experiment, view):
    """The address of an arranged page, relative to the server."""
    return "/" + charts.url(mlflow.get_experiment_by_name(experiment).experiment_id, view)


def drawn(page, chart):
    """The data of a chart on the page, as Plotly has it, once all of it is there.

    Args:
        page: Playwright's page.
        chart: str, the title of the chart.
    """
    card = page.get_by_test_id("experiment-view-compare-runs-card").filter(
        has=page.get_by_text(chart, exact=True)
    )
    plot = card.locator(".js-plotly-plot").first
    plot.locator("path.point, .bars .point path, .js-line").first.wait_for(state="attached")
    return json.loads(
        plot.evaluate(
            "plot => JSON.stringify(plot.data.map("
            "one => ({type: one.type, mode: one.mode, name: one.name, names: one.names,"
            " x: one.x, y: one.y})))"
        )
    )


@pytest.mark.usefixtures("store")
def test_pages_are_drawn(load, suite):
    configs = load(epochs=3, seeds=2, tasks=["speech"]) + load(epochs=3, tasks=["translation"])
    running.run_suite(configs, Console(file=io.StringIO()))
    report.publish(suite, 3)
    view = "small-3-epochs"
    found = mlflow.get_experiment_by_name("leaderboard").experiment_id
    board = store.search([found], "")
    scores = {one.tags["architecture"]: one.metrics["score/mean"] for one in board}
    with browser(height=2400) as (page, address):  # only what is in sight is drawn
        page.goto(server.ui_url(0).replace(f"http://{server.HOST}:0", address))
        (bars,) = drawn(page, "score/mean")
        assert dict(zip(bars["names"], bars["x"], strict=True)) == pytest.approx(scores)
        assert bars["x"] == sorted(bars["x"])  # drawn from the bottom to the top
        points = drawn(page, "params/mean vs. score/mean")
        assert sorted(points[0]["y"]) == pytest.approx(sorted(scores.values()))
        page.locator("canvas").first.wait_for()  # of the parallel axes
        screenshot(page, "leaderboard")

        page.goto(address + arranged("speech/tones", view))
        (bars,) = drawn(page, "test/accuracy")
        assert sorted(bars["names"]) == ["baseline", "gru", "rnn"]  # groups of two seeds
        assert bars["x"] == sorted(bars["x"])
        assert len(drawn(page, "params vs. test/accuracy")[0]["x"]) == 3
        curves = drawn(page, "val/accuracy")
        assert sum(one["x"] == [1, 2, 3] for one in curves) >= 2  # the epochs of gru and rnn
        screenshot(page, "task")

        page.goto(address + arranged("speech/tones", view).replace("=CHART", "=TABLE"))
        page.get_by_text(re.compile("tones, train")).first.wait_for()
        screenshot(page, "table")

        run = next(one for one in store.every_run() if one.tags.get("task") == "speech")
        page.goto(f"{address}/#/experiments/{run.experiment_id}/runs/{run.run_id}")
        page.get_by_text("of the suite").first.wait_for()
        screenshot(page, "run")

        page.goto(f"{address}/#/models/speech.tones?workflowType=machine_learning")
        page.get_by_text("It takes raw input.").first.wait_for()
        screenshot(page, "model")


def test_the_picture_is_of_the_own_runs(monkeypatch):
    """Writes `docs/comparison.png`: the leaderboard of `quick` in this checkout's store."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setattr(store, "LOCAL_STORE", OWN_STORE)
    if not (OWN_STORE / "mlflow.db").is_file():
        pytest.skip("There are no runs yet: make bench")
    store.connect()
    found = mlflow.get_experiment_by_name("leaderboard")
    if found is None or f"{charts.PREFIX}quick" not in found.tags:
        pytest.skip("The suite quick has not been run: make bench")
    with browser(height=1200) as (page, address):
        page.goto(address + arranged("leaderboard", "quick"))
        drawn(page, "score/mean")
        drawn(page, "params/mean vs. score/mean")
        page.locator("canvas").first.wait_for()
        screenshot(page, "picture")
    replace_bytes(PICTURE, (SCREENSHOTS / "picture.png").read_bytes())
