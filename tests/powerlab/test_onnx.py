"""ONNX files as the workload, and what `powerlab models` says of them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from powerlab.cli import run
from powerlab.marker import NoMarker
from powerlab.networks import NetworkError
from powerlab.networks.onnxfile import onnx_operators, onnx_parameters, open_session
from powerlab.workload import OutOfMemoryError, Task, WorkloadError
from powerlab.workload.onnxinference import OnnxInference
from powerlab.workload.process import WorkloadProcess
from powerlab_traces.clock import HostClock
from powerlab_traces.extras import Missing
from powerlab_traces.store import open_run

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

FLOAT, HALF, BYTE, INT64 = (getattr(onnx.TensorProto, it) for it in ("FLOAT", "FLOAT16", "UINT8", "INT64"))
PARAMETERS = 4 * 3 * 9 + 4 + 144 * 5 + 5


def saved(
    path: Path, *, batch: str | int = "batch", image: tuple[int | str, ...] = (3, 8, 8), kind: int = FLOAT
) -> Path:
    """A convolution and a fully connected layer; a shape among the initialisers is no parameter."""
    helper, random = onnx.helper, np.random.default_rng(3)
    dtype = np.float16 if kind == HALF else np.float32
    weights = {"w": (4, 3, 3, 3), "b": (4,), "v": (144, 5), "c": (5,)}
    held = [onnx.numpy_helper.from_array(random.normal(size=it).astype(dtype), name) for name, it in weights.items()]
    held.append(onnx.numpy_helper.from_array(np.array([-1, 144], np.int64), "flat"))
    cast = helper.make_node("Cast", ["images"], ["x"], to=FLOAT if kind == BYTE else kind)
    nodes = [
        cast,
        helper.make_node("Conv", ["x", "w", "b"], ["y"]),
        helper.make_node("Relu", ["y"], ["z"]),
        helper.make_node("Reshape", ["z", "flat"], ["rows"]),
        helper.make_node("Gemm", ["rows", "v", "c"], ["scores"]),
    ]
    taken = helper.make_tensor_value_info("images", kind, (batch, *image))
    given = helper.make_tensor_value_info("scores", FLOAT if kind == BYTE else kind, (batch, 5))
    return written(path, nodes, [taken], [given], held)


def written(path: Path, nodes: Any, taken: Any, given: Any, held: Any = ()) -> Path:
    graph = onnx.helper.make_graph(nodes, "net", taken, given, held)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def task(path: Path, batch: int = 2, **others: Any) -> Task:
    return Task(str(path), batch, **others)


class TestRuns:
    def test_says_what_it_loaded(self, tmp_path: Path):
        path = saved(tmp_path / "a net.onnx")
        loaded = OnnxInference(task(path, threads=1)).loaded
        assert (loaded.model, loaded.batch, loaded.input_shape) == (str(path), 2, (2, 3, 8, 8))
        assert (loaded.parameters, loaded.device, loaded.threads) == (PARAMETERS, "cpu", 1)
        assert loaded.framework == f"onnxruntime {runtime.__version__}"
        details = dict(loaded.details)
        assert len(details.pop("file sha256")) == 64
        assert details == {
            "kind": "ONNX file",
            "dtype": "fp32",
            "weights": "the file's",
            "names": "images to scores",
            "providers": "CPUExecutionProvider",
            "spinning": "threads stop with each pass",
        }

    def test_a_window_is_one_pass(self, tmp_path: Path):
        work = OnnxInference(task(saved(tmp_path / "net.onnx"), threads=1))
        first = work.window(NoMarker(HostClock()))
        assert first.start < first.stop
        assert first.forward is not None
        assert 0 < first.forward <= first.seconds
        assert (first.copy_in, first.copy_out, first.device) == (None, None, None)
        (scores,) = work._binding.copy_outputs_to_cpu()
        session = open_session(tmp_path / "net.onnx", threads=1)
        np.testing.assert_allclose(scores, session.run(None, {"images": work._host})[0], rtol=1e-5)

    @pytest.mark.parametrize(("kind", "name", "dtype"), [(HALF, "fp16", np.float16), (BYTE, "uint8", np.uint8)])
    def test_the_input_is_of_the_files_type(self, tmp_path: Path, kind: int, name: str, dtype: Any):
        work = OnnxInference(task(saved(tmp_path / "net.onnx", kind=kind), threads=1))
        assert work.loaded.details["dtype"] == name
        assert work._host.dtype == dtype
        assert work._host.std() > 0.5
        work.window(NoMarker(HostClock()))

    def test_the_same_seed_gives_the_same_images(self, tmp_path: Path):
        path = saved(tmp_path / "net.onnx")
        one, same, other = (OnnxInference(task(path, seed=seed))._host for seed in (1, 1, 2))
        assert np.array_equal(one, same)
        assert not np.array_equal(one, other)

    def test_a_size_that_may_vary(self, tmp_path: Path):
        path = saved(tmp_path / "net.onnx", image=(3, "height", "width"))
        with pytest.raises(NetworkError, match=r"takes images of 3x\?x\?, .*: give .* --input 3x224x224$"):
            OnnxInference(task(path))
        assert OnnxInference(task(path, input_shape=(3, 8, 8))).loaded.input_shape == (2, 3, 8, 8)

    def test_in_the_workloads_process_without_torch(self, tmp_path: Path):
        with WorkloadProcess() as process:
            process.load(task(saved(tmp_path / "net.onnx"), threads=1))
            assert len(process.warm_up(3)) == 3
            assert len(process.run(5, seconds=10.0)) == 5
        code = "import sys, powerlab.workload.child, powerlab.workload.onnxinference; sys.exit('torch' in sys.modules)"
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, check=True
        )

    def test_on_the_bench(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        net, output = saved(tmp_path / "net.onnx"), tmp_path / "run.h5"
        words = ["capture", "--model", str(net), "--batch", "2", "--windows", "3", "--idle", "0s", "--settle", "0s"]
        assert run([*words, "--threads", "1", "--quiet", "-o", str(output)]) == 0
        workload = open_run(output).provenance.workload
        assert workload["kind"] == "ONNX file"
        assert (workload["weights"], workload["dtype"], workload["threads"]) == ("the file's", "fp32", "1")
        assert workload["parameters"] == str(PARAMETERS)
        assert workload["framework"].startswith("onnxruntime ")


class TestRefused:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"compile": True}, r"--compile makes no sense here \(ONNX file: onnxruntime decides that\); leave it out"),
            ({"channels_last": True}, "--channels-last makes no sense"),
            ({"weights": Path("w.pt")}, "--weights makes no sense here .*brings its own"),
            ({"tf32": True}, "--tf32 makes no sense here .*--device cuda"),
            ({"autotune": True, "device": "cpu"}, "--autotune makes no sense here"),
            ({"device": "mps"}, "device 'mps': an ONNX file runs on cpu, or cuda"),
            ({"device": "cuda"}, "has no CUDA; install onnxruntime-gpu in its place, or give --device cpu"),
            ({"dtype": "fp16"}, "takes fp32, which is fixed in it: leave --dtype fp16 out"),
            ({"input_shape": (1, 8, 8)}, "takes images of 3x8x8, and --input is 1x8x8"),
            ({"threads": 0}, "threads 0: give 1 or more"),
        ],
    )
    def test_options_without_sense(self, tmp_path: Path, options: dict[str, Any], message: str):
        with pytest.raises((WorkloadError, NetworkError), match=message) as caught:
            OnnxInference(task(saved(tmp_path / "net.onnx"), **options))
        assert "\n" not in str(caught.value)

    def test_another_batch_than_the_files(self, tmp_path: Path):
        path = saved(tmp_path / "net.onnx", batch=4)
        with pytest.raises(NetworkError, match="was made for batches of 4, and the batch is 2: give --batch 4"):
            OnnxInference(task(path))
        assert OnnxInference(task(path, 4)).loaded.input_shape == (4, 3, 8, 8)

    def test_two_inputs(self, tmp_path: Path):
        one, two, total = (onnx.helper.make_tensor_value_info(it, FLOAT, ("n", 3)) for it in ("a", "b", "sum"))
        path = written(tmp_path / "two.onnx", [onnx.helper.make_node("Add", ["a", "b"], ["sum"])], [one, two], [total])
        with pytest.raises(NetworkError, match=r"takes 2 inputs \(a, b\), not one tensor: .*--command$"):
            OnnxInference(task(path))

    def test_words(self, tmp_path: Path):
        taken, given = (onnx.helper.make_tensor_value_info(it, INT64, ("n", 3)) for it in ("words", "same"))
        path = written(tmp_path / "w.onnx", [onnx.helper.make_node("Identity", ["words"], ["same"])], [taken], [given])
        with pytest.raises(NetworkError, match=r"takes words, a tensor\(int64\) of .*, no batch of images"):
            OnnxInference(task(path))

    def test_no_onnx(self, tmp_path: Path):
        (tmp_path / "net.onnx").write_bytes(b"hello, I am none")
        with pytest.raises(NetworkError, match=r"onnxruntime .* cannot load it \(.*\)$") as caught:
            OnnxInference(task(tmp_path / "net.onnx"))
        assert "\n" not in str(caught.value)
        with pytest.raises(NetworkError, match="is no ONNX file"):
            onnx_operators(tmp_path / "net.onnx")

    def test_no_file(self, tmp_path: Path):
        with pytest.raises(NetworkError, match="cannot be read: No such file or directory; is the path right"):
            OnnxInference(task(tmp_path / "net.onnx"))

    def test_a_batch_too_large_for_the_memory(self, tmp_path: Path):
        with pytest.raises(OutOfMemoryError, match=r"out of memory: .*batch 1000000000000, on cpu.*smaller batch"):
            OnnxInference(task(saved(tmp_path / "net.onnx"), 10**12))

    def test_without_the_library(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        path = saved(tmp_path / "net.onnx")
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(Missing, match=r'pip install "powerlab\[onnx\]" brings it'):
            OnnxInference(task(path))
        monkeypatch.setitem(sys.modules, "onnx", None)
        assert onnx_parameters(path) is None


class TestOnAGPU:
    """onnxruntime with CUDA is played by one without: what it is asked for, and what it may answer."""

    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        asked: list[Any] = []
        real = runtime.InferenceSession

        def session(path: Path, options: Any, providers: list[Any]) -> Any:
            asked.extend(providers)
            return real(path, options, ["CPUExecutionProvider"])

        monkeypatch.setattr(runtime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
        monkeypatch.setattr(runtime, "InferenceSession", session)
        return asked

    def test_falling_back_on_the_processor_is_no_run_on_a_gpu(self, tmp_path: Path, asked: list[Any]):
        with pytest.raises(NetworkError, match="found no GPU cuda:1 that it can use; give another --device"):
            OnnxInference(task(saved(tmp_path / "net.onnx"), device="cuda:1", tf32=True))
        setup = {"device_id": "1", "cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "1"}
        assert asked == [("CUDAExecutionProvider", setup), "CPUExecutionProvider"]

    @pytest.mark.parametrize("copies", [False, True])
    def test_copies_are_timed_apart(self, tmp_path: Path, copies: bool):
        """On memory of the processor, treated as if it were a GPU's."""
        work = OnnxInference(task(saved(tmp_path / "net.onnx"), threads=1, copies=copies))
        work._device = "cuda"
        edges = SimpleNamespace(high=lambda: 0, low=lambda: 1)
        timed = work.window(edges)
        assert all(it is not None and it > 0 for it in (timed.forward, timed.copy_in, timed.copy_out))


class TestModels:
    def test_parameters_are_counted_and_operators_named(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        path = saved(tmp_path / "net.onnx")
        assert run(["models", str(path), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["name"], found["doc"], found["input"]) == (str(path), "ONNX file", [3, 8, 8])
        assert found["parameters"] == PARAMETERS
        assert [found[it] for it in ("macs", "flops", "flops_legacy", "fully_connected")] == [None] * 4
        assert found["unsupported"] == ["Cast", "Conv", "Relu", "Reshape", "Gemm"]
        assert found["unsupported_calls"][1] == {"operator": "Conv", "layer": "", "calls": 1}
        assert run(["models", str(path)]) == 0
        text = capsys.readouterr().out
        assert f"{PARAMETERS}, the numbers in its initialisers" in text
        assert "not counted in an ONNX file" in text

    def test_those_of_branches_count(self, tmp_path: Path):
        helper = onnx.helper
        held = onnx.numpy_helper.from_array(np.ones((2, 7), np.float32), "w")
        given = helper.make_tensor_value_info("y", FLOAT, (2, 7))
        branch = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "branch", [], [given], [held])
        taken = helper.make_tensor_value_info("yes", onnx.TensorProto.BOOL, ())
        out = helper.make_tensor_value_info("out", FLOAT, (2, 7))
        node = helper.make_node("If", ["yes"], ["out"], then_branch=branch, else_branch=branch)
        path = written(tmp_path / "if.onnx", [node], [taken], [out])
        assert onnx_parameters(path) == 28
        assert onnx_operators(path) == {"If": 1, "Identity": 2}
