"""What a model takes, as far as it says so itself."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from powerlab.networks import NetworkError


@dataclass(frozen=True, slots=True)
class Terms:
    """What a model takes, and what else is to be recorded of it.

    `input_shape` is that of one image, with None for a size that may vary; None where nothing is known of it. A batch
    has `fewest` to `most` images, None for any number. `dtype` is that of weights and input unless another is asked
    for. With `exact`, nothing else will do than these: they are fixed in the model.
    """

    input_shape: tuple[int | None, ...] | None = None
    fewest: int = 1
    most: int | None = None
    dtype: str = "fp32"
    exact: bool = False
    details: Mapping[str, str] = field(default_factory=dict)

    def image(self, model: str, asked: Sequence[int] | None) -> tuple[int, ...]:
        """The shape of one image: the one that was asked for, else the model's own.

        Raises
        ------
        NetworkError
            It is not known, or not what the model takes.
        """
        own = self.input_shape
        if asked is None:
            if own is None:
                raise NetworkError(f"model {model} does not say what it takes: give {_INPUT}")
            if None in own:
                raise NetworkError(f"model {model} takes images of {shown(own)}, ? being any size: give {_INPUT}")
            return tuple(size for size in own if size is not None)
        if self.exact and own is not None and not _fits(asked, own):
            raise NetworkError(f"model {model} takes images of {shown(own)}, and --input is {shown(asked)}")
        return tuple(asked)

    def check_batch(self, model: str, batch: int) -> None:
        """Raise `NetworkError` when the model does not take batches of so many images."""
        if self.fewest <= batch and (self.most is None or batch <= self.most):
            return
        if self.fewest == self.most:
            raise NetworkError(
                f"model {model} was made for batches of {self.most}, and the batch is {batch}: "
                f"give --batch {self.most}, or make it anew with a first dimension that may vary"
            )
        limits = f"{self.fewest} or more" if self.most is None else f"{self.fewest} to {self.most}"
        raise NetworkError(f"model {model} takes batches of {limits} images, and the batch is {batch}: see --batch")

    def computes_in(self, model: str, asked: str | None) -> str:
        """The type of weights and input.

        Raises
        ------
        NetworkError
            Another one was asked for than is fixed in the model.
        """
        if self.exact and asked not in {None, self.dtype}:
            raise NetworkError(f"model {model} takes {self.dtype}, which is fixed in it: leave --dtype {asked} out")
        return asked or self.dtype


_INPUT = "the shape of one image, as in --input 3x224x224"


def shown(shape: Sequence[int | None]) -> str:
    """A shape in words.

    >>> shown((3, None, 224))
    '3x?x224'
    """
    return "x".join("?" if size is None else str(size) for size in shape) or "single numbers"


def file_details(path: Path) -> dict[str, str]:
    """What is to be recorded of any file: where the weights are from, and what tells it from others.

    Raises
    ------
    NetworkError
        It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return {"weights": "the file's", "file sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    except OSError as error:
        raise NetworkError(f"model {path} cannot be read: {error.strerror}") from error


def _fits(asked: Sequence[int], own: Sequence[int | None]) -> bool:
    return len(asked) == len(own) and all(it in {None, size} for size, it in zip(asked, own, strict=True))
