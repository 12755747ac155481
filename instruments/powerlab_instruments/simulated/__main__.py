"""Run a simulated bench as a process of its own: `python -m powerlab_instruments.simulated --seed 1`.

Prints one JSON line with the resources, then serves until its standard input closes, Ctrl-C or SIGTERM.
"""

import argparse
import json
import os
import signal
import sys
from dataclasses import asdict
from typing import NoReturn

from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.board import ACTIVE_POWER, IDLE_POWER, RAMP_UP
from powerlab_instruments.simulated.faults import Fault
from powerlab_instruments.simulated.portmapper import WELL_KNOWN_PORT
from powerlab_traces.errors import PowerlabError


def main(arguments: list[str] | None = None) -> int:
    """Serve a bench; 0 when asked to end, 2 when it cannot be as asked."""
    parser = argparse.ArgumentParser(
        "python -m powerlab_instruments.simulated",
        description="A simulated bench on loopback; prints its resources as one JSON line.",
    )
    parser.add_argument("--seed", type=int, default=0, help="decides every error of the instruments")
    parser.add_argument("--session", type=int, default=0, help="another one has other noise on the same bench")
    parser.add_argument("--memory", type=int, default=1_000_000, help="the scope's memory in samples")
    parser.add_argument("--model", default="MSO-X 2024A", help="the scope's model")
    parser.add_argument("--supply-model", default="E3645A", help="the supply's model")
    parser.add_argument("--segmented", action="store_true", help="the scope has the licence for segmented memory")
    parser.add_argument("--first-answer", type=float, default=0.0, help="s a new connection to the scope waits")
    parser.add_argument("--wedge-every", type=float, help="s between wedges of the scope's network port")
    parser.add_argument("--short-preamble", action="store_true", help="the first preamble of a record is only +0")
    parser.add_argument("--virtual", action="store_true", help="time stands still until the wire advances it")
    parser.add_argument("--sensitivity", type=float, choices=(0.1, 0.01), default=0.1, help="of the probe, V/A")
    parser.add_argument("--turns", type=int, default=1, help="of the lead through the probe")
    parser.add_argument("--lead-resistance", type=float, default=0.0, help="ohm, 0 with remote sense")
    parser.add_argument("--idle-power", type=float, default=IDLE_POWER, help="W that the board draws at rest")
    parser.add_argument("--active-power", type=float, default=ACTIVE_POWER, help="W above that while a batch runs")
    parser.add_argument("--ramp", type=float, default=RAMP_UP, help="s, time constant of the board's power")
    parser.add_argument("--scope-port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--adapter-port", type=int, default=0)
    parser.add_argument("--wire-port", type=int, default=0)
    parser.add_argument("--gpib-board", type=int, default=0, help="the board number in the resource names")
    parser.add_argument("--vxi11", action="store_true", help="the scope on VXI-11, too")
    parser.add_argument("--portmapper-port", type=int, default=WELL_KNOWN_PORT, help="of VXI-11; 0 takes any free one")
    parser.add_argument("--serial", action="store_true", help="the supply on RS-232 (a pty) in place of GPIB")
    parser.add_argument("--baud-paced", action="store_true", help="characters take their time on the serial line")
    parser.add_argument("--fault", dest="faults", action="append", default=[], help=argparse.SUPPRESS)
    options = vars(parser.parse_args(arguments))
    signal.signal(signal.SIGTERM, _end)
    try:
        options["faults"] = [Fault.parse(text) for text in options["faults"]]
        with SimulatedBench(**options) as bench:
            resources = asdict(bench.resources) | {"scope_vxi11": bench.scope_vxi11}
            sys.stdout.write(json.dumps({role: name for role, name in resources.items() if name}) + "\n")
            sys.stdout.flush()
            while os.read(sys.stdin.fileno(), 4096):
                pass
    except KeyboardInterrupt:
        return 0
    except PowerlabError as error:
        sys.stderr.write(f"simulated bench: {error}\n")
        return 2
    return 0


def _end(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
