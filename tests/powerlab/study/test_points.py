"""The points of a study: means over repeats, errors in common, and why there is none."""

import pytest

from powerlab.analysing import analyse
from powerlab.study.points import in_order, label_of, points_of, read_accuracies, read_study
from powerlab.study.reanalysis import reanalyse
from powerlab.study.selection import panel_batches
from powerlab.study.table import StudyError
from powerlab_analysis.measured import Kind
from powerlab_analysis.repeats import together


def test_points_are_what_their_runs_say(small_study):
    folder = small_study()
    study = read_study(folder)
    enet, vgg, missing = study.points
    assert [(it.model, it.label, it.batch, it.repeats) for it in study.points] == [
        ("enet", "ENet", 2, 2),
        ("vgg16", "VGG-16", 2, 1),
        ("vgg16", "VGG-16", 64, 0),
    ]
    results = [analyse(folder / f"runs/{run}.h5") for run in ("enet-b2-r1", "enet-b2-r2", "vgg16-b2-r1")]
    repeats = together(results[:2])
    for name, value in enet.measured.items():
        assert value.value == pytest.approx(repeats.quantities[name].value)
        assert pytest.approx(repeats.quantities[name].U95, rel=0.05) == value.U95
    for name, value in vgg.measured.items():
        assert pytest.approx(results[2].quantity(name).U95, rel=0.01) == value.U95
    assert enet.memory_peak.value == pytest.approx(2.015e8)
    assert enet.memory_peak.U95 > 0
    assert (enet.top1, enet.top1_source, enet.simulated) == (68.40, "published", True)
    assert missing.missing == "out of memory: it needs 5 GB"
    assert panel_batches(study.points) == (2,)
    assert points_of(folder) == study.points

    # The probe is one and the same; what scatters is not, not even by name.
    common = set(enet.measured["power_total"].parts) & set(vgg.measured["power_total"].parts)
    assert any("gain" in it.name for it in common)
    assert all(it.kind is Kind.SYSTEMATIC for it in common)
    ratio = vgg.measured["power_total"] / enet.measured["power_total"]
    assert ratio.U95 / ratio.value < 0.7 * vgg.measured["power_total"].U95 / vgg.measured["power_total"].value


def test_many_runs_are_shared_among_processes_and_keep_their_order(small_study):
    folder = small_study()
    runs = [f"runs/{it}.h5" for it in ("vgg16-b2-r1", "enet-b2-r1", "enet-b2-r2", "nothing")]
    shares = []
    found = reanalyse(folder, runs, shares.append)
    assert [it.run for it in found] == runs
    assert shares[-1] == 1.0
    alone = reanalyse(folder, runs[:1], shares.append)[0]
    assert found[0].result.measured == alone.result.measured
    assert found[0].digest == alone.digest
    assert found[3].result is None
    assert "nothing" in found[3].why


def test_a_run_that_cannot_be_read_is_a_missing_point(small_study):
    folder = small_study()
    (folder / "runs" / "vgg16-b2-r1.h5").write_bytes(b"no run")
    point = next(it for it in points_of(folder) if (it.model, it.batch) == ("vgg16", 2))
    assert "vgg16-b2-r1.h5" in point.missing
    assert not point.measured


def test_accuracies_that_are_given_take_the_place_of_published_ones(small_study, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("model,top1_percent\nenet,66.5\n")
    enet, vgg, _ = read_study(small_study(), path).points
    assert (enet.top1, enet.top1_source) == (66.5, "mine.csv")
    assert (vgg.top1, vgg.top1_source) == (70.62, "published")


@pytest.mark.parametrize(
    ("text", "message"),
    [("model\nenet\n", "no column top1_percent"), ("model,top1_percent\nenet,no\n", "cannot be read"),
     ("model,top1_percent\nenet,166\n", "from 0 to 100")],
)  # fmt: skip
def test_accuracies_that_are_none(tmp_path, text, message):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(StudyError, match=message):
        read_accuracies(path)
    with pytest.raises(StudyError, match="cannot be read"):
        read_accuracies(tmp_path / "none.csv")


def test_order_and_labels():
    assert in_order(["mine", "vgg16", "alexnet", "mine"]) == ("alexnet", "vgg16", "mine")
    assert label_of("nets/mine.onnx") == "mine.onnx"
    assert label_of("timm:resnet10t") == "resnet10t"
