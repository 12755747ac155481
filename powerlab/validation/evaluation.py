"""Scoring all images of a data set."""

import os
import time
import warnings
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from powerlab.networks import find
from powerlab.networks.published import published
from powerlab.progress import Silence
from powerlab.validation import AccuracyError
from powerlab.validation.dataset import Dataset, Labelled, find_dataset, output_of_each
from powerlab.validation.images import CROPS, UnreadableError, load_crops
from powerlab.validation.preprocessing import BY_NETWORK, Preprocessing, preprocessing_for
from powerlab.validation.score import Accuracy, ClassScore, Share, Unreadable
from powerlab.workload import Task

if TYPE_CHECKING:
    from powerlab.validation.network import Scorer

Scores = NDArray[np.float32] | NDArray[np.float64]

READERS: Final = min(8, os.cpu_count() or 1)  # threads: Pillow lets others run while it decodes
AHEAD: Final = 1  # batches that are read while the network works on one
TOP: Final = 5


class _Batch(NamedTuple):
    """Images one after the other; of those that could be read the crops, [images x crops, 3, side, side]."""

    readable: list[Labelled]
    crops: NDArray[np.float32]
    unreadable: list[Unreadable]


class _Ranked(NamedTuple):
    """A batch once it is scored: of each image its label, and how many outputs beat the right one."""

    labels: list[int]
    ranks: list[int]
    unreadable: list[Unreadable]


def accuracy(
    model: str,
    data: str | Path,
    *,
    weights: str | Path | None = None,
    classes: str | Path | None = None,
    truth: str | Path | None = None,
    crops: int = 1,
    preprocessing: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    resize: int | None = None,
    batch: int = 32,
    device: str = "auto",
    threads: int | None = None,
    dtype: str | None = None,
    limit: int | None = None,
    progress: Silence | None = None,
) -> Accuracy:
    """How often a model finds the class of an image; loads torch.

    `model`, `weights`, `device`, `threads`, `dtype` and `input_shape` are those of `powerlab.workload.Task`, `data` and
    `truth` of `powerlab.validation.dataset.find_dataset`, `classes` of `output_of_each`. `preprocessing` names one of
    `powerlab.validation.preprocessing.RECIPES`; None for the network's own. Of 10 `crops` the mean of the probabilities
    counts. With `limit`, a random sample of so many images is scored, the same one each time. Ctrl-C ends it, and what
    was counted so far is the answer, which says so.

    Among equal scores the first output wins. Files that are no images are in the answer, and in no share.

    Raises
    ------
    AccuracyError
        Something is missing, or does not fit together; no image can be read; a score is not a number.
    NetworkError, WorkloadError, OutOfMemoryError
        As `powerlab.workload.inference.Inference`.
    """
    if crops not in CROPS or batch < 1 or (limit is not None and limit < 1):
        raise AccuracyError(f"crops {crops}, batch {batch}, limit {limit}: give 1 or 10 crops, 1 or more of the others")
    say, began, network = progress or Silence(), time.monotonic(), find(model)
    say.step("looking for the images")
    dataset = find_dataset(Path(data), _path(truth))
    images = dataset.limited(limit)
    say.step("loading the network")
    if input_shape is None and network.name in BY_NETWORK:
        side = BY_NETWORK[network.name].crop
        input_shape = (3, side, side)
    from powerlab.validation.network import Scorer  # noqa: PLC0415 - torch takes long to load

    scorer = Scorer(
        network,
        Task(
            model=model,
            batch=batch * crops,
            weights=_path(weights),
            threads=threads,
            device=device,
            dtype=dtype,
            input_shape=input_shape,
        ),
    )
    recipe = preprocessing_for(network, scorer.shape, preprocessing, resize)
    judge = _Judge(scorer, dataset, _path(classes), crops)
    ranked: list[_Ranked] = []
    done = 0
    try:
        with closing(_batches(images, batch, recipe, crops)) as batches:
            for it in batches:
                ranked.append(judge.ranked(it))  # at once, so that Ctrl-C never leaves half a batch
                done += len(it.readable) + len(it.unreadable)
                say.step(f"{done} of {len(images)} images")
                say.done(done / len(images))
    except KeyboardInterrupt:
        if not any(it.labels for it in ranked):
            raise
    labels = np.array([label for it in ranked for label in it.labels], np.intp)
    ranks = np.array([rank for it in ranked for rank in it.ranks], np.intp)
    unreadable = tuple(file for it in ranked for file in it.unreadable)
    if not len(labels):
        raise AccuracyError(f"none of {len(images)} images can be read; {unreadable[0].path}: {unreadable[0].why}")
    return Accuracy(
        model=model,
        weights=_path(weights),
        data=Path(data),
        layout=dataset.layout,
        outputs=judge.outputs,
        listed=len(dataset.images),
        absent=dataset.absent,
        asked=len(images),
        top1=_share(ranks, 1),
        top5=_share(ranks, TOP) if judge.outputs > TOP else None,
        classes=_by_class(dataset, judge, labels, ranks),
        unreadable=unreadable,
        partial=len(labels) + len(unreadable) < len(images),
        crops=crops,
        preprocessing=recipe,
        batch=batch,
        device=scorer.device,
        threads=scorer.threads,
        dtype=scorer.dtype,
        framework=scorer.framework,
        seconds=time.monotonic() - began,
        published=published().get(network.name),
    )


def joined(scores: Scores, crops: int) -> Scores:
    """Of the scores of several crops of each image, [images x crops, outputs], one score of each image.

    It is the logarithm of the mean of the probabilities (softmax of a crop's scores) over the crops. In logarithms
    nothing is rounded to zero, which would make outputs equal that are not. Of one crop the scores stay as they are.
    """
    if crops == 1:
        return scores
    each = scores.reshape(-1, crops, scores.shape[1]).astype(np.float64)
    each -= each.max(axis=2, keepdims=True)
    each -= np.log(np.exp(each).sum(axis=2, keepdims=True))
    mean: Scores = np.logaddexp.reduce(each, axis=1) - np.log(crops)
    return mean


def rank(scores: Scores, right: NDArray[np.intp]) -> NDArray[np.intp]:
    """How many outputs beat the right one, which has the number `right`, of each row of [images, outputs].

    Of equal scores the first one wins.

    >>> rank(np.array([[1.0, 3.0, 3.0]] * 3), np.array([0, 1, 2])).tolist()
    [2, 0, 1]
    """
    own = scores[np.arange(len(right)), right][:, None]
    before = np.arange(scores.shape[1]) < right[:, None]
    ranks: NDArray[np.intp] = ((scores > own) | ((scores == own) & before)).sum(axis=1)
    return ranks


class _Judge:
    """Says how many outputs beat the right one. Which output is a class's shows with the first scores."""

    def __init__(self, scorer: "Scorer", dataset: Dataset, listed: Path | None, crops: int) -> None:
        self._scorer, self._dataset, self._listed, self._crops = scorer, dataset, listed, crops
        self.outputs = 0
        self.order: NDArray[np.intp] = np.empty(0, np.intp)  # the output of each class

    def ranked(self, batch: _Batch) -> _Ranked:
        if not batch.readable:
            return _Ranked([], [], batch.unreadable)
        scores = self._scorer.scores(batch.crops)
        if not self.outputs:
            self.outputs = scores.shape[1]
            self.order = output_of_each(
                self._dataset.classes, self.outputs, known=self._scorer.known, listed=self._listed
            )
        bad = ~np.isfinite(scores.max(axis=1))  # single ones may be minus infinity: logarithms of no probability
        if bad.any():
            path = batch.readable[int(bad.argmax()) // self._crops].path
            raise AccuracyError(
                f"the scores of {path} are no numbers; does the network fit --dtype {self._scorer.dtype}?"
            )
        labels = [it.label for it in batch.readable]
        return _Ranked(labels, rank(joined(scores, self._crops), self.order[labels]).tolist(), batch.unreadable)


def _batches(images: Sequence[Labelled], size: int, recipe: Preprocessing, crops: int) -> Generator[_Batch]:
    """All images, so many at a time and the rest; the next ones are read meanwhile."""

    def read(image: Labelled) -> NDArray[np.float32] | Unreadable:
        try:
            return load_crops(image.path, recipe, crops)
        except UnreadableError as error:
            return Unreadable(image.path, str(error))

    readers = ThreadPoolExecutor(READERS, "reader")
    ahead: deque[tuple[Sequence[Labelled], list[Future[NDArray[np.float32] | Unreadable]]]] = deque()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\b")  # of metadata, which are not used
            for start in range(0, len(images), size):
                chunk = images[start : start + size]
                ahead.append((chunk, [readers.submit(read, it) for it in chunk]))
                if len(ahead) > AHEAD:
                    yield _batch(*ahead.popleft())
            while ahead:
                yield _batch(*ahead.popleft())
    finally:
        readers.shutdown(cancel_futures=True)


def _batch(chunk: Sequence[Labelled], reading: Sequence["Future[NDArray[np.float32] | Unreadable]"]) -> _Batch:
    found = [it.result() for it in reading]
    unreadable = [it for it in found if isinstance(it, Unreadable)]
    crops = [it for it in found if not isinstance(it, Unreadable)]
    readable = [image for image, it in zip(chunk, found, strict=True) if not isinstance(it, Unreadable)]
    return _Batch(readable, np.concatenate(crops) if crops else np.empty(0, np.float32), unreadable)


def _share(ranks: NDArray[np.intp], top: int) -> Share:
    return Share(int((ranks < top).sum()), len(ranks))


def _by_class(
    dataset: Dataset, judge: _Judge, labels: NDArray[np.intp], ranks: NDArray[np.intp]
) -> tuple[ClassScore, ...]:
    scores = []
    for label, (name, output) in enumerate(zip(dataset.classes, judge.order.tolist(), strict=True)):
        own = ranks[labels == label]
        scores.append(ClassScore(name, output, _share(own, 1), _share(own, TOP) if judge.outputs > TOP else None))
    return tuple(scores)


def _path(it: str | Path | None) -> Path | None:
    return None if it is None else Path(it)
