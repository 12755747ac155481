"""The pages of README and docs: their commands can be given, their links lead somewhere."""

import re
import shlex
from pathlib import Path

import click
import pytest

from powerlab.cli import VERBS, powerlab

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def commands(page: Path) -> list[str]:
    """The lines that begin with `$ powerlab`, without the comment behind them."""
    blocks = re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ powerlab ")]


def anchor(heading: str) -> str:
    """What a link to this heading says behind its `#`."""
    plain = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return plain.replace(" ", "-")


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=name)
def test_every_command_can_be_given(page: Path) -> None:
    for line in commands(page):
        words, verb = shlex.split(line, comments=True)[1:], powerlab
        try:
            with click.Context(powerlab) as context:
                while isinstance(verb, click.Group):
                    _, verb, words = verb.resolve_command(context, words)
                verb.make_context(line, words, parent=context).close()
        except click.ClickException as error:
            raise AssertionError(f"{line}: {error.format_message()}") from error


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, part = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        if part:
            headings = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert part in map(anchor, headings), target


def test_every_verb_is_on_some_page() -> None:
    said = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [verb for verb in VERBS if f"powerlab {verb}" not in said] == []
