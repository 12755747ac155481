"""Traces and tables in pandas, xarray and torch: the same numbers, with their units."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab_traces.errors import PowerlabError, TraceError
from powerlab_traces.table import Column, Table
from powerlab_traces.trace import Trace
from powerlab_traces.views import to_pandas, to_torch, to_xarray


def table() -> Table:
    return Table.of(
        "window",
        {"source": "measured"},
        {
            ("index", "", "number"): np.array([0, 1], np.int64),
            ("label", "", "name"): np.array(["a", "zürich"]),
            ("kept", "", "counts"): np.array([True, False]),
            ("energy", "J", "energy at the board"): [1.5, np.nan],
        },
    )


@settings(deadline=None)  # the first call loads the libraries
@given(
    codes=st.lists(st.integers(-(2**15), 2**15 - 1), max_size=50),
    interval=st.floats(1e-9, 1e3),
    start=st.floats(-10, 10),
    scale=st.floats(-1e3, 1e3),
    offset=st.floats(-1e3, 1e3),
)
def test_every_view_of_a_trace_holds_its_values(
    codes: list[int], interval: float, start: float, scale: float, offset: float
) -> None:
    trace = Trace(np.array(codes, np.int16), interval, "A", start, scale, offset)
    series, array, tensor = to_pandas(trace), to_xarray(trace), to_torch(trace)
    for values in (series.to_numpy(), array.to_numpy(), tensor.numpy()):
        assert values.dtype == np.float64
        np.testing.assert_array_equal(values, trace.values)
    for times in (series.index.to_numpy(), array.time.to_numpy()):
        np.testing.assert_array_equal(times, trace.times)


@pytest.mark.parametrize(("unit", "name"), [("A", "current"), ("V", "voltage"), ("W", "power"), ("", "value")])
def test_a_trace_says_what_it_is_and_in_which_unit(unit: str, name: str) -> None:
    trace = Trace(np.array([1, 2], np.uint8), 0.5, unit)
    series, array = to_pandas(trace), to_xarray(trace)
    assert series.name == (f"{name}_{unit}" if unit else name)
    assert series.index.name == "time_s"
    assert (array.name, array.units, array.time.units) == (name, unit, "s")
    assert array.sel(time=0.5).item() == 2


def test_a_table_keeps_its_columns_and_units() -> None:
    frame, dataset, tensors = to_pandas(table()), to_xarray(table()), to_torch(table())
    assert list(frame) == ["index", "label", "kept", "energy_J"]
    assert frame.attrs == {"source": "measured", "units": {"energy_J": "J"}}
    assert frame.label.tolist() == dataset.label.to_numpy().tolist() == ["a", "zürich"]
    assert frame[frame.kept].energy_J.tolist() == [1.5]
    assert dataset.energy.units == "J"
    assert dataset.energy.dims == ("window",)
    assert dataset.attrs == {"source": "measured"}
    assert set(tensors) == {"index", "kept", "energy_J"}
    assert tensors["energy_J"][0].item() == 1.5
    assert table()["energy_J"][0] == 1.5


def test_columns_of_different_lengths_make_no_table() -> None:
    with pytest.raises(TraceError, match="one length, not 1, 2"):
        Table.of("window", {}, {("a", "", ""): [1], ("b", "", ""): [1, 2]})
    with pytest.raises(TraceError, match="for 1 columns"):
        Table("window", (Column("a", "", "", np.dtype(int)),), ())
    with pytest.raises(KeyError, match="energy"):
        table()["energy"]


@pytest.mark.parametrize(
    ("view", "name"), [(to_pandas, "pandas"), (to_xarray, "xarray"), (to_torch, "torch")], ids=lambda it: str(it)[:9]
)
@pytest.mark.parametrize("data", [Trace(np.array([1], np.uint8), 1.0, "A"), table()], ids=["trace", "table"])
def test_without_the_library_one_line_names_the_extra(
    view: Callable[[Any], object], name: str, data: Trace | Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    with pytest.raises(PowerlabError, match=rf'^{name} cannot be loaded \(.*\); pip install "powerlab\[export\]"'):
        view(data)


def test_a_view_loads_no_other_library() -> None:
    code = """
import sys, numpy as np
from powerlab_traces.trace import Trace
from powerlab_traces.views import to_pandas
heavy = {"pandas", "xarray", "torch", "pyarrow", "h5netcdf", "h5py"}
print(*sorted(heavy & set(sys.modules)))
to_pandas(Trace(np.array([1], np.uint8), 1.0, "A"))
print(*sorted((heavy - {"pyarrow"}) & set(sys.modules)))  # pandas takes pyarrow where it is
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = done.stdout.splitlines()
    assert before == ""
    assert after == "pandas"
