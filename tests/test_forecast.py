"""The command `zoo forecast`: tables, pictures, and one line for what can't be forecast."""

import csv
import json

import keras
import pytest
from PIL import Image

from zoo import cli, models


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    keras.utils.set_random_seed(0)
    backbone = models.ForecastBackbone("gru", lookback=12, segment=4, units=4)
    model = models.Forecaster(
        backbone,
        6,
        frequency="MS",
        quantiles=[0.1, 0.5, 0.9],
        preprocessor=models.ForecastPreprocessor(12, period=4),
    )
    folder = str(tmp_path_factory.mktemp("forecaster"))
    model.save_to_preset(folder)
    return folder


@pytest.fixture
def series(tmp_path):
    path = tmp_path / "series.csv"
    lines = [f"{name},2023-{month:02d}-01,{month}" for name in "ab" for month in range(1, 13)]
    path.write_text("\n".join(["unique_id,ds,y", *lines]))
    return str(path)


def run(command, *arguments):
    """The exit status of a command with a preset that has no card."""
    return cli.main([command, "--no-verify", *arguments])


def test_every_series_is_continued(preset, series, capsys):
    assert run("forecast", preset, series, "--horizon", "2") == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [(row["unique_id"], row["ds"]) for row in rows] == [
        ("a", "2024-01-01"),
        ("a", "2024-02-01"),
        ("b", "2024-01-01"),
        ("b", "2024-02-01"),
    ]
    assert list(rows[0]) == ["unique_id", "ds", "y", "y_0.1", "y_0.5", "y_0.9"]
    for row in rows:
        assert float(row["y_0.1"]) <= float(row["y"]) <= float(row["y_0.9"])
        assert float(row["y"]) == pytest.approx(6.5)  # untrained, the mean of the window


def test_quantiles_are_those_asked_for(preset, series, capsys):
    assert run("forecast", preset, series, "--quantiles", "0.25") == 0
    assert capsys.readouterr().out.startswith("unique_id,ds,y,y_0.25\n")
    assert run("forecast", preset, series, "--quantiles") == 0
    assert capsys.readouterr().out.startswith("unique_id,ds,y\n")


def test_a_column_of_values_is_one_series(preset, tmp_path, capsys):
    (tmp_path / "column.csv").write_text("7\n7\n\n7\n")
    assert run("forecast", preset, str(tmp_path / "column.csv"), "--quantiles") == 0
    assert capsys.readouterr().out.splitlines()[1:] == [f",{step},7" for step in range(1, 7)]


def test_files_are_written_whole(preset, series, tmp_path, capsys):
    table, picture = tmp_path / "table.csv", tmp_path / "picture.png"
    files = ["--output", str(table), "--plot", str(picture)]
    assert run("forecast", preset, series, *files) == 0
    assert capsys.readouterr().out == ""
    assert len(table.read_text().splitlines()) == 13
    with Image.open(picture) as image:
        assert image.size[0] > 500
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "picture.png",
        "series.csv",
        "table.csv",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--horizon", "7"], "This model forecasts 1 to 6 values. Received: horizon=7"),
        (["--horizon", "0"], "This model forecasts 1 to 6 values"),
        (["--quantiles", "0.95"], "quantiles from 0.1 to 0.9. Received: 0.95"),
        (["--plot", "picture.txt"], "The plot's name must end with .png"),
        (["--output", "nowhere/table.csv"], "No such file"),
    ],
)
def test_a_bad_option_is_one_line_of_error(preset, series, capsys, options, message):
    assert run("forecast", preset, series, *options) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("text", ["", "one\n", "1\ninf\n", "ds,y\n2,1\n1,1\n", "\xff\xfe"])
def test_a_bad_file_is_one_line_of_error(preset, tmp_path, capsys, text):
    path = tmp_path / "bad.csv"
    path.write_bytes(text.encode("latin-1"))
    assert run("forecast", preset, str(path)) == 2
    error = capsys.readouterr().err
    assert "bad.csv" in error
    assert error.count("\n") == 1


def test_predict_takes_a_file_of_one_series(preset, series, tmp_path, capsys):
    path = tmp_path / "one.csv"
    path.write_text("y\n1\n2\n3\n")
    assert run("predict", preset, str(path), "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["input"] == str(path)
    assert len(answer["forecast"]) == 6
    assert answer["quantiles"].keys() == {"0.1", "0.5", "0.9"}
    assert run("predict", preset, str(path)) == 0
    assert capsys.readouterr().out.count(",") == 5
    assert run("predict", preset, series) == 2
    assert "holds 2 series" in capsys.readouterr().err


def test_a_model_of_another_kind_says_so(series, capsys):
    assert cli.main(["forecast", "imdb_rnn", series]) == 2
    assert "sentiment doesn't forecast" in capsys.readouterr().err
