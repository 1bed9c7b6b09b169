"""Tables of layer timings: one row per mode and implementation, one column per shape."""

from benchmarks.report import layers


def test_each_mode_implementation_and_shape_has_a_row(timing):
    shapes = ("1x2x3x4", "5x6x7x8")
    records = [timing(name, 2.0, shapes=shapes) for name in ("keras", "zoo")]
    rows = layers.rows("layers/gru", records)
    assert len(rows) == 3 * 2 * 2
    assert [row.implementation for row in rows[:4]] == ["zoo", "zoo", "keras", "keras"]
    assert rows[0].spread == 0.25


def test_cells_are_ratios_and_times_for_keras(timing):
    rows = layers.rows("layers/gru", [timing("zoo", 2.0), timing("keras", 1.0)])
    (table,) = layers.tables(rows)
    assert table.rows == [
        ["inference", "zoo", "2.00 ± 0.25"],
        ["inference", "keras", "12.3 ms"],
        ["training", "zoo", "2.00 ± 0.25"],
        ["training", "keras", "12.3 ms"],
        ["padded", "zoo", "2.00 ± 0.25 (0.55)"],
        ["padded", "keras", "12.3 ms (0.55)"],
    ]
    assert table.numeric == [False, False, True]


def test_a_mode_without_measurements_has_no_row(timing):
    rows = layers.rows("layers/gru", [timing("zoo", 2.0), timing("torch", 1.5, padded=False)])
    lines = [(row.mode, row.implementation) for row in rows]
    assert ("training", "torch") in lines
    assert ("padded", "torch") not in lines


def test_the_footnote_names_conditions_and_missing_implementations(timing):
    rows = layers.rows("layers/gru", [timing("zoo", 2.0, description="torch is left out: why")])
    (table,) = layers.tables(rows)
    assert table.footnote == (
        "7 rounds; 2 threads; keras 3.15.1, numpy 2.4.6; torch is left out: why"
    )
