"""The report: one page and one document that hold everything and load nothing."""

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from powerlab.study.claims import claims
from powerlab.study.points import Study
from powerlab.study.reporting import check_folder, study_object, write_report
from powerlab.study.sheets import Column, Origin, Sheet, csv_text
from powerlab_analysis.measured import Kind, Measured, Source
from powerlab_traces.errors import PowerlabError
from tests.powerlab.study.planted import points

EVIL = '<script>alert(1)</script><img src=x onerror="alert(2)">'


class Page(HTMLParser):
    """What a browser would see: tags with what they load, and the text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.loads, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [value for name, value in attrs if name in {"src", "href", "action", "data", "poster", "srcset"}]
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    board = points(models=["vgg16", "alexnet", "enet", "resnet18", "resnet50"], batches=(1, 2, 4))
    board = tuple(replace(it, label=EVIL) if it.model == "vgg16" else it for it in board)
    board = (*board[:-1], replace(board[-1], missing=EVIL, measured={}))
    study = Study(Path("study"), (), (), board)
    return study, write_report(study, claims(board), tmp_path_factory.mktemp("report"), "powerlab study 'a b'")


def test_the_page_holds_everything_and_loads_nothing(written):
    _, report = written
    page = Page((report.folder / "report.html").read_text())
    assert not {"script", "link", "iframe", "object", "embed"} & set(page.tags)
    assert all(it.startswith(("#", "data:image/svg+xml;base64,")) for it in page.loads)
    assert sum(it.startswith("data:") for it in page.loads) == 10
    words = " ".join(page.words)
    for said in ("SIMULATED", "Summary", "The paper", "Figure 10.", "Bench and board", "Verdicts", "How to reproduce",
                 "powerlab study 'a b'", "published", "computed", "cannot tell"):  # fmt: skip
        assert said in words
    assert "viewport" in (report.folder / "report.html").read_text()


def test_a_name_with_html_in_it_does_not_act(written):
    _, report = written
    text = (report.folder / "report.html").read_text()
    assert "<script" not in text
    assert "<img src=x" not in text
    assert EVIL in "".join(Page(text).words)


def test_the_document_is_a_pdf_with_pages(written):
    _, report = written
    content = (report.folder / "report.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type /Page\b", content)) >= 6


def test_every_figure_comes_in_three_formats_with_its_table(written):
    _, report = written
    names = sorted(it.name for it in (report.folder / "figures").iterdir())
    assert len(names) == 40
    assert {Path(it).suffix for it in names} == {".png", ".svg", ".pdf", ".csv"}
    with (report.folder / "tables" / "claims.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["claim"] for row in rows] == [it.name for it in report.content.claims]


def test_the_object_is_that_of_the_page(written):
    study, report = written
    found = json.loads((report.folder / "report.json").read_text())
    assert found == json.loads(json.dumps(study_object(study, report)))
    assert found["schema"] == "powerlab.study/1"
    assert found["simulated"] is True
    assert {it["answer"] for it in found["claims"]} <= {"agrees", "differs", "cannot tell"}
    assert len(found["points"]) == 15
    assert found["points"][-1]["missing"] == EVIL
    assert found["points"][1]["quantities"]["power_net"]["unit"] == "W"
    assert [it["number"] for it in found["figures"]] == list(range(1, 11))
    assert all((report.folder / path).is_file() for it in found["figures"] for path in it["files"].values())


def test_the_same_study_is_the_same_report(written, tmp_path):
    study, report = written
    again = write_report(study, report.content.claims, tmp_path / "again", "powerlab study 'a b'")
    for path in report.files:
        other = again.folder / path.relative_to(report.folder)
        assert path.read_bytes() == other.read_bytes(), path.name


def test_a_folder_with_something_else_in_it_is_not_touched(written, tmp_path):
    _, report = written
    check_folder(report.folder)
    check_folder(tmp_path / "new")
    (tmp_path / "thesis.tex").write_text("all of it")
    with pytest.raises(PowerlabError, match="holds no report"):
        check_folder(tmp_path)
    with pytest.raises(PowerlabError, match="is a file"):
        check_folder(tmp_path / "thesis.tex")


def test_what_writes_it_may_be_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "fpdf", None)
    with pytest.raises(PowerlabError, match=re.escape('pip install "powerlab[study]"')):
        check_folder(tmp_path / "new")


def test_a_sheet_as_csv_keeps_uncertainty_and_origin():
    noise = Source("noise", Kind.RANDOM)
    columns = (
        Column("network"),
        Column("net power", "W", Origin.MEASURED),
        Column("top-1", "percent", Origin.PUBLISHED),
    )
    sheet = Sheet("x", "X", columns, (("a, b", Measured(1.5, {noise: 0.5}), 70.0), ("c", None, None)))
    lines = csv_text(sheet).splitlines()
    assert lines[0] == "network,net_power_W,net_power_U95_W,top_1_published_percent,source"
    assert lines[1].startswith('"a, b",1.5,0.97')
    assert lines[2] == "c,,,,measured"
