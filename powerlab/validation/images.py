"""Image files, and the crops of them that a network sees."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from powerlab.validation.preprocessing import AREA, Preprocessing

CROPS: Final = (1, 10)  # the centre; four corners and centre, and these five mirrored
MOST_PIXELS: Final = 89_478_485  # in one image, also once it is scaled: 256 MiB of RGB, and Pillow's own limit


class UnreadableError(Exception):
    """Why a file cannot be scored."""


def load_crops(path: Path, preprocessing: Preprocessing, crops: int) -> NDArray[np.float32]:
    """The crops of one image as the network wants them, [crops, 3, pixels, pixels].

    Raises
    ------
    UnreadableError
        There is no such file, or it is no image that can be understood as a whole.
    """
    try:
        with Image.open(path) as image:
            return cut(_rgb(image), preprocessing, crops)
    except UnreadableError:
        raise
    except UnidentifiedImageError as error:
        raise UnreadableError(
            "not an image that Pillow knows" if path.stat().st_size else "the file is empty"
        ) from error
    except Exception as error:  # decoders raise whatever comes to their mind on damaged bytes
        raise UnreadableError(_reason(error)) from error


def cut(image: Image.Image, preprocessing: Preprocessing, crops: int) -> NDArray[np.float32]:
    """The crops of an RGB image, [crops, 3, pixels, pixels]: the centre, or with ten the corners, the centre, mirrored.

    Where the centre lies between two pixels, the crop begins at the later one, as Torch's evaluation had it.
    """
    scaled = _scaled(image, preprocessing)
    size = preprocessing.crop
    bottom, right = scaled.shape[0] - size, scaled.shape[1] - size
    centre = (bottom + 1) // 2, (right + 1) // 2
    places = (centre,) if crops == 1 else ((0, 0), (0, right), (bottom, 0), (bottom, right), centre)
    squares = np.stack([scaled[top : top + size, left : left + size] for top, left in places])
    if crops > 1:
        squares = np.concatenate((squares, squares[:, :, ::-1]))
    if preprocessing.order == "BGR":
        squares = squares[..., ::-1]
    values = squares * np.float32(preprocessing.white / 255)
    values -= np.array(preprocessing.mean, np.float32)
    values /= np.array(preprocessing.deviation, np.float32)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def _scaled(image: Image.Image, preprocessing: Preprocessing) -> NDArray[Any]:
    """The pixels, [height, width, 3], of the image scaled as a whole."""
    shorter, resize = min(image.size), preprocessing.resize
    width, height = (resize * side // shorter for side in image.size)
    if width * height > MOST_PIXELS:
        raise UnreadableError(f"{image.width}x{image.height} pixels are too long a strip to be scaled to {resize}")
    if preprocessing.filter == AREA and resize < shorter:
        return averaged(averaged(np.asarray(image), height, axis=0), width, axis=1)
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def averaged(pixels: NDArray[Any], size: int, axis: int) -> NDArray[np.float32]:
    """Fewer pixels along an axis: each the mean of those it covers, where it covers one in part by that part.

    >>> averaged(np.array([0, 30, 90]), 2, axis=0).tolist()
    [10.0, 70.0]
    """
    count = pixels.shape[axis]
    edges = np.arange(size + 1) * count / size
    first = edges.astype(int)  # the pixel that each edge lies in
    part = (edges - first).astype(np.float32)  # of it that lies before the edge
    shape = [1] * pixels.ndim
    shape[axis] = size + 1
    before = pixels.take(np.minimum(first, count - 1), axis=axis).astype(np.float32) * part.reshape(shape)
    covered = np.add.reduceat(pixels, first[:-1], axis=axis, dtype=np.float32) + np.diff(before, axis=axis)
    means: NDArray[np.float32] = covered / np.float32(count / size)
    return means


def _rgb(image: Image.Image) -> Image.Image:
    """The image in eight bits of red, green and blue. Transparency, orientation and colour profiles are overlooked."""
    if image.width * image.height > MOST_PIXELS:
        raise UnreadableError(f"{image.width}x{image.height} pixels, of which at most {MOST_PIXELS} are read")
    image.load()
    mode = image.mode
    if mode.startswith("I;16") or (mode == "I" and image.format == "PNG"):  # older Pillows call these 32 bits
        return Image.fromarray((np.asarray(image).astype(np.int32) >> 8).astype(np.uint8)).convert("RGB")
    if mode in {"I", "F"}:
        raise UnreadableError("32 bits a pixel, of which nobody knows which value is white")
    if mode in {"P", "PA"}:  # so that Pillow does not warn of a transparency that it loses
        image = image.convert("RGBA")
    return image.convert("RGB")


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())[:160] or type(error).__name__
