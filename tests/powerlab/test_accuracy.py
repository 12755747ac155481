"""`powerlab accuracy`: a made model of known answers on made images."""

import json
import os
import struct
import subprocess
import sys
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat
from scipy.special import logsumexp
from scipy.stats import binomtest

import powerlab as pl
from powerlab.accuracyreport import accuracy_object, print_accuracy
from powerlab.cli import run
from powerlab.networks import NETWORKS, find
from powerlab.validation import AccuracyError
from powerlab.validation.dataset import find_dataset, output_of_each
from powerlab.validation.evaluation import joined, rank
from powerlab.validation.images import UnreadableError, averaged, cut, load_crops
from powerlab.validation.preprocessing import BY_NETWORK, EITHER, RECIPES, Preprocessing, preprocessing_for
from powerlab.validation.score import Share

STEP = 25  # levels of red between two classes
MODELS = f"""
import torch
from torch import nn

class ByColour(nn.Module):
    # The nearest class of ten by the mean of red, as torchvision's preprocessing leaves it.
    input_shape = (3, 8, 8)
    outputs = 10

    def forward(self, images):
        red = (images[:, 0].mean(dim=(1, 2)).float() * 0.229 + 0.485) * 255
        return -(red[:, None] / {STEP} - torch.arange(self.outputs)).abs()

class More(ByColour):
    outputs = 12

class Known(More):
    classes = 10

class Three(ByColour):
    outputs = 3

class Interrupted(ByColour):
    left = 3

    def forward(self, images):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt
        return super().forward(images)

class AtOnce(Interrupted):
    left = 1

class Lost(ByColour):
    def forward(self, images):
        return super().forward(images) * torch.nan

class Shapeless(ByColour):
    def forward(self, images):
        return images

class Several(ByColour):
    def forward(self, images):
        return super().forward(images), images

class Wide(ByColour):
    input_shape = (3, 8, 9)
"""


@pytest.fixture(autouse=True)
def _models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "madenets.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "madenets", raising=False)


def answer(label: int, number: int) -> int:
    """What image `number` of a class is painted as: itself, its neighbour, or a colour far off."""
    return (label + (0, 0, 0, 1, 7)[number % 5]) % 10


def paint(path: Path, colour: int, size: tuple[int, int] = (12, 10)) -> Path:
    Image.new("RGB", size, (STEP * colour, 90, 30)).save(path)
    return path


def folders(root: Path, each: int) -> Path:
    for label in range(10):
        (home := root / f"n{label:08}").mkdir(parents=True)
        for number in range(each):
            paint(home / f"{number:03}.png", answer(label, number))
    return root


def rank_of(label: int, painted: int) -> int:
    """How many of the ten classes are nearer to the painted one; of equally near ones the lower is the nearer."""
    return sorted(range(10), key=lambda it: (abs(it - painted), it)).index(label)


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folders(tmp_path_factory.mktemp("made") / "val", 100)


def asked(capsys: pytest.CaptureFixture[str], *words: object, status: int = 0) -> dict:
    assert run(["accuracy", "--json", *map(str, words)]) == status
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert run(["accuracy", *map(str, words)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("powerlab: ")
    assert error.count("\n") == 1
    return error


class TestKnownAnswers:
    @pytest.mark.parametrize("batch", [1, 7, 333, 1000, 1024])
    @pytest.mark.parametrize("crops", [1, 10])
    def test_every_image_is_counted_and_nothing_else(self, thousand: Path, batch: int, crops: int):
        found = pl.accuracy("madenets:ByColour", thousand, batch=batch, crops=crops, threads=1)
        ranks = [[rank_of(label, answer(label, number)) for number in range(100)] for label in range(10)]
        right = [sum(it == 0 for it in row) for row in ranks]
        near = [sum(it < 5 for it in row) for row in ranks]
        assert sum(right) == 600
        assert 600 < sum(near) < 1000
        assert (found.top1, found.top5) == (Share(600, 1000), Share(sum(near), 1000))
        assert [it.top1 for it in found.classes] == [Share(it, 100) for it in right]
        assert [it.top5 for it in found.classes] == [Share(it, 100) for it in near]
        assert (found.listed, found.asked, found.partial, found.unreadable) == (1000, 1000, False, ())

    def test_half_precision_and_a_tuple_of_answers(self, thousand: Path):
        found = pl.accuracy("madenets:Several", thousand, dtype="bf16", batch=99)
        assert found.top1 == Share(600, 1000)
        assert found.dtype == "bf16"

    def test_a_limit_takes_a_sample(self, thousand: Path):
        found = pl.accuracy("madenets:ByColour", thousand, limit=400, batch=64)
        assert (found.listed, found.asked, found.top1.images, found.partial) == (1000, 400, 400, False)
        assert found.top1 == pl.accuracy("madenets:ByColour", thousand, limit=400).top1
        assert all(20 <= it.top1.images <= 60 for it in found.classes)
        assert found.top1.agrees(60)

    def test_few_outputs_have_no_top_5(self, tmp_path: Path):
        for label in range(3):
            (tmp_path / "few" / str(label)).mkdir(parents=True)
            paint(tmp_path / "few" / str(label) / "a.png", label)
        found = pl.accuracy("madenets:Three", tmp_path / "few")
        assert (found.top1, found.top5) == (Share(3, 3), None)


class TestVerb:
    def test_one_object(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        data = folders(tmp_path / "val", 5)
        found = asked(capsys, "--model", "madenets:ByColour", "--data", data, "--batch", 8, "--limit", 30)
        assert found["schema"] == "powerlab.accuracy/1"
        assert found["images"] == {"listed": 50, "asked": 30, "scored": 30, "absent": 0}
        assert found["top1"]["share"] == found["top1"]["right"] / 30
        assert found["top1"]["low"] < found["top1"]["share"] < found["top1"]["high"]
        assert found["preprocessing"]["name"] == "torchvision"
        assert (found["preprocessing"]["resize"], found["preprocessing"]["crop"]) == (9, 8)
        assert (found["published"], found["per_class"], found["partial"]) == (None, None, False)

    def test_tables(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        data = folders(tmp_path / "val", 5)
        assert run(["accuracy", "--model", "madenets:ByColour", "--data", str(data), "--per-class"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[1].split()[:6] == ["top-1", "60.00", "%", "(46.18", "to", "72.39)"]
        assert ["n00000004", "4", "5", "60.0"] in [line.split()[:4] for line in lines]

    def test_an_unreadable_image_is_named_and_in_no_number(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        data = folders(tmp_path / "val", 5)
        (data / "n00000003" / "000.png").write_bytes(b"")
        words = ("--model", "madenets:ByColour", "--data", data, "--batch", 1, "--per-class")
        found = asked(capsys, *words, status=1)
        assert found["unreadable"] == [{"file": str(data / "n00000003" / "000.png"), "why": "the file is empty"}]
        assert (found["images"]["scored"], found["top1"]["right"], found["top1"]["images"]) == (49, 29, 49)
        assert found["per_class"][3]["top1"]["images"] == 4
        assert run(["accuracy", *map(str, words)]) == 1
        assert "not readable, and in no number above: 1\n" in capsys.readouterr().out

    def test_interrupt_gives_what_was_counted(self, thousand: Path, capsys: pytest.CaptureFixture[str]):
        words = ("--model", "madenets:Interrupted", "--data", thousand, "--batch", 50)
        found = asked(capsys, *words, status=130)
        assert found["partial"] is True
        assert (found["images"]["asked"], found["images"]["scored"], found["top1"]["right"]) == (1000, 100, 60)
        assert run(["accuracy", *map(str, words)]) == 130
        assert capsys.readouterr().out.startswith("PARTIAL        stopped after 100 of 1000 images")

    def test_interrupted_before_anything_was_counted(self, thousand: Path):
        with pytest.raises(KeyboardInterrupt):
            pl.accuracy("madenets:AtOnce", thousand)

    @pytest.mark.parametrize(
        ("model", "said"),
        [
            ("resnet18", "random weights: give its own with --weights"),
            ("madenets:Lost", "000.png are no numbers"),
            ("madenets:Shapeless", "of shape (32, 3, 8, 8), where [32, classes] is needed"),
            ("madenets:Wide", "takes 3x8x9"),
            ("madenets:More", "10 classes and the network 12 outputs: name the class of each output"),
            ("net.onnx", "ONNX"),
        ],
    )
    def test_what_cannot_be_scored(self, thousand: Path, capsys: pytest.CaptureFixture[str], model: str, said: str):
        assert said in refused(capsys, "--model", model, "--data", thousand)

    def test_nothing_readable(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        data = folders(tmp_path / "val", 1)
        for path in data.rglob("*.png"):
            path.write_bytes(b"")
        assert "none of 10 images can be read" in refused(capsys, "--model", "madenets:ByColour", "--data", data)

    def test_loads_no_torch_before_it_runs(self):
        code = "import sys\nfrom powerlab.cli import run\nrun(['accuracy', '--help'])\nsys.exit('torch' in sys.modules)"
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)


class TestClasses:
    def test_a_file_orders_the_outputs(self, tmp_path: Path):
        data = folders(tmp_path / "val", 5)
        lines = ["dummy", *(f"n{label:08} thing, number {label}" for label in reversed(range(10))), "dummy"]
        (tmp_path / "classes.txt").write_text("\n".join(lines) + "\n")
        found = pl.accuracy("madenets:More", data, classes=tmp_path / "classes.txt")
        assert [it.output for it in found.classes] == list(range(10, 0, -1))
        assert found.outputs == 12

    def test_weights_may_know_fewer_outputs(self, tmp_path: Path):
        assert pl.accuracy("madenets:Known", folders(tmp_path / "val", 5)).top1 == Share(30, 50)

    def test_inception_says_what_its_weights_know(self):
        import torch

        from powerlab.networks.inception_v3 import InceptionV3

        with torch.device("meta"):
            network = InceptionV3()
        assert network.classes == 1008
        network.translated({"fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)})
        assert network.classes == 1000

    def test_names_with_blanks(self, tmp_path: Path):
        (tmp_path / "c.txt").write_text("tabby cat\ngolden retriever\n")
        assert output_of_each(["golden retriever", "tabby cat"], 2, listed=tmp_path / "c.txt").tolist() == [1, 0]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("a\nb\nc\n", "3 lines, and the network 2 outputs"),
            ("a\nc\n", "does not have b"),
            ("a\na\n", "does not have b"),
            (b"\xff\xfe", "not text"),
        ],
    )
    def test_a_file_that_does_not_fit(self, tmp_path: Path, text: str | bytes, said: str):
        (tmp_path / "c.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(AccuracyError, match=said):
            output_of_each(["a", "b"], 2, listed=tmp_path / "c.txt")

    def test_a_class_twice(self, tmp_path: Path):
        (tmp_path / "c.txt").write_text("a\nb\na\n")
        with pytest.raises(AccuracyError, match="has a twice"):
            output_of_each(["a", "b"], 3, listed=tmp_path / "c.txt")

    def test_numbers_are_not_sorted_as_names(self):
        assert output_of_each([str(it) for it in range(10)], 10).tolist() == list(range(10))
        with pytest.raises(AccuracyError, match="another"):
            output_of_each(sorted(str(it) for it in range(11)), 11)


class TestLayout:
    @pytest.fixture
    def devkit(self, tmp_path: Path) -> Path:
        """Twelve validation images as they come; the truth numbers the synsets in another order than their names'."""
        for number in range(1, 13):
            paint(tmp_path / f"ILSVRC2012_val_{number:08}.JPEG.png", 0).rename(
                tmp_path / f"ILSVRC2012_val_{number:08}.JPEG"
            )
        (tmp_path / "ILSVRC2012_validation_ground_truth.txt").write_text("3\n1\n2\n" * 4)
        return tmp_path

    def meta(self, path: Path) -> None:
        kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
        rows = [(1, "n02", "two", 0), (2, "n03", "three", 0), (3, "n01", "one", 0), (4, "n00", "above them", 3)]
        savemat(path, {"synsets": np.array(rows, dtype=kinds)[:, None]})

    def test_the_devkit(self, devkit: Path):
        with pytest.raises(AccuracyError, match="put meta.mat"):
            find_dataset(devkit)
        self.meta(devkit / "meta.mat")
        found = find_dataset(devkit)
        assert (found.layout, found.classes, found.absent) == ("devkit", ("n01", "n02", "n03"), 0)
        assert [it.label for it in found.images] == [0, 1, 2] * 4

    def test_absent_images_are_said_and_unlabelled_ones_refused(self, devkit: Path):
        self.meta(devkit / "meta.mat")
        (devkit / "ILSVRC2012_val_00000002.JPEG").unlink()
        found = find_dataset(devkit)
        assert (len(found.images), found.absent) == (11, 1)
        assert [it.label for it in found.images][:3] == [0, 2, 0]
        (devkit / "ILSVRC2012_validation_ground_truth.txt").write_text("1\n" * 11)
        with pytest.raises(AccuracyError, match="does not label ILSVRC2012_val_00000012.JPEG"):
            find_dataset(devkit)
        (devkit / "ILSVRC2012_validation_ground_truth.txt").write_text("7\n" * 12)
        with pytest.raises(AccuracyError, match="no class 7"):
            find_dataset(devkit)
        (devkit / "meta.mat").write_text("nothing")
        with pytest.raises(AccuracyError, match="table of synsets"):
            find_dataset(devkit)

    def test_caffes_list_beside_the_folder(self, devkit: Path, tmp_path: Path):
        (devkit / "ILSVRC2012_validation_ground_truth.txt").unlink()
        with pytest.raises(AccuracyError, match="nothing says what the images show"):
            find_dataset(devkit)
        names = [f"ILSVRC2012_val_{number:08}.JPEG" for number in range(1, 13)]
        (devkit / "val.txt").write_text("".join(f"{name} {index % 3}\n" for index, name in enumerate(names)))
        with pytest.raises(AccuracyError, match="put synset_words.txt"):
            find_dataset(devkit)
        (devkit / "synset_words.txt").write_text("n01 one, uno\nn02 two\nn03 three\n")
        assert [it.label for it in find_dataset(devkit).images] == [0, 1, 2] * 4

    def test_a_truth_of_synsets(self, devkit: Path, tmp_path: Path):
        (tmp_path / "own.txt").write_text("n05\nn04\n" * 6)
        found = find_dataset(devkit, tmp_path / "own.txt")
        assert (found.classes, [it.label for it in found.images]) == (("n04", "n05"), [1, 0] * 6)
        (tmp_path / "own.txt").write_text("one line too long\n")
        with pytest.raises(AccuracyError, match="line 1"):
            find_dataset(devkit, tmp_path / "own.txt")

    def test_what_is_no_data_set(self, tmp_path: Path):
        with pytest.raises(AccuracyError, match="no such folder"):
            find_dataset(tmp_path / "nowhere")
        (data := tmp_path / "data").mkdir()
        with pytest.raises(AccuracyError, match="neither a folder for each class"):
            find_dataset(data)
        (data / "cat").mkdir()
        with pytest.raises(AccuracyError, match="no image in any"):
            find_dataset(data)
        (data / "cat" / ".hidden").touch()
        (data / "cat" / "a.jpg").touch()
        (data / "README").touch()
        assert [it.path.name for it in find_dataset(data).images] == ["a.jpg"]
        with pytest.raises(AccuracyError, match="leave --truth out"):
            find_dataset(data, tmp_path / "truth.txt")
        (data / "stray.jpg").touch()
        with pytest.raises(AccuracyError, match=r"stray\.jpg in no folder"):
            find_dataset(data)
        (data / "stray.jpg").unlink()
        (data / "cat" / "more").mkdir()
        with pytest.raises(AccuracyError, match="directly in the folder of their class"):
            find_dataset(data)


PLAIN = Preprocessing("plain", (0.0, 0.0, 0.0), white=255.0, resize=4, crop=4)


def colours(path: Path) -> list[int]:
    """The mean colour that a network would see."""
    return load_crops(path, PLAIN, 1).mean(axis=(0, 2, 3)).round().astype(int).tolist()


def png(path: Path, size: tuple[int, int], depth: int, colour_type: int, data: bytes) -> Path:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", *size, depth, colour_type, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    )
    return path


class TestImages:
    def saved(self, path: Path, image: Image.Image, **options: object) -> list[int]:
        image.save(path, **options)
        return colours(path)

    def test_grey(self, tmp_path: Path):
        assert self.saved(tmp_path / "a.png", Image.new("L", (6, 5), 77)) == [77, 77, 77]
        assert self.saved(tmp_path / "b.jpg", Image.new("L", (6, 5), 77)) == [77, 77, 77]
        assert self.saved(tmp_path / "c.png", Image.new("1", (6, 5), 1)) == [255, 255, 255]

    def test_sixteen_bits(self, tmp_path: Path):
        grey = Image.fromarray(np.full((5, 6), 0x8040, np.uint16))
        assert self.saved(tmp_path / "a.png", grey) == [0x80, 0x80, 0x80]
        assert self.saved(tmp_path / "b.tif", grey) == [0x80, 0x80, 0x80]
        row = b"\0" + struct.pack(">HHH", 0x1000, 0x8000, 0xFFFF) * 6
        assert colours(png(tmp_path / "c.png", (6, 5), 16, 2, row * 5)) == [0x10, 0x80, 0xFF]

    def test_cmyk(self, tmp_path: Path):
        red, green, blue = self.saved(tmp_path / "a.jpg", Image.new("CMYK", (16, 16), (0, 200, 100, 0)), quality=95)
        assert abs(red - 255) < 6
        assert abs(green - 55) < 6
        assert abs(blue - 155) < 6

    def test_transparency_is_overlooked(self, tmp_path: Path):
        assert self.saved(tmp_path / "a.png", Image.new("RGBA", (6, 5), (10, 20, 30, 0))) == [10, 20, 30]
        assert self.saved(tmp_path / "b.png", Image.new("LA", (6, 5), (10, 0))) == [10, 10, 10]
        palette = Image.new("P", (6, 5), 0)
        palette.putpalette([10, 20, 30, 200, 200, 200])
        assert self.saved(tmp_path / "c.png", palette, transparency=0) == [10, 20, 30]
        assert self.saved(tmp_path / "d.png", palette, transparency=b"\x00\x80") == [10, 20, 30]
        assert self.saved(tmp_path / "e.gif", palette) == [10, 20, 30]

    def test_orientation_is_overlooked(self, tmp_path: Path):
        image = Image.new("RGB", (4, 4))
        image.paste((255, 255, 255), (0, 0, 4, 2))
        exif = Image.Exif()
        exif[0x0112] = 3  # upside down
        image.save(tmp_path / "a.png", exif=exif)
        rows = load_crops(tmp_path / "a.png", PLAIN, 1)[0].mean(axis=(0, 2))
        assert rows.tolist() == [255, 255, 0, 0]

    def test_the_suffix_does_not_matter(self, tmp_path: Path):
        Image.new("RGB", (6, 5), (1, 2, 3)).save(tmp_path / "a.JPEG", format="PNG")
        assert colours(tmp_path / "a.JPEG") == [1, 2, 3]

    def unreadable(self, path: Path) -> str:
        with pytest.raises(UnreadableError) as caught:
            load_crops(path, PLAIN, 1)
        return str(caught.value)

    def test_what_is_no_image(self, tmp_path: Path):
        assert "No such file" in self.unreadable(tmp_path / "nowhere.jpg")
        (tmp_path / "a.jpg").write_text("not an image at all")
        assert "not an image" in self.unreadable(tmp_path / "a.jpg")
        (tmp_path / "b.jpg").touch()
        assert self.unreadable(tmp_path / "b.jpg") == "the file is empty"
        Image.new("F", (6, 5)).save(tmp_path / "c.tif")
        assert "32 bits" in self.unreadable(tmp_path / "c.tif")

    @pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "tiff", "webp", "bmp"])
    def test_cut_off(self, tmp_path: Path, kind: str):
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / "whole", format=kind)
        data = (tmp_path / "whole").read_bytes()
        (tmp_path / "half").write_bytes(data[: len(data) // 2])
        assert self.unreadable(tmp_path / "half")

    @pytest.mark.parametrize("kind", ["jpeg", "png", "gif"])
    @settings(deadline=None, max_examples=60)
    @given(changes=st.lists(st.tuples(st.integers(0, 999), st.integers(0, 255)), min_size=1, max_size=6))
    def test_damage_is_an_image_or_named(
        self, tmp_path_factory: pytest.TempPathFactory, kind: str, changes: list[tuple[int, int]]
    ):
        path = tmp_path_factory.getbasetemp() / f"damaged-{kind}"
        Image.new("RGB", (9, 9), (1, 2, 3)).save(path, format=kind)
        damaged = bytearray(path.read_bytes())
        for at, value in changes:
            damaged[at % len(damaged)] = value
        path.write_bytes(damaged)
        with suppress(UnreadableError):
            assert load_crops(path, PLAIN, 10).shape == (10, 3, 4, 4)

    @pytest.mark.parametrize("side", [10_000, 60_000])
    def test_huge(self, tmp_path: Path, side: int):
        data = folders(tmp_path / "val", 1)
        png(data / "n00000000" / "huge.png", (side, side), 8, 2, b"")
        (found,) = pl.accuracy("madenets:ByColour", data).unreadable
        assert "pixels" in found.why
        assert ("at most" in found.why) == (side == 10_000)  # beyond twice that, Pillow itself refuses
        Image.new("RGB", (1, 9000)).save(tmp_path / "strip.png")
        with pytest.raises(UnreadableError, match="too long a strip"):
            load_crops(tmp_path / "strip.png", RECIPES["torch"], 1)


class TestCrops:
    def test_the_papers(self):
        """512x384 to 341x256 by the mean of what a pixel covers, and from the 59th column and the 17th row on."""
        columns = np.random.default_rng(0).integers(0, 256, 512)
        image = Image.fromarray(np.tile(columns.astype(np.uint8)[None, :, None], (384, 1, 3)))
        (found,) = cut(image, RECIPES["torch"], 1)
        edges = np.linspace(0, 512, 342)
        total = np.concatenate(([0.0], np.cumsum(columns)))
        means = np.diff(np.interp(edges, np.arange(513), total)) / np.diff(edges)
        start = -(-(341 - 224) // 2)
        assert start == 59
        expected = (means[start : start + 224] / 255 - 0.484622) / 0.228895
        assert found.shape == (3, 224, 224)
        assert np.abs(found[0] - expected).max() < 1e-5

    @settings(deadline=None)
    @given(st.integers(1, 40).flatmap(lambda size: st.tuples(st.just(size), st.integers(size + 1, 300))))
    def test_an_average_is_that_of_what_is_covered(self, sizes: tuple[int, int]):
        size, count = sizes
        pixels = np.random.default_rng(0).integers(0, 256, (count, 2))
        fine = np.repeat(pixels, size, axis=0)  # of which each new pixel covers `count` whole ones
        expected = fine.reshape(size, count, 2).mean(axis=1)
        assert np.allclose(averaged(pixels, size, axis=0), expected, atol=1e-3)
        assert np.allclose(averaged(pixels.T, size, axis=1), expected.T, atol=1e-3)

    def test_caffes(self):
        (found,) = cut(Image.new("RGB", (300, 300), (255, 128, 0)), RECIPES["vgg"], 1)
        assert found.mean(axis=(1, 2)).tolist() == pytest.approx([0 - 103.939, 128 - 116.779, 255 - 123.68], abs=1e-4)

    def test_ten(self):
        pixels = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
        recipe = Preprocessing("plain", (0.0, 0.0, 0.0), white=255.0, resize=5, crop=4)
        found = cut(Image.fromarray(pixels), recipe, 10).transpose(0, 2, 3, 1)
        corners = [(0, 0), (0, 3), (1, 0), (1, 3), (1, 2)]
        expected = [pixels[top : top + 4, left : left + 4] for top, left in corners]
        assert np.array_equal(found[:5], expected)
        assert np.array_equal(found[5:], [it[:, ::-1] for it in expected])
        assert np.array_equal(cut(Image.fromarray(pixels), recipe, 1).transpose(0, 2, 3, 1), expected[4:])

    def test_the_mean_probability_of_ten(self):
        scores = np.random.default_rng(0).normal(0, 300, (30, 8)).astype(np.float32)  # most round to 0 as probabilities
        logs = scores.reshape(3, 10, 8).astype(float)
        logs -= logsumexp(logs, axis=2, keepdims=True)
        assert np.allclose(joined(scores, 10), logsumexp(logs, axis=1) - np.log(10), rtol=1e-12)
        assert joined(scores, 1) is scores

    @settings(deadline=None)
    @given(st.lists(st.lists(st.integers(-3, 3), min_size=6, max_size=6), min_size=1, max_size=5), st.integers(0, 5))
    def test_rank_is_the_place_in_a_stable_order(self, rows: list[list[int]], right: int):
        scores = np.array(rows, np.float32)
        places = [sorted(range(6), key=lambda it, row=row: -row[it]).index(right) for row in rows]
        assert rank(scores, np.full(len(rows), right)).tolist() == places


class TestPreprocessing:
    def test_every_network_has_one(self):
        assert BY_NETWORK.keys() == NETWORKS.keys()
        for name, it in BY_NETWORK.items():
            assert it == preprocessing_for(NETWORKS[name], (3, it.crop, it.crop), it.name if name in EITHER else None)
            assert it.crop >= NETWORKS[name].input_shape[1]
        assert {it.resize for it in BY_NETWORK.values()} == {256, 342}
        assert [name for name, it in BY_NETWORK.items() if it.crop == 227] == ["alexnet", "bn-alexnet"]

    def test_options(self):
        other = preprocessing_for(NETWORKS["vgg16"], (3, 224, 224), "torchvision", 232)
        assert (other.order, other.resize, other.crop) == ("RGB", 232, 224)
        assert preprocessing_for(find("a.b:c"), (3, 64, 64)).resize == 73
        with pytest.raises(AccuracyError, match="two kinds"):
            preprocessing_for(NETWORKS["vgg16"], (3, 224, 224))
        with pytest.raises(AccuracyError, match="less than the 224 pixels"):
            preprocessing_for(NETWORKS["enet"], (3, 224, 224), resize=223)
        with pytest.raises(AccuracyError, match="no preprocessing 'odd'"):
            preprocessing_for(NETWORKS["vgg16"], (3, 224, 224), "odd")
        with pytest.raises(AccuracyError, match="only squares"):
            preprocessing_for(NETWORKS["enet"], (1, 28, 28))


class TestShare:
    @settings(deadline=None)
    @given(st.integers(1, 60_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
    def test_interval(self, counts: tuple[int, int]):
        right, images = counts
        expected = binomtest(right, images).proportion_ci(0.95, "wilson")
        assert Share(right, images).interval == pytest.approx((expected.low, expected.high), abs=1e-7)

    def test_agreement_is_that_of_the_interval(self):
        share = Share(38_000, 50_000)
        assert share.agrees(76.3)
        assert not share.agrees(76.5)


def test_published_values_are_compared_only_with_their_like(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """resnet18 itself, of random weights, on a thousand classes; an image in one of them."""
    import torch

    from powerlab.networks import build

    torch.save(build(NETWORKS["resnet18"], seed=0).state_dict(), tmp_path / "w.pth")
    data = tmp_path / "val"
    for label in range(1000):
        (data / f"n{label:08}").mkdir(parents=True)
    paint(data / "n00000500" / "a.png", 3, (60, 40))
    found = pl.accuracy("resnet18", data, weights=tmp_path / "w.pth", threads=1, input_shape=(3, 64, 64))
    assert found.preprocessing == replace(RECIPES["torch"], crop=64, resize=73)
    paper = accuracy_object(replace(found, top1=Share(35_000, 50_000)), per_class=False)["published"]
    assert (paper["status"], paper["top1_percent"], paper["top5_percent"]) == ("published", 69.57, 89.24)
    assert paper["top1_verdict"] == "differs"
    assert (
        accuracy_object(replace(found, top1=Share(34_800, 50_000)), per_class=False)["published"]["top1_verdict"]
        == "agrees"
    )
    assert accuracy_object(replace(found, crops=10), per_class=False)["published"]["top1_verdict"] is None
    print_accuracy(replace(found, top1=Share(34_800, 50_000)), per_class=False)
    print_accuracy(replace(found, crops=10), per_class=False)
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("published      top-1 69.57 %, ")]
    assert ["agrees (arXiv" in said[0], "not compared (arXiv" in said[1]] == [True, True]
