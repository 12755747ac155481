"""The report as a PDF on A4."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from powerlab.origin import MEASURED, SIMULATED
from powerlab.study.claims import Answer, Claim
from powerlab.study.figures.frame import FONTS
from powerlab.study.report.content import MARKS, Content, cell_text
from powerlab.study.report.webpage import EXTRA
from powerlab.study.sheets import Sheet
from powerlab_traces.errors import PowerlabError
from powerlab_traces.extras import library

MARGIN: Final = 16.0  # mm
FACE: Final = "DejaVu"  # that of the figures: it has the letters of most names
COLOURS: Final = {Answer.AGREES: (26, 107, 60), Answer.DIFFERS: (160, 48, 0), Answer.UNTOLD: (106, 90, 0)}
WIDEST: Final = 12  # columns that fit a page
BROAD: Final = 8  # columns, above which a page is turned
LONGEST: Final = 150  # rows of a table that are printed; CSV has all


def write_document(content: Content, path: Path) -> None:
    """Write the report as a PDF.

    Raises
    ------
    Missing
        fpdf2 is not installed.
    PowerlabError
        The file cannot be written.
    """
    pdf = _Document(content, library("fpdf", EXTRA)).pdf
    try:
        path.write_bytes(pdf.output())
    except OSError as error:
        raise PowerlabError(f"{path} cannot be written ({error.strerror}); give another folder with -o") from error


class _Document:
    """A document under way."""

    def __init__(self, content: Content, fpdf: Any) -> None:
        class Pages(fpdf.FPDF):  # type: ignore[misc]
            def footer(self) -> None:
                self.set_y(-12)
                self.set_font(FACE, size=7)
                said = "SIMULATED, " if content.simulated else ""
                self.cell(0, 5, f"{said}page {self.page_no()} of {{nb}}", align="C")

        self.fpdf = fpdf
        self.pdf = pdf = Pages(format="A4")
        pdf.set_margin(MARGIN)
        pdf.set_auto_page_break(auto=True, margin=MARGIN)
        pdf.add_font(FACE, "", FONTS / "DejaVuSans.ttf")
        pdf.add_font(FACE, "B", FONTS / "DejaVuSans-Bold.ttf")
        pdf.set_title(content.title)
        pdf.set_creation_date(dt.datetime(1980, 1, 1, tzinfo=dt.UTC))  # the same study is the same file
        pdf.add_page()
        self._front(content)
        self._claims(content.claims, SIMULATED if content.simulated else MEASURED)
        for it in content.pictures:
            self._picture(it.files["png"], f"Figure {it.number}. {it.caption}")
        for broad in (True, False):
            sheets = [it for it in content.sheets if (len(it.columns) > BROAD) is broad]
            if sheets:
                pdf.add_page(orientation="landscape" if broad else "portrait")
                for sheet in sheets:
                    self._sheet(sheet)
        self._list("Points without a measurement", [f"{point}: {why}" for point, why in content.missing])
        self._heading("Bench and board")
        self._rows((("what", "which"), *content.bench), (1, 3))
        self._heading("Verdicts on the data")
        heads = ("verdict", "effect", "runs", "for instance")
        said = tuple((it.name, it.effect, str(it.runs), it.text) for it in content.verdicts)
        self._rows((heads, *(said or (("none", "", "", ""),))), (2, 1, 1, 6))
        self._list("How to reproduce", content.commands)
        digest = content.digests.get("results.csv", "")
        self._text(f"SHA-256 of results.csv: {digest}; those of the run files are in the report's HTML and JSON.", 7)

    def _front(self, content: Content) -> None:
        self.pdf.set_font(FACE, "B", 16)
        self.pdf.multi_cell(0, 8, content.title, new_x="LMARGIN", new_y="NEXT")
        if content.simulated:
            self.pdf.set_text_color(160, 0, 0)
            self.pdf.set_font(FACE, "B", 9)
            text = "SIMULATED: all that is called measured was computed by a simulated bench, and is of no real board."
            self.pdf.multi_cell(0, 6, text, border=1, new_x="LMARGIN", new_y="NEXT")
            self.pdf.set_text_color(0, 0, 0)
        self.pdf.ln(2)
        for line in content.summary:
            self._text(line)
        self._text("Every +- is U95: the half-width of the interval that holds 95 %.", 7)

    def _claims(self, claims: Sequence[Claim], origin: str) -> None:
        self._heading("The paper's claims")
        self.pdf.set_font(FACE, size=6.5)
        widths = (5, 5, 4, 2.2, 5)
        with self.pdf.table(
            col_widths=widths, line_height=3.2, padding=0.5, headings_style=self._head_style(), text_align="LEFT"
        ) as table:
            table.row(("claim", f"this study ({origin})", "the paper (published)", "answer", "why"))
            for it in claims:
                row = table.row()
                row.cell(f"{it.name}: {it.statement}")
                row.cell(it.ours)
                row.cell(f"{it.paper} ({'; '.join(evidence.value for evidence in it.evidence)})")
                style = self.fpdf.FontFace(emphasis="BOLD", color=COLOURS[it.answer])
                row.cell(f"{MARKS[it.answer]} {it.answer.value}", style=style)
                row.cell(it.why)

    def _picture(self, path: Path, caption: str) -> None:
        self.pdf.set_font(FACE, size=8)
        width = self.pdf.epw
        image = self.fpdf.image_parsing.get_img_info(path)
        height = width * image["h"] / image["w"]
        lines = self.pdf.multi_cell(0, 4, caption, align="L", dry_run=True, output="LINES")
        if self.pdf.will_page_break(height + 4 * len(lines) + 6):
            self.pdf.add_page()
        self.pdf.ln(3)
        self.pdf.image(path, w=width)
        self.pdf.ln(1)
        self.pdf.multi_cell(0, 4, caption, align="L", new_x="LMARGIN", new_y="NEXT")

    def _sheet(self, sheet: Sheet) -> None:
        """A table, without what does not fit the page."""
        self._heading(sheet.title, 10)
        columns = sheet.columns[:WIDEST]
        heads = tuple(f"{it.name} ({it.origin.value})" if it.origin.value else it.name for it in columns)
        rows = [
            tuple(cell_text(column, cell) for column, cell in zip(columns, row, strict=False)) for row in sheet.rows
        ]
        words = [max(len(word) + 2 for word in head.split()) for head in heads]
        longest = [min(max([len(row[k]) for row in rows], default=0), 30) for k in range(len(heads))]
        self._rows((heads, *rows[:LONGEST]), [max(pair) for pair in zip(words, longest, strict=True)])
        left_out = [f"{len(rows) - LONGEST} rows"] if len(rows) > LONGEST else []
        left_out += [it.name for it in sheet.columns[WIDEST:]]
        if left_out:
            self._text(f"Not printed, but in {sheet.name}.csv: {', '.join(left_out)}.", 7)

    def _rows(self, rows: Sequence[Sequence[str]], widths: Sequence[float]) -> None:
        self.pdf.set_font(FACE, size=6)
        style = self._head_style()
        with self.pdf.table(
            col_widths=tuple(widths), line_height=2.9, padding=0.4, headings_style=style, text_align="LEFT"
        ) as table:
            for row in rows:
                table.row(row)

    def _head_style(self) -> Any:
        return self.fpdf.FontFace(emphasis="BOLD", fill_color=(235, 235, 235))

    def _heading(self, text: str, size: float = 12) -> None:
        if self.pdf.will_page_break(30):
            self.pdf.add_page()
        self.pdf.ln(3)
        self.pdf.set_font(FACE, "B", size)
        self.pdf.multi_cell(0, 6, text, new_x="LMARGIN", new_y="NEXT")

    def _list(self, heading: str, lines: Sequence[str]) -> None:
        if lines:
            self._heading(heading)
            for line in lines:
                self._text(line, 7.5)

    def _text(self, text: str, size: float = 9) -> None:
        self.pdf.set_font(FACE, size=size)
        self.pdf.multi_cell(0, size * 0.5, text, align="L", new_x="LMARGIN", new_y="NEXT")
