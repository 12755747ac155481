"""Advice names the terms that dominate, and only them."""

import math

from powerlab_analysis import model
from powerlab_analysis.advice import REMEDIES, advice
from powerlab_analysis.measured import Kind, Measured, Source
from powerlab_analysis.result import budget_of


def said(**parts):
    return list(advice(budget_of(Measured(1.0, {Source(name.replace("_", " ")): it for name, it in parts.items()}))))


def test_the_offset_is_that_of_probe_and_scope():
    found = said(probe_offset=0.8, scope_offset=0.4, probe_gain=0.447)
    assert found == [
        "zero the probe: the offset is 80% of the variance",
        "calibrate against the supply: the probe's gain is 20% of the variance",
    ]


def test_small_terms_need_no_advice_and_three_are_enough():
    assert said(probe_gain=1.0, scope_gain=0.3) == [
        "calibrate against the supply: the probe's gain is 92% of the variance"
    ]
    parts = {"probe_gain": 1.0, "scope_gain": 0.99, "lead_resistance": 0.98, "spread_over_windows": 0.97}
    assert len(said(**parts)) == 3


def test_a_source_that_nobody_knows_is_no_reason_to_fail():
    assert said(moonlight=1.0) == []
    assert list(advice([])) == []


def test_every_source_of_the_model_has_a_remedy():
    sources = [it for it in vars(model).values() if isinstance(it, Source)]
    named = [
        *(it.name for it in sources),
        "noise of the zero",
        "noise (idle)",
        "quantisation",
        "voltage change",
        "idle drift",
    ]
    named = [it for it in named if not it.startswith("current readback")]  # only a check
    assert [it for it in named if not any(it.startswith(remedy.names) for remedy in REMEDIES)] == []


def test_a_budget_says_how_each_term_is_known():
    limit, scatter = Source("probe gain"), Source("spread over windows", Kind.RANDOM, 4)
    terms = budget_of(Measured(1.0, {limit: 0.3, scatter: -0.4, Source("gone"): 1e-17}))
    assert [(it.name, it.limit, it.dof) for it in terms] == [
        ("spread over windows", None, 4),
        ("probe gain", 0.3 * math.sqrt(3), math.inf),
    ]
    assert [round(it.share, 6) for it in terms] == [0.64, 0.36]
