"""The paper's networks: their size, their shape, and the files of other libraries that fit them."""

import importlib
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from powerlab.networks import NETWORKS, build, find
from powerlab.networks.enet import Bottleneck
from powerlab.networks.googlenet import ByColour
from powerlab.networks.inception_v3 import InceptionV3
from powerlab.networks.resnet import ResNet
from powerlab.networks.weights import outline
from tests.foreign_networks.twins import TWINS, Twin, read, shapes_of, written

KEYS = Path(__file__).parent / "keys"
PARAMETERS = {
    "alexnet": 60_965_224,
    "bn-alexnet": 60_541_992,
    "bn-nin": 8_655_336,
    "enet": 5_861_508,
    "googlenet": 6_998_552,
    "googlenet-factorised": 6_991_880,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_601_832,
    "resnet152": 60_268_520,
    "inception-v3": 23_850_960,
    "inception-v4": 42_679_816,
}
WITH_TWINS = pytest.mark.parametrize("twin", TWINS, ids=lambda it: f"{it.library}-{it.foreign}")


def size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def on_meta(module_of: type[nn.Module], *arguments: object, **options: object) -> nn.Module:
    with torch.device("meta"):
        return module_of(*arguments, **options)


def translated(module: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return module.translated(state) if hasattr(module, "translated") else state


class TestSize:
    def test_the_table_holds_these_networks(self):
        assert {name: network.parameters for name, network in NETWORKS.items()} == PARAMETERS

    @pytest.mark.parametrize("name", PARAMETERS)
    def test_parameters_as_published(self, name: str):
        assert size(outline(find(name))) == PARAMETERS[name]

    @pytest.mark.parametrize("name", PARAMETERS)
    def test_a_score_for_each_class_of_each_image(self, name: str):
        network = find(name)
        scores = outline(network)(torch.empty((2, *network.input_shape), device="meta"))
        assert scores.shape == (2, 1008 if name == "inception-v3" else 1000)

    def test_the_deepest_resnets_without_biases_are_the_usual_ones(self):
        assert size(on_meta(ResNet, (3, 4, 23, 3), bottleneck=True)) == 44_549_160
        assert size(on_meta(ResNet, (3, 8, 36, 3), bottleneck=True)) == 60_192_808

    def test_the_nin_that_is_plotted_leaves_its_normalisations_out(self):
        norms = (layer for layer in outline(find("bn-nin")).modules() if isinstance(layer, nn.BatchNorm2d))
        assert PARAMETERS["bn-nin"] - sum(map(size, norms)) == 8_644_776


class TestForm:
    def test_alexnet_takes_227_pixels_too(self):
        network = outline(find("alexnet"))
        assert network(torch.empty((1, 3, 227, 227), device="meta")).shape == (1, 1000)
        assert [layer.groups for layer in network if isinstance(layer, nn.Conv2d)] == [1, 2, 1, 2, 2]

    def test_local_response_normalisation_is_that_of_caffe(self):
        """What Caffe's reference documents: divided by (1 + alpha / n x sum of squares) ^ beta."""
        norm = outline(find("alexnet")).norm1
        images = torch.full((1, 9, 1, 1), 100.0)
        assert norm(images)[0, 4, 0, 0].item() == pytest.approx(100 / (1 + 1e-4 / 5 * 5 * 100**2) ** 0.75)

    def test_enet_is_built_of_these_blocks(self):
        network = outline(find("enet"))
        stages = [network.get_submodule(f"stage{number}") for number in (1, 2, 3, 4)]
        assert size(network.initial) == 412
        assert [[size(block) for block in stage] for stage in stages] == [
            [45_696, 15_968, 18_016],
            [87_232, 70_848, 70_848],
            [346_496, 280_960, 280_960],
            [1_381_120, 1_118_976, 1_118_976],
        ]

    def test_enet_dilates_once_in_each_later_stage(self):
        network = outline(find("enet"))
        blocks = {name: it.main[3].dilation[0] for name, it in network.named_modules() if isinstance(it, Bottleneck)}
        assert {name: it for name, it in blocks.items() if it != 1} == {"stage2.2": 2, "stage3.2": 4, "stage4.2": 8}

    @torch.inference_mode()
    def test_the_way_past_a_bottleneck_keeps_its_channels_and_adds_zeros(self):
        block = Bottleneck(2, 5, inner=1).eval()
        nn.init.zeros_(block.main[6].weight)
        images = torch.rand((1, 2, 4, 4))
        assert torch.equal(block(images), torch.cat((images, torch.zeros((1, 3, 4, 4))), dim=1))

    @torch.inference_mode()
    def test_the_factorised_first_layer_sees_each_colour_alone(self):
        layer, images = ByColour(), torch.rand((1, 3, 16, 16))
        other = images.clone()
        other[:, 1] += 1
        changed = (layer(images) != layer(other)).flatten(2).any(dim=2)[0]
        assert changed.tolist() == [False] * 8 + [True] * 8 + [False] * 8

    def test_resnets_halve_the_size_in_the_3x3(self):
        strided = [
            layer.kernel_size
            for name, layer in outline(find("resnet50")).named_modules()
            if isinstance(layer, nn.Conv2d) and layer.stride == (2, 2) and "downsample" not in name
        ]
        assert strided == [(7, 7), (3, 3), (3, 3), (3, 3)]


@pytest.mark.parametrize(
    ("name", "pixels"),
    [("enet", 224), ("googlenet-factorised", 224), ("resnet18", 64), ("resnet152", 64), ("inception-v3", 107)],
)
@torch.inference_mode()
def test_random_weights_keep_the_scores_in_range(name: str, pixels: int):
    module = build(find(name), seed=1)
    images = torch.randn((1, 3, pixels, pixels), generator=torch.Generator().manual_seed(0))
    scores = module(images)
    assert 0.1 < scores.std() < 100
    assert torch.equal(scores, module(images)), "dropout must be off"


class TestForeignFiles:
    @WITH_TWINS
    def test_a_state_dict_of_the_same_network_fits(self, twin: Twin):
        theirs = read((KEYS / twin.keys_file).read_text())
        ours = outline(find(twin.own))
        state = translated(ours, {key: torch.empty(shape, device="meta") for key, shape in theirs.items()})
        assert {key: tuple(value.shape) for key, value in state.items()} == shapes_of(ours)

    @pytest.mark.filterwarnings("ignore")  # of other people's code
    @WITH_TWINS
    def test_the_recorded_keys_are_the_librarys(self, twin: Twin):
        try:
            importlib.import_module(twin.library)
        except (ImportError, RuntimeError) as error:  # a torchvision that was built for another torch raises the latter
            pytest.skip(f"{twin.library}: {error}")
        assert (KEYS / twin.keys_file).read_text() == written(shapes_of(twin.on_meta()))

    @pytest.mark.parametrize("name", PARAMETERS)
    def test_its_own_state_dict_stays_as_it_is(self, name: str):
        module = outline(find(name))
        own = module.state_dict()
        found = translated(module, own)
        assert found.keys() == own.keys()
        assert all(found[key] is own[key] for key in own)

    def test_biases_that_a_file_lacks_are_zeros(self):
        module = ResNet((1, 1, 1, 1), bias=True)
        plain = ResNet((1, 1, 1, 1)).state_dict()
        found = module.translated(plain)
        assert found["layer2.0.downsample.0.bias"].eq(0).all()
        assert found["conv1.weight"] is plain["conv1.weight"]
        with torch.inference_mode():
            module.load_state_dict(found)
            other, images = ResNet((1, 1, 1, 1)).eval(), torch.randn((1, 3, 64, 64))
            other.load_state_dict(plain)
            assert torch.equal(module.eval()(images), other(images))

    def test_other_missing_layers_are_still_missing(self):
        assert ResNet((1, 1, 1, 1), bias=True).translated({}) == {}

    def test_outputs_that_a_file_lacks_never_win(self):
        with torch.device("meta"):
            module = InceptionV3()
        state = {"fc.weight": torch.ones((1000, 2048)), "fc.bias": torch.full((1000,), -50.0), "AuxLogits.fc.bias": 0}
        found = module.translated(state)
        assert found.keys() == {"fc.weight", "fc.bias"}
        scores = nn.functional.linear(torch.rand((1, 2048)), found["fc.weight"], found["fc.bias"])
        assert scores.shape == (1, 1008)
        assert scores[0, 1000:].max() < scores[0, :1000].min()
