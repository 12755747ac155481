"""What is wrong with a run file is found and named; nothing is found in a sound one."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from powerlab_traces.errors import TraceError
from powerlab_traces.record import RecordKind
from powerlab_traces.store import RunWriter, check_run
from powerlab_traces.store.kind import Kind, kind_of
from powerlab_traces.window import HostWindow

SECOND = 10**9


@pytest.fixture
def sound(planted, tmp_path: Path) -> Path:
    writer = RunWriter(tmp_path / "r.h5")
    writer.describe(planted.provenance, planted.chain, planted.supply)
    writer.append(planted.noisy(0, 9000, kind=RecordKind.IDLE, marker=False), [])
    for index in (1, 2):
        start = 10 + index * SECOND
        window = HostWindow(start + 1, start + 5, index - 1, index, 2)
        writer.append(planted.noisy(index, 9000), [window])
    return writer.finish()


def test_a_sound_file_has_no_findings(sound: Path) -> None:
    assert list(check_run(sound)) == []


def other_code(entry: h5py.Group) -> None:
    entry["stack_1/current"][1, 4321] ^= 1


def other_marker(entry: h5py.Group) -> None:
    entry["stack_1/marker"][0, 5] ^= 1


def other_block(entry: h5py.Group) -> None:
    entry["stack_1/blocks_256/sum"][0, 3] += 1


def other_sum(entry: h5py.Group) -> None:
    entry["records/sum"][1] += 1


def other_largest(entry: h5py.Group) -> None:
    entry["stack_0/blocks_2048/largest"][0, 0] -= 1


def renumbered(entry: h5py.Group) -> None:
    entry["records/index"][2] = 7


def doubled(entry: h5py.Group) -> None:
    entry["records/index"][2] = 1


def late_window(entry: h5py.Group) -> None:
    entry["windows/stop_ns"][1] += SECOND


def turned_windows(entry: h5py.Group) -> None:
    entry["windows/index"][:] = np.array([1, 0])


def turned_clock(entry: h5py.Group) -> None:
    entry["records/fetched_ns"][1] = 3


def early_record(entry: h5py.Group) -> None:
    entry["records/armed_ns"][2] = 11 + SECOND


def clipped_nowhere(entry: h5py.Group) -> None:
    entry["records/clipped_sample"][1] = 9000


def short_table(entry: h5py.Group) -> None:
    rows = entry["records/row"][:2]
    del entry["records/row"]
    entry["records/row"] = rows


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (other_code, "record 2: its samples are not those that were captured"),
        (other_marker, "record 1: its samples are not those that were captured"),
        (other_block, "record 1: total of block 3 of 256 samples is wrong"),
        (other_sum, "record 1: the sum in the table of records"),
        (other_largest, "record 0: largest of block 0 of 2048 samples"),
        (renumbered, "record 2 to 6 is missing"),
        (doubled, "record 1 is there 2 times"),
        (late_window, "window 1: it lies outside the time"),
        (turned_windows, "window 1 stands where window 0 should"),
        (turned_clock, "record 1: the host's clock went backwards"),
        (early_record, "record 2 was armed before record 1 was fetched"),
        (clipped_nowhere, "record 1: clipped samples are named"),
    ],
)
def test_each_damage_is_named(sound: Path, damage: Callable[[h5py.Group], None], said: str) -> None:
    with h5py.File(sound, "r+") as file:
        damage(file["entry"])
    found = list(check_run(sound))
    assert any(said in line for line in found), found


def test_a_damaged_chunk_is_named_by_its_record(sound: Path) -> None:
    with h5py.File(sound) as file:
        place = file["entry/stack_1/current"].id.get_chunk_info_by_coord((1, 0))
    content = bytearray(sound.read_bytes())
    content[place.byte_offset + 20 : place.byte_offset + 60] = b"\xff" * 40
    sound.write_bytes(content)
    found = list(check_run(sound))
    assert len(found) == 1
    assert found[0].startswith("record 2: ")


def test_tables_of_different_lengths_are_called_damaged(sound: Path) -> None:
    with h5py.File(sound, "r+") as file:
        short_table(file["entry"])
    with pytest.raises(Exception, match="damaged: the columns of its records have different lengths"):
        list(check_run(sound))


def test_a_flipped_bit_ends_in_lines_that_name_it(sound: Path) -> None:
    # Where HDF5 keeps no checksums it follows a wrong length or address without end, or out of its memory.
    content, random = sound.read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        flipped = bytearray(content)
        flipped[random.integers(len(content))] ^= 1 << random.integers(8)
        sound.write_bytes(flipped)
        assert kind_of(sound) in {Kind.RUN, Kind.FOREIGN}
        try:
            found = list(check_run(sound))
        except TraceError as error:
            found = [str(error)]
        assert all(len(line.splitlines()) == 1 for line in found)


def test_hdf5_keeps_checksums_of_the_headers(sound: Path) -> None:
    content = sound.read_bytes()
    assert content[8] == 2  # version of the superblock
    for unchecked in (b"SNOD", b"HEAP"):  # groups as before HDF5 1.8 had them
        assert unchecked not in content
