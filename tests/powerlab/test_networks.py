"""The table of networks, VGG-16, and weights from seeds and files."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from powerlab.networks import NETWORKS, Network, NetworkError, build, find

TINY = """
from torch import nn

class Tiny(nn.Sequential):
    input_shape = (3, 8, 8)

def tiny():
    return Tiny(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.PReLU(), nn.Flatten(), nn.Linear(144, 5))

def nothing():
    return None

def helped():
    return tiny_in(None)

def tiny_in(width):
    if width is None:
        raise ValueError("no width\\nwas given")
    return tiny()

def wrong_layer():
    return nn.Conv2d("three", 4, 3)

number = 3
"""
IMAGES = torch.randn((2, 3, 8, 8), generator=torch.Generator().manual_seed(7))


@pytest.fixture(autouse=True)
def tiny_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tinynets.py").write_text(TINY)
    (tmp_path / "needs_more.py").write_text("import a_module_nobody_has")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "tinynets", raising=False)


@pytest.fixture(scope="module")
def vgg16() -> nn.Module:
    return build(find("vgg16"), seed=1)


def registered_tiny() -> Network:
    """As the table would hold it: powerlab draws its weights."""
    return Network("tiny", "tinynets", "tiny", (3, 8, 8), 4 * 27 + 4 + 8 + 1 + 144 * 5 + 5, "A tiny one.")


NETWORK_OF = {"registered": registered_tiny, "the user's own": lambda: find("tinynets:tiny")}


@torch.inference_mode()
def scores(module: nn.Module) -> torch.Tensor:
    return module(IMAGES)


class TestFind:
    def test_every_network_is_found_under_its_name(self):
        for name, network in NETWORKS.items():
            assert find(name) is network
            assert network.name == name

    @pytest.mark.parametrize("model", ["VGG16", "vgg-16", "vgg_16", "vg16"])
    def test_a_name_that_is_nearly_right_gets_a_hint(self, model: str):
        with pytest.raises(NetworkError, match="did you mean vgg16"):
            find(model)

    def test_another_name_gets_the_list(self):
        with pytest.raises(NetworkError, match=r"no network 'perceptron': Known: alexnet, bn-alexnet") as caught:
            find("perceptron")
        assert "did you mean" not in str(caught.value)

    def test_a_users_factory_is_taken_apart_but_not_imported(self):
        network = find("my.own.nets:make")
        assert (network.module, network.factory, network.parameters) == ("my.own.nets", "make", None)

    @pytest.mark.parametrize("model", [":", "a:", ":b", "a b:c", "a:b:c", "a..b:c", "1a:b", "a:b()"])
    def test_what_cannot_be_a_factory_is_refused(self, model: str):
        with pytest.raises(NetworkError, match=r"mypackage.module:factory"):
            find(model)


def test_the_parent_loads_no_torch_nor_serial():
    modules = ("networks", "marker", "workload", "workload.process", "workload.synthetic")
    code = f"import sys, importlib\nfor m in {modules}: importlib.import_module('powerlab.' + m)\n"
    code += "from powerlab.networks import find\nfind('vgg16')\nprint(sorted({'torch', 'serial'} & set(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class TestVGG16:
    def test_has_as_many_parameters_as_published(self, vgg16: nn.Module):
        assert sum(parameter.numel() for parameter in vgg16.parameters()) == 138_357_544
        assert find("vgg16").parameters == 138_357_544

    def test_is_configuration_d(self, vgg16: nn.Module):
        layers = [layer for layer in vgg16.modules() if not list(layer.children())]
        widths = [layer.out_channels if isinstance(layer, nn.Conv2d) else "pool" for layer in layers
                  if isinstance(layer, nn.Conv2d | nn.MaxPool2d)]  # fmt: skip
        two, three = [64, 64, "pool", 128, 128, "pool"], [256] * 3 + ["pool"] + ([512] * 3 + ["pool"]) * 2
        assert widths == two + three
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                assert (layer.kernel_size, layer.stride, layer.padding) == ((3, 3), (1, 1), (1, 1))
                assert layer.bias is not None
        linear = [(layer.in_features, layer.out_features) for layer in layers if isinstance(layer, nn.Linear)]
        assert linear == [(25088, 4096), (4096, 4096), (4096, 1000)]

    def test_carries_torchvisions_names(self, vgg16: nn.Module):
        convolutions = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
        layers = [f"features.{i}" for i in convolutions] + [f"classifier.{i}" for i in (0, 3, 6)]
        assert list(vgg16.state_dict()) == [f"{layer}.{part}" for layer in layers for part in ("weight", "bias")]

    @torch.inference_mode()
    def test_keeps_the_spread_of_its_input(self, vgg16: nn.Module):
        images = torch.randn((1, 3, 224, 224), generator=torch.Generator().manual_seed(0))
        output = vgg16(images)
        assert output.shape == (1, 1000)
        assert 0.1 < output.std() < 100
        assert torch.equal(output, vgg16(images)), "dropout must be off"


@pytest.mark.parametrize("kind", NETWORK_OF)
class TestSeededWeights:
    def test_the_same_seed_gives_the_same_network(self, kind: str):
        network = NETWORK_OF[kind]()
        assert torch.equal(scores(build(network, seed=3)), scores(build(network, seed=3)))

    def test_another_seed_gives_another(self, kind: str):
        network = NETWORK_OF[kind]()
        assert not torch.equal(scores(build(network, seed=3)), scores(build(network, seed=4)))

    def test_torchs_own_random_numbers_go_on_undisturbed(self, kind: str):
        before = torch.get_rng_state()
        build(NETWORK_OF[kind](), seed=3)
        assert torch.equal(torch.get_rng_state(), before)

    def test_is_ready_for_inference(self, kind: str):
        module = build(NETWORK_OF[kind](), seed=3)
        assert not any(part.training for part in module.modules())
        assert not any(parameter.requires_grad for parameter in module.parameters())

    def test_normalisations_start_neutral(self, kind: str):
        state = build(NETWORK_OF[kind](), seed=3).state_dict()
        assert state["1.running_mean"].eq(0).all()
        assert state["1.running_var"].eq(1).all()
        assert state["1.weight"].eq(1).all()
        assert state["2.weight"].eq(0.25).all()

    def test_a_state_dict_comes_back_from_its_file(self, kind: str, tmp_path: Path):
        path = tmp_path / "with a space.pt"
        original = build(NETWORK_OF[kind](), seed=3)
        torch.save(original.state_dict(), path)
        assert torch.equal(scores(build(NETWORK_OF[kind](), seed=4, weights=path)), scores(original))


def test_random_weights_keep_to_hes_bound():
    weight = build(registered_tiny(), seed=3).state_dict()["4.weight"]
    bound = (6 / 144) ** 0.5
    assert weight.abs().max() <= bound
    assert weight.std() == pytest.approx((2 / 144) ** 0.5, rel=0.1)


class TestWrongWeights:
    def refused(self, path: Path) -> str:
        with pytest.raises(NetworkError) as caught:
            build(registered_tiny(), seed=3, weights=path)
        message = str(caught.value)
        assert message.startswith(f"weights {path}: ")
        assert "\n" not in message
        return message

    def saved(self, content: object, tmp_path: Path) -> Path:
        torch.save(content, tmp_path / "weights.pt")
        return tmp_path / "weights.pt"

    def test_no_file(self, tmp_path: Path):
        assert "no such file" in self.refused(tmp_path / "none.pt")

    def test_a_folder(self, tmp_path: Path):
        assert "not a state dict" in self.refused(tmp_path)

    def test_missing_keys(self, tmp_path: Path):
        state = build(registered_tiny(), seed=3).state_dict()
        del state["0.bias"], state["4.weight"]
        assert "they lack 0.bias, 4.weight;" in self.refused(self.saved(state, tmp_path))

    def test_unexpected_keys(self, tmp_path: Path):
        state = dict(build(registered_tiny(), seed=3).state_dict())
        state |= {f"head.{i}": torch.zeros(1) for i in range(5)}
        message = self.refused(self.saved(state, tmp_path))
        assert "they have no use for head.0, head.1, head.2 and 2 more;" in message

    def test_wrong_shapes(self, tmp_path: Path):
        state = build(registered_tiny(), seed=3).state_dict()
        state["4.weight"] = torch.zeros(7, 144)
        assert "4.weight is 7x144, but the network needs 5x144" in self.refused(self.saved(state, tmp_path))

    def test_a_checkpoint_around_the_state_dict(self, tmp_path: Path):
        state = {"epoch": 3, "state_dict": build(registered_tiny(), seed=3).state_dict()}
        assert "holds a dictionary with epoch, state_dict, not" in self.refused(self.saved(state, tmp_path))

    def test_something_else(self, tmp_path: Path):
        assert "holds a list, not" in self.refused(self.saved([torch.zeros(1)], tmp_path))

    def test_a_whole_module_is_not_run(self, tmp_path: Path):
        assert "without running code" in self.refused(self.saved(nn.Linear(2, 2), tmp_path))

    @pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")  # a damaged byte may say so
    @settings(max_examples=150, deadline=None)
    @given(data=st.data())
    def test_a_damaged_file_is_one_line(self, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory):
        file = io.BytesIO()
        torch.save({"a": torch.zeros(3)}, file, _use_new_zipfile_serialization=data.draw(st.booleans()))
        content = bytearray(file.getvalue()[: data.draw(st.integers(0, 2000))])
        if content:
            for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=5)):
                content[place] = data.draw(st.integers(0, 255))
        path = tmp_path_factory.getbasetemp() / "damaged.pt"
        path.write_bytes(content)
        self.refused(path)


class TestUsersFactory:
    def refused(self, model: str) -> str:
        with pytest.raises(NetworkError) as caught:
            build(find(model), seed=0)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def test_no_such_module(self):
        assert "cannot import nowhere: No module named 'nowhere'" in self.refused("nowhere:net")

    def test_a_module_that_needs_another(self):
        assert "No module named 'a_module_nobody_has'" in self.refused("needs_more:net")

    def test_no_such_function(self):
        assert "tinynets has no huge" in self.refused("tinynets:huge")

    def test_no_function(self):
        assert "number is no function" in self.refused("tinynets:number")

    def test_a_failure_is_told_with_the_line_of_the_users_file(self, tmp_path: Path):
        line = TINY.split("\n").index('        raise ValueError("no width\\nwas given")') + 1
        told = f"model tinynets:helped: helped() raised ValueError: no width ({tmp_path / 'tinynets.py'}:{line})"
        assert self.refused("tinynets:helped") == told

    def test_a_failure_in_a_library_is_told_with_the_users_line_too(self, tmp_path: Path):
        line = TINY.split("\n").index('    return nn.Conv2d("three", 4, 3)') + 1
        message = self.refused("tinynets:wrong_layer")
        assert "wrong_layer() raised TypeError: " in message
        assert message.endswith(f"({tmp_path / 'tinynets.py'}:{line})")

    @pytest.mark.parametrize(
        ("text", "line", "said"),
        [
            ("import os\n\nassert os is None, 'never'\n", 3, "importing broken raised AssertionError: never"),
            ("def net(:\n", 1, "importing broken raised SyntaxError: invalid syntax"),
            ("import os\nos.nowhere\n", 2, "raised AttributeError: module 'os' has no attribute 'nowhere'"),
        ],
    )
    def test_a_module_that_fails(self, tmp_path: Path, text: str, line: int, said: str):
        (tmp_path / "broken.py").write_text(text)
        message = self.refused("broken:net")
        assert said in message
        assert message.endswith(f"({tmp_path / 'broken.py'}:{line})")

    def test_no_module_returned(self):
        assert "nothing() returned a NoneType, not a torch.nn.Module" in self.refused("tinynets:nothing")
