"""`powerlab models`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from powerlab.cli import run
from powerlab.networks import NETWORKS
from powerlab.networks.published import published

MINE = """
from torch import nn
print("I say something when I am imported")

class Mine(nn.Sequential):
    input_shape = (1, 4, 4)

def make():
    return Mine(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.LayerNorm(8), nn.Linear(8, 3))

def odd():
    return nn.Linear(5, 5)
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "minenets.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "minenets", raising=False)


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run(["models", *words]) == 0
    return capsys.readouterr().out


class TestList:
    def test_an_object_for_each(self, capsys: pytest.CaptureFixture[str]):
        found = {it["name"]: it for it in json.loads(asked(capsys, "--json"))}
        assert found.keys() == NETWORKS.keys()
        resnet = found["resnet50"]
        paper = resnet.pop("published")
        assert resnet == {
            "name": "resnet50",
            "parameters": 25_557_032,
            "macs": 4_089_184_256,
            "flops": 8_200_923_624,
            "flops_legacy": 8_210_159_193,
            "input": [3, 224, 224],
            "unsupported": [],
            "doc": NETWORKS["resnet50"].doc,
        }
        assert paper["status"] == "published"
        assert (paper["top1_percent"], paper["parameters_millions"], paper["operations_giga"]) == (75.99, 25.56, 8.21)

    def test_what_is_not_counted_is_said(self, capsys: pytest.CaptureFixture[str]):
        found = {it["name"]: it for it in json.loads(asked(capsys, "--json"))}
        assert found["alexnet"]["unsupported"] == ["LocalResponseNorm"]
        assert found["googlenet-factorised"]["published"] is None
        assert "not counted: LocalResponseNorm of alexnet, googlenet" in asked(capsys)

    def test_published_values_stand_under_that_word(self, capsys: pytest.CaptureFixture[str]):
        heading, *lines = asked(capsys).splitlines()
        row = next(line for line in lines if line.startswith("vgg16"))
        place = heading.index("published")
        assert row[:place].split() == ["vgg16", "138", "357", "544", "15.4703", "30.9738", "30.9677", "3x224x224"]
        assert row[place:].split() == ["70.62", "138.36", "30.97"]

    def test_loads_no_torch(self):
        code = "import sys\nfrom powerlab.cli import run\nrun(['models']); run(['models', '--json'])\n"
        code += "sys.exit('torch' in sys.modules)"
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)


class TestOne:
    def test_layers_add_up(self, capsys: pytest.CaptureFixture[str]):
        found = json.loads(asked(capsys, "enet", "--json"))
        assert found["schema"] == "powerlab.model/1"
        for key in ("parameters", "macs", "flops", "flops_legacy"):
            assert sum(layer[key] for layer in found["layers"]) == found[key]
        assert found["fully_connected"]["parameters"] == pytest.approx(1_025_000 / 5_861_508)
        assert found["published"]["operations_giga"] == published()["enet"].operations_giga
        assert found["layers"][0] == {
            "name": "initial.conv",
            "kind": "Conv2d",
            "output": [1, 13, 112, 112],
            "parameters": 364,
            "macs": 13 * 112 * 112 * 27,
            "flops": 13 * 112 * 112 * 55,
            "flops_legacy": 13 * 112 * 112 * 55,
        }

    def test_a_table_for_people(self, capsys: pytest.CaptureFixture[str]):
        text = asked(capsys, "alexnet")
        assert "96.2% fully connected" in text
        assert "LocalResponseNorm in norm2, 1 x" in text
        row = next(line for line in text.splitlines() if line.startswith("fc6"))
        assert " ".join(row.split()) == "fc6 Linear 4096 37 752 832 37 748 736 75 501 568 75 501 568"

    def test_a_users_factory(self, mine: None, capsys: pytest.CaptureFixture[str]):
        found = json.loads(asked(capsys, "minenets:make", "--json"))
        assert found["name"] == "minenets:make"
        assert (found["parameters"], found["macs"], found["input"]) == (20 + 16 + 27, 8 * 9 + 24, [1, 4, 4])
        assert found["unsupported"] == ["aten.native_layer_norm"]
        assert found["unsupported_calls"] == [{"operator": "aten.native_layer_norm", "layer": "2", "calls": 1}]
        assert found["published"] is None

    def test_a_factory_that_does_not_say_its_input(self, mine: None, capsys: pytest.CaptureFixture[str]):
        assert run(["models", "minenets:odd"]) == 2
        said = capsys.readouterr().err.splitlines()
        assert "cannot run on an input of 1x3x224x224" in said[-1]
        assert "input_shape" in said[-1]

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch would rather have another format
    def test_torchscript_has_no_layers(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        path = tmp_path / "net.pt"
        torch.jit.save(torch.jit.script(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.LayerNorm(8)).eval()), path)
        assert run(["models", str(path)]) == 2
        assert "give the shape of one image, as in --input 3x224x224" in capsys.readouterr().err
        found = json.loads(asked(capsys, str(path), "--input", "1x4x4", "--json"))
        assert (found["doc"], found["parameters"], found["macs"]) == ("TorchScript file", 20 + 16, 8 * 9)
        assert (found["fully_connected"], found["unsupported"]) == (None, ["aten.native_layer_norm"])
        text = " ".join(asked(capsys, str(path), "--input", "1x4x4").split())
        assert "not known which layer costs what" in text
        assert "not counted aten.native_layer_norm in the network itself, 1 x" in text

    def test_a_shape_is_for_one(self, capsys: pytest.CaptureFixture[str]):
        assert run(["models", "--input", "1x4x4"]) == 2
        assert "--input is for one network, given as NAME" in capsys.readouterr().err

    def test_no_such_network(self, capsys: pytest.CaptureFixture[str]):
        assert run(["models", "resnet51"]) == 2
        assert "did you mean resnet" in capsys.readouterr().err
