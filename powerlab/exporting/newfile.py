"""A file that appears under its name when it is whole, and takes no other file's place."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from powerlab_traces.errors import PowerlabError


def check_new(path: Path) -> None:
    """Find out, before long work, whether a file can appear under this name.

    Raises
    ------
    PowerlabError
        The name is taken, or there is no such folder.
    """
    if path.exists():
        raise PowerlabError(f"{path} exists and is never overwritten; give another name with -o")
    if not path.parent.is_dir():
        raise PowerlabError(f"{path} cannot be written (no folder {path.parent}); give another name with -o")


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Where to write what shall appear as `path`: a name beside it, empty so far.

    At the end of the block the file is brought to the disk and moved into its place; if the block fails, it goes.

    Raises
    ------
    PowerlabError
        The name is taken, or the disk refuses. An existing file is not touched.
    """
    check_new(path)
    part = path.with_name(path.name + ".part")
    try:
        part.open("xb").close()
    except FileExistsError:
        raise PowerlabError(
            f"{part} exists: it is being written, or was left by an export that was killed; remove it then"
        ) from None
    except OSError as error:
        raise PowerlabError(f"{path} cannot be written ({error.strerror}); give another name with -o") from error
    try:
        yield part
        _sync(part)
        _move(part, path)
    except (OSError, RuntimeError) as error:  # HDF5 raises RuntimeError where closing a file fails
        number = getattr(error, "errno", None)
        said = os.strerror(number) if number else str(error).strip().splitlines()[0]
        raise PowerlabError(f"{path} could not be written ({said}); make room, or give another name with -o") from error
    finally:
        part.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _move(source: Path, target: Path) -> None:
    """Give a file another name in one step; a plain rename would silently replace an existing file on POSIX."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # a file system without hard links
        if target.exists():
            raise FileExistsError(None, "it has appeared meanwhile") from None
        source.rename(target)
