"""Memory in use, from files as Linux writes them and from the machine at hand."""

import mmap
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from powerlab.board.memory import PAGE, ProcessMemory, Proportional, Resident, SystemMemory

ROLLUP = """\
55a0c0a00000-7ffd45d6c000 ---p 00000000 00:00 0                          [rollup]
Rss:             {rss} kB
Pss:             {pss} kB
Pss_Dirty:          1600 kB
SwapPss:            4000 kB
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], None]:
    def write(name: str, text: str) -> None:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    return write


class TestSystem:
    def test_is_what_the_page_cache_would_not_give_back(self, write: Callable, tmp_path: Path):
        write("proc/meminfo", "MemTotal:  8000 kB\nMemFree:  100 kB\nMemAvailable:  3000 kB\nBuffers:  1 kB\n")
        system = SystemMemory(tmp_path)
        assert system.used() == 5000 * 1024
        write("proc/meminfo", "MemTotal:  8000 kB\nMemFree:  100 kB\nMemAvailable:  2500 kB\nBuffers:  1 kB\n")
        assert system.used() == 5500 * 1024
        system.close()

    def test_an_old_kernel_does_not_say(self, write: Callable, tmp_path: Path):
        write("proc/meminfo", "MemTotal:  8000 kB\nMemFree:  100 kB\nBuffers:  1 kB\n")
        assert SystemMemory(tmp_path).used() is None

    def test_a_machine_without_proc(self, tmp_path: Path):
        assert SystemMemory(tmp_path).used() is None

    def test_here(self):
        used = SystemMemory().used()
        assert used is not None
        assert 1e6 < used < 1e14


class TestProcess:
    def test_adds_up_descendants_but_for_one(self, write: Callable, tmp_path: Path):
        for pid, parent, pages in ((10, 1, 5), (11, 10, 7), (12, 11, 11), (13, 10, 13), (14, 13, 17), (15, 1, 19)):
            write(f"proc/{pid}/stat", f"{pid} (a (bad) name 1) S {parent} 1 1")
            write(f"proc/{pid}/statm", f"100 {pages} 2 1 0 9 0\n")
            write(f"proc/{pid}/smaps_rollup", ROLLUP.format(rss=2000, pss=1000))
        process = ProcessMemory(10, tmp_path, without=[13])  # nor its child
        assert process.resident() == Resident((5 + 7 + 11) * PAGE, 6 * PAGE)
        assert process.proportional() == Proportional(6000 * 1024, 3000 * 1024)
        process.close()

    def test_of_an_old_kernel_the_mappings_are_added_up(self, write: Callable, tmp_path: Path):
        write("proc/10/statm", "100 5 2 1 0 9 0\n")
        write("proc/10/smaps", ROLLUP.format(rss=300, pss=100) + ROLLUP.format(rss=30, pss=10))
        assert ProcessMemory(10, tmp_path).proportional() == Proportional(330 * 1024, 110 * 1024)

    def test_one_that_is_gone(self, tmp_path: Path):
        process = ProcessMemory(10, tmp_path)
        assert process.resident() is None
        assert process.proportional() is None

    def test_here_follows_what_is_allocated(self):
        process = ProcessMemory(os.getpid())
        before, shares = process.resident(), process.proportional()
        assert before is not None
        assert shares is not None
        assert shares.pss <= shares.rss
        with mmap.mmap(-1, 64 << 20) as memory:
            for page in range(0, len(memory), mmap.PAGESIZE):
                memory[page] = 1
            after = process.resident()
        assert after is not None
        assert after.rss - before.rss == pytest.approx(64 << 20, rel=0.1)

    def test_here_loses_children_that_end(self):
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
            process = ProcessMemory(child.pid)
            assert process.resident() is not None
        assert process.resident() is None
        process.find()
        assert process.resident() is None
