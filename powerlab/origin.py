"""Where exported numbers come from, in a few words that travel with them."""

from collections.abc import Mapping
from typing import Final

from powerlab_traces.run import Provenance

SOURCE: Final = "source"  # CF's name for it
MEASURED: Final = "measured"
SIMULATED: Final = "SIMULATED"  # the current was computed, never measured


def origin(provenance: Provenance) -> Mapping[str, str]:
    """Whether they were measured at all, when, while what ran, and the instruments by their roles."""
    return {
        SOURCE: SIMULATED if provenance.simulated else MEASURED,
        "captured": provenance.created,
        "model": provenance.model,
        **{role: answer for role, answer in provenance.instruments.items() if answer},
    }
