"""What a run file says of its bench: written when the run begins, and held against the bench when it is resumed."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from powerlab.bench import Bench
from powerlab.calibration import KNOWN_FIELDS, Known
from powerlab.provenance import now, provenance
from powerlab_traces.chain import CurrentChain
from powerlab_traces.errors import TraceError
from powerlab_traces.store import RunWriter
from powerlab_traces.store.reopening import Earlier

ELSE = "or give another name with --output"


def check_same_work(path: Path, earlier: Earlier, model: str, batch: int | None, bench: Bench) -> None:
    """Check that a run to resume is of this model and batch, with the marker where the bench has it.

    Raises
    ------
    TraceError
        It is not.
    """
    if (earlier.model, earlier.batch) != (model, batch):
        raise TraceError(
            f"{path} is of {earlier.model} with batch {earlier.batch or 'varying'}, not of {model} with batch "
            f"{batch or 'varying'}; resume it with the same, {ELSE}"
        )
    if earlier.marker_bit != bench.file.marker.bit:
        raise TraceError(
            f"{path} was captured with the marker at another input of the scope: wire it, and write it in bench.toml, "
            f"as it was, {ELSE}"
        )


class Description:
    """The description of a run on `bench`, with the zero and the calibration that are `known` of it."""

    def __init__(self, writer: RunWriter, bench: Bench, known: Known) -> None:
        self._writer, self._bench, self._known = writer, bench, known

    def write(self, model: str, batch: int | None, workload: Mapping[str, str]) -> tuple[str, ...]:
        """Write it, or check that of the run to resume; what the run's reader should know besides.

        Raises
        ------
        TraceError
            The run to resume was captured with another probe, turns or supply.
        """
        earlier, limits = self._writer.earlier, self._bench.supply_limits()
        if earlier is None:
            it = provenance(self._bench, model=model, batch=batch, workload=workload)
            self._writer.describe(it, self._chain(), limits)
            return tuple(self._known.notes)
        chain, was = self._bench.chain(), earlier.chain
        if (chain.probe, chain.sensitivity, chain.turns) != (was.probe, was.sensitivity, was.turns) or (
            limits != earlier.supply
        ):
            raise TraceError(
                f"{self._writer.path} was captured with another probe, turns or supply: give another name with --output"
            )
        notes = [f"resumed {now()}, from record {earlier.next_record} on"]
        mine = self._known.put_into(chain)
        if (was.zeroed, was.calibrated) != (mine.zeroed, mine.calibrated):
            notes.append("resumed with another zero or calibration: those that the run began with count for all of it")
        self.write_chain()
        return tuple(notes)

    def write_chain(self) -> None:
        """Write the limits of the screen in use; of several, those of the widest, which are the largest."""
        chains = [self._chain(), *([self._writer.earlier.chain] if self._writer.earlier else [])]
        self._writer.describe_chain(max(chains, key=lambda it: it.scope_gain_limit))

    def _chain(self) -> CurrentChain:
        """The chain as set up, with the zero and the calibration that hold; of a resumed run those it began with."""
        chain, earlier = self._bench.chain(), self._writer.earlier
        if earlier is None:
            return self._known.put_into(chain)
        return replace(chain, **{name: getattr(earlier.chain, name) for name in KNOWN_FIELDS})
