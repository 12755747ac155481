"""Captures of other programs through the command line and the API."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import powerlab as pl
from powerlab import importing
from powerlab.cli import run
from powerlab_traces.errors import PowerlabError
from powerlab_traces.importers import Lacking
from tests.traces.importers.conftest import FORMATS, TABLE_CSV, Foreign
from tests.traces.importers.test_tables import jls

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "import.md"
SAMPLES = Path(os.environ.get("POWERLAB_SAMPLES", ""))
needs_samples = pytest.mark.skipif(
    not os.environ.get("POWERLAB_SAMPLES"), reason="POWERLAB_SAMPLES does not name the folder of real captures"
)
WINDOWS_CSV = "start_s,stop_s,label\n0.0,0.002,a\n0.001,0.003,b\n"
FOREIGN = Foreign()


class Answer:
    """What a verb said, and its exit status."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: object) -> None:
        capsys.readouterr()
        self.status = run([str(each) for each in arguments])
        self.out, self.err = capsys.readouterr()
        assert "Traceback" not in self.err

    @property
    def json(self) -> dict:
        return json.loads(self.out)

    @property
    def refusal(self) -> str:
        """The one line of a verb that ends with 2."""
        assert self.status == 2, self.err
        assert self.out == ""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("powerlab: ")
        return lines[0]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    return lambda *arguments: Answer(capsys, *arguments)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def without_file(found: dict) -> dict:
    return {name: value for name, value in found.items() if name != "file"}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_analysed_alike_before_and_after_the_import(ask, here, name):
    (here / "in").mkdir()
    main = FOREIGN.small(name, here / "in")
    (here / "in" / f"{main.stem}-windows.csv").write_text(WINDOWS_CSV)
    options = ("--images", "2", "--supply-voltage", "5")
    before = ask("analyse", main, "--json", *options)
    assert before.status == 0, before.err
    for source in (main, "in"):
        made = ask("import", source, "-o", "i.h5", *options)
        assert (made.status, made.err) == (0, "")
        assert made.out.startswith("wrote i.h5: ")
        after = ask("analyse", "i.h5", "--json")
        assert without_file(after.json) == without_file(before.json)
        assert ask("check", "i.h5").out == "i.h5: sound\n"
        assert "IMPORTED" in ask("show", "i.h5").out
        assert ask("plot", "i.h5", "-o", "i.png").status == 0
        Path("i.h5").unlink()
    assert sorted(it.name for it in here.iterdir()) == ["i.png", "in"]


def test_a_joulescope_file_is_analysed_alike_before_and_after_the_import(ask, here):
    jls(here / "a.jls", {"current": ("A", [0.1] * 5000), "voltage": ("V", [5.0] * 5000)})
    Path("windows.csv").write_text("start_s,stop_s,images\n0.5,1.5,2\n")
    before = ask("analyse", "a.jls", "--json")
    assert before.json["energy_per_image"]["value"] == pytest.approx(0.25)
    assert ask("import", "a.jls", "-o", "i.h5").status == 0
    assert without_file(ask("analyse", "i.h5", "--json").json) == without_file(before.json)
    assert ask("check", "i.h5").out == "i.h5: sound\n"


def test_the_json_of_an_import(ask, here):
    FOREIGN.energyrunner(here, [1.0] * 40, [0.0005, 0.0105, 0.0205, 0.0255, 9.0])
    Path("log.txt").write_text("m-bm-cfg-name[x]-key[iterInfer]-val[5]\nm-bm-cfg-name[x]-key[model]-val[kws]\n")
    found = ask("analyse", here, "--json")
    assert found.status == 0
    made = found.json
    assert (made["schema"], made["imported"], made["simulated"]) == ("powerlab.result/1", True, False)
    assert (made["format"], made["rule"], made["statistic"]) == ("EnergyRunner", "samples on added-up times", "median")
    assert (made["model"], made["batch"], made["sample_rate"]) == ("kws", 5, 1000.0)
    assert (made["published"], made["scenario"], made["origin"]) == ("energy_per_image", None, None)
    assert made["energy_per_image"] == {"value": pytest.approx(2e-6), "U95": None, "unit": "J"}
    assert made["energy_per_batch"]["value"] == pytest.approx(10e-6)
    assert made["power_total"] == {"value": pytest.approx(1e-3), "U95": None, "unit": "W"}
    assert made["time_per_image"] == {"value": pytest.approx(2e-3), "U95": None, "unit": "s"}
    assert made["power_idle"] is made["energy_per_image_net"] is None
    assert made["budget"] == []
    assert made["windows"]["kept"] == 1
    (window,) = made["windows"]["each"]
    assert window["energy"] == pytest.approx(10e-6)
    assert (window["images"], window["samples"], window["label"]) == (5, 10, "window 2")
    (dropped,) = made["windows"]["dropped"]
    assert dropped["index"] == 1
    assert "reaches beyond the samples" in dropped["reason"]
    assert [it["name"] for it in made["sources"]] == ["trace1-energy.bin", "trace1-timestamps.json", "log.txt"]
    assert all(len(it["sha256"]) == 64 for it in made["sources"])
    assert made["unknown"] == []


def test_the_table_says_the_rule_and_that_there_is_no_uncertainty(ask, here):
    FOREIGN.energyrunner(here, [float(k) for k in range(40)], [0.001, 0.01, 0.02, 0.025, 0.035])
    out = ask("analyse", here, "--images", "10").out
    for words in (
        r"IMPORTED +EnergyRunner",
        r"U95 +not known: the files do not say",
        r"rule +samples with start <= t < stop, on times that are added up",
        r"over windows +median over the windows",
        r"range over windows +\S+ uJ to \S+ uJ per image",
        r"energy per image +\S+ uJ, the published value",
        r"sources +trace1-energy\.bin, trace1-timestamps\.json",
    ):
        assert re.search(words, out), words
    assert "+-" not in out


@pytest.mark.parametrize(("scenario", "published"), [("Offline", "power_total"), ("SingleStream", "energy_per_image")])
def test_the_scenario_says_what_is_published(ask, here, scenario, published):
    FOREIGN.small("ptdaemon", here)
    FOREIGN.loadgen(
        here / "mlperf_log_detail.txt",
        "08-03-2022 10:57:05.5",
        "08-03-2022 10:57:30.5",
        result_query_count=5,
        effective_scenario=scenario,
    )
    found = ask("analyse", "spl.txt", "--json").json
    assert (found["published"], found["scenario"], found["rule"]) == (published, scenario, "mean of positive")
    heading = {"power_total": "total power", "energy_per_image": "energy per image"}[published]
    assert re.search(rf"{heading} +\S+ \S+, the published value", ask("analyse", "spl.txt").out)


def test_what_is_unknown_is_said_and_does_not_stop_an_import(ask, here):
    Path("table.csv").write_text(TABLE_CSV.replace(",Voltage (V)", "").replace(",5.0", ""))
    made = ask("import", "table.csv", "-o", "i.h5")
    assert made.status == 0
    lines = made.err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("not known: table.csv: ") for line in lines)
    assert "--supply-voltage V" in lines[0]
    assert "--windows FILE" in lines[1]
    assert lines == [line for line in ask("show", "i.h5").out.splitlines() if line.startswith("not known")]
    assert "--supply-voltage V" in ask("analyse", "i.h5").refusal
    assert "--supply-voltage V" in ask("analyse", "table.csv").refusal
    assert "--windows FILE" in ask("analyse", "i.h5", "--supply-voltage", "5").refusal


def test_what_was_left_open_may_be_said_of_the_imported_file(ask, here):
    Path("table.csv").write_text(TABLE_CSV.replace(",Voltage (V)", "").replace(",5.0", ""))
    assert ask("import", "table.csv", "-o", "i.h5").status == 0
    Path("w.csv").write_text(WINDOWS_CSV)
    answers = ("--supply-voltage", "5", "--windows", "w.csv", "--images", "2", "--clock-offset", "0.001")
    later = ask("analyse", "i.h5", "--json", *answers)
    at_once = ask("analyse", "table.csv", "--json", *answers)
    assert later.status == 0
    assert without_file(later.json) == without_file(at_once.json)
    assert later.json["windows"]["each"][0]["energy"] == pytest.approx((0.2 + 0.3) * 5 * 1e-3)
    assert "import its source again" in ask("analyse", "i.h5", "--current", "1").refusal


def test_images_that_nobody_said_leave_the_energies_of_windows(ask, here):
    FOREIGN.energyrunner(here, [1.0] * 40, [0.001, 0.01, 0.02])
    found = ask("analyse", here, "--json")
    assert found.status == 0
    assert found.json["energy_per_image"] is found.json["time_per_image"] is None
    assert found.json["windows"]["each"][0]["images"] is None
    assert found.json["unknown"][0]["lacking"] == Lacking.IMAGES
    assert "give --images N" in found.err
    assert re.search(r"energy per image +not known", ask("analyse", here).out)
    assert ask("analyse", here, "--images", "4", "--json").json["energy_per_image"]["value"] == pytest.approx(2.5e-6)
    assert ask("import", here, "-o", "i.h5").err.count("--images N") == 1
    again = ask("analyse", "i.h5", "--images", "4", "--json")
    assert again.json["energy_per_image"]["value"] == pytest.approx(2.5e-6)
    assert again.err == ""


def test_formats_without_a_published_value_have_none(ask, here):
    Path("table.csv").write_text(TABLE_CSV)
    Path("windows.csv").write_text(WINDOWS_CSV)
    assert ask("analyse", "table.csv", "--images", "1", "--json").json["published"] is None
    assert "published" not in ask("analyse", "table.csv", "--images", "1").out


def test_no_window_that_could_be_kept_ends_with_1(ask, here):
    Path("table.csv").write_text(TABLE_CSV)
    Path("windows.csv").write_text("start_s,stop_s\n5,6\n")
    found = ask("analyse", "table.csv", "--json")
    assert (found.status, found.json["windows"]["kept"], found.json["energy_per_batch"]) == (1, 0, None)
    assert re.search(r"^dropped 0: .*reaches beyond", ask("analyse", "table.csv").out, re.MULTILINE)


def test_show_prints_what_the_scope_printed(ask, here):
    FOREIGN.infiniivision(here / "a_1.bin", [FOREIGN.waveform([0.1 * (k % 30) for k in range(300)], unit=1)])
    Path("a_1.txt").write_text(
        "ANALOG\nCh 1 Scale 2.00V/, Pos 0.0V\n\nMEASUREMENTS\nFrequency(1), Cur 999.99kHz\nPk-Pk(1), Cur 5.6V\n"
    )
    assert ask("import", "a_1.bin", "-o", "i.h5").status == 0
    for source in ("i.h5", "a_1.bin"):
        out = ask("show", source).out
        assert re.search(r"measurements Frequency\(1\) +999\.99kHz", out)
        assert re.search(r"measurements Pk-Pk\(1\) +5\.6V", out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--images", "0"], "--images"),
        (["--images", "1e3"], "--images"),
        (["--images", str(1 << 80)], "--images"),
        (["--supply-voltage", "nan"], "--supply-voltage = nan V: give a value above 0"),
        (["--supply-voltage", "-5"], "--supply-voltage = -5 V: give a value above 0"),
        (["--sensitivity", "0"], "--sensitivity = 0 V/A: give a value above 0"),
        (["--clock-offset", "inf"], "--clock-offset = inf s: give a number of seconds"),
        (["--factor", "2"], "write it like 1=10"),
        (["--factor", "a=b"], "write it like 1=10"),
        (["--factor", "1=0"], "--factor 1=0: give a factor other than 0"),
        (["--factor", "1=2", "--factor", "1=3"], "--factor is given twice"),
        (["--windows", "none.csv"], "none.csv cannot be read: No such file"),
        (["--current", "nosuch"], "'nosuch' names no column"),
        (["--marker", "nosuch"], "'nosuch' names no column"),
    ],
)
def test_options_that_cannot_be_name_themselves(ask, here, arguments, said):
    Path("table.csv").write_text(TABLE_CSV)
    assert said in ask("analyse", "table.csv", *arguments).refusal
    assert said in ask("import", "table.csv", "-o", "i.h5", *arguments).refusal
    assert not Path("i.h5").exists()


@pytest.mark.parametrize("option", ["--factor", "--current", "--sensitivity", "--time"])
def test_an_option_that_a_format_does_not_heed_is_refused(ask, here, option):
    FOREIGN.small("energyrunner", here)
    value = {"--factor": "energy=2", "--sensitivity": "0.1"}.get(option, "energy")
    assert f"takes no {option}: leave it out" in ask("analyse", here, option, value).refusal


def test_outputs_that_cannot_be_written(ask, here):
    FOREIGN.small("energyrunner", here)
    Path("mine.h5").write_text("mine")
    assert "never overwritten" in ask("import", here, "-o", "mine.h5").refusal
    assert Path("mine.h5").read_text() == "mine"
    assert "no folder no" in ask("import", here, "-o", "no/where.h5").refusal
    assert "File name too long" in ask("import", here, "-o", "n" * 300).refusal
    Path("cut.h5.journal").write_text("")
    assert "powerlab recover cut.h5" in ask("import", here, "-o", "cut.h5").refusal
    Path("left.h5.part").write_text("other")
    assert "left.h5.part exists" in ask("import", here, "-o", "left.h5").refusal
    assert Path("left.h5.part").read_text() == "other"
    assert "-o" in ask("import", here).refusal


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_a_full_disk_is_one_line_and_leaves_nothing(here):
    FOREIGN.energyrunner(here, np.random.default_rng(0).normal(size=200_000), [1.0, 2.0, 3.0])
    code = """
import os, resource
from powerlab.cli import run
for most in (0, 100, 3000, 20_000, 100_000, 900_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    assert run(["import", ".", "-o", "i.h5"]) == 2
    assert sorted(os.listdir()) == ["trace1-energy.bin", "trace1-timestamps.json"]
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 6
    assert all("i.h5 could not be written (File too large); make room" in line for line in lines)


def test_an_import_that_is_stopped_leaves_nothing(here, monkeypatch):
    FOREIGN.small("energyrunner", here)

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pl.import_run(here, "i.h5", done=stop)
    assert not list(here.glob("i.h5*"))


def test_runs_of_powerlab_are_no_captures_of_other_programs(
    open_virtual: Callable, ask: Callable[..., Answer], here: Path
) -> None:
    open_virtual().capture(here / "r.h5", windows=2)
    found = ask("analyse", "r.h5", "--json")
    assert found.json["imported"] is False
    assert "--images is for other programs' files" in ask("analyse", "r.h5", "--images", "2").refusal
    assert "holds a run of powerlab" in ask("import", "r.h5", "-o", "i.h5").refusal
    with pytest.raises(PowerlabError, match=r"holds a run of powerlab.*pl\.open_run"):
        pl.open_import("r.h5")
    code = (
        "import sys\n"
        "from powerlab.cli import run\n"
        "for verb in ('analyse', 'show', 'check', 'plot'):\n"
        "    assert run([verb, 'r.h5']) == 0\n"
        "print([it for it in sys.modules if 'importers' in it or it in ('powerlab.importing', 'pyjls')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_imported_file_says_what_it_is_where_a_run_is_wanted(ask, here):
    FOREIGN.small("energyrunner", here)
    assert ask("import", here, "-o", "i.h5").status == 0
    for verb in (["export", "i.h5", "-o", "i.csv"],):
        assert "powerlab analyse i.h5" in ask(*verb).refusal
    for use in (pl.open_run, pl.analyse, pl.windows_table):
        with pytest.raises(
            PowerlabError, match=r"i\.h5 holds a capture of another program.*pl\.open_import\('i\.h5'\)"
        ):
            use("i.h5")
    assert "was imported already" in ask("import", "i.h5", "-o", "j.h5").refusal


def test_what_is_no_capture_at_all(ask, here):
    with h5py.File("other.h5", "w") as file:
        file["x"] = 1
    Path("text.txt").write_text("hello")
    Path("empty.csv").write_bytes(b"")
    Path("folder").mkdir()
    for verb in (["analyse"], ["show"], ["plot", "-o", "p.png"], ["import", "-o", "i.h5"]):
        assert "there is no file none.csv" in ask(*verb, "none.csv").refusal
        assert "no powerlab run" in ask(*verb, "other.h5").refusal
        assert (
            "text.txt is no run file, and no known format is in it; known are: Infini" in ask(*verb, "text.txt").refusal
        )
        assert "empty.csv is empty" in ask(*verb, "empty.csv").refusal
        assert "no known format" in ask(*verb, "folder").refusal
        assert "cannot be read: File name too long" in ask(*verb, "n" * 300).refusal
    assert not Path("i.h5").exists()


def wrapped(folder: Path) -> Path:
    """The folder of a capture inside others, beside an empty one."""
    (folder / "up" / "empty").mkdir(parents=True)
    (folder / "c").rename(folder / "up" / "c")
    return folder / "up"


def linked(folder: Path) -> Path:
    main = next(it for it in (folder / "c").iterdir() if it.name in {"trace1-energy.bin", "spl.txt"})
    (folder / "link").symlink_to(main)
    return folder / "link"


def linked_one_by_one(folder: Path) -> Path:
    """Each file a link, as some archives keep them: the companions lie beside the link."""
    (folder / "kept").mkdir()
    (folder / "links").mkdir()
    for number, it in enumerate(sorted((folder / "c").iterdir())):
        (folder / "kept" / str(number)).mkdir()
        it.rename(folder / "kept" / str(number) / f"object{number}")
        (folder / "links" / it.name).symlink_to(folder / "kept" / str(number) / f"object{number}")
    return next(it for it in (folder / "links").iterdir() if it.name in {"trace1-energy.bin", "spl.txt"})


def spaced(folder: Path) -> Path:
    return (folder / "c").rename(folder / "caf\N{LATIN SMALL LETTER E WITH ACUTE} of May 3 (1)")


def other_ends(folder: Path) -> Path:
    for it in (folder / "c").iterdir():
        if it.suffix in {".txt", ".json"}:
            it.write_bytes(it.read_bytes().replace(b"\n", b"\r\n"))
    return folder / "c"


def marked(folder: Path) -> Path:
    for it in (folder / "c").iterdir():
        if it.suffix in {".txt", ".json"}:
            it.write_bytes(b"\xef\xbb\xbf" + it.read_bytes())
    return folder / "c"


def crowded(folder: Path) -> Path:
    (folder / "c" / "README.md").write_text("# hello\n")
    (folder / "c" / "plot.png").write_bytes(b"\x89PNG\0")
    (folder / "c" / "notes.csv").write_text("a,b\n1,2\n3,4\n")
    return folder / "c"


def read_only(folder: Path) -> Path:
    for it in (*(folder / "c").iterdir(), folder / "c"):
        it.chmod(it.stat().st_mode & ~0o222)
    return folder / "c"


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links")
@pytest.mark.parametrize("name", ["energyrunner", "ptdaemon"])
@pytest.mark.parametrize(
    "vary",
    [wrapped, linked, linked_one_by_one, spaced, other_ends, marked, crowded, read_only],
    ids=lambda it: it.__name__,
)
def test_a_capture_is_the_same_however_it_lies(ask, here, name, vary):
    (here / "c").mkdir()
    FOREIGN.small(name, here / "c")
    options = ("--json", "--images", "3")
    plain = ask("analyse", "c", *options)
    source = vary(here)
    found = ask("analyse", source, *options)
    assert found.status == 0, found.err
    assert found.json["windows"] == plain.json["windows"]
    relative = ask("analyse", os.path.relpath(source), *options)
    assert relative.json["windows"] == plain.json["windows"]


@pytest.mark.parametrize("name", FORMATS)
def test_a_very_long_name_is_no_obstacle(ask, here, name):
    (here / "in").mkdir()
    main = FOREIGN.small(name, here / "in")
    long = main.rename(main.with_name("n" * (255 - len(main.suffix)) + main.suffix))
    assert ask("import", long, "-o", "i.h5").status == 0
    assert ask("show", "i.h5").status == 0


ANY_BYTES = st.binary(max_size=200)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_source_is_read_or_refused_in_one_line(ask, here, name, data):
    folder = here / "x"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    main = FOREIGN.small(name, folder)
    victim = data.draw(st.sampled_from(sorted(folder.iterdir())))
    raw = bytearray(victim.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    victim.write_bytes(raw[: data.draw(st.integers(0, len(raw)))] + data.draw(ANY_BYTES))
    found = ask("analyse", main, "--json", "--images", "2", "--supply-voltage", "5")
    if found.status == 2:
        assert "x" in found.refusal
    Path("i.h5").unlink(missing_ok=True)
    made = ask("import", main, "-o", "i.h5", "--images", "2", "--supply-voltage", "5")
    if made.status == 2:
        assert "x" in made.refusal
        assert not list(here.glob("i.h5*"))
    else:
        assert made.status == 0
        assert ask("check", "i.h5").status == 0
        assert ask("analyse", "i.h5", "--json").status == found.status


def test_words_of_a_foreign_file_cannot_move_the_cursor(ask, here):
    Path("table.csv").write_text(TABLE_CSV.replace("Current (mA)", "\x1b[31mCurr\rent (mA)"))
    Path("windows.csv").write_text("start_s,stop_s,label\n0,0.002,\x1b[2J\n")
    assert ask("import", "table.csv", "-o", "i.h5").status == 0
    for verb in ("show", "analyse"):
        answer = ask(verb, "i.h5")
        assert answer.status == 0
        assert "\x1b" not in answer.out + answer.err
        assert "\r" not in answer.out + answer.err


def test_the_api_reads_both_the_source_and_the_file(here):
    Path("table.csv").write_text(TABLE_CSV)
    Path("windows.csv").write_text(WINDOWS_CSV)
    options = pl.ImportOptions(images=2)
    written = pl.import_run("table.csv", "i.h5", options)
    direct, stored = pl.analyse_import("table.csv", options), pl.analyse_import("i.h5")
    assert isinstance(direct, pl.ImportedResult)
    assert direct.kept == stored.kept == pl.analyse_import(written).kept
    assert direct.energy_per_image == stored.energy_per_image == pytest.approx((0.3 + 0.5) * 5e-3 / 4)
    assert direct.power_total == pytest.approx((0.3 + 0.5) * 5e-3 / 4e-3)
    assert direct.time_per_image == pytest.approx(1e-3)
    assert isinstance(pl.open_import("i.h5"), pl.Imported)
    assert pl.open_import("i.h5").options == {"images": 2}


def test_no_window_leaves_every_value_unknown(here):
    Path("table.csv").write_text(TABLE_CSV)
    Path("windows.csv").write_text("start_s,stop_s,images\n5,6,2\n")
    result = pl.analyse_import("table.csv")
    assert not result.kept
    for name in ("energy_per_batch", "energy_per_image", "power_total", "time_per_batch", "time_per_image", "batch"):
        assert getattr(result, name) is None, name


def test_the_commands_on_the_page_run(here, capsys):
    for folder in ("kws", "odroid"):
        Path(folder).mkdir()
    FOREIGN.small("energyrunner", Path("kws"))
    Path("kws/log.txt").write_text("m-bm-cfg-name[x]-key[iterInfer]-val[5]\n")
    FOREIGN.small("ptdaemon", Path("odroid"))
    for name in ("infiniivision", "infiniivision-text", "tinyrunner", "ppk2", "delimited"):
        FOREIGN.small(name, here)
    Path("windows.csv").write_text("start_s,stop_s\n0.0,0.001\n")
    Path("odd.csv").write_text("t,lead\n0,10\n1,20\n2,30\n")
    page = PAGE.read_text(encoding="utf-8")
    commands = re.findall(r"^\$ (powerlab .*)$", page, re.MULTILINE)
    assert len(commands) == 11
    for line in commands:
        assert run(shlex.split(line, comments=True)[1:]) == 0, line
        assert (
            "not known" not in capsys.readouterr().err.replace("nothing says how many images", "") or "kws" not in line
        )
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(code, {})
    assert "J; samples" in capsys.readouterr().out


def test_the_page_names_every_option_and_every_format():
    page = PAGE.read_text(encoding="utf-8")
    for name in importing.ImportOptions.__dataclass_fields__:
        assert "--" + name.replace("_", "-") in page
    assert "powerlab.importers" in page


@needs_samples
@pytest.mark.parametrize("stored", [False, True], ids=["straight", "imported"])
def test_real_captures_give_their_published_answers(ask, here, stored):
    def source(name: str) -> Path:
        if not stored:
            return SAMPLES / name
        assert ask("import", SAMPLES / name, "-o", f"{name}.h5").status == 0
        return Path(f"{name}.h5")

    runner = ask("analyse", source("energyrunner"), "--json").json
    printed = [546509.700, 546136.250, 545770.550, 546358.290, 545719.150]
    assert [it["energy"] * 1e6 for it in runner["windows"]["each"]] == pytest.approx(printed, abs=0.0006)
    assert runner["energy_per_image"]["value"] * 1e6 == pytest.approx(1820.454, abs=0.0006)
    daemon = ask("analyse", source("ptdaemon"), "--json").json
    assert daemon["energy_per_image"]["value"] * 1e3 == pytest.approx(1010.9946, abs=5e-5)
    assert daemon["power_total"]["value"] == pytest.approx(3.8869, abs=5e-5)
    shown = ask("show", source("infiniivision")).out
    assert "999.99kHz" in shown
    assert "5.6V" in shown
