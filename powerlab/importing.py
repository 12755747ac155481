"""Captures of other instruments and programs: from their files, or from the run file one was imported into."""

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from powerlab import __version__
from powerlab.exporting.newfile import new_file
from powerlab.importoptions import option_names
from powerlab_traces.errors import TraceError
from powerlab_traces.importers import (
    EnergyOfWindow,
    Imported,
    ImportOptions,
    Lacking,
    Rule,
    Statistic,
    energies,
    energy_per_image,
    importers,
    read,
    recognise,
)
from powerlab_traces.importers.loadgen import SCENARIO, STREAMS
from powerlab_traces.importers.options import OF_ANY, given
from powerlab_traces.importers.outline import main_trace
from powerlab_traces.importers.source import reading
from powerlab_traces.importers.windows import completed
from powerlab_traces.store import check_writable, open_run
from powerlab_traces.store.imported import read_import, write_import
from powerlab_traces.store.kind import Kind, kind_of
from powerlab_traces.window import DroppedWindow


def open_import(path: str | os.PathLike[str], options: ImportOptions | None = None) -> Imported:
    """A capture that another instrument or program made: its file or folder, or a run file it was imported into.

    Raises
    ------
    TraceError
        There is none, it is damaged, or an option does not fit it. What it leaves open is no error: see `unknown`.
    """
    where, options = Path(path), options or ImportOptions()
    kind = kind_of(where)
    if kind is Kind.IMPORT:
        return _searched(_answered(read_import(where), options, where), options, where)
    if kind is Kind.RUN:
        open_run(where)
        raise TraceError(f"{where} holds a run of powerlab, no capture of another program: pl.open_run opens it")
    with reading(where):
        if recognise(where) is not None:
            return _searched(_read(where, options), options, where)
        if where.is_file() and where.stat().st_size == 0:
            raise TraceError(f"{where} is empty; copy it again")
    if kind is Kind.FOREIGN_HDF5:
        open_run(where)  # says what is wrong with it
    known = ", ".join(importer.description for importer in importers())
    raise TraceError(f"{where} is no run file, and no known format is in it; known are: {known}")


def import_run(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    options: ImportOptions | None = None,
    done: Callable[[float], None] = lambda _: None,
) -> Imported:
    """Read a capture of another program and write it as the run file `path`; the capture as it was read.

    The file appears under its name when it is whole and on the disk. `done` is told the share that is written, 0 to 1.

    Raises
    ------
    TraceError
        The source cannot be read (see `open_import`), or holds an imported capture already.
    PowerlabError
        The name is taken, or the disk refuses.
    """
    where, target = Path(source), Path(path)
    try:
        check_writable(target)
    except OSError as error:
        raise TraceError(f"{target} cannot be written ({error.strerror}); give another name with --output") from error
    if kind_of(where) is Kind.IMPORT:
        raise TraceError(f"{where} was imported already: `powerlab analyse {where}` gives its energies")
    imported = open_import(where, options)
    with new_file(target) as part:
        write_import(
            part, imported, _said(options or ImportOptions()), imported_by=f"powerlab {__version__}", done=done
        )
    return imported


@dataclass(frozen=True, slots=True, eq=False)
class ImportedResult:
    """The energies of a foreign capture's windows by the rule of its format; how far to trust them is not known.

    Values over all windows are summed up by the format's own statistic, in SI units. None where no window was kept,
    or nobody said how many images one held.
    """

    capture: Imported
    kept: tuple[EnergyOfWindow, ...]
    dropped: tuple[DroppedWindow, ...]
    energy_per_image: float | None

    @property
    def energy_per_batch(self) -> float | None:
        """Joules in a window."""
        return self._over([it.energy for it in self.kept], [1] * len(self.kept))

    @property
    def power_total(self) -> float | None:
        """Watts while windows ran."""
        return self._over([it.energy for it in self.kept], [it.seconds for it in self.kept])

    @property
    def time_per_batch(self) -> float | None:
        """Seconds of a window."""
        return self._over([it.seconds for it in self.kept], [1] * len(self.kept))

    @property
    def time_per_image(self) -> float | None:
        """Seconds of an image."""
        images = [it.window.images for it in self.kept]
        return None if None in images else self._over([it.seconds for it in self.kept], [it or 1 for it in images])

    @property
    def batch(self) -> int | None:
        """Images in a window; None where that varies or nobody said."""
        images = {it.window.images for it in self.kept}
        return images.pop() if len(images) == 1 else None

    @property
    def sample_rate(self) -> float | None:
        """Samples per second behind the energies: of the first trace, the usual one where they are uneven."""
        traces = [trace for record in self.capture.records if (trace := main_trace(record)) is not None]
        return 1 / traces[0].spacing if traces and traces[0].spacing else None

    @property
    def scenario(self) -> str:
        """The MLPerf scenario; empty where there is none."""
        return self.capture.provenance.workload.get(SCENARIO, "").replace(" ", "")

    @property
    def published(self) -> str | None:
        """What the format's owner publishes: mean power of a server, else energy of an image; None if it does not."""
        if self.capture.rule is Rule.SAMPLES and self.capture.statistic is Statistic.RATIO:
            return None
        return "power_total" if self.scenario and self.scenario not in STREAMS else "energy_per_image"

    def _over(self, tops: Sequence[float], bottoms: Sequence[float]) -> float | None:
        if not tops:
            return None
        if self.capture.statistic is Statistic.MEDIAN:
            return statistics.median(top / bottom for top, bottom in zip(tops, bottoms, strict=True))
        return sum(tops) / sum(bottoms)


def analyse_import(source: Imported | str | os.PathLike[str], options: ImportOptions | None = None) -> ImportedResult:
    """The energies of a capture that another instrument or program made.

    Raises
    ------
    NotKnown
        Its power or its windows are not known without something the user has to say; the message names the option.
    TraceError
        See `open_import`.
    """
    capture = source if isinstance(source, Imported) else open_import(source, options)
    found = energies(capture)
    known = not any(unknown.lacking is Lacking.IMAGES for unknown in capture.unknown)
    return ImportedResult(capture, found.kept, found.dropped, energy_per_image(capture, found) if known else None)


def _read(path: Path, options: ImportOptions) -> Imported:
    """Read a source; the companions of a symbolic link lie beside the file that it leads to, or beside the link."""
    if not path.is_symlink() or path.is_dir():
        return read(path, options)
    try:
        behind = read(path.resolve(), options)
    except TraceError:
        return read(path, options)
    if not behind.unknown:
        return behind
    try:
        here = read(path, options)
    except TraceError:
        return behind
    return here if len(here.unknown) <= len(behind.unknown) else behind


def _searched(capture: Imported, options: ImportOptions, path: Path) -> Imported:
    """The capture, its windows searched where the user asks for that."""
    if not options.find_windows:
        return capture
    from powerlab.findwindows import with_windows_found  # noqa: PLC0415 - few need it, and scipy takes its time

    return with_windows_found(capture, options, path)


def _answered(capture: Imported, options: ImportOptions, path: Path) -> Imported:
    """An imported capture with what the user says of it afterwards.

    Raises
    ------
    TraceError
        An option would need the source to be read again, or the windows cannot be read.
    """
    said = given(options)
    if not said:
        return capture
    if said.keys() - OF_ANY:
        named = option_names(name for name in said if name not in OF_ANY)
        raise TraceError(f"{named} decides how a source is read, and {path} was imported: import its source again")
    known = [it for it in capture.unknown if it.lacking is not Lacking.IMAGES]
    if options.supply_voltage is not None:
        known = [it for it in known if "--supply-voltage" not in it.option]
    options = replace(options, supply_voltage=options.supply_voltage or capture.supply_voltage)
    return completed(replace(capture, unknown=tuple(known)), options, path)


def _said(options: ImportOptions) -> dict[str, Any]:
    """The options that say something, ready for JSON."""
    said = given(options)
    if options.windows is not None:
        said["windows"] = str(options.windows)
    return said
