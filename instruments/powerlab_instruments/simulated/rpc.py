"""Remote procedure calls as VXI-11 and the port mapper make them: ONC RPC version 2 over TCP and UDP.

RFC 5531 (messages and record marking) and RFC 4506 (XDR). Only what a server needs; credentials are ignored.
"""

import socket
import struct
from collections.abc import Callable, Mapping
from typing import BinaryIO

LONGEST_RECORD = 1 << 26  # bytes; beyond it the connection is ended

_CALL, _REPLY = 0, 1
_ACCEPTED, _DENIED = 0, 1
_SUCCESS, _NO_PROGRAM, _WRONG_VERSION, _NO_PROCEDURE, _GARBAGE = range(5)
_LAST_FRAGMENT = 1 << 31


class GarbageArgumentsError(Exception):
    """The arguments of a call are not what the procedure takes."""


class NoProcedureError(Exception):
    """A program has no such procedure."""


class Arguments:
    """XDR data to be taken apart in order; GarbageArgumentsError when it ends too early."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0

    def unsigned(self) -> int:
        """An unsigned integer or a boolean."""
        return int.from_bytes(self._take(4))

    def signed(self) -> int:
        """A signed integer or an enumeration."""
        return int.from_bytes(self._take(4), signed=True)

    def opaque(self) -> bytes:
        """Bytes of variable length, or a string."""
        length = self.unsigned()
        data = self._take(length)
        self._take(-length % 4)
        return data

    def rest(self) -> bytes:
        """What has not been taken yet."""
        return self._data[self._place :]

    def _take(self, count: int) -> bytes:
        part = self._data[self._place : self._place + count]
        if len(part) < count:
            raise GarbageArgumentsError
        self._place += count
        return part


def words(*values: int) -> bytes:
    """Integers, enumerations and booleans in XDR."""
    return b"".join((value & 0xFFFFFFFF).to_bytes(4) for value in values)


def opaque(data: bytes) -> bytes:
    """Bytes of variable length in XDR."""
    return words(len(data)) + data + bytes(-len(data) % 4)


# What a program does: its procedures by number, arguments to results. Procedure 0 is answered without it.
Program = Callable[[int, Arguments], bytes]
Programs = Mapping[tuple[int, int], Program]  # by number and version


def answer(call: bytes, programs: Programs) -> bytes:
    """The reply message to a call message; nothing to what is no call."""
    arguments = Arguments(call)
    try:
        serial, kind, version = arguments.unsigned(), arguments.unsigned(), arguments.unsigned()
        if kind != _CALL:
            return b""
        if version != 2:
            return words(serial, _REPLY, _DENIED, 0, 2, 2)
        program, program_version, procedure = (arguments.unsigned() for _ in range(3))
        for _ in ("credentials", "verifier"):
            arguments.unsigned()
            arguments.opaque()
    except GarbageArgumentsError:
        return b""
    result = _result(programs, (program, program_version), procedure, arguments)
    return words(serial, _REPLY, _ACCEPTED, 0, 0) + result


def _result(programs: Programs, wanted: tuple[int, int], procedure: int, arguments: Arguments) -> bytes:
    """How a call was taken, and its results."""
    if wanted not in programs:
        versions = [version for program, version in programs if program == wanted[0]]
        return words(_WRONG_VERSION, min(versions), max(versions)) if versions else words(_NO_PROGRAM)
    try:
        return words(_SUCCESS) + (programs[wanted](procedure, arguments) if procedure else b"")
    except GarbageArgumentsError:
        return words(_GARBAGE)
    except NoProcedureError:
        return words(_NO_PROCEDURE)


def serve(connection: socket.socket, programs: Programs) -> None:
    """Answer the calls on a connection until the client closes it."""
    with connection.makefile("rb") as incoming:
        while call := _record(incoming):
            if reply := answer(call, programs):
                connection.sendall(words(_LAST_FRAGMENT | len(reply)) + reply)


def _record(incoming: BinaryIO) -> bytes:
    """One record, put together of its fragments; nothing at the end of the stream or beyond `LONGEST_RECORD`."""
    record, last = b"", False
    while not last:
        mark = incoming.read(4)
        if len(mark) < 4:
            return b""
        (header,) = struct.unpack(">I", mark)
        last, length = bool(header & _LAST_FRAGMENT), header & (_LAST_FRAGMENT - 1)
        if len(record) + length > LONGEST_RECORD:
            return b""
        fragment = incoming.read(length)
        if len(fragment) < length:
            return b""
        record += fragment
    return record
