"""Real captures with published answers, where the environment variable POWERLAB_SAMPLES names their folder."""

import os
from pathlib import Path

import numpy as np
import pytest

from powerlab_traces.importers import energies, energy_per_image, read

SAMPLES = Path(os.environ.get("POWERLAB_SAMPLES", ""))
pytestmark = pytest.mark.skipif(
    not os.environ.get("POWERLAB_SAMPLES"), reason="POWERLAB_SAMPLES does not name the folder of real captures"
)


@pytest.mark.parametrize("source", ["energyrunner", "energyrunner/trace1-energy.bin"])
def test_energyrunner_gives_the_published_energies(source):
    imported = read(SAMPLES / source)
    found = energies(imported)
    printed = [546509.700, 546136.250, 545770.550, 546358.290, 545719.150]
    assert [each.energy * 1e6 for each in found.kept] == pytest.approx(printed, abs=0.0006)
    powers = [42198.263, 42192.232, 42190.055, 42186.572, 42218.718]
    assert [each.power * 1e6 for each in found.kept] == pytest.approx(powers, abs=0.0006)
    assert [window.images for window in imported.windows] == [300] * 5
    assert energy_per_image(imported, found) * 1e6 == pytest.approx(1820.454, abs=0.0006)
    assert not imported.notes


@pytest.mark.parametrize("source", ["ptdaemon", "ptdaemon/spl.txt"])
def test_ptdaemon_gives_the_published_energy_per_query(source):
    imported = read(SAMPLES / source)
    found = energies(imported)
    assert found.kept[0].power == pytest.approx(3.8869, abs=5e-5)
    assert found.kept[0].seconds == pytest.approx(600.313, abs=1e-9)
    # The checker's own arithmetic, on the lines as they are.
    watts = [
        float(line.split(",")[3])
        for line in (SAMPLES / "ptdaemon/spl.txt").read_text().splitlines()
        if "08-03-2022 10:57:54.999" < line.split(",")[1] < "08-03-2022 11:07:55.312" and float(line.split(",")[3]) > 0
    ]
    expected = sum(watts) / len(watts) * 600.313 * 1000 / 2308
    assert energy_per_image(imported, found) * 1e3 == pytest.approx(expected, rel=1e-12)
    assert energy_per_image(imported, found) * 1e3 == pytest.approx(1010.9946, abs=5e-5)


@pytest.mark.parametrize("source", ["infiniivision", "infiniivision/agilent_3.bin"])
def test_infiniivision_gives_what_the_scope_printed(source):
    imported = read(SAMPLES / source)
    assert imported.provenance.settings["measurements"] == {
        "Frequency(1)": "998.0kHz",
        "Pk-Pk(1)": "5.6V",
        "Counter(1)": "999.99kHz",
    }
    assert not imported.notes  # the steps agree with the print
    one, two = imported.records[0].traces
    assert (one.name, one.unit, two.name, len(one)) == ("1", "V", "2", 4000)
    values = one.values
    assert values.max() - values.min() == pytest.approx(5.6, abs=0.05)
    assert frequency(values, one.interval) == pytest.approx(999.99e3, rel=5e-3)


def frequency(values, interval):
    """Of two periods of about 1 MHz: where a sine of that frequency fits best."""
    times = np.arange(len(values)) * interval

    def residual(hertz):
        columns = [np.ones_like(times), np.cos(2 * np.pi * hertz * times), np.sin(2 * np.pi * hertz * times)]
        return np.linalg.lstsq(np.stack(columns, 1), values, rcond=None)[1][0]

    candidates = np.linspace(0.97e6, 1.03e6, 601)
    return candidates[np.argmin([residual(each) for each in candidates])]
