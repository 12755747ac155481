"""The command line: the table of verbs, how they are loaded, and what becomes of errors.

A verb's module is imported when the verb is used, so that `powerlab --help` loads none of the heavy libraries.
Exit status: 0 done, 1 the answer is no, 2 the user can put it right, 130 stopped by Ctrl-C.
"""

import os
import sys
from importlib import import_module
from typing import NamedTuple

import click

from powerlab import __version__
from powerlab_traces.errors import PowerlabError


class Verb(NamedTuple):
    """Where a verb is, and what it does in one line."""

    module: str
    help: str


VERBS = {
    "capture": Verb("powerlab.verbs.capture", "Run a network in timed windows, record its current, print its energy."),
    "sweep": Verb(
        "powerlab.verbs.sweep", "Capture many networks by many batches into one folder, and go on if killed."
    ),
    "analyse": Verb("powerlab.verbs.analyse", "Power and energy of run files, with uncertainty; no instrument needed."),
    "compare": Verb("powerlab.verbs.compare", "What one run costs more than another, and whether that is significant."),
    "assert": Verb("powerlab.verbs.assert_", "Hold claims such as 'energy_per_image < 1.5 J' against a run, for CI."),
    "show": Verb("powerlab.verbs.show", "Say what is in a run file."),
    "check": Verb("powerlab.verbs.check", "Read all of a run file and say what is wrong with it."),
    "recover": Verb("powerlab.verbs.recover", "Make a run file of a capture that was cut off."),
    "plot": Verb("powerlab.verbs.plot", "Draw a run, record by record, with its windows shaded."),
    "view": Verb("powerlab.verbs.view", "Look at runs in the browser: zoom, cursors, windows, spectrum."),
    "spectrum": Verb("powerlab.verbs.spectrum", "Spectrum of the current, its lines, and how slow a meter would do."),
    "study": Verb("powerlab.verbs.study", "The paper's figures and claims from a study, as a report."),
    "recommend": Verb("powerlab.verbs.recommend", "Which networks and batches of a study meet a need, best first."),
    "import": Verb("powerlab.verbs.import_", "Write the capture of another instrument or program as a run file."),
    "export": Verb("powerlab.verbs.export", "Write traces or windows as CSV, Parquet, npz or netCDF."),
    "models": Verb("powerlab.verbs.models", "List the networks that can be captured."),
    "accuracy": Verb("powerlab.verbs.accuracy", "How often a network finds what images show: top-1 and top-5."),
    "bench": Verb("powerlab.verbs.bench", "Write a bench.toml to start from, or try one."),
    "zero": Verb("powerlab.verbs.zero", "Measure what the probe shows without current; valid for an hour."),
    "calibrate": Verb("powerlab.verbs.calibrate", "Calibrate probe and scope against the supply's current readings."),
    "instruments": Verb("powerlab.verbs.instruments", "List the instruments that can be reached, and who holds them."),
    "doctor": Verb("powerlab.verbs.doctor", "Check this machine and a bench; say what is wrong and what to do."),
    "screenshot": Verb("powerlab.verbs.screenshot", "Save the scope's screen as a picture."),
    "scpi": Verb("powerlab.verbs.scpi", "Send one SCPI message to an instrument and print its answer."),
    "dut": Verb(
        "powerlab.verbs.dut", "Try the board's own computer: can it be reached, what is there, how its clock runs."
    ),
    "workload": Verb("powerlab.verbs.workload", "What `capture --dut` starts on the board; not for people."),
    "simulate": Verb("powerlab.verbs.simulate", "Serve a simulated bench until Ctrl-C."),
}
ALIASES = {"analyze": "analyse"}

REFUSED = 2
INTERRUPTED = 130


class Verbs(click.Group):
    """The group of verbs, loaded one by one."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The verbs in the order of their use."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a verb's module and hand out its command."""
        name = ALIASES.get(cmd_name, cmd_name)
        if name not in VERBS:
            return None
        command = import_module(VERBS[name].module).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The table of verbs, without importing one."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])


@click.group(
    cls=Verbs,
    epilog="Without any hardware, on the simulated bench: powerlab capture --model vgg16 --batch 2",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="powerlab")
def powerlab() -> None:
    """What a neural-network inference costs in joules."""


def main(argv: list[str] | None = None) -> None:
    """Run one verb and exit; an error the user can put right becomes one line and status 2."""
    sys.exit(run(argv))


def run(argv: list[str] | None = None) -> int:
    """Run one verb; the exit status."""
    try:
        status = powerlab.main(args=argv, prog_name="powerlab", standalone_mode=False)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except (click.ClickException, PowerlabError) as error:
        click.echo(f"powerlab: {_one_line(error)}", err=True)
        return REFUSED
    except (KeyboardInterrupt, click.Abort) as interrupt:
        cause = interrupt if isinstance(interrupt, KeyboardInterrupt) else interrupt.__cause__
        click.echo("; ".join(["powerlab: stopped", *getattr(cause, "__notes__", [])]), err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left, e.g. `| head`; nothing more can be said there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status if isinstance(status, int) else 0


def _one_line(error: click.ClickException | PowerlabError) -> str:
    """What went wrong and what to do, in one line."""
    if isinstance(error, PowerlabError):
        text = "; ".join([str(error).rstrip("."), *getattr(error, "__notes__", [])])
    else:
        text = error.format_message().rstrip(".")
    if isinstance(error, click.UsageError) and error.ctx is not None:
        text += f"; `{error.ctx.command_path} --help` shows what it takes"
    return " ".join(text.split())
