"""Damaged and foreign files: one line that names the file, soon, and without memory for what only a header promises."""

import contextlib
import shutil
import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from powerlab_traces.errors import PowerlabError
from powerlab_traces.importers import ImportOptions, energies, energy_per_image, read, recognise

FORMATS = ("infiniivision", "infiniivision-text", "energyrunner", "ptdaemon", "tinyrunner", "ppk2", "delimited")
ANSWERS = ImportOptions(supply_voltage=5.0, images=2)
# What reading may take beyond a multiple of the file: Python's own tables, modules loaded on the way.
ALLOWANCE = 4 << 20


@pytest.fixture(scope="module")
def sound(foreign, tmp_path_factory):
    """A folder a format, with a sound capture; name -> main file."""
    found = {}
    for name in FORMATS:
        folder = tmp_path_factory.mktemp(name.replace("-", "_"))
        found[name] = foreign.small(name, folder)
        (folder / f"{found[name].stem}-windows.csv").write_text("start_s,stop_s\n0.0,0.002\n")
    return found


def tried(path: Path) -> None:
    """Read and sum up all; whatever is wrong with the file has to be one line that names it."""
    try:
        importer = recognise(path)
        if importer is None:
            return
        imported = read(path, ANSWERS)
        for record in imported.records:
            for trace in record.traces:
                assert len(trace.values) == len(trace)
        found = energies(imported)
        assert len(found.kept) + len(found.dropped) == len(imported.windows)
        energy_per_image(imported, found)
    except PowerlabError as error:
        text = str(error)
        assert "\n" not in text
        assert path.parent.name in text or path.name in text


@contextlib.contextmanager
def copied(main: Path, raw: bytes, folder: Path):
    """The folder of a capture again, with other bytes in its main file."""
    target = folder / "damaged"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(main.parent, target)
    (target / main.name).write_bytes(raw)
    yield target / main.name


@pytest.mark.parametrize("name", FORMATS)
def test_a_sound_file_is_read(sound, name):
    imported = read(sound[name], ANSWERS)
    assert recognise(sound[name]).name == name
    found = energies(imported)
    assert found.kept
    assert not found.dropped
    assert energy_per_image(imported, found) > 0
    assert read(sound[name].parent, ANSWERS).sources == imported.sources


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_cut_file_is_read_or_refused_in_one_line(sound, tmp_path, name, data):
    raw = sound[name].read_bytes()
    with copied(sound[name], raw[: data.draw(st.integers(0, len(raw) - 1))], tmp_path) as path:
        tried(path)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bits_are_read_or_refused_in_one_line(sound, tmp_path, name, data):
    raw = bytearray(sound[name].read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with copied(sound[name], bytes(raw), tmp_path) as path:
        tried(path)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_foreign_end_is_read_or_refused_in_one_line(sound, tmp_path, name, data):
    raw = sound[name].read_bytes()
    start = raw[: data.draw(st.integers(1, min(len(raw), 200)))]
    with copied(sound[name], start + data.draw(st.binary(max_size=400)), tmp_path) as path:
        tried(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    raw=st.binary(max_size=300)
    | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.lists(
        st.sampled_from(["time", "s", ",", ";", "\t", "\n", "1", "-", "e9", ".", '"', "#", "A", "x-axis"]), max_size=60
    ).map(lambda parts: "".join(parts).encode())
)
def test_any_file_is_read_or_refused_in_one_line(tmp_path, raw):
    path = tmp_path / "any"
    path.write_bytes(raw)
    tried(path)


@pytest.mark.parametrize("bits", [0x7F800001, 0x7FC00000, 0x7F800000, 0xFF800000, 0x7F7FFFFF])
def test_samples_that_are_no_numbers_drop_their_windows_without_a_warning(foreign, tmp_path, bits):
    path = foreign.energyrunner(tmp_path, [1.0] * 40, [0.001, 0.01, 0.02, 0.025, 0.035])
    raw = bytearray(path.read_bytes())
    struct.pack_into("<II", raw, 5 + 4 * 15, bits, 0xFF800000)
    path.write_bytes(raw)
    found = energies(read(path))
    assert [each.index for each in found.dropped] == [0]
    assert [each.window.index for each in found.kept] == [1]


@pytest.mark.parametrize("companion", ["trace1-timestamps.json", "results.txt", "log.txt"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=200) | st.lists(st.floats() | st.integers()).map(lambda it: str(it).encode()))
def test_a_damaged_companion_is_refused_in_one_line(sound, tmp_path, companion, raw):
    main = sound["energyrunner"]
    with copied(main, main.read_bytes(), tmp_path) as path:
        path.with_name(companion).write_bytes(raw)
        tried(path)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_loadgen_log_is_refused_in_one_line(sound, tmp_path, data):
    main = sound["ptdaemon"]
    with copied(main, main.read_bytes(), tmp_path) as path:
        log = path.with_name("mlperf_log_detail.txt")
        raw = bytearray(log.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        log.write_bytes(bytes(raw[: data.draw(st.integers(1, len(raw)))]))
        tried(path)


@pytest.mark.parametrize("text", ["[" * 100_000, "[1, 2", "[" + "9" * 5000 + "]", '[{"infer": ' + "[" * 50_000])
def test_json_that_is_deep_or_huge_is_refused_in_one_line(foreign, tmp_path, text):
    path = foreign.energyrunner(tmp_path, [1.0] * 10, None)
    (tmp_path / "trace1-timestamps.json").write_text(text)
    (tmp_path / "results.json").write_text(text)
    tried(path)
    tried(tmp_path / "results.json")


def peak_of(path: Path) -> int:
    """The most bytes that trying a file took at once."""
    tried(path)  # modules are loaded
    tracemalloc.start()
    try:
        tried(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("version", [b"10", b"03"])
def test_points_that_a_header_only_promises_take_no_memory(foreign, tmp_path, version):
    path = foreign.infiniivision(tmp_path / "a.bin", [foreign.waveform([1.0] * 10)], version=version)
    raw = bytearray(path.read_bytes())
    start = raw.index(struct.pack("<i", 140))
    struct.pack_into("<i", raw, start + 12, 0x7FFFFFF0)
    place = start + 140 + 8
    struct.pack_into("<Q" if version == b"03" else "<i", raw, place, 4 * 0x7FFFFFF0 if version == b"03" else 0x7FFFFFF0)
    path.write_bytes(raw)
    assert peak_of(path) < ALLOWANCE


def test_an_archive_that_unpacks_to_very_much_is_not_unpacked(foreign, tmp_path):
    path = foreign.ppk2(tmp_path / "a.ppk2", [0.0] * 200_000)
    assert path.stat().st_size < 12_000
    assert peak_of(path) < ALLOWANCE


def test_a_waveform_count_that_cannot_be_is_refused(foreign, tmp_path):
    path = foreign.infiniivision(tmp_path / "a.bin", [foreign.waveform([1.0] * 10)])
    raw = bytearray(path.read_bytes())
    struct.pack_into("<i", raw, 8, 0x7FFFFFFF)
    path.write_bytes(raw)
    with pytest.raises(PowerlabError, match="2147483647 waveforms"):
        read(path)


def test_a_line_without_end_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"time_s,current_A\n0,1\n1,1\n" + b"7" * (3 << 20))
    tried(path)
    path.write_bytes(b"7," * (2 << 20))
    assert recognise(path) is None
