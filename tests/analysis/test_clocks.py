import numpy as np
import pytest

from powerlab_analysis.clocks import HOST_JITTER, compare


def test_the_slope_is_common_and_the_origins_are_not():
    host = np.array([0.0, 0.4, 0.8, 1.6])
    found = compare([(host, 0.1 + host * (1 + 250e-6)), (host, 7.3 + host * (1 + 250e-6))])
    assert found is not None
    assert found.slope == pytest.approx(250e-6, rel=1e-6)
    assert found.residual < 1e-12


def test_the_largest_residual_is_that_of_the_late_window():
    host = np.linspace(0, 1, 101)
    scope = host.copy()
    scope[50] += 1e-3  # in the middle, where it tilts nothing
    found = compare([(host, scope)])
    assert found is not None
    assert found.residual == pytest.approx(0.99e-3, rel=1e-3)
    assert found.slope == pytest.approx(0, abs=1e-9)


def test_the_uncertainty_is_that_of_repeated_fits():
    rng = np.random.default_rng(7)
    host = np.linspace(0, 2, 40)
    scatter = 5 * HOST_JITTER
    fits = [compare([(host, host + rng.normal(0, scatter, 40))]) for _ in range(300)]
    slopes = np.array([fit.slope for fit in fits])
    assert np.mean([fit.slope_uncertainty for fit in fits]) == pytest.approx(slopes.std(), rel=0.15)


def test_the_uncertainty_counts_what_the_fit_used_up():
    host = np.array([0.0, 1.0, 2.0])
    found = compare([(host, host + np.array([1e-3, -2e-3, 1e-3]))])  # three points, one degree of freedom
    assert found is not None
    assert found.slope_uncertainty == pytest.approx(np.sqrt(6e-6 / 1) / np.sqrt(2))


def test_two_windows_cannot_claim_a_certain_slope():
    found = compare([(np.array([0.0, 0.02]), np.array([0.0, 0.0201]))])
    assert found is not None
    assert found.slope == pytest.approx(0.005)
    assert found.slope_uncertainty > 0.005


def test_the_uncertainty_knows_how_coarse_the_samples_are():
    host = np.linspace(0, 2, 9)
    found = compare([(host, host)], interval=0.012)
    assert found is not None
    assert found.slope_uncertainty == pytest.approx(0.012 / np.sqrt(12) / np.sqrt(((host - 1) ** 2).sum()), rel=1e-3)


def test_times_of_another_machine_s_clock_are_known_no_better_than_their_tie():
    host = np.linspace(0, 2, 9)
    plain, tied, closely = (compare([(host, host)], host_u=it) for it in (0.0, 1e-3, HOST_JITTER / 2))
    assert plain is not None
    assert tied is not None
    assert tied.slope_uncertainty == pytest.approx(plain.slope_uncertainty * 1e-3 / HOST_JITTER)
    assert closely == plain


@pytest.mark.parametrize("host", [[], [0.3]])
def test_a_single_window_says_nothing_of_clocks(host):
    assert compare([(np.array(host), np.array(host))]) is None
