"""What a path holds, before it is opened: a run of powerlab, an imported capture, or something of another program."""

from enum import StrEnum
from pathlib import Path

import h5py

from powerlab_traces import schema
from powerlab_traces.errors import TraceError
from powerlab_traces.store.columns import text

SIGNATURE = b"\x89HDF\r\n\x1a\n"


class Kind(StrEnum):
    """What is at a path."""

    RUN = "run"
    IMPORT = "import"  # a run file with a capture of another program in it
    FOREIGN = "foreign"  # a file or folder as another program left it
    FOREIGN_HDF5 = "foreign HDF5"


def kind_of(path: Path) -> Kind:
    """What is at a path, by its first bytes; RUN also where `open_run` is to say what is wrong.

    Raises
    ------
    TraceError
        The system does not take the path at all.
    """
    try:
        if path.is_dir():
            return Kind.FOREIGN
        if not path.is_file():
            return Kind.RUN
        with path.open("rb") as file:
            head = file.read(len(SIGNATURE))
    except OSError as error:
        raise TraceError(f"{path} cannot be read: {error.strerror or error}") from error
    if head != SIGNATURE:
        return Kind.FOREIGN
    try:
        with h5py.File(path, "r") as file:
            if text(file.attrs.get(schema.FORMAT_NAME)) != schema.FORMAT:
                return Kind.FOREIGN_HDF5
            return Kind.IMPORT if f"{schema.ENTRY}/{schema.IMPORTED}" in file else Kind.RUN
    except (OSError, RuntimeError, KeyError, ValueError, TypeError):
        return Kind.RUN
