"""Claims about results: what they mean, what they refuse, and that nothing is taken for granted."""

import dataclasses
import math
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab_analysis.assertion import AssertionSyntax, Outcome, judge, parse
from powerlab_analysis.quantity import Quantity
from powerlab_analysis.result import UNITS
from powerlab_analysis.verdict import Effect, Verdict

HOLDS, FAILS, UNDECIDED = Outcome


class Said(SimpleNamespace):
    """As much of a result as a claim looks at."""

    def quantity(self, name):
        return self.quantities.get(name)

    def refusal(self, name):
        return next((it for it in self.verdicts if it.effect is Effect.REFUSE and name in it.quantities), None)

    def lower_bound(self, name):
        return next((it for it in self.verdicts if it.effect is Effect.LOWER_BOUND and name in it.quantities), None)


def said(value=1.0, width=0.1, verdicts=(), windows=10, dropped=0):
    quantities = {name: Quantity(value, width, unit) for name, unit in UNITS.items()} if value is not None else {}
    return Said(quantities=quantities, verdicts=tuple(verdicts), kept=(0,) * windows, dropped=(0,) * dropped)


def outcome(text, **result):
    return judge(parse(text), said(**result)).outcome


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("energy_per_image < 1.2 J", HOLDS),
        ("energy_per_image<1200mJ", HOLDS),
        ("energy_per_image < 1.05 J", UNDECIDED),
        ("energy_per_image < 0.95 J", UNDECIDED),
        ("energy_per_image < 0.85 J", FAILS),
        ("energy_per_image > 0.85 J", HOLDS),
        ("energy_per_image > 1.05 J", UNDECIDED),
        ("energy_per_image >= 1.15 J", FAILS),
        ("energy_per_image.value < 1.05 J", HOLDS),
        ("energy_per_image.value <= 1e0 J", HOLDS),
        ("energy_per_image.value > 1 J", FAILS),
        ("energy_per_image.lower > 0.89 J", HOLDS),
        ("energy_per_image.upper < 1.09 J", FAILS),
        ("power_net.U95 < 11 %", HOLDS),
        ("power_net.U95 < 9 %", FAILS),
        ("power_net.U95 < 110 mW", HOLDS),
        ("time_per_batch < 1.2e6 us", HOLDS),
        ("windows >= 10", HOLDS),
        ("windows >= 11", FAILS),
        ("dropped == 0", HOLDS),
        ("verdicts == none", HOLDS),
        ("verdicts < 1", HOLDS),
    ],
)
def test_what_claims_mean(text, expected):
    assert outcome(text) is expected


@given(value=st.floats(-10, 10), width=st.floats(0, 5), limit=st.floats(-20, 20))
def test_a_claim_holds_only_if_its_whole_interval_does(value, width, limit):
    found = outcome(f"power_total < {limit!r} W", value=value, width=width)
    ends = {value - width < limit, value + width < limit}
    assert found is (UNDECIDED if len(ends) > 1 else HOLDS if ends == {True} else FAILS)
    # and the opposite claim never holds as well
    assert {found, outcome(f"power_total >= {limit!r} W", value=value, width=width)} in ({HOLDS, FAILS}, {UNDECIDED})


def test_what_is_not_known_is_undecided_with_the_reason():
    refuse = Verdict("clipped", Effect.REFUSE, "current clipped everywhere", ("energy_per_image",))
    answer = judge(parse("energy_per_image < 9 J"), said(None, verdicts=[refuse]))
    assert (answer.outcome, answer.why) == (UNDECIDED, "there is no energy_per_image: current clipped everywhere")
    assert "does not hold what it needs" in judge(parse("power_net < 9 W"), said(None)).why


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("energy_per_image < 1.2 J", UNDECIDED),
        ("energy_per_image < 0.8 J", FAILS),
        ("energy_per_image > 0.8 J", HOLDS),
        ("energy_per_image > 1 J", UNDECIDED),
        ("energy_per_image.value < 2 J", UNDECIDED),
        ("energy_per_image.upper < 2 J", UNDECIDED),
        ("energy_per_image.U95 < 50 %", UNDECIDED),
    ],
)
def test_a_lower_bound_may_be_anything_above(text, expected):
    bound = Verdict("clipped", Effect.LOWER_BOUND, "windows are missing", ("energy_per_image",))
    assert outcome(text, verdicts=[bound]) is expected


def test_verdicts_are_named():
    answer = judge(parse("verdicts == none"), said(verdicts=[Verdict("outlier", Effect.FLAG, "window 3")]))
    assert (answer.outcome, answer.why) == (FAILS, "verdicts: 1 (outlier)")


def test_a_share_of_nothing_is_no_small_share():
    assert outcome("power_net.U95 < 3 %", value=0.0) is FAILS


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("energy_per_imge < 1 J", "no quantity is called 'energy_per_imge'; did you mean energy_per_image?"),
        ("xyz < 1 J", "no quantity is called 'xyz'; there are time_per_batch, "),
        ("energy_per_image < 1 W", "W is no unit of it; write a number in J, for instance 500 mJ"),
        ("energy_per_image < 1", "a unit is missing; write a number in J"),
        ("power_total < 3 %", "% is a share of the value, which only power_total.U95 is held against"),
        ("power_total == 3 W", "a measured quantity equals nothing exactly"),
        ("power_total != 3 W", "'!=' is no operator; there are <="),
        ("power_total.u95 < 3 W", "power_total has no part 'u95'; did you mean U95?"),
        ("power_total < none", "only verdicts can be none"),
        ("windows.value > 3", "windows is a number and has no part 'value'"),
        ("windows > 3 J", "windows is a number and has no unit 'J'"),
        ("windows == none", "write 'verdicts == none', or a number"),
        ("verdicts < none", "write 'verdicts == none', or a number"),
        ("windows < 1e999", "1e999 is too large to be meant"),
        ("power_total", "is no claim: write a quantity"),
        ("", "is no claim: write a quantity"),
    ],
)
def test_a_slip_is_told_in_one_line(text, why):
    with pytest.raises(AssertionSyntax) as caught:
        parse(text)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_a_claim_or_a_syntax_error(text):
    try:
        claim = parse(text)
    except AssertionSyntax:
        return
    assert math.isfinite(claim.limit)


@given(
    name=st.sampled_from(list(UNITS)),
    part=st.sampled_from(["", ".value", ".U95", ".lower", ".upper"]),
    sign=st.sampled_from(["<", "<=", ">", ">="]),
    limit=st.floats(-1e9, 1e9),
    prefix=st.sampled_from(["", "m", "u", "k", "n"]),
    spaces=st.sampled_from(["", " "]),
)
def test_claims_are_read_as_they_are_written(name, part, sign, limit, prefix, spaces):
    unit = UNITS[name]
    claim = parse(spaces.join([name + part, sign, repr(limit), prefix + unit]))
    size = {"": 1.0, "m": 1e-3, "u": 1e-6, "k": 1e3, "n": 1e-9}[prefix]
    assert dataclasses.replace(claim, text="") == dataclasses.replace(
        claim, text="", name=name, part=part[1:], sign=sign, limit=limit * size, relative=False
    )


def test_the_claims_in_the_documentation_can_be_read():
    page = Path(__file__).parents[2] / "docs/how-to/compare-and-assert.md"
    claims = [
        claim
        for line in page.read_text(encoding="utf-8").splitlines()
        if "powerlab assert" in line
        for claim in re.findall("'([^']*)'", line)
    ]
    assert len(claims) >= 6
    for claim in claims:
        parse(claim)
