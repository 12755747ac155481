"""Numbers of records as people type them."""

import re

import click


class Numbers(click.ParamType[range]):
    """Numbers of records: one, or a first and a last."""

    name = "FIRST..LAST"

    def convert(self, value: str | range, param: click.Parameter | None, ctx: click.Context | None) -> range:
        """The numbers."""
        if isinstance(value, range):
            return value
        match = re.fullmatch(r"(\d+)(?:\.\.(\d+))?", value.strip())
        if match is None:
            self.fail(f"{value!r} is no number of a record; write it like 3 or 3..8", param, ctx)
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            self.fail(f"{value!r} ends before it begins; write it like 3..8", param, ctx)
        return range(first, last + 1)
