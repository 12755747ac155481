"""`powerlab plot FILE -o PNG`"""

from dataclasses import replace
from pathlib import Path

import click

from powerlab.figure import MOST_RECORDS, draw, draw_glance
from powerlab.recordnumbers import Numbers
from powerlab_traces.record import RecordKind
from powerlab_traces.run import Run
from powerlab_traces.store import StoredRun, open_run
from powerlab_traces.store.kind import Kind, kind_of


@click.command("plot", epilog="Example: powerlab plot vgg16.h5 -o vgg16.png --records 3..8")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Picture to write; its ending says the format (png, svg, pdf). Default: FILE with .png.",
)
@click.option("--records", type=Numbers(), help="Only these, by their numbers, such as 3 or 3..8.")
def command(file: Path, output: Path | None, records: range | None) -> None:
    """Draw a run, record by record: current against time, windows shaded and numbered with their energy.

    A run of more than 60 records is drawn at a glance, as one curve; give --records to see some of them one by one.
    FILE may also be what another instrument or program left, imported or not: its power, or what comes closest to it.
    """
    if output is None and not file.name:
        raise click.UsageError(f"{file} gives the picture no name: give one with -o")
    target = output or file.with_suffix(".png")
    if kind_of(file) is Kind.RUN:
        written = _draw_run(open_run(file), target, file.name, records)
    elif records is not None:
        raise click.UsageError(f"--records is for runs of powerlab; {file} is of another program")
    else:
        from powerlab.importfigure import draw_import  # noqa: PLC0415 - a run of powerlab needs no importers
        from powerlab.importing import open_import  # noqa: PLC0415

        written = draw_import(open_import(file), target, file.name)
    for path in written:
        click.echo(f"wrote {path}")


def _draw_run(run: StoredRun, target: Path, title: str, numbers: range | None) -> list[Path]:
    places = range(len(run.records))
    if numbers is not None:
        chosen = [place for place, it in enumerate(run.records.summaries) if it.index in numbers]
        if not chosen:
            raise click.UsageError(f"{title} has no record {numbers[0]} to {numbers[-1]}; `powerlab show` lists them")
        places = range(chosen[0], chosen[-1] + 1)
    if len(places) > MOST_RECORDS:
        return [draw_glance(replace(run, records=run.records[places.start : places.stop]), target, title)]
    from powerlab_analysis.analysis import analyse  # noqa: PLC0415 - a glance does without, and is there sooner

    if numbers is None:
        return draw(run, analyse(run), target, title)
    # Energies are those of the whole run: without its zero records, they would be others.
    zeros = [place for place, it in enumerate(run.records.summaries) if it.kind is RecordKind.ZERO]
    drawn = [run.records[place] for place in places]
    analysed = drawn + [run.records[place] for place in zeros if place not in places]
    of = {it.index for it in drawn}
    windows = tuple(it for it in run.windows if it.record in of)
    part = Run(run.provenance, run.chain, run.supply, analysed, windows, run.notes)
    return draw(replace(part, records=drawn), analyse(part), target, title)
