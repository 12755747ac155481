"""Colours of the page, light and dark; those of traces stay apart for colour-blind readers (Okabe and Ito)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """The colours of one appearance; `traces` are those of the runs in their order."""

    paper: str
    panel: str
    ink: str
    faint: str
    grid: str
    traces: tuple[str, ...]
    kept: str
    dropped: str
    clipped: str
    cursor: str


LIGHT = Look(
    paper="#ffffff",
    panel="#ffffff",
    ink="#1f2328",
    faint="#59636e",
    grid="#dfe3e8",
    traces=("#0072B2", "#D55E00", "#009E73", "#CC79A7"),
    kept="#56B4E9",
    dropped="#8a8f96",
    clipped="#c8102e",
    cursor="#5b3fa0",
)
DARK = Look(
    paper="#14171c",
    panel="#191d23",
    ink="#e3e7ec",
    faint="#9aa4b0",
    grid="#2d333b",
    traces=("#56B4E9", "#E69F00", "#2fd3a2", "#e59ac4"),
    kept="#3f7fb0",
    dropped="#7b828c",
    clipped="#ff6b6b",
    cursor="#c4a6ff",
)
