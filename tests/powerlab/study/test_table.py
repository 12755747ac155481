"""The table of a study says in both files what its rows say."""

import csv
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.study.table import CSV, PARQUET, Row, Status, StudyError, read_rows, write_rows
from powerlab_analysis.quantity import Quantity
from powerlab_analysis.result import UNITS

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
COUNTS = st.none() | st.integers(0, 10**12)
MAYBE = st.none() | NUMBERS


def quantities(unit: str) -> st.SearchStrategy[Quantity]:
    return st.builds(Quantity, NUMBERS, st.floats(min_value=0, allow_nan=False), st.just(unit))


ROWS = st.builds(
    Row,
    order=st.integers(1, 10**6),
    model=TEXTS,
    batch=st.integers(1, 10**6),
    repeat=st.integers(1, 99),
    status=st.sampled_from(Status),
    reason=TEXTS,
    run=TEXTS,
    started=TEXTS,
    simulated=st.none() | st.booleans(),
    board=TEXTS,
    windows=COUNTS,
    dropped=COUNTS,
    verdicts=TEXTS,
    values=st.fixed_dictionaries({}, optional={name: quantities(unit) for name, unit in UNITS.items()}),
    memory_peak_bytes=MAYBE,
    memory_static_bytes=MAYBE,
    process_peak_bytes=MAYBE,
    parameters=COUNTS,
    macs=MAYBE,
    flops=MAYBE,
    flops_legacy=MAYBE,
    input=TEXTS,
    top1_published_percent=MAYBE,
)


@settings(deadline=None)  # the first loads pyarrow
@given(rows=st.lists(ROWS, max_size=3))
def test_what_is_written_is_read(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("study")
    assert write_rows(folder, rows) == ""
    assert read_rows(folder) == tuple(rows)
    assert sorted(it.name for it in folder.iterdir()) == [CSV, PARQUET]


def test_parquet_holds_what_the_csv_holds(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    values = {"energy_per_image": Quantity(2.36, 0.11, "J")}
    rows = [Row(1, "vgg16", 2, 1, Status.DONE, values=values, simulated=True), Row(2, "enet", 1, 1)]
    write_rows(tmp_path, rows)
    table = parquet.read_table(tmp_path / PARQUET)
    with (tmp_path / CSV).open(newline="") as file:
        header, *lines = csv.reader(file)
    assert table.column_names == header
    told = [dict(zip(header, line, strict=True)) for line in lines]
    assert table["energy_per_image_J"].to_pylist() == [2.36, None]
    assert [it["energy_per_image_J"] for it in told] == ["2.36", ""]
    assert table["source"].to_pylist() == [it["source"] for it in told] == ["SIMULATED", ""]
    assert table.schema.field("energy_per_image_U95_J").metadata == {b"units": b"J"}


def test_without_pyarrow_the_csv_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rows(tmp_path, [])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    said = write_rows(tmp_path, [Row(1, "vgg16", 2, 1)])
    assert "results.parquet" in said
    assert "powerlab[export]" in said
    assert read_rows(tmp_path) == (Row(1, "vgg16", 2, 1),)
    assert not (tmp_path / PARQUET).exists()  # that of before would say something else


def test_no_table(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"holds no results\.csv"):
        read_rows(tmp_path)
    (tmp_path / CSV).write_text("a,b\n1,2\n")
    with pytest.raises(StudyError, match="no column"):
        read_rows(tmp_path)
    write_rows(tmp_path, [Row(1, "vgg16", 2, 1)])
    (tmp_path / CSV).write_text((tmp_path / CSV).read_text().replace("vgg16,2,", "vgg16,two,"))
    with pytest.raises(StudyError, match="cannot be read"):
        read_rows(tmp_path)
