"""The order in which a bench is examined: each check stands on what those before it have found."""

from powerlab.doctor.checks import Check
from powerlab.doctor.marker import marker_checks
from powerlab.doctor.patient import Patient
from powerlab.doctor.probe import probe_checks, zero_checks
from powerlab.doctor.reach import reach_checks
from powerlab.doctor.scope import scope_checks
from powerlab.doctor.supply import output_checks, state_checks


def bench_checks() -> tuple[Check[Patient], ...]:
    """Every check of a bench, in order. What needs a board without current comes before it is switched on."""
    return (
        *reach_checks(),
        *state_checks(),
        *scope_checks(),
        *zero_checks(),
        *marker_checks(),
        *output_checks(),
        *probe_checks(),
    )
