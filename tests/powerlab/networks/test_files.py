"""Models in files of torch's own formats."""

import os
import pickle
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from powerlab.marker import NoMarker
from powerlab.networks import Kind, NetworkError, build, find
from powerlab.networks.operations import count_built, count_operations
from powerlab.networks.terms import Terms
from powerlab.networks.weights import outlined
from powerlab.workload import Task
from powerlab.workload.inference import Inference
from powerlab_traces.clock import HostClock

IMAGES = torch.randn((4, 3, 8, 8), generator=torch.Generator().manual_seed(7))


class Net(nn.Module):
    """Some layers, one of which has no rule."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LocalResponseNorm(2), nn.Flatten())
        self.head = nn.Linear(144, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.body(images)))


class Saying(Net):
    """The same, and it says what it takes, which TorchScript keeps."""

    input_shape: tuple[int, int, int]

    def __init__(self) -> None:
        super().__init__()
        self.input_shape = (3, 8, 8)


class Two(nn.Module):
    def forward(self, images: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return images * mask


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 4)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        return self.table(words)


class Harm:
    """Leaves a trace when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


@pytest.fixture(autouse=True)
def no_advice() -> Iterator[None]:
    """Torch says of its own formats that others will come."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def net() -> Net:
    torch.manual_seed(3)
    return Net().eval()


def scripted(module: nn.Module, path: Path, *, frozen: bool = False) -> Path:
    script = torch.jit.script(module.eval())
    torch.jit.save(torch.jit.freeze(script) if frozen else script, path)
    return path


def exported(module: nn.Module, path: Path, batch: Any = None, images: torch.Tensor = IMAGES) -> Path:
    shapes = None if batch is None else ({0: batch},)
    torch.export.save(torch.export.export(module.eval(), (images,), dynamic_shapes=shapes), path)
    return path


def refused(path: Path) -> str:
    with pytest.raises(NetworkError) as caught:
        build(find(str(path)), seed=0)
    message = str(caught.value)
    assert message.startswith(f"model {path} ")
    assert "\n" not in message
    return message


class TestTorchScript:
    def test_computes_as_what_was_saved(self, net: Net, tmp_path: Path):
        module = build(find(str(scripted(net, tmp_path / "a net.pt"))), seed=9)
        torch.testing.assert_close(module(IMAGES), net(IMAGES))
        assert not any(parameter.requires_grad for parameter in module.parameters())

    def test_does_not_say_what_it_takes(self, net: Net, tmp_path: Path):
        terms = outlined(find(str(scripted(net, tmp_path / "net.ts")))).terms
        with pytest.raises(NetworkError, match=r"^model net.ts does not say what it takes: give .* --input 3x224x224$"):
            terms.image("net.ts", None)
        assert terms.image("net.ts", (3, 9, 9)) == (3, 9, 9)

    def test_unless_it_has_an_attribute_that_does(self, tmp_path: Path):
        terms = outlined(find(str(scripted(Saying(), tmp_path / "net.pt")))).terms
        assert terms.image("net.pt", None) == (3, 8, 8)

    def test_keeps_its_type_unless_another_is_asked_for(self, net: Net, tmp_path: Path):
        built = outlined(find(str(scripted(net.half(), tmp_path / "net.pt"))))
        assert built.terms.computes_in("net.pt", None) == "fp16"
        assert built.terms.computes_in("net.pt", "bf16") == "bf16"
        assert next(built.on(torch.device("cpu"), torch.bfloat16).parameters()).dtype == torch.bfloat16

    def test_is_counted_as_a_whole(self, net: Net, tmp_path: Path):
        plain = count_operations(net, (3, 8, 8))
        counted = count_built(outlined(find(str(scripted(net, tmp_path / "net.pt")))), (3, 8, 8))
        assert counted.parameters == plain.parameters
        assert counted.total.macs == plain.total.macs
        assert [(layer.name, layer.kind) for layer in counted.layers] == [("", "Net")]
        assert not counted.layered
        assert counted.fully_connected is None
        assert "aten.pow" in {it.operator for it in counted.unsupported}  # of the normalisation, never silently zero

    def test_parameters_that_became_constants_are_not_zero(self, net: Net, tmp_path: Path):
        built = outlined(find(str(scripted(net, tmp_path / "net.pt", frozen=True))))
        assert built.parameters is None
        counted = count_built(built, (3, 8, 8))
        assert counted.parameters is None
        assert counted.total.macs == count_operations(net, (3, 8, 8)).total.macs

    def test_what_it_cannot_take_is_one_line(self, net: Net, tmp_path: Path):
        built = outlined(find(str(scripted(net, tmp_path / "net.pt"))))
        with pytest.raises(
            NetworkError, match=r"on an input of 1x2x8x8: RuntimeError: Given groups=1.*--input$"
        ) as caught:
            count_built(built, (2, 8, 8))
        assert "\n" not in str(caught.value)

    def test_a_state_dict_is_none(self, net: Net, tmp_path: Path):
        torch.save(net.state_dict(), tmp_path / "weights.pt")
        assert "no TorchScript" in (message := refused(tmp_path / "weights.pt"))
        assert "goes to --weights" in message

    def test_a_pickled_module_is_none_and_not_run(self, tmp_path: Path):
        torch.save(Harm(tmp_path / "harm"), tmp_path / "net.pt")
        assert "no TorchScript" in refused(tmp_path / "net.pt")
        assert not (tmp_path / "harm").exists()

    def test_pickled_python_among_its_data_is_not_run(self, net: Net, tmp_path: Path):
        path = replaced(scripted(net, tmp_path / "net.pt"), "net/data.pkl", pickle.dumps(Harm(tmp_path / "harm")))
        assert "cannot be read by torch" in refused(path)
        assert not (tmp_path / "harm").exists()

    def test_brings_its_weights(self, net: Net, tmp_path: Path):
        path = scripted(net, tmp_path / "net.pt")
        with pytest.raises(NetworkError, match="brings its own weights"):
            build(find(str(path)), seed=0, weights=tmp_path / "others.pt")


def replaced(path: Path, name: str, content: bytes) -> Path:
    """The archive with one file in it replaced or added."""
    with zipfile.ZipFile(path) as archive:
        held = {it: archive.read(it) for it in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for it, before in (held | {name: content}).items():
            archive.writestr(it, content if it == name else before)
    return path


class TestExported:
    def test_computes_as_what_was_exported(self, net: Net, tmp_path: Path):
        module = build(find(str(exported(net, tmp_path / "a net.pt2"))), seed=9)
        torch.testing.assert_close(module(IMAGES), net(IMAGES))

    def test_says_what_it_takes(self, net: Net, tmp_path: Path):
        terms = outlined(find(str(exported(net.half(), tmp_path / "net.pt2", images=IMAGES.half())))).terms
        assert replace(terms, details={}) == Terms((3, 8, 8), 4, 4, "fp16", exact=True)
        assert len(terms.details["file sha256"]) == 64

    @pytest.mark.parametrize(
        ("batch", "fewest", "most"),
        [
            (torch.export.Dim("batch"), 1, None),
            (torch.export.Dim.DYNAMIC, 1, None),  # noted as 2 or more, and takes one
            (torch.export.Dim("batch", min=3, max=8), 3, 8),
        ],
    )
    def test_a_batch_that_may_vary(self, net: Net, tmp_path: Path, batch: Any, fewest: int, most: int | None):
        built = outlined(find(str(exported(net, tmp_path / "net.pt2", batch))))
        assert (built.terms.fewest, built.terms.most) == (fewest, most)
        for size in {fewest, fewest + 1, most or 9}:
            built.terms.check_batch("net.pt2", size)
            assert built.module(IMAGES[:1].expand(size, -1, -1, -1)).shape == (size, 5)

    def test_a_batch_that_may_not(self, net: Net, tmp_path: Path):
        terms = outlined(find(str(exported(net, tmp_path / "net.pt2")))).terms
        with pytest.raises(NetworkError, match="was made for batches of 4, and the batch is 1: give --batch 4, or"):
            terms.check_batch("net.pt2", 1)
        with pytest.raises(NetworkError, match="takes images of 3x8x8, and --input is 3x9x9$"):
            terms.image("net.pt2", (3, 9, 9))
        with pytest.raises(NetworkError, match="takes fp32, which is fixed in it: leave --dtype fp16 out"):
            terms.computes_in("net.pt2", "fp16")

    def test_is_counted_layer_by_layer(self, net: Net, tmp_path: Path):
        plain = count_operations(net, (3, 8, 8))
        counted = count_built(outlined(find(str(exported(net, tmp_path / "net.pt2")))), (3, 8, 8))
        own = {(it.name, it.kind): it.count for it in counted.layers}
        assert {(it.name, it.kind): it.count for it in plain.layers} == own
        assert counted.fully_connected == plain.fully_connected
        assert [(it.operator, it.layer) for it in counted.unsupported] == [("LocalResponseNorm", "body.1")]

    def test_more_than_one_input(self, tmp_path: Path):
        torch.export.save(torch.export.export(Two(), (IMAGES, IMAGES)), tmp_path / "two.pt2")
        assert "takes 2 inputs, not one tensor" in refused(tmp_path / "two.pt2")

    def test_words(self, tmp_path: Path):
        path = exported(Words(), tmp_path / "words.pt2", images=torch.zeros(4, 3, dtype=torch.int64))
        assert "takes int64 numbers, no images" in refused(path)

    def test_what_would_run_code_is_refused(self, net: Net, tmp_path: Path):
        harm = pickle.dumps(Harm(tmp_path / "harm"))
        path = exported(net, tmp_path / "net.pt2")
        assert "would run code" in refused(replaced(path, "net/data/constants/opaque_obj_0", harm))
        assert not (tmp_path / "harm").exists()

    def test_pickled_python_in_place_of_a_tensor_is_not_run(self, net: Net, tmp_path: Path):
        torch.save((Harm(tmp_path / "harm"),), tmp_path / "harm.pt")
        harm = (tmp_path / "harm.pt").read_bytes()
        path = exported(net, tmp_path / "net.pt2")
        assert "cannot be read by torch" in refused(replaced(path, "net/data/sample_inputs/model.pt", harm))
        assert not (tmp_path / "harm").exists()
        assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


class TestAsWorkload:
    def loaded(self, path: Path, batch: int, **options: Any) -> dict[str, Any]:
        work = Inference(Task(str(path), batch, threads=1, device="cpu", **options))
        timed = work.window(NoMarker(HostClock()))
        assert timed.forward is not None
        return {"parameters": work.loaded.parameters, "input": work.loaded.input_shape} | dict(work.loaded.details)

    def test_torchscript(self, tmp_path: Path):
        path = scripted(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 5)), tmp_path / "net.pt")
        said = self.loaded(path, 2, input_shape=(3, 8, 8), dtype="bf16", channels_last=True)
        assert (said["parameters"], said["input"]) == (837, (2, 3, 8, 8))
        assert (said["kind"], said["dtype"], said["weights"]) == ("TorchScript file", "bf16", "the file's")
        assert len(said["file sha256"]) == 64

    def test_frozen_torchscript(self, net: Net, tmp_path: Path):
        path = scripted(net, tmp_path / "net.pt", frozen=True)
        assert self.loaded(path, 2, input_shape=(3, 8, 8))["parameters"] is None

    def test_an_exported_program(self, net: Net, tmp_path: Path):
        said = self.loaded(exported(net, tmp_path / "net.pt2", torch.export.Dim("batch")), 1, copies=True)
        assert (said["parameters"], said["input"]) == (837, (1, 3, 8, 8))
        assert (said["kind"], said["dtype"], said["weights"]) == ("program of torch.export", "fp32", "the file's")

    def test_one_of_bytes(self, tmp_path: Path):
        images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
        said = self.loaded(exported(nn.Flatten(), tmp_path / "net.pt2", images=images), 4)
        assert said["dtype"] == "uint8"

    def test_what_does_not_fit_is_refused(self, net: Net, tmp_path: Path):
        path = exported(net, tmp_path / "net.pt2")
        for batch, options, message in (
            (2, {}, "was made for batches of 4"),
            (4, {"dtype": "fp16"}, "leave --dtype fp16 out"),
            (4, {"input_shape": (3, 9, 9)}, "takes images of 3x8x8"),
        ):
            with pytest.raises(NetworkError, match=message):
                self.loaded(path, batch, **options)
        with pytest.raises(NetworkError, match="give the shape of one image"):
            self.loaded(scripted(net, tmp_path / "net.pt"), 4)


class TestNoModel:
    @pytest.mark.parametrize("name", ["net.pt", "net.ts", "net.pt2"])
    def test_no_file(self, tmp_path: Path, name: str):
        assert "No such file or directory" in refused(tmp_path / name)

    def test_something_else(self, tmp_path: Path):
        (tmp_path / "net.pt2").write_text("hello")
        assert "no archive as torch writes it" in refused(tmp_path / "net.pt2")

    def test_one_for_the_other(self, net: Net, tmp_path: Path):
        assert "cannot be read" in refused(scripted(net, tmp_path / "net.pt2"))
        assert "holds no TorchScript" in refused(exported(net, tmp_path / "net.pt"))

    @settings(max_examples=40, deadline=None)
    @given(data=st.data())
    def test_a_damaged_file_is_no_crash(self, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            folder = tmp_path_factory.mktemp("damaged")
            name = data.draw(st.sampled_from(["net.pt", "net.pt2"]))
            make = scripted if name == "net.pt" else exported
            content = bytearray(make(nn.Flatten(), folder / name).read_bytes())
            for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=5)):
                content[place] ^= data.draw(st.integers(1, 255))
            (folder / name).write_bytes(content[: data.draw(st.integers(1, len(content)))])
            with suppress(NetworkError):  # some bytes do not matter; no other error may come
                build(find(str(folder / name)), seed=0)


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("net.pt", Kind.TORCHSCRIPT),
        ("a folder/net.TS", Kind.TORCHSCRIPT),
        ("C:\\nets\\net.pt2", Kind.EXPORTED),
        ("net.onnx", Kind.ONNX),
        ("timm:vit_base_patch16_224.augreg_in21k", Kind.TIMM),
        ("torchvision:resnet50", Kind.TORCHVISION),
        ("my.pt:make", Kind.FACTORY),
        ("vgg16", Kind.TABLE),
    ],
)
def test_what_a_model_is_can_be_told_from_its_name(model: str, kind: Kind):
    assert find(model).kind is kind


@pytest.mark.parametrize("model", ["timm:", "timm:hf-hub:user/net", "torchvision:a b"])
def test_a_librarys_name_is_one_word(model: str):
    with pytest.raises(NetworkError, match=r"names no network of \w+: write it like \w+:resnet50"):
        find(model)
