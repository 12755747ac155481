"""The folder of a report: the page, the document, pictures, and the tables behind them."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from powerlab.report import quantity_object
from powerlab.study.claims import Claim
from powerlab.study.figures import FIGURES, Picture, save
from powerlab.study.figures.frame import FORMATS
from powerlab.study.points import Point, Study
from powerlab.study.report.content import Content, Shown, claim_numbers, content_of
from powerlab.study.report.document import write_document
from powerlab.study.report.webpage import EXTRA, page
from powerlab.study.sheets import Column, Sheet, csv_text
from powerlab.study.tables import tables
from powerlab_analysis.result import UNITS
from powerlab_traces.errors import PowerlabError
from powerlab_traces.extras import library

SCHEMA: Final = "powerlab.study/1"
PAGE, DOCUMENT, OBJECT = "report.html", "report.pdf", "report.json"
FIGURES_FOLDER, TABLES_FOLDER = "figures", "tables"


@dataclass(frozen=True, slots=True)
class Written:
    """A report: its content, its folder, and the files in it."""

    content: Content
    folder: Path
    files: tuple[Path, ...]


def check_folder(folder: Path) -> None:
    """Find out, before long work, whether a report can go there.

    Raises
    ------
    PowerlabError
        The folder holds something else, or what writes the report is not installed.
    """
    for name in ("jinja2", "fpdf"):
        library(name, EXTRA)
    if folder.exists() and not folder.is_dir():
        raise PowerlabError(f"{folder} is a file; give a folder with -o")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / OBJECT).is_file():
        raise PowerlabError(f"{folder} holds no report and is not empty; give a new folder with -o")


def write_report(
    study: Study,
    claims: Sequence[Claim],
    folder: Path,
    command: str,
    done: Callable[[float], None] = lambda _: None,
) -> Written:
    """Write the report of a study into a folder, in the place of one there; `command` is how it was asked for.

    Raises
    ------
    PowerlabError
        The disk refuses.
    Missing
        What writes the report is not installed.
    """
    try:
        for name in (FIGURES_FOLDER, TABLES_FOLDER):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / OBJECT).write_text("{}\n", encoding="utf-8")  # from here on the folder is a report's
        shown = tuple(_pictures(study.points, folder / FIGURES_FOLDER, done))
        sheets = tables(study.points)
        files = [path for it in shown for path in it.files.values()]
        files += [_sheet(sheet, folder / TABLES_FOLDER) for sheet in (*sheets, claims_sheet(claims))]
        content = content_of(study, claims, shown, sheets, command)
        (folder / PAGE).write_text(page(content), encoding="utf-8")
        write_document(content, folder / DOCUMENT)
        written = Written(content, folder, (folder / PAGE, folder / DOCUMENT, *files))
        text = json.dumps(study_object(study, written), allow_nan=False, indent=1)
        (folder / OBJECT).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise PowerlabError(
            f"{folder}: the report cannot be written ({error.strerror}); give another folder"
        ) from error
    return written


def study_object(study: Study, written: Written) -> dict[str, Any]:
    """The report as one JSON object, schema "powerlab.study/1" (docs/json.md)."""
    content = written.content
    return {
        "schema": SCHEMA,
        "folder": str(study.folder),
        "report": str(written.folder),
        "simulated": content.simulated,
        "summary": list(content.summary),
        "claims": [
            {
                "name": it.name,
                "statement": it.statement,
                "answer": it.answer.value,
                "ours": it.ours,
                "numbers": claim_numbers(it),
                "paper": it.paper,
                "evidence": [evidence.value for evidence in it.evidence],
                "why": it.why,
            }
            for it in content.claims
        ],
        "points": [point_object(it) for it in study.points],
        "tables": {sheet.name: [dict(it) for it in sheet.records()] for sheet in content.sheets[1:]},
        "figures": [
            {"number": it.number, "title": it.title, "caption": it.caption, "files": _names(it.files, written.folder)}
            for it in content.pictures
        ],
        "verdicts": [asdict(it) for it in content.verdicts],
        "digests": dict(content.digests),
    }


def point_object(point: Point) -> dict[str, Any]:
    """A point for JSON."""
    names = {name: quantity_object(it.quantity(UNITS[name])) for name, it in point.measured.items()}
    memory = None if point.memory_peak is None else quantity_object(point.memory_peak.quantity("B"))
    return {
        "model": point.model,
        "label": point.label,
        "batch": point.batch,
        "missing": point.missing or None,
        "repeats": point.repeats,
        "simulated": point.simulated,
        "quantities": names,
        "memory_peak": memory,
        "parameters": point.parameters,
        "flops": point.flops,
        "flops_legacy": point.flops_legacy,
        "top1_percent": point.top1,
        "top1_source": None if point.top1 is None else point.top1_source,
        "verdicts": list(point.verdicts),
    }


def claims_sheet(claims: Sequence[Claim]) -> Sheet:
    """The claims as a table."""
    heads = ("claim", "statement", "answer", "this study", "the paper", "evidence", "why")
    rows = tuple(
        (
            it.name,
            it.statement,
            it.answer.value,
            it.ours,
            it.paper,
            "; ".join(evidence.value for evidence in it.evidence),
            it.why,
        )
        for it in claims
    )
    return Sheet("claims", "The paper's claims", tuple(Column(it) for it in heads), rows)


def _pictures(points: Sequence[Point], folder: Path, done: Callable[[float], None]) -> Iterator[Shown]:
    for k, draw in enumerate(FIGURES):
        picture: Picture = draw(points)
        files = dict(zip(FORMATS, save(picture, folder), strict=True))
        files["csv"] = _sheet(picture.sheet, folder)
        yield Shown(picture.number, picture.title, picture.caption, files)
        done((k + 1) / len(FIGURES))


def _sheet(sheet: Sheet, folder: Path) -> Path:
    path = folder / f"{sheet.name}.csv"
    path.write_text(csv_text(sheet), encoding="utf-8", newline="")
    return path


def _names(files: Mapping[str, Path], folder: Path) -> dict[str, str]:
    return {kind: path.relative_to(folder).as_posix() for kind, path in files.items()}
