"""Which importer takes a file or folder, and importers of other packages."""

from types import SimpleNamespace

import pytest

from powerlab_traces.importers import ForeignFileError, Importer, ImportOptions, importers, read, recognise, registry

FORMATS = ("infiniivision", "infiniivision-text", "energyrunner", "ptdaemon", "tinyrunner", "ppk2", "delimited")


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_recognised_by_its_content(foreign, tmp_path, name):
    path = foreign.small(name, tmp_path)
    assert recognise(path).name == name
    other = tmp_path / "renamed" / "whatever.dat"
    other.parent.mkdir()
    path.rename(other)
    assert recognise(other).name == name


def test_what_nothing_recognises_is_refused_with_what_is_known(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("nothing to measure here\n")
    assert recognise(path) is None
    with pytest.raises(ForeignFileError, match=r"notes\.txt: no known format is in it; known are: InfiniiVision"):
        read(path)
    with pytest.raises(ForeignFileError, match="no such file or folder"):
        recognise(tmp_path / "missing")


def test_an_empty_file_or_folder_is_nothing(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"")
    assert recognise(tmp_path / "a.csv") is None
    assert recognise(tmp_path) is None


def test_the_table_of_windows_is_no_capture(foreign, tmp_path):
    foreign.small("delimited", tmp_path)
    (tmp_path / "windows.csv").write_text("start_s,stop_s\n0,0.002\n")
    assert recognise(tmp_path / "windows.csv") is None
    assert len(read(tmp_path).windows) == 1


def test_any_other_table_gives_way_to_a_known_format(foreign, tmp_path):
    foreign.small("delimited", tmp_path)
    foreign.small("energyrunner", tmp_path)
    assert recognise(tmp_path).name == "energyrunner"


def plug_in(monkeypatch, load):
    entry = SimpleNamespace(name="mine", value="mine:IMPORTER", load=load)
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry] if group == "powerlab.importers" else [])


def test_another_package_adds_a_format(tmp_path, monkeypatch):
    mine = Importer("mine", "my meter", lambda source: source.head.startswith(b"MINE"), lambda path, options: path.name)
    plug_in(monkeypatch, lambda: mine)
    path = tmp_path / "a"
    path.write_bytes(b"MINE,1\n2,3\n")
    assert mine in list(importers())
    assert recognise(path) is mine
    assert read(path, ImportOptions()) == "a"


@pytest.mark.parametrize("loaded", [ImportError("no module mine"), "a string"])
def test_a_broken_importer_is_named_when_it_is_asked(foreign, tmp_path, monkeypatch, loaded):
    def load():
        if isinstance(loaded, Exception):
            raise loaded
        return loaded

    plug_in(monkeypatch, load)
    assert recognise(foreign.small("energyrunner", tmp_path)).name == "energyrunner"
    with pytest.raises(ForeignFileError, match=r"importer 'mine' \(mine:IMPORTER\).*its package"):
        recognise(foreign.small("delimited", tmp_path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": 0}, "--images = 0: give 1 or more"),
        ({"supply_voltage": -1.0}, r"--supply-voltage = -1 V: give a value above 0"),
        ({"sensitivity": float("nan")}, "--sensitivity = nan V/A"),
        ({"clock_offset": float("inf")}, "--clock-offset"),
        ({"factor": {"1": 0.0}}, "--factor 1=0"),
    ],
)
def test_options_outside_their_range_are_refused(options, message):
    with pytest.raises(ForeignFileError, match=message):
        ImportOptions(**options)
