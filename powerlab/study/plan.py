"""The plan of a study: what is measured, how, and in which order. It is written before anything is measured."""

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from powerlab.capture import Plan as CapturePlan
from powerlab.networks import NETWORKS, find
from powerlab.networks.published import published
from powerlab.study.devicemodel import DeviceModel
from powerlab.study.table import StudyError
from powerlab.workload import Task
from powerlab_analysis.protocols import PROTOCOLS

SCHEMA: Final = "powerlab.plan/1"
FILE: Final = "plan.json"
RUNS: Final = "runs"
ALL: Final = "all"  # the paper's networks
VERSION_2: Final = "v2"  # those of its second version
ADDED: Final = frozenset({"enet", "resnet152", "inception-v4"})  # by the third
SPARE: Final = 1.02  # of a protocol's duration, so that a window that does not count costs nothing
WARM_UP: Final = 3  # batches, as `powerlab capture` does
IDLE: Final = 1.0  # s, the same


class PlannedRun(NamedTuple):
    """One run: the `order`-th of the plan, from 1, and the file it goes to, in the study's folder."""

    order: int
    model: str
    batch: int
    repeat: int
    file: str

    def __str__(self) -> str:
        return f"{self.model} batch {self.batch}, repeat {self.repeat}"


class Asked(BaseModel):
    """What was asked for. Times are in seconds; `task` holds those fields of `powerlab.workload.Task` that say how.

    `board` names a simulated board, whose numbers are in `device`; `bench` is a bench file, whose text has `digest`.
    Without either, networks run on this machine, and the current is a simulated bench's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: tuple[str, ...] = Field(min_length=1)
    batches: tuple[int, ...] = Field(min_length=1)
    repeats: int = Field(ge=1)
    board: str | None = None
    bench: str | None = None
    dut: str | None = None
    seed: int = Field(0, ge=0)
    windows: int | None = Field(None, ge=1)
    duration: float | None = Field(None, gt=0)
    protocol: str = "quick"
    idle: float = Field(IDLE, ge=0)
    warmup: int = Field(WARM_UP, ge=0)
    settle: float = Field(10.0, ge=0)
    cooldown: float = Field(0.0, ge=0)
    task: dict[str, Any] = Field(default_factory=dict)


class StudyPlan(BaseModel):
    """The plan file. Runs are in the order in which they are measured, `[model, batch, repeat]` each.

    `seconds` is about how long all of it takes on the bench, `about` says in words what that stands on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_: Literal["powerlab.plan/1"] = Field(SCHEMA, alias="schema")
    created: str
    powerlab: str
    simulated: bool | None  # None: the bench will say
    asked: Asked
    device: dict[str, Any] | None = None
    digest: str | None = None  # SHA-256 of the bench file
    order: tuple[tuple[str, int, int], ...]
    seconds: float
    about: str

    @property
    def model_of_device(self) -> DeviceModel | None:
        """The simulated board's model, where it is one."""
        return None if self.device is None else DeviceModel(**self.device)

    @property
    def runs(self) -> tuple[PlannedRun, ...]:
        """All runs in their order."""
        names = file_names(self.asked.models)
        return tuple(
            PlannedRun(k, model, batch, repeat, f"{RUNS}/{names[model]}-b{batch}-r{repeat}.h5")
            for k, (model, batch, repeat) in enumerate(self.order, 1)
        )

    def capture(self, run: PlannedRun) -> CapturePlan:
        """What the capture of one run is to do."""
        asked = self.asked
        windows, duration, least = asked.windows, asked.duration, 0
        protocol = PROTOCOLS[asked.protocol]
        if windows is None and duration is None and protocol.seconds:
            duration, least = SPARE * protocol.seconds, protocol.windows
        how = task_of_plan(asked, run)
        return CapturePlan(
            run.model,
            run.batch,
            windows=windows,
            duration=duration,
            warmup=asked.warmup,
            idle=asked.idle,
            # Another repeat has other weights and input: what a start draws anew is part of what repeats show.
            seed=asked.seed + run.repeat - 1,
            weights=how.weights,
            threads=how.threads,
            least=least,
            settle=asked.settle,
            how=how,
        )

    def text(self) -> str:
        """The file's text."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"

    @classmethod
    def parse(cls, text: bytes, name: str) -> "StudyPlan":
        """Read the text of a plan file; `name` is what messages call it.

        Raises
        ------
        StudyError
            It is no plan of this version of powerlab, or one of its networks is not known here.
        """
        try:
            plan = cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise StudyError(
                f"{name} is no plan that this powerlab knows ({place}: {first['msg']}); give another folder with --out"
            ) from error
        for model in plan.asked.models:
            find(model)
        return plan


def task_of_plan(asked: Asked, run: PlannedRun) -> Task:
    """How the network of a run computes."""
    return Task.heard({"model": run.model, "batch": run.batch, "seed": asked.seed + run.repeat - 1} | asked.task)


def models_of(text: str) -> tuple[str, ...]:
    """The networks meant by `all`, by `v2` or by names with commas between.

    Raises
    ------
    StudyError
        One is there twice, or none.
    NetworkError
        There is no such network.

    >>> models_of("enet,vgg16"), len(models_of("v2"))
    (('enet', 'vgg16'), 11)
    """
    if text.strip() == ALL:
        return tuple(published())
    if text.strip() == VERSION_2:
        return tuple(it for it in published() if it not in ADDED)
    found = [it.strip() for it in text.split(",") if it.strip()]
    if not found:
        raise StudyError(f"--models {text!r} names no network; give all, or names such as {', '.join([*NETWORKS][:3])}")
    if twice := next((it for it in found if found.count(it) > 1), None):
        raise StudyError(f"--models has {twice} twice; name each network once")
    for it in found:
        find(it)
    return tuple(found)


def order_of(
    models: Sequence[str], batches: Sequence[int], repeats: int, seed: int
) -> tuple[tuple[str, int, int], ...]:
    """All runs in a random order, drawn from the seed: every point once, then every point again, and so on.

    So what drifts over hours is spread over all points, no point is measured after the same one each time, and a study
    that is cut off early has about as many repeats of each.

    >>> order_of(["a", "b"], [1], 2, 0)
    (('b', 1, 1), ('a', 1, 1), ('a', 1, 2), ('b', 1, 2))
    """
    draw = random.Random(seed)  # noqa: S311 - an order, no secret
    points = [(model, batch) for model in models for batch in batches]
    return tuple(
        (model, batch, repeat) for repeat in range(1, repeats + 1) for model, batch in draw.sample(points, len(points))
    )


def file_names(models: Sequence[str]) -> Mapping[str, str]:
    """What each model is called in file names, no two alike.

    >>> dict(file_names(["vgg16", "nets/a.onnx", "nets:a.onnx"]))
    {'vgg16': 'vgg16', 'nets/a.onnx': 'nets-a.onnx', 'nets:a.onnx': 'nets-a.onnx-2'}
    """
    found: dict[str, str] = {}
    for model in models:
        plain = "".join(it if it.isalnum() or it in "-_." else "-" for it in model)
        found[model] = next(it for it in _numbered(plain) if it not in found.values())
    return found


def differences(plan: StudyPlan, asked: Mapping[str, Any]) -> Iterator[str]:
    """What a plan has otherwise than those fields of `Asked` that somebody asks for, in words."""
    planned = plan.asked.model_dump()
    for name, wanted in asked.items():
        if planned[name] != wanted:
            flag = "--" + name
            yield f"{flag} was {_said(planned[name])} and is {_said(wanted)}"


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 1
    while True:
        number += 1
        yield f"{name}-{number}"


def _said(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return "not given" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def plan_path(folder: Path) -> Path:
    """Where a study's plan is."""
    return folder / FILE
