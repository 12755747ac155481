"""Tables of a study, each column with its unit and where its numbers come from; written as CSV, shown in the report."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from powerlab.origin import MEASURED, SIMULATED
from powerlab_analysis.measured import Measured

Cell = str | float | Measured | None


class Origin(StrEnum):
    """Where a number comes from; one kind is never shown as another."""

    MEASURED = MEASURED
    SIMULATED = SIMULATED
    COMPUTED = "computed"  # from a network's definition, or from what is in other columns
    PUBLISHED = "published"  # other people's
    GIVEN = "given"  # by the user
    NONE = ""  # names and settings


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column: a plain name, its unit in files, and the origin of its numbers.

    Cells are in the file's unit; for people `measured` cells carry a prefix where they are in an SI unit.
    """

    name: str
    unit: str = ""
    origin: Origin = Origin.NONE

    @property
    def header(self) -> str:
        """Name, origin and unit for files that keep no attributes.

        >>> Column("top-1", "percent", Origin.PUBLISHED).header, Column("net power", "W", Origin.MEASURED).header
        ('top_1_published_percent', 'net_power_W')
        """
        return self._header("")

    @property
    def expanded(self) -> str:
        """The header of the column with the U95 of this one's values."""
        return self._header("U95")

    def _header(self, part: str) -> str:
        name = self.name.lower().replace(" ", "_").replace("-", "_")
        origin = "" if self.origin in {Origin.MEASURED, Origin.SIMULATED} else self.origin.value
        return "_".join(it for it in (name, origin, part, self.unit) if it)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: its name is that of its file, without an ending; `rows` hold a cell for each column."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def records(self) -> Iterator[Mapping[str, str | float | None]]:
        """The rows as they are written to files: uncertainties beside their values, in columns of their own."""
        for row in self.rows:
            record: dict[str, str | float | None] = {}
            for column, cell in zip(self.columns, row, strict=True):
                if column.name in self._uncertain:
                    record[column.header] = cell.value if isinstance(cell, Measured) else None
                    record[column.expanded] = cell.U95 if isinstance(cell, Measured) else None
                else:
                    assert not isinstance(cell, Measured)
                    record[column.header] = cell
            origins = {column.origin for column in self.columns}
            if Origin.SIMULATED in origins or Origin.MEASURED in origins:
                record["source"] = SIMULATED if Origin.SIMULATED in origins else MEASURED
            yield record

    @property
    def _uncertain(self) -> frozenset[str]:
        """The columns that hold values with an uncertainty."""
        return frozenset(
            column.name
            for k, column in enumerate(self.columns)
            if any(isinstance(row[k], Measured) for row in self.rows)
        )


def csv_text(sheet: Sheet) -> str:
    """A sheet as CSV: one header line, UTF-8, line feeds; what is not known stays empty."""
    text = io.StringIO()
    records = list(sheet.records())
    if not records:
        csv.writer(text, lineterminator="\n").writerow([column.header for column in sheet.columns])
        return text.getvalue()
    writer = csv.DictWriter(text, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def measured_or_simulated(*, simulated: bool) -> Origin:
    """The origin of what a study measured."""
    return Origin.SIMULATED if simulated else Origin.MEASURED


def column_of(sheet: Sheet, header: str) -> Sequence[str | float | None]:
    """One column as it is written to files."""
    return [record[header] for record in sheet.records()]
