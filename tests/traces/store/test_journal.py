"""A capture that is cut off at any instant loses at most the record in flight."""

import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab_traces.errors import TraceError
from powerlab_traces.store import RunWriter, open_run, recover
from powerlab_traces.store.journal import HEADER, MAGIC, Entry, Journal, read_journal
from powerlab_traces.window import HostWindow

pytestmark = pytest.mark.filterwarnings("error")
RECORDS = 4


@pytest.fixture(scope="module")
def cut_off(planted, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[int]]:
    """A journal of four records that nobody finished, and where each of them ends in it."""
    path = tmp_path_factory.mktemp("journal") / "r.h5"
    writer = RunWriter(path)
    journal = path.with_name("r.h5.journal")
    writer.describe(planted.provenance, planted.chain, planted.supply)
    ends = []
    for index in range(RECORDS):
        writer.append(planted.noisy(index, 600), [HostWindow(index, index + 1, index, index, 2)])
        ends.append(journal.stat().st_size)
    writer.abandon()
    return journal.read_bytes(), ends


def brought_back(planted, content: bytes, folder: Path) -> int:
    """Recover a journal of this content; the number of records, each of which must be what was stored."""
    path = folder / "r.h5"
    path.with_name("r.h5.journal").write_bytes(content)
    try:
        found = recover(path)
    except TraceError:
        assert not path.exists()
        assert path.with_name("r.h5.journal").read_bytes() == content  # nothing is lost by trying
        return 0
    run = open_run(path)
    for index, record in enumerate(run.records):
        np.testing.assert_array_equal(record.current.codes, planted.noisy(index, 600).current.codes)
        assert run.records.digest_holds(index)
    assert [it.record for it in run.windows] == list(range(found.records))
    assert any("cut off" in note for note in run.notes)
    assert not path.with_name("r.h5.journal").exists()
    return found.records


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_journal_cut_anywhere_gives_back_every_whole_record(
    planted, cut_off: tuple[bytes, list[int]], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content, ends = cut_off
    cut = data.draw(st.integers(0, len(content)) | st.sampled_from([end + by for end in ends for by in (-1, 0)]))
    whole = sum(end <= cut for end in ends)
    assert brought_back(planted, content[:cut], tmp_path_factory.mktemp("cut")) == whole


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_ends_the_reading_and_never_gives_a_wrong_code(
    planted, cut_off: tuple[bytes, list[int]], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content, ends = cut_off
    at = data.draw(st.integers(0, len(content) - 1))
    flipped = bytearray(content)
    flipped[at] ^= 1 << data.draw(st.integers(0, 7))
    whole = sum(end <= at for end in ends)
    assert brought_back(planted, bytes(flipped), tmp_path_factory.mktemp("flip")) == whole


def test_a_header_that_claims_more_than_the_file_has_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "r.h5.journal"
    path.write_bytes(MAGIC + HEADER.pack(b"RECO", 1 << 31, 1 << 60, 0) + b"x" * 100)
    assert list(read_journal(path)) == []


def test_a_journal_that_is_still_written_is_left_alone(planted, tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has no advisory locks")
    writer = RunWriter(tmp_path / "r.h5")
    writer.describe(planted.provenance, planted.chain, planted.supply)
    writer.append(planted.noisy(0), [])
    with pytest.raises(TraceError, match="being captured right now"):
        recover(tmp_path / "r.h5")
    with pytest.raises(TraceError, match="is being captured, or was cut off"):
        RunWriter(tmp_path / "r.h5")
    assert writer.finish() == tmp_path / "r.h5"
    assert len(open_run(tmp_path / "r.h5").records) == 1


def test_a_journal_goes_on_behind_its_last_whole_frame(tmp_path: Path) -> None:
    path = tmp_path / "j"
    first = Journal(path)
    first.append(Entry.NOTES, {"notes": ["a"]})
    first.close()
    with path.open("ab") as file:
        file.write(b"torn")
    again = Journal(path, resume=True)
    again.append(Entry.NOTES, {"notes": ["b"]}, b"bytes")
    again.close()
    frames = list(read_journal(path))
    assert [frame.said["notes"] for frame in frames] == [["a"], ["b"]]
    assert bytes(frames[1].data) == b"bytes"


def test_nothing_to_recover_is_one_clear_line(planted, tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"there is no r\.h5\.journal in .* to recover"):
        recover(tmp_path / "r.h5")
    writer = RunWriter(tmp_path / "done.h5")
    writer.describe(planted.provenance, planted.chain, planted.supply)
    writer.finish()
    with pytest.raises(TraceError, match="is finished"):
        recover(tmp_path / "done.h5")
    (tmp_path / "x.h5.journal").write_text("my diary")
    with pytest.raises(TraceError, match="is no journal"):
        recover(tmp_path / "x.h5")
    assert (tmp_path / "x.h5.journal").read_text() == "my diary"


# A capture in small: says on stdout what is on the disk. Codes of record k are drawn from k.
CAPTURE = """
    import sys
    from pathlib import Path
    sys.path[:0] = {paths}
    from conftest import Planted
    from powerlab_traces.store import RunWriter
    from powerlab_traces.window import HostWindow
    writer = RunWriter(Path(sys.argv[1]))
    writer.describe(Planted.provenance, Planted.chain, Planted.supply)
    for index in range(int(sys.argv[2])):
        writer.append(Planted.noisy(index, 20_000), [HostWindow(index, index + 1, index, index, 2)])
        print(index, flush=True)
    print("finishing", flush=True)
    writer.finish()
    print("finished", flush=True)
"""


def capturing(path: Path, records: int, *, limit: int | None = None) -> subprocess.Popen:
    code = textwrap.dedent(CAPTURE).format(paths=[str(Path(__file__).parent), *sys.path])

    def small_disk() -> None:  # a write beyond the limit fails as on a full disk, but for the error's number
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.Popen(
        [sys.executable, "-c", code, str(path), str(records)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=None if limit is None else small_disk,  # noqa: PLW1509 - the parent's threads hold no lock it takes
    )


def everything_is_there(planted, path: Path, acknowledged: int) -> None:
    journal = path.with_name(path.name + ".journal")
    if not path.exists():
        if not journal.exists() or all(it.entry is not Entry.DESCRIPTION for it in read_journal(journal)):
            assert acknowledged == 0
            return
        recover(path)
    run = open_run(path)
    assert len(run.records) >= acknowledged
    for index, record in enumerate(run.records):
        np.testing.assert_array_equal(record.current.codes, planted.noisy(index, 20_000).current.codes)
    with h5py.File(path) as file:  # as plain h5py sees it
        assert not len(run.records) or file["entry/stack_0/current"].shape == (len(run.records), 20_000)


@pytest.mark.parametrize("after", [0, 1, 3, 6, "finishing"])
def test_killed_at_any_instant_what_was_acknowledged_is_there(planted, tmp_path: Path, after: int | str) -> None:
    with capturing(tmp_path / "r.h5", 8) as process:
        said = []
        for line in process.stdout:
            said.append(line.strip())
            if said[-1] == str(after):
                break
        process.kill()
        said += [line.strip() for line in process.stdout]
    everything_is_there(planted, tmp_path / "r.h5", sum(line.isdigit() for line in said))


@pytest.mark.parametrize("limit", [10, 3000, 40_000, 65_000, 150_000, 330_000])
def test_a_full_disk_ends_the_capture_with_one_line_and_keeps_what_was_there(
    planted, tmp_path: Path, limit: int
) -> None:
    with capturing(tmp_path / "r.h5", 8, limit=limit) as process:
        out, error = process.communicate()
    assert process.returncode != 0
    assert "TraceError" in error.splitlines()[-1]
    if limit > 3000:
        assert "powerlab recover" in error.splitlines()[-1]
    everything_is_there(planted, tmp_path / "r.h5", sum(line.isdigit() for line in out.split()))


def test_frames_are_json_that_anybody_can_read(cut_off: tuple[bytes, list[int]]) -> None:
    content, _ = cut_off
    _, length, _, _ = HEADER.unpack(content[len(MAGIC) : len(MAGIC) + HEADER.size])
    start = len(MAGIC) + HEADER.size
    assert json.loads(content[start : start + length])["provenance"]["model"] == "vgg16"
    assert os.linesep not in content[start : start + length].decode()
