"""The line to an instrument on USB or on a GPIB card: pyvisa-py's own code for them, with the libraries beneath played.

What it does there was read in the source of pyvisa-py 0.8.1.
"""

from collections.abc import Iterator

import pytest
import pyvisa

from powerlab_instruments.errors import InstrumentError, NoAnswer
from powerlab_instruments.link import Visa, VisaLink
from tests.instruments.buses import GPIB, USB, Card, UsbDevice, linux_gpib, table, usb

EVERY_BYTE = bytes(range(256))
IDN = b"AGILENT TECHNOLOGIES,MSO-X 2024A,SIM00000001,02.65.2021102830\n"


@pytest.fixture
def answers() -> dict[bytes, bytes]:
    return {b"*IDN?": IDN}


@pytest.fixture
def device(answers: dict[bytes, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[UsbDevice]:
    device = UsbDevice(table(answers))
    with usb(device, monkeypatch):
        yield device


@pytest.fixture
def card(answers: dict[bytes, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Card]:
    card = Card(table(answers))
    with linux_gpib(card, monkeypatch):
        yield card


@pytest.fixture(params=["usb", "gpib"])
def link(request: pytest.FixtureRequest) -> Iterator[VisaLink]:
    request.getfixturevalue("device" if request.param == "usb" else "card")
    with Visa() as visa:
        yield visa.open(USB if request.param == "usb" else GPIB, timeout=2)


def block(payload: bytes) -> bytes:
    return b"#8%08d%b\n" % (len(payload), payload)


@pytest.mark.parametrize("length", [0, 1, 10, PIECE := 1 << 18, PIECE - 1, PIECE + 1, 2 * PIECE, 20480, 1_000_000])
def test_a_block_of_any_length_comes_whole(link: VisaLink, answers: dict[bytes, bytes], length: int) -> None:
    payload = (EVERY_BYTE * (length // 256 + 1))[:length]
    answers[b"BLOCK?"] = block(payload)
    assert link.query_block("BLOCK?") == payload
    assert link.query("*IDN?") == IDN.decode().strip()


def test_a_long_text_comes_whole(link: VisaLink, answers: dict[bytes, bytes]) -> None:
    answers[b"LONG?"] = b"1.5," * 20_000 + b"2\n"
    assert link.query("LONG?").count(",") == 20_000


def test_a_block_without_its_line_feed_is_whole(link: VisaLink, answers: dict[bytes, bytes]) -> None:
    answers[b"BLOCK?"] = b"#15hello"
    assert link.query_block("BLOCK?") == b"hello"
    assert link.query("*IDN?") == IDN.decode().strip()


def test_a_cut_block_and_one_too_long_are_errors(link: VisaLink, answers: dict[bytes, bytes]) -> None:
    answers[b"BLOCK?"] = b"#8%08d%b\n" % (1000, b"a" * 400)
    with pytest.raises(NoAnswer, match="401 of 1000 bytes"):
        link.query_block("BLOCK?")
    answers[b"BLOCK?"] = b"#15hello world\n"
    with pytest.raises(InstrumentError, match="more than the 5 bytes"):
        link.query_block("BLOCK?")
    assert link.query("*IDN?") == IDN.decode().strip()


def test_silence_is_one_line_and_the_next_answer_is_the_right_one(link: VisaLink, answers: dict[bytes, bytes]) -> None:
    with pytest.raises(NoAnswer, match=r"INSTR did not answer 'NOTHING\?'"):
        link.query("NOTHING?")
    assert link.query("*IDN?") == IDN.decode().strip()


def test_pyvisa_py_alone_would_wait_for_ever_on_usb_and_read_too_little(
    device: UsbDevice, answers: dict[bytes, bytes]
) -> None:
    answers[b"BLOCK?"] = block(EVERY_BYTE * 400)
    raw = pyvisa.ResourceManager("@py").open_resource(USB)
    raw.write("BLOCK?\n", termination="")
    assert len(raw.read_raw()) == 20480
    assert device.time_outs[-1] == 2**32 - 1
    with pytest.raises(pyvisa.errors.VisaIOError, match="NSUP_OPER"):
        raw.clear()
    raw.close()


def test_on_usb_there_is_a_time_out_and_recovery_opens_anew(device: UsbDevice, answers: dict[bytes, bytes]) -> None:
    with Visa() as visa:
        link = visa.open(USB, timeout=2)
        link.query("*IDN?")
        assert set(device.time_outs) == {2000}
        opened = device.opened
        link.recover()
        assert device.opened > opened
        assert link.query("*IDN?") == IDN.decode().strip()
        assert device.time_outs[-1] == 2000


def test_a_usb_device_that_is_not_plugged_in_is_one_line(device: UsbDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usb.core.find", lambda **_: [])
    with Visa() as visa, pytest.raises(NoAnswer, match="No device found"):
        visa.open(USB)


@pytest.mark.parametrize(("wanted", "number"), [(1.0, 11), (2.0, 12), (3.0, 12), (5.0, 13), (10.0, 13), (20.0, 14)])
def test_a_card_takes_the_next_longer_time_out_it_has(card: Card, wanted: float, number: int) -> None:
    with Visa() as visa:
        visa.open(GPIB, timeout=wanted)
        assert card.time_out == number


def test_on_a_card_recovery_is_a_device_clear(card: Card) -> None:
    with Visa() as visa:
        link = visa.open(GPIB)
        link.query("*IDN?")
        link.recover()
        assert card.cleared == 1
        card.broken = True
        with pytest.raises(NoAnswer, match="VI_ERROR_SYSTEM_ERROR"):
            link.write("OUTP ON")
        card.broken = False
        assert link.query("*IDN?") == IDN.decode().strip()
        assert card.cleared == 2
