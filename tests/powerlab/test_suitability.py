"""Options that make no sense for what is to be run."""

from pathlib import Path
from typing import Any

import pytest

from powerlab.cli import run
from powerlab.workload import Task, WorkloadError
from powerlab.workload.suitability import check_options

ALL: dict[str, Any] = {
    "weights": Path("w.pt"),
    "threads": 2,
    "device": "cuda",
    "dtype": "fp16",
    "input_shape": (3, 8, 8),
    "channels_last": True,
    "compile": True,
    "autotune": True,
    "tf32": True,
    "copies": True,
}
SENSELESS = {
    "vgg16": set(),
    "my.nets:make": set(),
    "timm:resnet18": set(),
    "torchvision:resnet18": set(),
    "net.pt": {"weights", "compile"},
    "net.pt2": {"weights", "channels_last"},
    "net.onnx": {"weights", "compile", "channels_last", "autotune", "tf32"},
    "": ALL.keys(),
}


@pytest.mark.parametrize("option", ALL)
@pytest.mark.parametrize("model", SENSELESS)
def test_each_option_is_of_use_or_refused(model: str, option: str):
    task = Task(model, 2, seed=3, command=None if model else "./infer", **{option: ALL[option]})
    if option not in SENSELESS[model]:
        check_options(task)
        return
    flag = {"input_shape": "--input", "channels_last": "--channels-last"}.get(option, f"--{option}")
    with pytest.raises(WorkloadError, match=rf"^{flag} makes no sense here \(.+: .+\); leave it out$"):
        check_options(task)


@pytest.mark.parametrize("option", ["autotune", "tf32"])
def test_cudas_options_are_of_use_on_cuda(option: str):
    check_options(Task("net.onnx", 2, device="cuda:1", **{option: True}))


def test_a_capture_is_refused_before_the_bench_is_opened(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    words = ["--bench", str(tmp_path / "there is none.toml")]
    assert run(["capture", "--command", "./infer", "--dtype", "fp16", *words]) == 2
    assert "--dtype makes no sense here (--command: the program itself decides that)" in capsys.readouterr().err
    assert run(["capture", "--model", "net.onnx", "--compile", *words]) == 2
    assert "--compile makes no sense here (ONNX file: onnxruntime decides that)" in capsys.readouterr().err
