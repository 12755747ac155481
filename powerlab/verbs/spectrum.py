"""`powerlab spectrum FILE`"""

import json
import math
import re
from pathlib import Path
from typing import Any, Final

import click

from powerlab.importoptions import given, import_options, option_names
from powerlab.recordnumbers import Numbers
from powerlab.spectra import opened, spectrum
from powerlab.spectrumreport import print_spectra, spectra_object
from powerlab_traces.importers import Imported, ImportOptions

PICTURES: Final = (".png", ".pdf", ".svg")


class Share(click.ParamType[float]):
    """A share in percent, between 0 and 100, as a number between 0 and 1."""

    name = "PERCENT"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The share; a number given as the default passes through."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*%\s*", value)
        share = float(match[1]) / 100 if match else math.nan
        if not 0 < share < 1:
            self.fail(f"{value!r} is no error that can be asked for; write it like 1% or 0.5%", param, ctx)
        return share


@click.command("spectrum", epilog="Example: powerlab spectrum vgg16.h5 -o spectrum.png --error 0.5%")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Picture to write; its ending says the format (png, svg, pdf). Default: none.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--error", type=Share(), default=0.01, metavar="1%", help="Error that a slower meter may make. Default: 1%."
)
@click.option("--records", type=Numbers(), help="Only these, by their numbers, such as 3 or 3..8.")
@import_options
def command(
    *, file: Path, output: Path | None, as_json: bool, error: float, records: range | None, **values: Any
) -> None:
    """Which frequencies the current holds, in windows and idle, and how slow a meter would do for their mean power.

    Lines are told from noise: one would be found in one spectrum of noise in a hundred. The meters are tried on what
    was recorded; see docs/how-to/spectrum.md. FILE may also be what another instrument or program left, if its samples
    are evenly spaced.
    """
    if output is not None and output.suffix.lower() not in PICTURES:
        raise click.UsageError(f"{output} is no picture: let its name end with {', '.join(PICTURES)}")
    options = given(values)
    source = opened(file, ImportOptions(**options))
    if options and not isinstance(source, Imported):
        raise click.UsageError(f"{file} is a run of powerlab, and {option_names(options)} is for other programs' files")
    found = spectrum(source, error=error, records=records)
    if output is not None:
        from powerlab.spectrumfigure import draw_spectra  # noqa: PLC0415 - matplotlib takes long to load

        title = f"{'SIMULATED  ' if source.provenance.simulated else ''}{file.name}"
        click.echo(f"wrote {draw_spectra(found, output, title)}", err=as_json)
    if as_json:
        click.echo(json.dumps(spectra_object(found, source, file), allow_nan=False))
    else:
        print_spectra(found, source, file)
