"""The ten figures: what is on their axes, what is left out, and the tables behind them."""

import ast
import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.colors import to_hex

import powerlab
from powerlab.study.figures import figures, save
from powerlab.study.looks import PAPER, looks_of
from powerlab.study.selection import panel_batches
from powerlab.study.sheets import csv_text
from tests.powerlab.study.planted import points

POINTS = points()


@pytest.fixture(scope="module")
def pictures():
    return {it.number: it for it in figures(POINTS)}


def table(picture):
    return list(csv.DictReader(io.StringIO(csv_text(picture.sheet))))


def words(picture):
    """All text in a picture."""
    return [it.get_text() for it in picture.figure.findobj(lambda it: hasattr(it, "get_text")) if it.get_text()]


def test_there_are_ten_in_order(pictures):
    assert list(pictures) == list(range(1, 11))


@pytest.mark.parametrize(
    ("number", "x", "y", "scales"),
    [
        (1, "", "top-1 accuracy, %", ("linear", "linear")),
        (2, "operations of one image", "top-1 accuracy, %", ("linear", "linear")),
        (3, "batch size, images", "time per image, ms", ("log", "log")),
        (4, "batch size, images", "net power, W", ("log", "linear")),
        (5, "batch size, images", "maximum net memory utilisation, MB", ("log", "log")),
        (6, "parameters as FP32, MB", "maximum net memory utilisation, MB", ("linear", "linear")),
        (7, "operations of one image", "time per image, ms", ("linear", "linear")),
        (8, "operations of one image", "net power, W", ("linear", "linear")),
        (9, "images per second", "top-1 accuracy, %", ("linear", "linear")),
        (10, "", "top-1 density, % per million parameters", ("linear", "linear")),
    ],
)
def test_axes(pictures, number, x, y, scales):
    first = pictures[number].figure.axes[0]
    assert first.get_xlabel().startswith(x)
    assert first.get_ylabel() == y
    assert (first.get_xscale(), first.get_yscale()) == scales


def test_only_what_was_simulated_says_so(pictures):
    assert {number for number, it in pictures.items() if "SIMULATED" in words(it)} == {3, 4, 5, 6, 7, 8, 9}


def test_only_three_show_published_values_and_say_so(pictures):
    assert {number for number, it in pictures.items() if any("published" in word for word in words(it))} == {
        1,
        2,
        6,
        10,
    }
    assert any("published: max(200 MB, 1.30 x)" in word for word in words(pictures[6]))


def test_panels_are_batch_1_and_the_largest_common(pictures):
    assert panel_batches(POINTS) == (1, 32)
    for number in (7, 8, 9):
        assert [it.get_title(loc="left") for it in pictures[number].figure.axes] == ["(a) batch 1", "(b) batch 32"]


def test_a_missing_point_is_a_gap(pictures):
    lines = {len(it.get_xdata()): it for it in pictures[3].figure.axes[0].lines if to_hex(it.get_color()) == "#74c476"}
    vgg19 = lines[7].get_ydata()
    assert (vgg19[:6] > 0).all()
    assert vgg19[6] != vgg19[6]  # nothing at 64
    row = next(row for row in table(pictures[3]) if (row["network"], row["batch"]) == ("VGG-19", "64"))
    assert row["time_per_image_s"] == row["time_per_image_U95_s"] == ""
    assert row["missing"] == "out of memory: 4 GB"
    assert "VGG-19 at 64" in pictures[3].caption


def test_tables_hold_what_is_drawn(pictures):
    for number, header in ((3, "time_per_image"), (4, "net_power")):
        row = next(row for row in table(pictures[number]) if (row["network"], row["batch"]) == ("ENet", "4"))
        unit = {3: "s", 4: "W"}[number]
        name = {3: "time_per_image", 4: "power_net"}[number]
        point = next(it for it in POINTS if (it.label, it.batch) == ("ENet", 4))
        assert float(row[f"{header}_{unit}"]) == point.measured[name].value
        assert float(row[f"{header}_U95_{unit}"]) == point.measured[name].U95
        assert row["source"] == "SIMULATED"


def test_published_and_computed_stand_apart(pictures):
    rows = {row["network"]: row for row in table(pictures[2])}
    assert rows["AlexNet"]["operations_published_giga"] == "2.26"
    assert float(rows["AlexNet"]["operations_computed_giga"]) == pytest.approx(1.4436, abs=1e-4)
    assert float(rows["AlexNet"]["operations_by_the_paper's_rules_computed_giga"]) == pytest.approx(2.2642, abs=1e-4)
    assert "groups" in rows["AlexNet"]["flag"]
    assert "unexplained" in rows["Inception-v4"]["flag"]
    assert not rows["VGG-16"]["flag"]
    assert rows["VGG-16"]["top_1_given_percent"] == ""


def test_areas_are_proportional_to_parameters(pictures):
    """Each blob of figure 2 has its own collection; those of the legend are grey."""
    sizes = {}
    for blob in pictures[2].figure.axes[0].collections:
        if blob.get_sizes().size == 1 and len(blob.get_facecolors()):
            sizes.setdefault(to_hex(blob.get_facecolors()[0]), blob.get_sizes()[0])
    assert sizes["#006d2c"] / sizes["#7a0177"] == pytest.approx(138357544 / 11689512)


def test_density_ascends_and_arrows_point_at_four(pictures):
    heights = [bar.get_height() for bar in pictures[10].figure.axes[0].patches if hasattr(bar, "get_height")]
    assert heights == sorted(heights)
    assert [row["network"] for row in table(pictures[10])][-1] == "ENet"


def test_colours_are_the_papers():
    assert looks_of(["VGG-16"])["VGG-16"].colour == "#006d2c"
    assert len({it[0] for it in PAPER.values()}) == len({it[1] for it in PAPER.values()}) == 14
    others = looks_of([f"net {k}" for k in range(20)])
    assert len({(it.colour, it.marker) for it in others.values()}) == 20


def test_files(pictures, tmp_path):
    written = save(pictures[6], tmp_path)
    assert [it.name for it in written] == [f"figure-06-memory-parameters.{kind}" for kind in ("png", "svg", "pdf")]
    assert written[0].read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in written[1].read_bytes()
    assert written[2].read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("few", [(), points(models=["vgg16"], batches=(4,)), points(models=["vgg16", "enet"])])
def test_few_points_are_drawn_all_the_same(few):
    for it in figures(few):
        it.figure.draw_without_rendering()


def test_a_name_with_a_formula_in_it_is_no_formula():
    strange = points(models=["vgg16"], batches=(1,))
    for it in figures([replace(it, label="a$b^{$") for it in strange]):
        it.figure.draw_without_rendering()


def test_matplotlib_has_few_doors():
    root = Path(powerlab.__file__).parent
    doors = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [it.name for it in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == "matplotlib" for name in names):
                doors.add(path.relative_to(root).as_posix())
    study = {it for it in doors if it.startswith("study/")}
    assert study
    assert all(it.startswith("study/figures/") for it in study)
    assert doors - study == {"figure.py", "importfigure.py", "spectrumfigure.py"}


def test_networks_whose_operations_are_not_known_are_drawn_where_they_can_be():
    unknown = [replace(it, flops=None, flops_legacy=None, top1=None) if it.model == "enet" else it for it in POINTS]
    found = {it.number: it for it in figures(unknown)}
    names = {number: {row["network"] for row in table(it)} for number, it in found.items()}
    assert all("ENet" in names[number] for number in (3, 4, 5, 6))
    assert all("ENet" not in names[number] for number in (1, 2, 7, 8, 9, 10))
