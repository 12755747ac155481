"""Run files in other programs, and the page that says how: docs/file-format.md."""

import re
import shutil
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest

from powerlab_traces import schema
from powerlab_traces.store import RunWriter
from powerlab_traces.window import HostWindow

PAGE = Path(__file__).parents[3] / "docs" / "file-format.md"


@pytest.fixture
def path(planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    writer = RunWriter(Path("run.h5"))
    writer.describe(planted.provenance, planted.chain, planted.supply)
    for index in range(3):
        writer.append(
            planted.noisy(index, 5000), [HostWindow(index * 10**9 + 11, index * 10**9 + 15, index, index, 2, "a")]
        )
    return writer.finish()


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
def test_the_code_on_the_page_runs_and_gives_amperes(planted, path: Path, code: str, capsys) -> None:
    if "xarray" in code:
        pytest.importorskip("h5netcdf")
        pytest.importorskip("xarray")
    names: dict[str, object] = {}
    exec(code, names)
    true = planted.noisy(0, 5000).current
    if "amperes" in names:
        np.testing.assert_allclose(names["amperes"], true.values)
        np.testing.assert_allclose(names["seconds"], true.times)
    else:
        np.testing.assert_allclose(names["stack"].current[0], true.values)
        np.testing.assert_allclose(names["stack"].time, true.times)
        assert names["stack"].marker.dtype == np.uint8
        assert float(capsys.readouterr().out.split()[0]) == pytest.approx(true.values.mean())
        names["stack"].close()


def test_every_name_in_the_file_is_on_the_page(path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    with h5py.File(path) as file:
        names = set()
        file["entry"].visit(lambda name: names.update(name.split("/")))
        names -= set(file["entry/provenance/settings"])  # instruments' roles, as the bench has them
    for name in names:
        said = re.sub(r"_(before|after)$", "", name).replace("stack_0", "stack_K")
        assert f"`{said}`" in page or f"/{said}`" in page, name
    assert f"format version {schema.VERSION}" in page


def test_the_default_of_each_group_leads_viewers_to_a_plot_in_amperes(path: Path) -> None:
    with h5py.File(path) as file:
        entry = file[file.attrs["default"]]
        data = entry[entry.attrs["default"]]
        signal, axis = data[data.attrs["signal"]], data[data.attrs["axes"][0]]
        assert signal.shape == axis.shape
        assert (signal.attrs["units"], axis.attrs["units"]) == ("A", "s")
        assert (np.diff(axis[:]) >= 0).all()
        assert 0 < np.nanmean(signal[:]) < 1


def test_h5dump_reads_it(path: Path) -> None:
    if shutil.which("h5dump") is None:
        pytest.skip("h5dump is not installed (Debian: hdf5-tools)")
    done = subprocess.run(
        ["h5dump", "-d", "/entry/stack_0/current[0,0;1,3;;]", str(path)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "H5T_STD_U16LE" in done.stdout
