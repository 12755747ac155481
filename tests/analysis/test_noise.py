import math

import numpy as np
import pytest

from powerlab_analysis.noise import Noise, dithers, noise_of, pooled, raw_codes
from powerlab_traces.trace import Trace


def trace(values, step=1e-6, interval=1e-3):
    return Trace(np.round(np.asarray(values) / step).astype(np.int64), interval, "A", scale=step)


def autoregressive(rng, n, memory):
    """Noise of unit variance whose autocorrelation falls as memory ** lag."""
    values = np.empty(n)
    values[0] = rng.normal()
    kicks = rng.normal(0, math.sqrt(1 - memory**2), n)
    for k in range(1, n):
        values[k] = memory * values[k - 1] + kicks[k]
    return values


def test_white_noise_averages_with_the_number_of_samples():
    noise = noise_of(trace(np.random.default_rng(1).normal(0.3, 0.01, 50_000)))
    assert noise.rms == pytest.approx(0.01, rel=0.02)
    assert noise.correlation == pytest.approx(1e-3, rel=0.05)
    assert noise.of_mean(10.0) == pytest.approx(0.01 / math.sqrt(10_000), rel=0.05)


@pytest.mark.parametrize("memory", [0.5, 0.9, 0.98])
def test_correlated_noise_is_worth_fewer_samples(memory):
    noise = noise_of(trace(autoregressive(np.random.default_rng(2), 60_000, memory)))
    assert noise.correlation / 1e-3 == pytest.approx((1 + memory) / (1 - memory), rel=0.2)
    assert noise.independent * noise.correlation == pytest.approx(60.0)


def test_the_correlation_is_that_of_its_definition():
    """The end of a record must not be taken for the neighbour of its beginning."""
    values = np.cumsum(np.random.default_rng(8).normal(0, 1, 200)) + np.linspace(0, 30, 200)
    centred = values - values.mean()
    bracket = -1.0
    for lag in range(200):
        bracket += 2 * float(centred[lag:] @ centred[: 200 - lag]) / float(centred @ centred)
        if lag >= 5 * bracket:
            break
    assert noise_of(trace(values)).correlation == pytest.approx(max(1.0, bracket) * 1e-3, rel=1e-4)


def test_anticorrelation_is_not_credited():
    kicks = np.random.default_rng(3).normal(0, 1, 20_001)
    assert noise_of(trace(np.diff(kicks))).correlation == pytest.approx(1e-3)


def test_a_drift_leaves_few_independent_samples():
    assert noise_of(trace(np.linspace(0, 1, 10_000))).independent < 20


def test_a_constant_has_no_noise():
    noise = noise_of(trace(np.full(100, 0.25)))
    assert (noise.rms, noise.of_mean(1.0)) == (0.0, 0.0)


def test_the_mean_of_less_than_one_independent_sample_is_as_noisy_as_a_sample():
    assert Noise(rms=0.01, correlation=1.0, independent=50).of_mean(0.1) == 0.01


def test_noises_pool_in_squares_and_none_is_none():
    both = pooled([Noise(3.0, 0.1, 10), Noise(4.0, 0.2, 20)])
    assert both == Noise(math.sqrt(12.5), 0.2, 30)
    assert pooled([]) is None


@pytest.mark.parametrize(("spread", "enough"), [(0.0, False), (0.1, False), (0.3, False), (0.6, True), (2.0, True)])
@pytest.mark.parametrize("level", [0.0, 0.25, 0.5])  # in the middle of a code, and where two meet
@pytest.mark.parametrize("summed", [1, 10])
def test_half_a_code_of_noise_dithers(spread, enough, level, summed):
    raw = np.round(level + np.random.default_rng(4).normal(0, spread, (20_000, summed)))
    stored = Trace(raw.sum(axis=1).astype(np.int64), 1e-3, "A", scale=1 / summed)
    assert dithers(noise_of(stored), resolution=1.0, step=1 / summed) is enough


def test_records_of_unlike_length_dither_alike():
    """Of long records fewer raw codes are summed into a stored one: what dithers is the noise of the raw ones."""
    rng = np.random.default_rng(5)

    def stored(summed):
        raw = np.round(0.3 + rng.normal(0, 0.8, (5000, summed)))
        return noise_of(Trace(raw.sum(axis=1).astype(np.int64), 1e-3, "A", scale=1 / summed))

    for noises in ([stored(40)], [stored(40), stored(10)]):
        noise = pooled(noises)
        assert noise.rms < 0.3
        assert dithers(noise, resolution=1.0, step=1 / 2)
    quiet = pooled([Noise(0.2, 0.0, 10, step=1.0), Noise(0.2, 0.0, 10, step=1.0)])
    assert not dithers(quiet, resolution=1.0, step=1 / 40)


def test_raw_codes_are_counted_from_the_step():
    assert raw_codes(0.003125, 0.003125) == 1
    assert raw_codes(0.003125, 0.003125 / 20) == 20
