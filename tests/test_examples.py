"""Every example runs as it is, and the README's script is the example's."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
SAYS = {
    "own_instrument.py": r"the multimeter 1[89]\.\d\d V\n",
    "own_importer.py": r"energy per image 18\.75 mJ, .*\ncut\.lbx: cut short",
}
ENERGY = r"energy per image \S+ \S*J \+- \S+ \S*J"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_example_runs(example: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(example)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "SIMULATED" in done.stdout
    assert re.search(SAYS.get(example.name, ENERGY), done.stdout), done.stdout


def test_the_readme_script_uses_names_that_exist() -> None:
    import powerlab as pl

    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "pl":
                assert hasattr(pl, node.attr), node.attr
