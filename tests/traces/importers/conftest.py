"""Writers of foreign files, each from the definition of its format and not with the product's code."""

import json
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

TIME = "%m-%d-%Y %H:%M:%S"


@dataclass
class Waveform:
    """One waveform of an InfiniiVision binary save."""

    values: Sequence[float]
    label: str = "1"
    unit: int = 4  # ampere
    x_unit: int = 2
    interval: float = 1e-3
    origin: float = 0.0
    tag: float = 0.0
    segment: int = 0
    buffer: int = 1
    extra: Sequence[float] = ()  # a second buffer: the minima of peak detection


def infiniivision(
    path: Path, waves: Sequence[Waveform], *, version: bytes = b"10", header: int = 140, data_header: int | None = None
) -> Path:
    wide = version == b"03"
    parts = []
    for wave in waves:
        buffers = [(wave.buffer, wave.values)] + ([(3, wave.extra)] if len(wave.extra) else [])
        head = struct.pack(
            "<5if3d2i16s16s24s16sdI",
            header, 1, len(buffers), len(wave.values), 1,
            wave.interval * len(wave.values), wave.origin, wave.interval, wave.origin, wave.x_unit, wave.unit,
            b" " * 15, b" " * 15, b"MSO-X 2024A:MY00000001", wave.label.encode(), wave.tag, wave.segment,
        )  # fmt: skip
        parts.append(head + b"\xee" * (header - 140))
        for kind, values in buffers:
            raw = np.asarray(values, "u1" if kind == 6 else "<f4").tobytes()
            layout = struct.Struct("<ihhQ" if wide else "<ihhi")
            size = data_header or layout.size
            parts.append(
                layout.pack(size, kind, 1 if kind == 6 else 4, len(raw)) + b"\xee" * (size - layout.size) + raw
            )
    body = b"".join(parts)
    layout = struct.Struct("<qi" if wide else "<ii")
    size = 4 + layout.size + len(body)
    path.write_bytes(b"AG" + version + layout.pack(size, len(waves)) + body)
    return path


def energyrunner(
    folder: Path,
    energies: Sequence[float],
    marks: Sequence[float] | None,
    *,
    rate: float = 1000.0,
    base: str = "trace1",
) -> Path:
    path = folder / f"{base}-energy.bin"
    path.write_bytes(b"\xf1" + struct.pack("<f", rate) + np.asarray(energies, "<f4").tobytes())
    if marks is not None:
        (folder / f"{base}-timestamps.json").write_text(json.dumps(list(marks), indent="\t"))
    return path


def spl(
    path: Path, start: datetime, watts: Sequence[float], *, channels: int = 0, end: str = "\n", mark: str = "a_testing"
) -> Path:
    lines = []
    for k, value in enumerate(watts):
        time = start + timedelta(seconds=k)
        text = f"{time.strftime(TIME)}.{time.microsecond // 1000:03d}"
        volts = "Volts,-1.000000,Amps,-1.000000,PF,-1.000000" if channels else "Volts,230.10,Amps,0.05,PF,0.5"
        parts = [f"Time,{text},Watts,{value:.6f},{volts},Mark,{mark}"]
        parts += [f"Ch{n + 1},Watts,{value / channels:.6f},Volts,230.0,Amps,0.1,PF,0.9" for n in range(channels)]
        lines.append(",".join(parts))
    path.write_bytes((end.join(lines) + end).encode())
    return path


def loadgen(path: Path, begin: str, stop: str, **values: object) -> Path:
    entries = {"power_begin": begin, "power_end": stop, **values}
    lines = [
        ":::MLLOG " + json.dumps({"key": key, "value": value, "time_ms": 1.5, "namespace": "mlperf::logging"})
        for key, value in entries.items()
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def tinyrunner(path: Path, trials: Sequence[tuple[Sequence[float], Sequence[tuple[str, int]], int]]) -> Path:
    found = [
        {
            "file": f"input{k}.bin",
            "infer": {"results": [0.1, 0.9], "iterations": iterations, "warmups": 0},
            "power": {"samples": list(samples), "timestamps": list(marks), "extracted_power": None, "voltage": 3.3},
            "mode": "e",
        }
        for k, (samples, marks, iterations) in enumerate(trials)
    ]
    path.write_text(json.dumps(found))
    return path


def ppk2(
    path: Path,
    microamperes: Sequence[float],
    *,
    levels: Sequence[int] | None = None,
    rate: int = 1000,
    version: int = 2,
) -> Path:
    levels = levels or [0] * len(microamperes)
    frames = b"".join(
        struct.pack("<f", value) + struct.pack(">H", sum((2 if level >> n & 1 else 1) << 2 * n for n in range(8)))
        for value, level in zip(microamperes, levels, strict=True)
    )
    metadata = {
        "metadata": {"samplesPerSecond": rate, "startSystemTime": 1767225600000.0},
        "formatVersion": version,
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", json.dumps(metadata))
        archive.writestr("minimap.raw", "{}")
        archive.writestr("session.raw", frames)
    return path


SCOPE_CSV = """x-axis,1,2
second,Ampere,Volt
-2.0000E-03,+1.0000000E+00,+5.0000E+00
-1.0000E-03,+2.0000000E+00,+5.0000E+00
+0.0E+00,+3.0000000E+00,+5.0000E+00
+1.0000E-03,+4.0000000E+00,+5.0000E+00
"""

TABLE_CSV = "Time (s),Current (mA),Voltage (V)\n0.000,100,5.0\n0.001,200,5.0\n0.002,300,5.0\n0.003,400,5.0\n"


class Foreign:
    """The writers, for tests to call."""

    waveform = Waveform
    infiniivision = staticmethod(infiniivision)
    energyrunner = staticmethod(energyrunner)
    spl = staticmethod(spl)
    loadgen = staticmethod(loadgen)
    tinyrunner = staticmethod(tinyrunner)
    ppk2 = staticmethod(ppk2)

    def small(self, name: str, folder: Path) -> Path:  # noqa: PLR0911 - one for each format
        """A small sound capture of a format, with its companions; the path of its main file."""
        ramp = [1.0 + k % 7 for k in range(40)]
        if name == "infiniivision":
            waves = [
                Waveform(ramp),
                Waveform([5.0] * 40, "2", 1),
                Waveform([k % 2 for k in range(40)], "D0", 0, buffer=6),
            ]
            return infiniivision(folder / "scope_1.bin", waves)
        if name == "infiniivision-text":
            path = folder / "scope_2.csv"
            path.write_text(SCOPE_CSV)
            return path
        if name == "energyrunner":
            return energyrunner(folder, ramp, [0.001, 0.01, 0.02, 0.025, 0.035])
        if name == "ptdaemon":
            loadgen(
                folder / "mlperf_log_detail.txt", "08-03-2022 10:57:05.5", "08-03-2022 10:57:30.5", result_query_count=5
            )
            return spl(folder / "spl.txt", datetime(2022, 8, 3, 10, 57), ramp)  # noqa: DTZ001 - as the file has it
        if name == "tinyrunner":
            return tinyrunner(folder / "results.json", [(ramp, [("00", 5), ("01", 30)], 10)])
        if name == "ppk2":
            return ppk2(folder / "session.ppk2", ramp, levels=[k // 10 % 2 for k in range(40)])
        path = folder / "table.csv"
        path.write_text(TABLE_CSV)
        return path


FORMATS = ("infiniivision", "infiniivision-text", "energyrunner", "ptdaemon", "tinyrunner", "ppk2", "delimited")


@pytest.fixture(scope="session")
def foreign() -> Foreign:
    return Foreign()
