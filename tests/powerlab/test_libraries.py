"""Networks of torchvision and timm: their names, their sizes, their weights. No network of theirs is downloaded.

Where the libraries are not installed, small ones that answer the same questions stand in for them; what only the real
ones can answer is skipped then.
"""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from powerlab.networks import LIBRARY_WEIGHTS, NetworkError, build, find
from powerlab.networks.weights import build_with_weights
from powerlab.workload import Task
from powerlab.workload.inference import Inference
from powerlab_traces.extras import Missing


class Small(nn.Sequential):
    def __init__(self, size: int) -> None:
        super().__init__(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
        self.pretrained_cfg = {"input_size": (3, size, size), "tag": "a1"}


class StandIn:
    """Both libraries, and what they were asked to make."""

    def __init__(self) -> None:
        self.made: list[dict[str, Any]] = []

    def torchvision(self) -> ModuleType:
        crops = {"small": {"crop_size": 32}, "big": {"crop_size": 299}, "video": {"crop_size": (8, 8)}, "sized": {}}

        def builder(name: str) -> Any:
            def segmenter(*, weights: Any = None, weights_backbone: Any = "DEFAULT") -> None: ...
            def classifier(*, weights: Any = None) -> None: ...

            return segmenter if name == "sized" else classifier

        def model(name: str, **options: Any) -> nn.Module:
            self.made.append({"name": name} | options)
            if options["weights"] == "DEFAULT":
                raise OSError("this test has no network")
            return Small(32)

        weights = {name: SimpleNamespace(transforms=SimpleNamespace(keywords=it)) for name, it in crops.items()}
        library = ModuleType("torchvision")
        library.__version__ = "0.99"
        library.models = SimpleNamespace(
            list_models=lambda: list(crops),
            get_model_builder=builder,
            get_model=model,
            get_model_weights=lambda name: SimpleNamespace(DEFAULT=weights[name]),
        )
        return library

    def timm(self) -> ModuleType:
        def create(name: str, **options: Any) -> nn.Module:
            self.made.append({"name": name} | options)
            return Small(40)

        library = ModuleType("timm")
        library.__version__ = "1.99"
        library.list_models = lambda: ["small_net", "smaller_net"]
        library.create_model = create
        library.data = SimpleNamespace(resolve_data_config=lambda _, model: model.pretrained_cfg)
        return library


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn()
    monkeypatch.setitem(sys.modules, "torchvision", stand_in.torchvision())
    monkeypatch.setitem(sys.modules, "timm", stand_in.timm())
    return stand_in


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        ("torchvision:small", (3, 32, 32)),
        ("torchvision:big", (3, 299, 299)),
        ("torchvision:sized", (3, 224, 224)),
        ("timm:small_net", (3, 40, 40)),
        ("timm:small_net.a1", (3, 40, 40)),
    ],
)
def test_the_size_is_the_librarys(libraries: StandIn, model: str, shape: tuple[int, ...]):
    assert build_with_weights(find(model), 0, None).terms.image(model, None) == shape


def test_another_kind_of_input_is_asked_for(libraries: StandIn):
    terms = build_with_weights(find("torchvision:video"), 0, None).terms
    with pytest.raises(NetworkError, match="does not say what it takes"):
        terms.image("torchvision:video", None)


def test_nothing_is_downloaded_unasked(libraries: StandIn):
    for model in ("torchvision:small", "torchvision:sized", "timm:small_net"):
        build(find(model), seed=0)
    small, segmenter, timm = libraries.made
    assert small == {"name": "small", "weights": None}
    assert segmenter == {"name": "sized", "weights": None, "weights_backbone": None}
    assert timm == {"name": "small_net", "pretrained": False}


def test_the_librarys_weights_have_to_be_asked_for(libraries: StandIn):
    built = build_with_weights(find("timm:small_net"), 0, LIBRARY_WEIGHTS)
    assert libraries.made == [{"name": "small_net", "pretrained": True}]
    assert built.terms.details == {"library": "timm 1.99", "library's weights": "a1"}
    with pytest.raises(NetworkError, match=r"small\(\) raised OSError: this test has no network \(.*\)$") as caught:
        build(find("torchvision:small"), seed=0, weights=LIBRARY_WEIGHTS)
    assert "\n" not in str(caught.value)


def test_weights_of_a_file(libraries: StandIn, tmp_path: Path):
    original = build(find("timm:small_net"), seed=3)
    torch.save(original.state_dict(), tmp_path / "weights.pt")
    loaded = build(find("timm:small_net"), seed=4, weights=tmp_path / "weights.pt")
    assert all(torch.equal(it, loaded.state_dict()[key]) for key, it in original.state_dict().items())
    assert libraries.made[-1]["pretrained"] is False


def test_random_ones_are_the_seeds(libraries: StandIn):
    one, same, other = (build(find("timm:small_net"), seed=seed).state_dict()["0.weight"] for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_it_runs(libraries: StandIn):
    loaded = Inference(Task("timm:small_net", 2, threads=1, device="cpu")).loaded
    assert loaded.input_shape == (2, 3, 40, 40)
    assert loaded.details == {"kind": "network of timm", "dtype": "fp32", "library": "timm 1.99"}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("timm:smal_net", "timm has no network 'smal_net'; did you mean small_net, smaller_net"),
        ("torchvision:Smal", r"torchvision has no network 'Smal'; did you mean small\?"),
        ("timm:qqqqqq.a1", "timm has no network 'qqqqqq.a1'; timm lists 2 others"),
    ],
)
def test_an_unknown_name_gets_the_closest(libraries: StandIn, model: str, message: str):
    with pytest.raises(NetworkError, match=message):
        build(find(model), seed=0)


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_without_the_library(monkeypatch: pytest.MonkeyPatch, library: str):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(Missing, match=rf'^{library} cannot be loaded .*pip install "powerlab\[{library}\]" brings it$'):
        build(find(f"{library}:resnet18"), seed=0)


class TestReal:
    @pytest.mark.parametrize(
        ("name", "size"), [("squeezenet1_1", 224), ("inception_v3", 299), ("vit_b_16", 224), ("efficientnet_b1", 240)]
    )
    def test_torchvision(self, name: str, size: int):
        real("torchvision")
        built = build_with_weights(find(f"torchvision:{name}"), 0, None)
        shape = built.terms.image(name, None)
        assert shape == (3, size, size)
        with torch.inference_mode():
            assert built.module(torch.zeros(1, *shape)).shape == (1, 1000)

    @pytest.mark.parametrize(("name", "size"), [("resnet10t", 176), ("mobilenetv3_small_050.lamb_in1k", 224)])
    def test_timm(self, name: str, size: int):
        real("torchvision")
        real("timm")
        built = build_with_weights(find(f"timm:{name}"), 0, None)
        assert (shape := built.terms.image(name, None)) == (3, size, size)
        with torch.inference_mode():
            assert built.module(torch.zeros(1, *shape)).shape == (1, 1000)

    def test_unknown(self):
        real("torchvision")
        with pytest.raises(NetworkError, match="has no network 'resnet51'; did you mean resnet"):
            build(find("torchvision:resnet51"), seed=0)


def real(library: str) -> None:
    """Import it, or skip; one built for another variant of this torch lacks its operators, which are not needed."""
    try:
        __import__(library)
    except ImportError:
        pytest.skip(f"{library} is not installed")
    except RuntimeError:
        pytest.skip(f"{library} was built for another torch")
