"""Statistics over spans of a run, and the tables behind its records and windows."""

import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab_traces import schema
from powerlab_traces.errors import TraceError
from powerlab_traces.record import RecordKind
from powerlab_traces.store import RunWriter, StoredRun, open_run
from powerlab_traces.store.overview import starts_of
from powerlab_traces.store.packed import Packed
from powerlab_traces.trace import Trace
from powerlab_traces.window import HostWindow, Window

INTERVAL = 2e-5  # s, of the planted records
SECOND = 10**9


@pytest.fixture(scope="module")
def run(planted, tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    """Five records of two lengths and scales, one every second; three hold two windows each."""
    writer = RunWriter(tmp_path_factory.mktemp("records") / "r.h5")
    writer.describe(planted.provenance, planted.chain, planted.supply)
    writer.append(planted.noisy(0, 3000, kind=RecordKind.ZERO, marker=False, start=0.0, scale=0.001), [])
    for index in range(1, 5):
        at = index * SECOND
        windows = [HostWindow(at + 10 + k * 100, at + 50 + k * 100, 2 * index - 4 + k, index, 2) for k in range(2)]
        writer.append(planted.noisy(index, 10_000), windows if index > 1 else [])
    return open_run(writer.finish())


def samples_of(run: StoredRun) -> tuple[np.ndarray, np.ndarray]:
    """Times and values of all samples of a run, one by one."""
    records = zip(run.records.starts, run.records, strict=True)
    times = [start + np.arange(len(it.current)) * INTERVAL for start, it in records]
    return np.concatenate(times), np.concatenate([it.current.values for it in run.records])


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_statistics_of_any_span_are_those_of_its_samples(run: StoredRun, data: st.DataObject) -> None:
    times, values = samples_of(run)
    edge = st.integers(0, len(times) - 1).map(lambda k: float(times[k]) - INTERVAL / 2) | st.floats(-0.5, 5.5)
    start, stop = sorted((data.draw(edge), data.draw(edge)))
    inside = values[(times >= start - 1e-6 * INTERVAL) & (times < stop - 1e-6 * INTERVAL)]
    found = run.records.between(start, stop)
    if not len(inside):
        assert found is None
        return
    assert found is not None
    assert found.samples == len(inside)
    assert found.mean == pytest.approx(inside.mean(), rel=1e-12)
    assert (found.least, found.largest) == pytest.approx((inside.min(), inside.max()), rel=1e-12)


def test_some_of_the_records_have_statistics_of_their_own(run: StoredRun) -> None:
    part = run.records[1:3]
    assert [it.index for it in part] == [1, 2]
    np.testing.assert_array_equal(part.starts, run.records.starts[1:3])
    found = part.between(-1, 10)
    assert found is not None
    assert found.samples == 20_000
    backwards = run.records[::-1]
    assert [it.index for it in backwards.summaries] == [it.index for it in backwards] == [4, 3, 2, 1, 0]


def test_no_statistics_are_made_of_different_units(planted, tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "r.h5")
    writer.describe(planted.provenance, planted.chain, planted.supply)
    for index in range(2):
        writer.append(planted.noisy(index), [])
    path = writer.finish()
    with h5py.File(path, "r+") as file:
        file.copy("entry/stack_0", "entry/stack_1")
        file["entry/stack_1/current"].attrs[schema.OWN_UNIT] = b"W"
        file["entry/records/stack"][1] = 1
    records = open_run(path).records
    assert {it.unit for it in records.summaries} == {"A", "W"}
    with pytest.raises(TraceError, match="its records are in A and W"):
        records.between(0, 1)


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_the_exact_sum_of_any_window(run: StoredRun, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, 4))
    trace = run.records[index].current
    first = data.draw(st.integers(0, len(trace) - 1))
    last = data.draw(st.integers(first + 1, len(trace)))
    window = Window(trace.start + first * INTERVAL, trace.start + last * INTERVAL)
    assert run.records.total(index, window) == int(trace.codes[first:last].sum(dtype=np.int64))
    assert run.records.total(index) == int(trace.codes.sum(dtype=np.int64))


def test_columns_are_the_fields_of_the_summaries(run: StoredRun) -> None:
    summaries = run.records.summaries
    names = "index kind segment samples interval unit start mean least largest clipped armed fetched"
    for name in names.split():
        assert run.records.column(name).tolist() == [getattr(it, name) for it in summaries]
    assert run.records.column("after.voltage").tolist() == [it.after.voltage for it in summaries]
    assert run.records.column("before.regulation").tolist() == [it.before.regulation for it in summaries]


def test_windows_are_a_sequence_and_columns(run: StoredRun) -> None:
    windows = tuple(run.windows)
    assert [it.index for it in windows] == list(range(6))
    assert run.windows == windows
    assert run.windows[1] == run.windows[-5] == windows[1]
    assert run.windows[2:4] == windows[2:4]
    assert run.windows.column("record").tolist() == [2, 2, 3, 3, 4, 4]
    with pytest.raises(IndexError):
        _ = run.windows[6]


def test_host_times_lie_on_the_axis_of_the_run(run: StoredRun) -> None:
    found = run.records.seconds(np.array([2, 4]), np.array([2 * SECOND + 10, 4 * SECOND + 110]))
    # A record's first window starts at its trigger; the first sample is `start` after it.
    np.testing.assert_allclose(found, run.records.starts[[2, 4]] + 0.2 + np.array([0, 1e-7]))


def test_a_segment_whose_clock_began_anew_follows_the_one_before() -> None:
    triggers = np.array([100, 102, 5, 8]) * SECOND
    starts, segments, lengths = np.full(4, -0.2), np.array([0, 0, 1, 1]), np.full(4, 1.5)
    np.testing.assert_allclose(starts_of(triggers, starts, segments, lengths), [-0.2, 1.8, 3.3, 6.3])
    later = np.array([100, 102, 200, 203]) * SECOND
    np.testing.assert_allclose(starts_of(later, starts, segments, lengths), [-0.2, 1.8, 99.8, 102.8])


@pytest.mark.parametrize("longest", [1, 64, 65, 3000])
def test_labels_of_any_length_come_back(planted, tmp_path: Path, longest: int) -> None:
    labels = ["", "ü" * (longest // 2), "x" * longest]
    writer = RunWriter(tmp_path / "r.h5")
    writer.describe(planted.provenance, planted.chain, planted.supply)
    windows = [HostWindow(10 + k, 11 + k, k, 0, 1, label) for k, label in enumerate(labels)]
    writer.append(planted.noisy(0), windows)
    assert [it.label for it in open_run(writer.finish()).windows] == labels


def packed_size(codes: np.ndarray) -> int:
    with ThreadPoolExecutor(2) as pool:
        return sum(Packed.of(Trace(codes, INTERVAL, "A"), pool).sizes)


def deflated_size(codes: np.ndarray) -> int:
    """What HDF5's shuffle and deflate at level 9 make of all codes at once."""
    return len(zlib.compress(codes.view(np.uint8).reshape(-1, codes.itemsize).T.tobytes(), 9))


def test_noise_and_patterns_are_both_packed_small() -> None:
    random = np.random.default_rng(0)
    noise = random.normal(2000, 10, 100_000).astype(np.uint16)
    assert packed_size(noise) < 1.02 * deflated_size(noise)
    pattern = np.tile(random.integers(0, 4000, 100), 1000).astype(np.uint16)
    assert packed_size(pattern) < 0.1 * pattern.nbytes


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
@pytest.mark.parametrize("samples", [1, 2047, 2048, 2049, 9999])
def test_hdf5_unpacks_what_was_packed(planted, tmp_path: Path, dtype: type, samples: int) -> None:
    codes = np.random.default_rng(samples).integers(0, 100, samples).astype(dtype)
    writer = RunWriter(tmp_path / "r.h5")
    writer.describe(planted.provenance, planted.chain, planted.supply)
    writer.append(replace(planted.record(0, codes), current=Trace(codes, INTERVAL, "A", scale=0.1)), [])
    path = writer.finish()
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["entry/stack_0/current"][0], codes)
    np.testing.assert_array_equal(open_run(path).records[0].current.codes, codes)


def test_chunks_that_another_program_moved_are_found_by_its_own_index(planted, tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "r.h5")
    writer.describe(planted.provenance, planted.chain, planted.supply)
    writer.append(planted.noisy(0, 10_000), [])
    path = writer.finish()
    true = open_run(path).records.total(0, Window(-0.19, -0.1599))
    with h5py.File(path, "r+") as file:
        file["entry/stack_0/current_places/byte"][:] += 7
    assert open_run(path).records.total(0, Window(-0.19, -0.1599)) == true
    with h5py.File(path, "r+") as file:
        del file["entry/stack_0/current_places"]  # as an earlier powerlab left it
    assert open_run(path).records.total(0, Window(-0.19, -0.1599)) == true


def test_texts_of_any_length_as_earlier_files_have_them_are_read(planted, tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "r.h5")
    writer.describe(planted.provenance, planted.chain, planted.supply)
    writer.append(planted.noisy(0, 100), [])
    path = writer.finish(notes=["odd"])
    before = open_run(path)
    with h5py.File(path, "r+") as file:
        text = h5py.string_dtype("utf-8")
        for group in (file, file["entry"], file["entry/current_chain"], file["entry/provenance"]):
            for name, value in group.attrs.items():
                if isinstance(value, bytes):
                    group.attrs.create(name, value.decode(), dtype=text)
        del file["entry/stack_0/current"].attrs["unit"], file["entry/notes"], file["entry/provenance/bench"]
        file["entry"].create_dataset("notes", data=["odd"], dtype=text)
        file["entry/provenance"].create_dataset("bench", data=before.provenance.bench, dtype=text)
    after = open_run(path)
    assert (after.provenance, after.chain, after.notes) == (before.provenance, before.chain, before.notes)
    assert after.records[0].current.unit == "A"
