"""Which points of a study a figure or a claim is about."""

from collections.abc import Iterable, Sequence

from powerlab.study.points import Point, in_order


def models_of(points: Iterable[Point]) -> tuple[str, ...]:
    """The networks, in the order of the paper."""
    return in_order(point.model for point in points)


def networks_of(points: Sequence[Point]) -> tuple[Point, ...]:
    """One point of each network, for what does not depend on the batch."""
    first: dict[str, Point] = {}
    for point in points:
        first.setdefault(point.model, point)
    return tuple(first[model] for model in models_of(points))


def measured_points(points: Iterable[Point], quantity: str) -> tuple[Point, ...]:
    """Those at which the quantity is known."""
    return tuple(point for point in points if point.of(quantity) is not None)


def at_batch(points: Iterable[Point], batch: int, quantity: str) -> tuple[Point, ...]:
    """Those with this batch at which the quantity is known."""
    return tuple(point for point in measured_points(points, quantity) if point.batch == batch)


def by_batch(points: Iterable[Point], model: str, quantity: str) -> dict[int, Point]:
    """A network's points at which the quantity is known, by batch, smallest first."""
    found = {point.batch: point for point in measured_points(points, quantity) if point.model == model}
    return dict(sorted(found.items()))


def panel_batches(points: Sequence[Point], quantity: str = "time_per_image") -> tuple[int, ...]:
    """The batches of a figure's panels: the smallest and the largest at which every network was measured.

    A network without any measurement does not count. Where no batch is common to all, the two at which most
    networks were measured serve; none without any measurement.
    """
    known = measured_points(points, quantity)
    models = {point.model for point in known}
    having = {
        batch: len({point.model for point in known if point.batch == batch}) for batch in {it.batch for it in known}
    }
    if not having:
        return ()
    common = [batch for batch, count in having.items() if count == len(models)]
    if common:
        return tuple(sorted({min(common), max(common)}))
    return tuple(sorted(sorted(having, key=lambda it: (-having[it], it))[:2]))
