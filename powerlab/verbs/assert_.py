"""`powerlab assert FILE 'energy_per_image < 1.5 J'`"""

import json
from pathlib import Path
from typing import Any, Final

import click

from powerlab.analysing import analyse
from powerlab.protocoloption import protocol_option
from powerlab_analysis.assertion import Answer, Outcome, judge, parse
from powerlab_analysis.result import UNITS

SCHEMA: Final = "powerlab.assertion/1"


@click.command(
    "assert",
    epilog="Example: powerlab assert vgg16.h5 'energy_per_image < 1.5 J' 'power_net.U95 < 3 %' 'verdicts == none'",
)
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.argument("claims", nargs=-1, required=True, metavar="CLAIM...")
@protocol_option("Judge the run by what this asks for.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(file: Path, claims: tuple[str, ...], protocol: str, as_json: bool) -> int:
    """Hold claims against a run, for automatic tests: exits with 0 if all hold, else with 1.

    A claim is a quantity, <, <=, > or >=, and a number with a unit. The quantity stands for its whole interval, value
    +- U95: where the limit lies inside, the claim is undecided, which is not enough. Quantities have the parts .value,
    .U95, .lower and .upper; .U95 is held against % of the value, too. Without unit: windows, dropped and verdicts.
    """
    parsed = [parse(it) for it in claims]  # first, so that a slip is told before a long run is read
    result = analyse(file, protocol)
    answers = [judge(it, result) for it in parsed]
    if as_json:
        click.echo(json.dumps(_object(answers, file, simulated=result.simulated), allow_nan=False))
    else:
        for it in answers:
            click.echo(f"{it.outcome.upper():9} {it.claim.text.strip()}  ({it.why})")
        if result.simulated:
            click.echo("SIMULATED: the current of this run is computed, not measured")
    return 0 if all(it.outcome is Outcome.HOLDS for it in answers) else 1


def _object(answers: list[Answer], file: Path, *, simulated: bool) -> dict[str, Any]:
    """The answers as one JSON object, schema "powerlab.assertion/1" (docs/json.md)."""
    return {
        "schema": SCHEMA,
        "file": str(file),
        "simulated": simulated,
        "holds": all(it.outcome is Outcome.HOLDS for it in answers),
        "claims": [
            {
                "claim": it.claim.text,
                "outcome": it.outcome,
                "why": it.why,
                "quantity": it.claim.name,
                "limit": it.claim.limit,
                "unit": "" if it.claim.relative else UNITS.get(it.claim.name, ""),
            }
            for it in answers
        ],
    }
