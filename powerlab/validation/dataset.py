"""Images and their classes, in folders as those of ImageNet are kept."""

import os
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from powerlab.validation import AccuracyError

TRUTHS: Final = ("ILSVRC2012_validation_ground_truth.txt", "val.txt")
META: Final = "meta.mat"
WORDS: Final = "synset_words.txt"
DEVKIT: Final = "ILSVRC2012_devkit_t12/data"
_VALIDATION: Final = re.compile(r"ILSVRC2012_val_(\d{8})\.\w+", re.IGNORECASE)
_PICTURES: Final = {".jpeg", ".jpg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
_NAMED: Final = 3  # so that a message stays one readable line


@dataclass(frozen=True, slots=True)
class Labelled:
    """One image; `label` is the place of its class among the data set's."""

    path: Path
    label: int


@dataclass(frozen=True, slots=True)
class Dataset:
    """All images of a folder. `absent` are those that the truth file knows of and the folder lacks."""

    layout: str  # "folders" or "devkit"
    classes: tuple[str, ...]
    images: tuple[Labelled, ...]
    absent: int = 0

    def limited(self, limit: int | None) -> tuple[Labelled, ...]:
        """All images, or a random sample of so many, the same one each time, in the order of all."""
        if limit is None or limit >= len(self.images):
            return self.images
        drawn = random.Random(0).sample(range(len(self.images)), limit)  # noqa: S311 - a sample, not a secret
        return tuple(self.images[index] for index in sorted(drawn))


def find_dataset(folder: Path, truth: Path | None = None) -> Dataset:
    """The images of a folder: one folder in it for each class, or the validation images and a file that labels them.

    That file is `truth`, else one of `TRUTHS` in the folder, beside it, or in the unpacked devkit. Every file counts as
    an image, unless its name begins with a dot.

    Raises
    ------
    AccuracyError
        Neither the one nor the other is there; or the file does not label what is there.
    """
    if not folder.is_dir():
        raise AccuracyError(f"data {folder}: there is no such folder")
    entries = [it for it in map(Path, _entries(folder)) if not it.name.startswith(".")]
    numbered = {int(match[1]): it for it in entries if (match := _VALIDATION.fullmatch(it.name))}
    if numbered:
        return _devkit(folder, numbered, truth)
    if truth is not None:
        raise AccuracyError(f"data {folder}: no ILSVRC2012_val_ images for {truth} to label; leave --truth out")
    folders = [it for it in entries if it.is_dir()]
    if loose := [it for it in entries if it.suffix.lower() in _PICTURES and it not in folders]:
        raise AccuracyError(f"data {folder}: {_some([it.name for it in loose])} in no folder of a class")
    if not folders:
        raise AccuracyError(
            f"data {folder}: neither a folder for each class nor ILSVRC2012_val_ images; name the folder that has them"
        )
    images = tuple(Labelled(path, label) for label, it in enumerate(folders) for path in _files(it))
    if not images:
        raise AccuracyError(f"data {folder}: no image in any of its {len(folders)} folders")
    return Dataset("folders", tuple(it.name for it in folders), images)


def output_of_each(
    classes: Sequence[str], outputs: int, *, known: int | None = None, listed: Path | None = None
) -> NDArray[np.intp]:
    """Which of a network's outputs stands for each class.

    Without a list the classes are the outputs, in the order of their names. `listed` names the class of each output, a
    line each: the class alone, or its name and a description. `known` is how many outputs, of all, the weights have.

    Raises
    ------
    AccuracyError
        There are not as many classes, or lines, as outputs; or the list lacks a class, or has it twice.
    """
    fitting = {outputs, outputs if known is None else known}
    if listed is None:
        return _in_order(classes, fitting)
    names = _listed(listed, set(classes))
    if len(names) not in fitting:
        raise AccuracyError(f"{listed} has {len(names)} lines, and the network {outputs} outputs: give a line for each")
    if lacking := [it for it in classes if it not in names]:
        raise AccuracyError(f"{listed} does not have {_some(lacking)}, which the data has")
    if twice := [it for it in classes if names.count(it) > 1]:
        raise AccuracyError(f"{listed} has {_some(twice)} twice")
    return np.array([names.index(it) for it in classes])


def _in_order(classes: Sequence[str], fitting: set[int]) -> NDArray[np.intp]:
    if len(classes) not in fitting:
        counts = " or ".join(map(str, sorted(fitting)))
        raise AccuracyError(
            f"the data has {len(classes)} classes and the network {counts} outputs: name the class of each output in "
            f"a file for --classes, such as {WORDS}"
        )
    if all(it.isdecimal() for it in classes) and [int(it) for it in classes] != sorted(map(int, classes)):
        raise AccuracyError(
            "the classes are numbers, and their order as names is another: name the class of each output in a file for "
            "--classes"
        )
    return np.arange(len(classes))


def _listed(path: Path, classes: set[str]) -> list[str]:
    lines = [it.strip() for it in _read(path).splitlines()]
    return [it if it in classes else re.split(r"[\s,]", it, maxsplit=1)[0] for it in lines if it]


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    """What lies in a folder, by name."""
    try:
        return sorted(os.scandir(folder), key=lambda it: it.name)
    except OSError as error:
        raise AccuracyError(f"data {folder}: cannot be read ({error.strerror})") from error


def _files(folder: Path) -> Iterator[Path]:
    for entry in _entries(folder):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            raise AccuracyError(f"data {entry.path} is a folder: let images lie directly in the folder of their class")
        yield Path(entry.path)


def _devkit(folder: Path, numbered: dict[int, Path], truth: Path | None) -> Dataset:
    """The validation images as they were distributed."""
    beside = (folder, folder / "data", folder / DEVKIT, folder.parent, folder.parent / DEVKIT)
    if truth is None:
        truth = next((it / name for it in beside for name in TRUTHS if (it / name).is_file()), None)
    if truth is None:
        raise AccuracyError(
            f"data {folder}: nothing says what the images show; put {TRUTHS[0]} and {META} of the devkit there, or "
            f"{TRUTHS[1]} and {WORDS}, or name the file with --truth"
        )
    labels = _labels(truth)
    if unknown := [path.name for number, path in sorted(numbered.items()) if number not in labels]:
        raise AccuracyError(f"{truth} does not label {_some(unknown)}")
    classes = _classes(truth, set(labels.values()), (truth.parent, *beside))
    places = {name: place for place, name in enumerate(sorted(classes.values()))}
    if strange := sorted({it for it in labels.values() if it not in classes}):
        raise AccuracyError(f"{truth}: there is no class {_some(strange)}")
    images = tuple(Labelled(path, places[classes[labels[number]]]) for number, path in sorted(numbered.items()))
    return Dataset("devkit", tuple(places), images, absent=len(labels) - len(images))


def _labels(truth: Path) -> dict[int, str]:
    """What a truth file says of each image, by its number: a line each, with or without the file's name."""
    labels = {}
    for number, line in enumerate(_read(truth).split("\n"), 1):
        match line.split():
            case []:
                continue
            case [label]:
                labels[number] = label
            case [name, label] if match := _VALIDATION.fullmatch(Path(name).name):
                labels[int(match[1])] = label
            case _:
                raise AccuracyError(
                    f"{truth}, line {number}: neither a class, nor an ILSVRC2012_val_ image and a class"
                )
    return labels


def _classes(truth: Path, labels: set[str], beside: Sequence[Path]) -> dict[str, str]:
    """The synset that each label means: itself, the devkit's number of one (from 1), or a place among all (from 0)."""
    if not all(it.isdecimal() for it in labels):
        return {it: it for it in labels}
    needed = WORDS if truth.name == TRUTHS[1] else META
    path = next((it / needed for it in beside if (it / needed).is_file()), None)
    if path is None:
        raise AccuracyError(f"{truth} has numbers for classes: put {needed}, which says what they mean, beside it")
    if needed == META:
        return _synsets(path)
    return {str(place): line.split()[0] for place, line in enumerate(_read(path).splitlines()) if line.split()}


def _synsets(path: Path) -> dict[str, str]:
    """The synsets without children of the devkit's meta.mat, by their number."""
    from scipy.io import loadmat  # noqa: PLC0415 - takes long to load, and few have such a file

    try:
        synsets: Any = loadmat(path, squeeze_me=True)["synsets"]
        return {
            str(int(it["ILSVRC2012_ID"])): str(it["WNID"]) for it in np.atleast_1d(synsets) if not it["num_children"]
        }
    except Exception as error:
        raise AccuracyError(f"{path} is not the devkit's table of synsets ({str(error)[:100]})") from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise AccuracyError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise AccuracyError(f"{path} is not text") from error


def _some(names: Sequence[str]) -> str:
    named = ", ".join(names[:_NAMED])
    return named if len(names) <= _NAMED else f"{named} and {len(names) - _NAMED} more"
