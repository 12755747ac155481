"""The formats that can be imported: those built in, and those of packages with an entry point `powerlab.importers`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from powerlab_traces.errors import TraceError
from powerlab_traces.importers.imported import Imported
from powerlab_traces.importers.options import ALL, ImportOptions, given, option
from powerlab_traces.importers.source import ForeignFileError, Source, reading, refused

GROUP = "powerlab.importers"
# In the order in which they are asked; any table of numbers is a `delimited` one, so that comes last of all.
BUILT_IN = ("infiniivision", "infiniivision_text", "energyrunner", "ptdaemon", "tinyrunner", "joulescope", "ppk2")
LAST = "delimited"
MOST_FILES = 1000  # of a folder that are looked at
_registered: list["Importer"] = []
DEPTH = 4  # folders below the given one that are looked into
RANGING = "ranging"  # a run that MLPerf Power makes to find the ranges; its power is not the result


@dataclass(frozen=True, slots=True)
class Importer:
    """A format: how a file of it is recognised by its content, and how it is read.

    `same` says of two files of the format whether they are parts of one capture, such as a file a channel. `takes` are
    the options that it heeds.
    """

    name: str
    description: str
    recognises: Callable[[Source], bool]
    read: Callable[[Path, ImportOptions], Imported]
    same: Callable[[Path, Path], bool] = lambda one, other: one == other
    takes: frozenset[str] = ALL


def importers() -> Iterator[Importer]:
    """All importers, in the order in which they are asked.

    Raises
    ------
    ForeignFileError
        A third party's importer cannot be loaded.
    """
    for name in BUILT_IN:
        yield _built_in(name)
    yield from _registered
    for entry in entry_points(group=GROUP):
        yield _third_party(entry)
    yield _built_in(LAST)


def register(importer: Importer) -> Importer:
    """Make an importer known to this process, as a package's entry point makes it known to every one."""
    _registered[:] = [*(it for it in _registered if it.name != importer.name), importer]
    return importer


def recognise(path: Path) -> Importer | None:
    """The importer for a file or for the main file of a folder, by content; None if there is none.

    Raises
    ------
    ForeignFileError
        The path cannot be read, or a folder holds more than one capture.
    """
    found = _find(path)
    return found[1] if found else None


def read(path: Path, options: ImportOptions | None = None) -> Imported:
    """Read a capture that another instrument or program made, with the companion files beside it.

    Raises
    ------
    ForeignFileError
        Nothing recognises it, it is cut short or damaged, or an option says what the format leaves to nobody; the
        message names the file and the place.
    """
    found = _find(path)
    if found is None:
        names = ", ".join(importer.description for importer in importers())
        raise refused(path, f"no known format is in it; known are: {names}")
    main, importer = found
    options = options or ImportOptions()
    idle = [option(name) for name in given(options) if name not in importer.takes]
    if idle:
        raise refused(main, f"{importer.description} takes no {', '.join(idle)}: leave it out")
    try:
        return importer.read(main, options)
    except ForeignFileError:
        raise
    except TraceError as error:
        raise refused(main, str(error)) from error


def _find(path: Path) -> tuple[Path, Importer] | None:
    if not path.exists():
        raise refused(path, "there is no such file or folder")
    if not path.is_dir():
        importer = _of_file(path)
        return (path, importer) if importer else None
    found = _in_folder(path)
    specific = [each for each in found if each[1].name != LAST] or found
    if not specific:
        return None
    main, importer = specific[0]
    others = [other for other, it in specific[1:] if not (it is importer and importer.same(main, other))]
    if others:
        names = ", ".join(str(each.relative_to(path)) for each in (main, *others[:4]))
        raise refused(path, f"the folder holds more than one capture ({names}): give one of the files")
    return main, importer


def _in_folder(folder: Path) -> list[tuple[Path, Importer]]:
    """The files of known formats in a folder, or in the first level below it that has any."""
    level = [folder]
    for _ in range(DEPTH):
        with reading(folder):
            entries = sorted(entry for each in level for entry in each.iterdir())
        if len(entries) > MOST_FILES:
            raise refused(folder, f"the folder holds more than {MOST_FILES} files: give one of them")
        found = [(entry, importer) for entry in entries if entry.is_file() and (importer := _of_file(entry))]
        if found:
            return found
        level = [entry for entry in entries if entry.is_dir() and not entry.is_symlink() and entry.name != RANGING]
    return []


def _of_file(path: Path) -> Importer | None:
    source = Source.at(path)
    return next((importer for importer in importers() if importer.recognises(source)), None) if source.size else None


@cache
def _built_in(name: str) -> Importer:
    importer = import_module(f"powerlab_traces.importers.{name}").IMPORTER
    assert isinstance(importer, Importer)
    return importer


def _third_party(entry: EntryPoint) -> Importer:
    try:
        importer = entry.load()
    except (ImportError, AttributeError) as error:
        raise ForeignFileError(
            f"importer {entry.name!r} ({entry.value}) cannot be loaded ({error}): repair or remove its package"
        ) from error
    if not isinstance(importer, Importer):
        raise ForeignFileError(f"importer {entry.name!r} ({entry.value}) is no Importer: remove its package")
    return importer
