"""Tables of presets, from their cards and from new measurements."""

import zoo
from benchmarks import metrics
from benchmarks.report import presets
from benchmarks.tracking import store


def test_each_card_has_a_row():
    rows = presets.rows()
    assert [row.preset for row in rows] == zoo.list_presets()
    for row in rows:
        card = zoo.card(row.preset)
        assert (row.value, row.parameters, row.seeds) == (
            card.value,
            card.parameters,
            len(card.seeds),
        )


def test_an_ensemble_is_named_by_its_members():
    members = {row.preset: row.members for row in presets.rows()}
    assert members["imdb_lstm"] is None
    assert members["imdb_ensemble_gru"] == "gru + lstm + ngram"
    assert members["spoken_digit_ensemble_bigru"] == "5 × bigru"
    (table,) = presets.tables(presets.rows())
    models = {row[0]: row[2] for row in table.rows}
    assert models["imdb_ensemble_gru"] == "gru + lstm + ngram"
    assert models["imdb_lstm"] == "lstm"


def test_measured_presets_of_the_same_architecture_have_separate_rows():
    def record(preset, value):
        tags = {"preset": preset, "metric": "accuracy", "metric_signature": "how"}
        tags |= {"architecture": "bilstm", "kernel": "native"}
        found = {"test/accuracy": value, "test/accuracy_low": 0.5, "test/accuracy_high": 1.0}
        found |= {"load_seconds": 1.5, "evaluate_seconds": 20.0, "predict_ms": 3.25}
        return store.Record("run", "1", tags, {"card": "0.9"}, found)

    records = [record("films_pretrained_bilstm", 0.91), record("films_bilstm", 0.89)]
    table = presets.measured("pretrained/films", records)
    assert [row[:2] for row in table.rows] == [
        ["films_bilstm", "0.890"],
        ["films_pretrained_bilstm", "0.910"],
    ]
    assert table.rows[0][4] == metrics.get("accuracy").text(0.9)
    assert table.footnote == "how"
