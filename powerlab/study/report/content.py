"""What a report says, whatever it is written as."""

import hashlib
import json
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from powerlab import __version__
from powerlab.networks.published import published
from powerlab.study.claims import Answer, Claim
from powerlab.study.points import Study
from powerlab.study.sheets import Cell, Column, Sheet
from powerlab.study.table import CSV
from powerlab_analysis.measured import Measured
from powerlab_analysis.quantity import PREFIXED_UNITS, Quantity, prefixed
from powerlab_traces.errors import PowerlabError
from powerlab_traces.run import Provenance

PLAN: Final = "plan.json"
UNITS: Final = {
    "percent": "%",
    "percent_per_million": "%/M",
    "millions": "M",
    "giga": "G",
    "MB": "MB",
    "per_J": "/J",
}
MARKS: Final = {Answer.AGREES: "+", Answer.DIFFERS: "x", Answer.UNTOLD: "?"}  # beside the word, for who sees no colours


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture in a report: its number, title and caption, and its files by format."""

    number: int
    title: str
    caption: str
    files: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class Said:
    """A verdict on some of the runs: its name and effect, on how many runs, and the words of the first."""

    name: str
    effect: str
    runs: int
    text: str


@dataclass(frozen=True, slots=True)
class Content:
    """A report. `bench` are pairs of what and which; `texts` whole files by their names, `digests` SHA-256 by file."""

    title: str
    simulated: bool
    summary: tuple[str, ...]
    claims: tuple[Claim, ...]
    pictures: tuple[Shown, ...]
    sheets: tuple[Sheet, ...]
    bench: tuple[tuple[str, str], ...]
    texts: Mapping[str, str]
    verdicts: tuple[Said, ...]
    missing: tuple[tuple[str, str], ...]
    commands: tuple[str, ...]
    digests: Mapping[str, str]


def content_of(
    study: Study, claims: Sequence[Claim], pictures: Sequence[Shown], sheets: Sequence[Sheet], command: str
) -> Content:
    """The report of a study; `command` is how the report itself was asked for."""
    plan = _plan(study.folder)
    provenances = [it.provenance for it in study.runs if it.provenance is not None]
    return Content(
        title=f"Study of {len({it.model for it in study.points})} networks: {study.folder.resolve().name}",
        simulated=study.simulated,
        summary=tuple(_summary(study, claims)),
        claims=tuple(claims),
        pictures=tuple(pictures),
        sheets=tuple(sheets),
        bench=tuple(_bench(study, provenances)),
        texts=_texts(plan, provenances),
        verdicts=tuple(_verdicts(study)),
        missing=tuple((f"{it.label}, batch {it.batch}", it.missing) for it in study.points if it.missing),
        commands=(*_sweep(plan), command),
        digests=_digests(study),
    )


def cell_text(column: Column, cell: Cell) -> str:
    """A cell for people: with unit and U95 where it has them.

    >>> cell_text(Column("power", "W"), Measured(11.8)), cell_text(Column("top-1", "percent"), 70.5)
    ('11.8 W', '70.5 %')
    """
    if cell is None:
        return ""
    unit = UNITS.get(column.unit, column.unit)
    if isinstance(cell, str):
        return cell
    if unit == "B":  # nobody reads bytes
        unit, cell = "MB", cell * 1e-6
    if isinstance(cell, Measured):
        return " ".join(str(cell.quantity(unit)).split()) if cell.u else _number(cell.value, unit)
    return _number(cell, unit)


def _number(value: float, unit: str) -> str:
    if unit in PREFIXED_UNITS:
        return prefixed(value, unit)
    text = f"{value:.4g}" if isinstance(value, float) and abs(value) < 1e4 else f"{value:.0f}"
    return f"{text} {unit}".strip()


def origin_text(column: Column) -> str:
    """Where a column's numbers come from, in a word."""
    return column.origin.value


def _summary(study: Study, claims: Sequence[Claim]) -> Iterator[str]:
    known = [it for it in study.points if not it.missing]
    batches = sorted({it.batch for it in study.points})
    runs = sum(1 for it in study.runs if it.result is not None)
    models = len({it.model for it in study.points})
    yield (
        f"{models} networks with batches of {', '.join(str(it) for it in batches)}: {len(known)} of "
        f"{len(study.points)} points were measured, in {runs} runs."
    )
    found = Counter(it.answer for it in claims)
    yield (
        f"Of {len(claims)} claims of the paper this study agrees with {found[Answer.AGREES]}, differs from "
        f"{found[Answer.DIFFERS]}, and cannot tell of {found[Answer.UNTOLD]}."
    )
    energies = [it for it in known if "energy_per_image" in it.measured]
    if energies:
        least = min(energies, key=lambda it: it.measured["energy_per_image"].value)
        most = max(energies, key=lambda it: it.measured["energy_per_image"].value)
        said = [
            f"{it.measured['energy_per_image'].quantity('J')} ({it.label}, batch {it.batch})" for it in (least, most)
        ]
        yield f"Energy per image at the board's input is from {said[0]} to {said[1]}."
    differing = [it.name for it in claims if it.answer is Answer.DIFFERS]
    if differing:
        yield f"It differs in: {', '.join(differing)}."


def _bench(study: Study, provenances: Sequence[Provenance]) -> Iterator[tuple[str, str]]:
    """What it was measured with; where that changed between runs, each of it with the number of runs."""
    boards = Counter(row.board for row in study.rows if row.board)
    yield "board", _several(boards)
    yield "boundary of the power", "the board's input: supply voltage times current in the supply lead"
    for role in dict.fromkeys(role for it in provenances for role in it.instruments):
        yield role, _several(Counter(it.instruments.get(role, "") for it in provenances))
    chains = [it.result.setup.chain for it in study.runs if it.result is not None]
    if chains:
        yield "probe sensitivity", _several(Counter(prefixed(it.sensitivity, "V") + "/A" for it in chains))
        yield "turns through the probe", _several(Counter(str(it.turns) for it in chains))
        yield "probe zeroed", _several(Counter("yes" if it.zeros else "no" for it in chains))
        yield "calibrated against the supply", _several(Counter("yes" if it.lines else "no" for it in chains))
    started = sorted(it.created for it in provenances)
    if started:
        yield "captured", f"{started[0]} to {started[-1]}"
    for name in dict.fromkeys(name for it in provenances for name in it.workload):
        values = Counter(it.workload.get(name, "") for it in provenances)
        if len(values) <= 3 and len(" ".join(values)) < 200:
            yield f"workload: {name}", _several(values)
    for name in dict.fromkeys(name for it in provenances for name in it.host):
        yield f"host: {name}", _several(Counter(it.host.get(name, "") for it in provenances))
    for name in dict.fromkeys(name for it in provenances for name in it.software):
        yield f"software: {name}", _several(Counter(it.software.get(name, "") for it in provenances))
    yield "report: powerlab, numpy", f"{__version__}, {np.__version__}"


def _several(values: Counter[str]) -> str:
    if len(values) == 1:
        return next(iter(values)) or "-"
    return "; ".join(f"{value or '-'} ({count} runs)" for value, count in values.most_common(5))


def _texts(plan: Mapping[str, Any], provenances: Sequence[Provenance]) -> dict[str, str]:
    found = {} if not plan else {PLAN: json.dumps(plan, indent=1)}
    benches = dict.fromkeys(it.bench for it in provenances if it.bench)
    for k, text in enumerate(list(benches)[:3]):
        found["bench.toml" if k == 0 else f"bench.toml, another {k}"] = text
    return found


def _verdicts(study: Study) -> Iterator[Said]:
    found: dict[str, list[tuple[str, str]]] = {}
    for run in study.runs:
        for name, it in {it.name: it for it in run.result.verdicts}.items() if run.result else ():
            found.setdefault(name, []).append((it.effect.value, it.text))
    for name, each in sorted(found.items(), key=lambda it: -len(it[1])):
        yield Said(name, each[0][0], len(each), each[0][1])


def _plan(folder: Path) -> Mapping[str, Any]:
    try:
        found = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise PowerlabError(f"{folder / PLAN} cannot be read: {error}; it says how the study was made") from error
    return found if isinstance(found, dict) else {}


def _sweep(plan: Mapping[str, Any]) -> Iterator[str]:
    """The command that makes the same study, from its plan."""
    asked = plan.get("asked", {})
    if not asked:
        return
    models = "all" if list(asked["models"]) == list(published()) else shlex.quote(",".join(asked["models"]))
    said = [
        f"--models {models}",
        f"--batches {','.join(str(it) for it in asked['batches'])}",
    ]
    options = ("repeats", "board", "bench", "dut", "seed", "windows", "duration", "protocol")
    said += [f"--{it} {shlex.quote(str(asked[it]))}" for it in options if asked.get(it) is not None]
    yield f"powerlab sweep {' '.join(said)} --out STUDY"


def _digests(study: Study) -> dict[str, str]:
    table = study.folder / CSV
    found = {CSV: hashlib.sha256(table.read_bytes()).hexdigest()} if table.is_file() else {}
    return found | {it.run: it.digest for it in study.runs}


def claim_numbers(claim: Claim) -> dict[str, dict[str, float | str]]:
    """Our numbers for JSON."""
    return {name: _quantity(it) for name, it in claim.numbers.items()}


def _quantity(it: Quantity) -> dict[str, float | str]:
    return {"value": it.value, "U95": it.U95, "unit": it.unit}
