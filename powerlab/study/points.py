"""The points of a study: what was measured of each network with each batch, over its repeats."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np

from powerlab.networks.published import published
from powerlab.study.reanalysis import Reanalysis, reanalyse
from powerlab.study.table import Row, Status, StudyError, read_rows
from powerlab.terminal import printable
from powerlab_analysis.common import aligned
from powerlab_analysis.measured import Kind, Measured, Source
from powerlab_analysis.repeats import mean
from powerlab_analysis.result import UNITS, Result

PUBLISHED: Final = "published"
LONGEST_LABEL: Final = 24  # characters


@dataclass(frozen=True, slots=True)
class Point:
    """A network with a batch. What is not known is None, or missing in `measured`.

    `label` is what figures call it. `missing` says why there is no measurement; "" where there is one. `measured` holds
    quantities of `powerlab_analysis.result.UNITS`, the means of `repeats` runs, with the errors that points of a
    study have in common under the same source. `memory_peak` and `memory_static` are bytes over what was in use before.
    Operations are of one image; `top1` is in percent, and `top1_source` says whose number it is.
    """

    model: str
    label: str
    batch: int
    missing: str = ""
    measured: Mapping[str, Measured] = field(default_factory=lambda: MappingProxyType({}))
    repeats: int = 0
    memory_peak: Measured | None = None
    memory_static: Measured | None = None
    parameters: int | None = None
    macs: float | None = None
    flops: float | None = None
    flops_legacy: float | None = None
    top1: float | None = None
    top1_source: str = PUBLISHED
    simulated: bool = False
    verdicts: tuple[str, ...] = ()

    @property
    def throughput(self) -> Measured | None:
        """Images per second."""
        time = self.measured.get("time_per_image")
        return None if time is None else 1 / time

    def of(self, name: str) -> Measured | None:
        """A measured quantity by its name; `memory_peak` and `throughput` are among them."""
        if name == "throughput":
            return self.throughput
        if name == "memory_peak":
            return self.memory_peak
        return self.measured.get(name)


@dataclass(frozen=True, slots=True)
class Study:
    """A study as it was read: its folder, table, run files analysed again, and points in the order of the paper."""

    folder: Path
    rows: tuple[Row, ...]
    runs: tuple[Reanalysis, ...]
    points: tuple[Point, ...]

    @property
    def simulated(self) -> bool:
        """Whether any of it was."""
        return any(it.simulated for it in self.points)


def points_of(folder: Path) -> tuple[Point, ...]:
    """The points of a study's folder, its run files analysed again.

    Raises
    ------
    StudyError
        It is no study.
    """
    return read_study(folder).points


def read_study(folder: Path, accuracies: Path | None = None, done: Callable[[float], None] = lambda _: None) -> Study:
    """Read a study's table and analyse its run files again; `done` is told the share that is finished.

    `accuracies` is a CSV file with columns `model` and `top1_percent`, which take the place of published accuracies.

    Raises
    ------
    StudyError
        It is no study, or `accuracies` is no such file.
    """
    rows = read_rows(folder)
    given = {} if accuracies is None else read_accuracies(accuracies)
    files = [row.run for row in rows if row.run and row.status is Status.DONE]
    runs = reanalyse(folder, files, done)
    return Study(folder, rows, runs, tuple(_points(rows, runs, given, accuracies.name if accuracies else "")))


def read_accuracies(path: Path) -> dict[str, float]:
    """Top-1 in percent by model, from a CSV file with the columns `model` and `top1_percent`.

    Raises
    ------
    StudyError
        It cannot be read, lacks a column, or holds what is no percentage.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if lacking := {"model", "top1_percent"} - set(reader.fieldnames or ()):
                raise StudyError(f"{path} has no column {min(lacking)}; it needs model and top1_percent")
            found = {row["model"]: float(row["top1_percent"]) for row in reader}
    except (OSError, ValueError) as error:
        raise StudyError(f"{path} cannot be read as accuracies: {error}") from error
    for model, percent in found.items():
        if not 0 <= percent <= 100:
            raise StudyError(f"{path}: {model} has top1_percent {percent:g}; a percentage is from 0 to 100")
    return found


def label_of(model: str) -> str:
    """What figures call a network: as the paper does where it is one of the paper's.

    >>> label_of("vgg16"), label_of("googlenet-factorised"), label_of("torchvision:mobilenet_v2")
    ('VGG-16', 'googlenet-factorised', 'mobilenet_v2')
    """
    paper = published().get(model)
    if paper is not None:
        return paper.label
    name = model.rpartition(":")[2]
    return printable(Path(name).name or model, LONGEST_LABEL)


def labels_of(models: Sequence[str]) -> dict[str, str]:
    """A label for each model, its whole name where the short one would stand for two.

    >>> labels_of(["vgg16", "timm:a", "torchvision:a"])
    {'vgg16': 'VGG-16', 'timm:a': 'timm:a', 'torchvision:a': 'torchvision:a'}
    """
    short = [label_of(model) for model in models]
    return {
        model: label if short.count(label) == 1 else printable(model)
        for model, label in zip(models, short, strict=True)
    }


def in_order(models: Iterable[str]) -> tuple[str, ...]:
    """Models in the order of the paper's figures, others behind them as they come."""
    known = list(published())
    return tuple(sorted(dict.fromkeys(models), key=lambda it: known.index(it) if it in known else len(known)))


def _points(
    rows: Sequence[Row], runs: Sequence[Reanalysis], accuracies: Mapping[str, float], source: str
) -> Iterator[Point]:
    analysed = {it.run: it for it in runs}
    values = _aligned([it for it in runs if it.result is not None])
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.model, row.batch), []).append(row)
    models = in_order(model for model, _ in groups)
    labels = labels_of(models)
    for model in models:
        for _, batch in sorted(key for key in groups if key[0] == model):
            point = replace(_point(groups[model, batch], analysed, values), label=labels[model])
            if model in accuracies:
                point = replace(point, top1=accuracies[model], top1_source=source)
            yield point


def _point(
    rows: Sequence[Row], analysed: Mapping[str, Reanalysis], values: Mapping[str, Mapping[str, Measured]]
) -> Point:
    first = rows[0]
    done = [row for row in rows if row.run in values]
    where = f"{first.model}, batch {first.batch}"
    names = [name for name in UNITS if done and all(name in values[row.run] for row in done)]
    results = [it.result for row in done if (it := analysed[row.run]).result is not None]
    return Point(
        model=first.model,
        label=first.model,
        batch=first.batch,
        missing="" if "time_per_image" in names else printable(_missing(rows, analysed, results)),
        measured={name: _together([values[row.run][name] for row in done], where) for name in names},
        repeats=len(done),
        memory_peak=_memory([row.memory_peak_bytes for row in done], where),
        memory_static=_memory([row.memory_static_bytes for row in done], where),
        parameters=first.parameters,
        macs=first.macs,
        flops=first.flops,
        flops_legacy=first.flops_legacy,
        top1=first.top1_published_percent,
        simulated=any(row.simulated for row in rows),
        verdicts=tuple(dict.fromkeys(verdict.name for it in results for verdict in it.verdicts)),
    )


def _missing(rows: Sequence[Row], analysed: Mapping[str, Reanalysis], results: Sequence[Result]) -> str:
    """Why there is no measurement: the first reason that a run gives."""
    for row in rows:
        if row.status not in {Status.DONE, Status.PLANNED}:
            return f"{row.status.value}: {row.reason}" if row.reason else row.status.value
        if row.run in analysed and analysed[row.run].why:
            return analysed[row.run].why
    refused = next((it.refusal("time_per_image") for it in results), None)
    return refused.text if refused else next((row.reason for row in rows if row.reason), "not measured yet")


def _aligned(runs: Sequence[Reanalysis]) -> dict[str, dict[str, Measured]]:
    """The values of all runs by file and name, with the sources that they do not share told apart."""
    found: dict[str, dict[str, Measured]] = {it.run: {} for it in runs}
    for name in UNITS:
        having = [(it.run, it.result) for it in runs if it.result is not None and name in it.result.measured]
        if not having:
            continue
        labels = [run for run, _ in having]
        for run, value in zip(labels, aligned([result for _, result in having], name, labels), strict=True):
            found[run][name] = value
    return found


def _together(values: Sequence[Measured], where: str) -> Measured:
    """The mean of the repeats; how they scatter is another error at each point, and so another source."""
    if len(values) == 1:
        return values[0]
    together = mean(values)
    parts = {
        replace(source, name=f"{source.name} ({where})") if source.kind is Kind.RANDOM else source: part
        for source, part in together.parts.items()
    }
    return Measured(together.value, parts)


def _memory(readings: Sequence[float | None], where: str) -> Measured | None:
    """The mean of the repeats' readings; what scatters is all that is known of their uncertainty."""
    known = [it for it in readings if it is not None]
    if not known:
        return None
    if len(known) == 1:
        return Measured(known[0])
    scatter = float(np.std(known, ddof=1)) / len(known) ** 0.5
    return Measured(
        float(np.mean(known)), {Source(f"spread over captures ({where})", Kind.RANDOM, len(known) - 1): scatter}
    )
