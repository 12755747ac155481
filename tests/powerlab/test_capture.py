"""Captures end to end on the simulated bench, in virtual time, over real VISA sockets."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import powerlab as pl
from powerlab.capture import Plan, Stop, capture
from powerlab.marker import MarkerError
from powerlab.progress import Silence
from powerlab.report import QUANTITIES, result_object
from powerlab_instruments.errors import AcquisitionError, DeviceError, NoAnswer, OutOfRange, WrongInstrument
from powerlab_traces.errors import TraceError
from powerlab_traces.record import RecordKind
from powerlab_traces.store import open_run


def test_the_stored_record_is_100000_samples_at_50_kilosamples(open_virtual: Callable, tmp_path: Path) -> None:
    path = open_virtual().capture(tmp_path / "r.h5", windows=3)
    active = [it for it in open_run(path).records if it.kind is RecordKind.ACTIVE]
    assert len(active) == 1
    assert len(active[0].current) == 100_000
    assert active[0].current.sample_rate == pytest.approx(50e3, rel=1e-4)  # the scope's own time base
    assert active[0].current.codes.dtype == np.uint16  # exact sums of ten 8-bit codes
    assert active[0].marker is not None
    assert len(active[0].marker) == 1_000_000


@pytest.mark.parametrize("memory", [1_000_000, 100_000])
def test_both_depths_of_the_scope_give_the_same_answer(open_virtual: Callable, tmp_path: Path, memory: int) -> None:
    path = open_virtual(seed=3, memory=memory).capture(tmp_path / "r.h5", windows=6)
    result = pl.analyse(path)
    assert result.sample_rate == pytest.approx(50e3)
    assert result.truth is not None
    assert len(result.kept) == 6
    assert result.energy_per_image.value == pytest.approx(result.truth.energy_per_image, rel=0.06)


def test_measured_energy_covers_the_truth_for_19_of_20_benches(open_virtual: Callable, tmp_path: Path) -> None:
    inside = within_power = 0
    for seed in range(20):
        path = open_virtual(seed=seed, memory=100_000).capture(tmp_path / f"{seed}.h5", windows=6, seed=seed)
        result = pl.analyse(path)
        assert result.truth is not None
        assert result.energy_per_image is not None
        assert result.power_total is not None
        error = result.energy_per_image.value - result.truth.energy_per_image
        inside += abs(error) <= result.energy_per_image.U95
        within_power += abs(result.power_total.value - result.truth.power) <= result.power_total.U95
        # An error bar that always covers because it is huge would be no use.
        assert 0.15 * result.energy_per_image.value > result.energy_per_image.U95
    assert inside >= 19
    assert within_power >= 19


def test_every_window_is_kept_or_dropped_and_carries_its_label(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual()
    path = tmp_path / "r.h5"
    with virtual.bench.record(path, idle=0.5, label="script") as run:
        for images in (1, 2, 3, 4, 5, 6, 7):
            with run.window(images=images, label=f"of {images}"):
                virtual.bench.clock.sleep(0.3 + 0.02 * images)
    result = pl.analyse(path)
    assert [it.window.images for it in result.kept] == [1, 2, 3, 4, 5, 6, 7]
    assert [it.window.label for it in result.kept] == [f"of {n}" for n in range(1, 8)]
    assert not result.dropped
    assert result.batch is None
    assert result.model == "script"
    # 0.3 s windows: five fit into the 1.8 s after the trigger, so there are two records
    assert {it.record for it in result.kept} == {2, 3}
    for it in result.kept:
        assert it.window.duration == pytest.approx(0.3 + 0.02 * it.window.images, abs=1e-4)


def test_a_window_longer_than_the_record_gets_a_longer_record(open_virtual: Callable, tmp_path: Path) -> None:
    path = open_virtual().capture(tmp_path / "r.h5", seconds=5.0, windows=2, warmup=1)
    run = open_run(path)
    result = pl.analyse(path)
    assert len(result.kept) == 2
    lengths = [len(it.current) * it.current.interval for it in run.records if it.kind is RecordKind.ACTIVE]
    # 8 s would come at 125 kSa/s, which is no multiple of 50 kSa/s; 10 s come at 100 kSa/s.
    assert lengths == pytest.approx([10.0, 10.0], rel=1e-3)
    assert result.sample_rate == pytest.approx(50e3, rel=1e-3)
    assert not any("come at" in note for note in run.notes)


def test_a_rate_that_the_scope_cannot_fold_to_is_said(open_virtual: Callable, tmp_path: Path) -> None:
    path = open_virtual().capture(tmp_path / "r.h5", seconds=40.0, windows=1, warmup=1)
    run = open_run(path)
    assert len(pl.analyse(path).kept) == 1
    assert any("come at" in note for note in run.notes)


def test_without_warm_up_the_first_long_window_is_dropped_and_the_rest_fits(
    open_virtual: Callable, tmp_path: Path
) -> None:
    path = open_virtual().capture(tmp_path / "r.h5", seconds=3.0, windows=3, warmup=0)
    result = pl.analyse(path)
    assert [it.index for it in result.dropped] == [0]
    assert "record ended" in result.dropped[0].reason
    assert [it.window.index for it in result.kept] == [1, 2]


def test_duration_ends_the_capture(open_virtual: Callable, tmp_path: Path) -> None:
    result = pl.analyse(open_virtual().capture(tmp_path / "r.h5", seconds=0.25, windows=None, duration=2.0))
    total = sum(it.seconds for it in result.kept)
    assert 2.0 <= total < 2.5


def test_a_clipped_window_is_dropped_with_its_reason(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual(
        lambda text: text.replace("full_scale = 0.8", "full_scale = 0.4").replace("0.4\n\n", "0.1\n\n")
    )
    result = pl.analyse(virtual.capture(tmp_path / "r.h5", windows=3))
    assert not result.kept
    assert {it.index for it in result.dropped} == {0, 1, 2}
    assert all("clipped" in it.reason for it in result.dropped)
    assert result.energy_per_image is None  # a wrong number is worse than no number
    assert result_object(result, Path("r.h5"))["energy_per_image"] is None


def test_constant_current_drops_the_record(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual(lambda text: text.replace("current_limit = 2.0", "current_limit = 0.5"))
    result = pl.analyse(virtual.capture(tmp_path / "r.h5", windows=3))
    assert not result.kept
    assert all("constant current" in it.reason for it in result.dropped)


def test_a_wire_on_the_wrong_input_is_named(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual(lambda text: text + 'input = "D3"\n')
    with pytest.raises(AcquisitionError, match="no trigger came; check the marker's wire") as caught:
        virtual.capture(tmp_path / "r.h5", windows=3)
    # zero and idle were recorded; they are kept, and the windows that ran are accounted for
    assert any("what was recorded is in" in note for note in caught.value.__notes__)
    result = pl.analyse(tmp_path / "r.h5")
    assert {it.index for it in result.dropped} == {0, 1, 2}
    assert any("ended early" in note for note in result.notes)


def test_a_silent_scope_costs_one_record_and_the_run_goes_on(
    open_virtual: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    virtual = open_virtual()
    fetch, calls = virtual.bench.scope.fetch, itertools.count()

    def sometimes(source: str, unit: str = "") -> object:
        if next(calls) == 4:  # zero, idle, two reads of the first record: the second record's current
            raise NoAnswer(virtual.bench.scope.link.name, ":WAVeform:DATA?", "VI_ERROR_TMO")
        return fetch(source, unit)

    monkeypatch.setattr(virtual.bench.scope, "fetch", sometimes)
    result = pl.analyse(virtual.capture(tmp_path / "r.h5", windows=12))
    # 12 windows were asked for and timed; those of the lost record are accounted for
    assert len(result.kept) + len(result.dropped) == 12
    assert [it.index for it in result.dropped] == [4, 5, 6, 7]
    assert all("record" in it.reason for it in result.dropped)
    assert any("recovered, record 3 with its windows was lost" in note for note in result.notes)
    assert abs(result.energy_per_image.value - result.truth.energy_per_image) <= result.energy_per_image.U95


def test_a_scope_that_stays_silent_ends_the_run_and_keeps_the_rest(
    open_virtual: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    virtual = open_virtual()
    fetch, calls = virtual.bench.scope.fetch, itertools.count()

    def never_again(source: str, unit: str = "") -> object:
        if next(calls) >= 4:
            raise NoAnswer(virtual.bench.scope.link.name, ":WAVeform:DATA?", "VI_ERROR_TMO")
        return fetch(source, unit)

    monkeypatch.setattr(virtual.bench.scope, "fetch", never_again)
    with pytest.raises(NoAnswer) as caught:
        virtual.capture(tmp_path / "r.h5", windows=12)
    assert any("what was recorded is in" in note for note in caught.value.__notes__)
    result = pl.analyse(tmp_path / "r.h5")
    assert len(result.kept) == 4
    assert len(result.dropped) == 8
    virtual.bench.close()
    volts, _ = virtual.simulator.supply._reading()
    assert volts == 0


def test_a_wedged_network_port_is_recovered_as_in_the_field(open_virtual: Callable, tmp_path: Path) -> None:
    # A real unit's LAN port goes dead every ten minutes or so; here every 9 s, and it must be found dead by time-out.
    virtual = open_virtual(lambda text: "timeout = 0.8\n" + text, wedge_every=9.0)
    path = virtual.capture(tmp_path / "r.h5", windows=40)
    result = pl.analyse(path)
    assert len(result.kept) + len(result.dropped) == 40
    assert len(result.kept) >= 20
    recovered = [note for note in result.notes if "did not answer" in note]
    assert len(recovered) >= 2
    assert abs(result.energy_per_image.value - result.truth.energy_per_image) <= result.energy_per_image.U95


def test_a_sibling_without_digital_inputs_is_refused_before_the_board_is_touched(
    open_virtual: Callable, tmp_path: Path
) -> None:
    virtual = open_virtual(model="DSO-X 2024A")
    with pytest.raises(OutOfRange, match="DSO-X 2024A .*digital"):
        virtual.capture(tmp_path / "r.h5", windows=3)
    assert not virtual.bench.supply.output
    assert not list(tmp_path.iterdir())


def test_siblings_measure_as_well(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual(
        lambda text: text.replace("current_limit = 2.0", "current_limit = 1.4"),
        model="MSO-X 3034A",
        supply_model="E3643A",
        seed=2,
    )
    result = pl.analyse(virtual.capture(tmp_path / "r.h5", windows=4))
    assert len(result.kept) == 4
    assert abs(result.energy_per_image.value - result.truth.energy_per_image) <= result.energy_per_image.U95


def test_a_silent_supply_is_asked_again(
    open_virtual: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    virtual = open_virtual()
    read, calls = virtual.bench.supply.read, itertools.count()

    def sometimes(clock: object) -> object:
        if next(calls) == 2:  # before the first idle record
            raise NoAnswer(virtual.bench.supply.link.name, "MEASure:VOLTage?", "VI_ERROR_TMO")
        return read(clock)

    monkeypatch.setattr(virtual.bench.supply, "read", sometimes)
    result = pl.analyse(virtual.capture(tmp_path / "r.h5", windows=3))
    assert len(result.kept) == 3
    assert any("recovered, and asked again" in note for note in result.notes)


def test_a_failure_right_after_the_zero_leaves_a_file_that_opens(
    open_virtual: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    virtual = open_virtual()

    def refuse() -> None:
        raise DeviceError("the supply refuses")

    monkeypatch.setattr(virtual.bench.supply, "switch_on", refuse)
    with pytest.raises(DeviceError) as caught:
        virtual.capture(tmp_path / "r.h5", windows=3)
    assert any("what was recorded is in" in note for note in caught.value.__notes__)
    assert [it.kind for it in open_run(tmp_path / "r.h5").records] == [RecordKind.ZERO]
    assert pl.analyse(tmp_path / "r.h5").energy_per_image is None


def test_the_run_says_how_the_instruments_stood(open_virtual: Callable, tmp_path: Path) -> None:
    settings = open_run(open_virtual().capture(tmp_path / "r.h5", windows=1)).provenance.settings
    assert settings["supply"]["output"] == "on"
    assert settings["supply"]["over_voltage"] == "21 V"
    assert settings["scope"]["channel1 probe_ratio"] == "10"
    assert settings["scope"]["trigger_source"] == "DIG0"


def test_the_supply_is_left_as_found(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual()
    assert not virtual.bench.powered
    with virtual.bench.record(tmp_path / "a.h5", idle=0.2) as run:
        assert virtual.bench.powered
        with run.window():
            virtual.bench.clock.sleep(0.1)
    assert virtual.bench.powered  # a second run would find the board on
    virtual.bench.close()
    volts, amperes = virtual.simulator.supply._reading()
    assert volts == 0
    assert amperes == 0


def test_the_output_goes_off_even_if_the_marker_cannot_be_closed(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual()

    class Unplugged:
        def high(self) -> int:
            return 0

        def low(self) -> int:
            return 0

        def close(self) -> None:
            raise MarkerError("the adapter is gone")

    with virtual.bench.record(tmp_path / "a.h5", idle=0.2):
        pass
    virtual.bench._marker = Unplugged()
    with pytest.raises(MarkerError):
        virtual.bench.close()
    virtual.bench._marker = None
    volts, _ = virtual.simulator.supply._reading()
    assert volts == 0


def test_a_board_that_is_on_stays_on(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual()
    supply = virtual.bench.supply
    supply.prepare_output(voltage=19, current_limit=2, over_voltage=21)
    supply.switch_on()
    with virtual.bench.record(tmp_path / "a.h5", idle=0.2) as run, run.window():
        virtual.bench.clock.sleep(0.1)
    kinds = [it.kind for it in open_run(tmp_path / "a.h5").records]
    assert kinds == [RecordKind.IDLE, RecordKind.ACTIVE, RecordKind.IDLE]  # no zero: it would need the board off
    result = pl.analyse(tmp_path / "a.h5")
    assert {"probe offset", "scope offset"} <= {it.name for it in result.budget}
    virtual.bench.close()
    volts, _ = virtual.simulator.supply._reading()
    assert volts == pytest.approx(19, abs=0.1)


def test_a_board_that_is_off_is_not_powered_by_surprise(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual(lambda text: text.replace('output = "on"', 'output = "leave"'))
    with pytest.raises(DeviceError, match="the output is off; switch the board on"):
        virtual.capture(tmp_path / "r.h5", windows=1)
    assert not virtual.bench.powered
    assert not list(tmp_path.iterdir())  # nothing recorded, nothing left behind


def test_another_voltage_under_a_running_board_is_an_error_not_a_change(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual()
    virtual.bench.supply.prepare_output(voltage=12, current_limit=2, over_voltage=21)
    virtual.bench.supply.switch_on()
    with pytest.raises(DeviceError, match="with voltage 12, bench.toml says 19"):
        virtual.capture(tmp_path / "r.h5", windows=1)
    assert virtual.bench.supply.voltage == pytest.approx(12, abs=0.01)


def test_the_wrong_instrument_is_found_before_anything_is_set(open_virtual: Callable) -> None:
    def swap(text: str) -> str:
        lines = text.splitlines()
        supply = next(line for line in lines if line.startswith('resource = "GPIB'))
        adapter = next(line for line in lines if line.startswith("adapter"))
        scope = next(line for line in lines if line.startswith('resource = "TCPIP'))
        swapped = [line for line in lines if line != adapter]
        return "\n".join(scope if line == supply else line for line in swapped)

    with pytest.raises(WrongInstrument, match="MSO-X 2024A, a scope, and not the supply: nothing was set"):
        open_virtual(swap)


def test_an_error_in_the_script_keeps_what_was_recorded(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual()

    def script() -> None:
        with virtual.bench.record(tmp_path / "r.h5", idle=0.2) as run:
            for count in range(9):
                with run.window():
                    virtual.bench.clock.sleep(0.5)
                if count == 5:
                    raise KeyError("my bug")

    with pytest.raises(KeyError, match="my bug"):
        script()
    result = pl.analyse(tmp_path / "r.h5")
    assert len(result.kept) + len(result.dropped) == 6
    assert len(result.kept) == 3  # those of the record that was complete
    assert all("record" in it.reason for it in result.dropped)
    assert result.truth is not None


def test_a_window_whose_body_fails_is_no_window(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual()
    with virtual.bench.record(tmp_path / "r.h5", idle=0.2) as run:
        for count in range(3):
            try:
                with run.window(label=str(count)):
                    virtual.bench.clock.sleep(0.2)
                    if count == 1:
                        raise RuntimeError("this batch failed")
            except RuntimeError:
                pass
    result = pl.analyse(tmp_path / "r.h5")
    assert [it.window.label for it in result.kept] == ["0", "2"]


def test_a_stop_ends_the_run_cleanly_with_a_valid_file(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual()
    stop = Stop()

    class StopAfterTwoRecords(Silence):
        def step(self, text: str) -> None:
            if text.startswith("record 5"):
                stop.asked = True

    plan = Plan("synthetic", 2, windows=100, idle=0.2)
    path = capture(
        virtual.bench, virtual.workload(0.4), plan, tmp_path / "r.h5", progress=StopAfterTwoRecords(), stop=stop
    )
    result = pl.analyse(path)
    assert 0 < len(result.kept) < 20
    assert any("Ctrl-C" in note for note in result.notes)
    assert open_run(path).records[-1].kind is RecordKind.IDLE


def test_a_name_that_exists_costs_nothing(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual()
    (tmp_path / "r.h5").write_text("mine")
    with pytest.raises(TraceError, match="never overwritten"):
        virtual.capture(tmp_path / "r.h5", windows=1)
    assert (tmp_path / "r.h5").read_text() == "mine"
    assert not virtual.bench.powered


def test_more_turns_shrink_the_offset_but_not_the_gain(open_virtual: Callable, tmp_path: Path) -> None:
    def terms(turns: int) -> dict[str, float]:
        virtual = open_virtual(seed=1, turns=turns)
        result = pl.analyse(virtual.capture(tmp_path / f"{turns}.h5", windows=4))
        assert result.truth is not None
        assert abs(result.energy_per_image.value - result.truth.energy_per_image) <= result.energy_per_image.U95
        return {it.name: it.uncertainty for it in result.budget}

    one, five = terms(1), terms(5)
    assert five["offset drift"] == pytest.approx(one["offset drift"] / 5, rel=0.1)
    assert five["probe gain"] == pytest.approx(one["probe gain"], rel=0.1)


def test_the_json_object_has_every_promised_key(open_virtual: Callable, tmp_path: Path) -> None:
    path = open_virtual().capture(tmp_path / "r.h5", windows=4)
    found = result_object(pl.analyse(path), path)
    assert found["schema"] == "powerlab.result/1"
    assert found["simulated"] is True
    assert (found["model"], found["batch"]) == ("synthetic", 2)
    assert found["windows"]["kept"] == 4
    assert set(found["windows"]["each"][0]) >= {"index", "label", "start", "stop", "energy", "images"}
    for name in QUANTITIES:
        assert set(found[name]) == {"value", "U95", "unit", "lower_bound"}
    assert found["energy_per_image"]["value"] == pytest.approx(found["energy_per_batch"]["value"] / 2)
    assert set(found["truth"]) == {"energy_per_image", "power_total"}
    assert sum(it["share"] for it in found["budget"]) == pytest.approx(1)
