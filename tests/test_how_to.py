"""What the how-to pages show is what the examples run."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = {"add-an-instrument.md": "own_instrument.py", "add-an-importer.md": "own_importer.py"}


@pytest.mark.parametrize(("page", "example"), PAGES.items())
def test_every_block_of_code_stands_in_the_example(page: str, example: str) -> None:
    text = (ROOT / "docs/how-to" / page).read_text(encoding="utf-8")
    code = (ROOT / "examples" / example).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        assert block in code, block
    assert f"examples/{example}" in text


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_exists(page: str) -> None:
    text = (ROOT / "docs/how-to" / page).read_text(encoding="utf-8")
    for name in re.findall(r"`((?:tests|examples)/[\w/]+\.py)`", text):
        assert (ROOT / name).is_file(), name
    for name in re.findall(r"`(powerlab_instruments/[\w/]+\.py)`", text):
        assert (ROOT / "instruments" / name).is_file(), name
