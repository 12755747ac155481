"""Automatic measurements and the screen's picture."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab_instruments.simulated.picture import COLOURS, HEIGHT, WIDTH, Picture, bmp, bmp8, png
from powerlab_instruments.simulated.waveshape import INVALID, Waveform
from tests.instruments.simulated.test_scope import acquire, block, ready


def square(period=0.1, duty=0.3, rise=0.002, low=0.5, high=2.0, noise=0.0):
    """Trapezes from low to high, a rising edge's middle at 0."""
    time = np.arange(-0.25, 0.25, 1e-4)
    up = np.clip((((time + period / 2) % period) - period / 2) / rise + 0.5, 0, 1)
    phase = (time + rise / 2) % period
    shape = np.where(phase < rise, up, np.clip((duty * period + rise - phase) / rise, 0, 1))
    values = low + (high - low) * shape + noise * np.random.default_rng(1).standard_normal(len(time))
    return Waveform(values, float(time[0]), 1e-4)


@given(
    st.floats(0.05, 0.2), st.floats(0.2, 0.8), st.floats(0.5e-3, 4e-3), st.floats(-5, 5), st.floats(0.1, 10),
)  # fmt: skip
def test_a_square_wave_measures_what_it_is(period, duty, rise, low, height):
    wave = square(period, duty, rise, low, low + height)
    assert wave.top == pytest.approx(low + height, abs=height / 60)
    assert wave.base == pytest.approx(low, abs=height / 60)
    assert wave.amplitude == pytest.approx(height, rel=0.04)
    assert wave.period == pytest.approx(period, abs=2e-4)
    assert wave.frequency == pytest.approx(1 / period, rel=5e-3)
    assert wave.positive_width == pytest.approx(duty * period, abs=3e-4)
    assert wave.positive_width + wave.negative_width == pytest.approx(period, abs=4e-4)
    assert wave.duty_cycle == pytest.approx(100 * duty, abs=1)
    assert wave.rise_time == pytest.approx(0.8 * rise, abs=1.5e-4)
    assert wave.fall_time == pytest.approx(0.8 * rise, abs=1.5e-4)
    assert abs(wave.overshoot) < 3
    assert abs(wave.preshoot) < 3
    assert wave.average(cycle=True) == pytest.approx(low + duty * height, abs=0.03 * height)


def test_noise_makes_no_edges():
    wave = square(noise=0.05)
    assert len(wave.edges) == len(square().edges) == 10
    assert wave.rise_time == pytest.approx(0.8 * 0.002, rel=0.2)
    assert wave.period == pytest.approx(0.1, rel=0.01)


@pytest.mark.parametrize("values", [np.array([]), np.full(100, 3.0)])
def test_what_cannot_be_measured_is_invalid(values):
    wave = Waveform(values, 0.0, 1.0)
    assert {
        wave.period, wave.frequency, wave.positive_width, wave.negative_width, wave.duty_cycle, wave.rise_time,
        wave.fall_time, wave.overshoot, wave.preshoot, wave.average(cycle=True), wave.rms(cycle=True, ac=False),
    } == {INVALID}  # fmt: skip
    assert wave.maximum == (3.0 if len(values) else INVALID)


def test_an_overshoot_is_that_of_the_edge_at_the_trigger():
    wave = square()
    values = wave.values.copy()
    values[2520:2530] += 0.15  # behind the edge at 0
    values[2460:2470] -= 0.3  # before it
    shot = Waveform(values, wave.start, wave.interval)
    assert shot.overshoot == pytest.approx(10, abs=3)
    assert shot.preshoot == pytest.approx(20, abs=3)


def test_the_scope_measures_its_screen(bench):
    scope = ready(bench)
    acquire(bench, scope)
    fields = [float(text) for text in scope(b":WAV:PRE?").split(b",")]
    values = (block(scope(b":WAV:DATA?")) - fields[9]) * fields[7] + fields[8]
    ask = lambda what: float(scope(b":MEAS:" + what))  # noqa: E731 - asked often
    assert ask(b"VMAX?") == pytest.approx(values.max(), rel=1e-5)
    assert ask(b"VMIN? CHAN1") == pytest.approx(values.min(), rel=1e-5)
    assert ask(b"VPP?") == pytest.approx(np.ptp(values), rel=1e-5)
    assert ask(b"VAV? DISP,CHAN1") == ask(b"VAVerage?") == pytest.approx(values.mean(), rel=1e-5)
    assert ask(b"VRMS? DISP,DC,CHAN1") == pytest.approx(np.sqrt((values**2).mean()), rel=1e-5)
    assert ask(b"VRMS? DISPlay,AC") == pytest.approx(values.std(), rel=1e-5)
    assert ask(b"PER? DIG0") == pytest.approx(0.3, rel=1e-4)
    assert ask(b"PWID? CHANnel1") == pytest.approx(0.2, rel=0.02)
    assert ask(b"DUTY? DIG0") == pytest.approx(66.67, abs=0.1)
    for nothing in (b"VPP? CHAN2", b"PER? DIG1"):
        assert scope(b":MEAS:" + nothing) == b"+9.9E+37\n"
    scope(b":MEAS:SOUR CHAN2")
    assert scope(b":MEAS:VPP?") == b"+9.9E+37\n"
    assert scope(b":MEAS:VPP;FREQ CHAN1;CLE;:SYST:ERR?") == b'+0,"No error"\n'


def pixels_of(picture: bytes) -> np.ndarray:
    """A PNG of eight bits a colour without filters."""
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    place, data = 8, b""
    while place < len(picture):
        (length,) = struct.unpack_from(">I", picture, place)
        kind, content = picture[place + 4 : place + 8], picture[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", picture, place + 8 + length)[0] == zlib.crc32(kind + content)
        if kind == b"IHDR":
            assert content == struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
        data += content if kind == b"IDAT" else b""
        place += 12 + length
    rows = np.frombuffer(zlib.decompress(data), np.uint8).reshape(HEIGHT, 1 + 3 * WIDTH)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(HEIGHT, WIDTH, 3)


def test_the_picture_shows_the_trace_in_every_format(bench):
    scope = ready(bench)
    scope(b":HARD:INKS OFF")
    empty = pixels_of(bytes(block(scope(b":DISP:DATA? PNG, COLor"))))
    acquire(bench, scope)
    shown = pixels_of(bytes(block(scope(b":DISPlay:DATA? PNG"))))
    yellow = (shown == COLOURS[1]).all(axis=2)
    assert yellow.any(axis=0).sum() == 640  # the whole width of the grid
    assert not (empty == COLOURS[1]).all(axis=2).any()
    rows = np.arange(HEIGHT)[:, None]
    middle = (rows * yellow).sum(axis=0)[20:660] / yellow.sum(axis=0)[20:660]
    assert middle[70:125].mean() < middle[300:].mean() - 150  # high while the board works, right of the trigger
    assert np.array_equal(pixels_of(bytes(block(scope(b":HARD:INKS ON;:DISP:DATA? PNG,COL")))), 255 - shown)
    grey = pixels_of(bytes(block(scope(b":HARD:INKS OFF;:DISP:DATA? PNG,GRAY"))))
    assert np.array_equal(grey[:, :, 0], grey[:, :, 2])
    assert bytes(block(scope(b":DISP:DATA? BMP"))) == bmp(shown)
    assert bytes(block(scope(b":DISP:DATA? BMP8bit,COL"))) == bmp8(shown)
    scope(b":DISP:DATA? GIF")
    assert scope(b":SYST:ERR?").startswith(b"-224")


def test_the_files_hold_the_pixels():
    picture = Picture()
    picture.trace(np.linspace(-9, 9, 5000), COLOURS[2])
    picture.trigger(0.5)
    picture.trigger(1.5)
    pixels = picture.pixels
    assert np.array_equal(pixels_of(png(pixels)), pixels)
    full = bmp(pixels)
    size, start, width, height, bits = struct.unpack_from("<2xI4xI4xii2xH", full)
    assert (size, start, width, height, bits) == (len(full), 54, WIDTH, HEIGHT, 24)
    rows = np.frombuffer(full[54:], np.uint8).reshape(HEIGHT, WIDTH, 3)
    assert np.array_equal(rows[::-1, :, ::-1], pixels)
    small = bmp8(pixels)
    palette = np.frombuffer(small[54:1078], np.uint8).reshape(256, 4)[:, 2::-1]
    found = palette[np.frombuffer(small[1078:], np.uint8).reshape(HEIGHT, WIDTH)[::-1]].astype(int)
    assert np.abs(found - pixels).max() <= 85


def test_a_gap_in_the_trace_stays_dark():
    picture = Picture()
    heights = np.zeros(6400)
    heights[3200:] = np.nan
    picture.trace(heights, COLOURS[1])
    drawn = (picture.pixels == COLOURS[1]).all(axis=2).any(axis=0)
    assert drawn[20:340].all()
    assert not drawn[340:].any()
