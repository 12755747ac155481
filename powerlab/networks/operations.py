"""How many operations a network needs for one image, layer by layer.

`Count` says what is counted. Convolutions and matrix products are counted by torch's own formulas, the rest by the
two sets of rules of the tool that the paper used (torch-opCounter). What has no rule is listed by name, and adds
nothing to the sums.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram, unflatten
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from powerlab.networks import Count, NetworkError
from powerlab.networks.files import TYPES
from powerlab.networks.weights import Built

Rule = Callable[[Sequence[Any], Tensor], Count]


@dataclass(frozen=True, slots=True)
class Layer:
    """What one module computes itself, apart from the modules in it. Several passes through it are added up.

    `output` is the shape of what it returns, [1, ...], and None where that is not one tensor. `parameters` are
    those it holds itself.
    """

    name: str
    kind: str
    output: tuple[int, ...] | None
    parameters: int
    count: Count
    fully_connected: bool


@dataclass(frozen=True, slots=True)
class Unsupported:
    """An operator, or a kind of layer, that no rule covers, and how often the layer named `layer` used it."""

    operator: str
    layer: str
    calls: int


@dataclass(frozen=True, slots=True)
class Operations:
    """The operations of one image: layers in the order they finish, and what could not be counted.

    `parameters` is None where the weights are constants of a program. What TorchScript computes is one layer: it calls
    what is within itself.
    """

    parameters: int | None
    layers: tuple[Layer, ...]
    unsupported: tuple[Unsupported, ...]
    layered: bool = True

    @property
    def total(self) -> Count:
        """The sum over all layers."""
        return sum((layer.count for layer in self.layers), Count())

    @property
    def fully_connected(self) -> Mapping[str, float] | None:
        """The share, 0 to 1, of the fully connected layers in `parameters`, `macs`, `flops` and `flops_legacy`.

        None where layers cannot be told apart.
        """
        if not self.layered:
            return None
        dense = [layer for layer in self.layers if layer.fully_connected]
        part, total = sum((layer.count for layer in dense), Count()), self.total
        pairs = {
            "parameters": (sum(layer.parameters for layer in dense), self.parameters or 0),
            "macs": (part.macs, total.macs),
            "flops": (part.flops, total.flops),
            "flops_legacy": (part.flops_legacy, total.flops_legacy),
        }
        return {name: some / whole if whole else 0.0 for name, (some, whole) in pairs.items()}


def count_built(built: Built, input_shape: Sequence[int]) -> Operations:
    """Count what one image of `input_shape` costs; an exported program's layers are those of the module it was made of.

    Raises
    ------
    NetworkError
        As `count_operations`.
    """
    dtype = TYPES[built.terms.dtype]
    if built.program is not None:
        module = _unflattened(built.program)
        return count_operations(module, input_shape, dtype=dtype, batch=built.terms.fewest)
    if isinstance(built.module, torch.jit.ScriptModule):
        return replace(count_operations(built.module, input_shape, dtype=dtype), parameters=built.parameters)
    return count_operations(built.module, input_shape)


def count_operations(
    module: nn.Module, input_shape: Sequence[int], *, dtype: torch.dtype | None = None, batch: int = 1
) -> Operations:
    """Count one forward pass of one image of `input_shape`, on the device that the module is on.

    On the meta device nothing is computed. The module should be in evaluation mode. The input is of type `dtype`, None
    for that of the weights. Where the module takes no less than a `batch`, one image is its share of that.

    Raises
    ------
    NetworkError
        The module cannot take such an input.
    """
    like = next(module.parameters(), torch.empty(0))
    images = torch.zeros((batch, *input_shape), dtype=dtype or like.dtype, device=like.device)
    scripted = isinstance(module, torch.jit.ScriptModule)
    tally = _Tally()
    try:
        # Optimised, TorchScript may fuse operators into what the tally does not see.
        as_written = torch.jit.optimized_execution(not scripted)  # type: ignore[attr-defined]
        with torch.no_grad(), as_written:
            if scripted:
                module(images)  # a failure under the tally would not say why
            with _named_layers(module, tally), tally:
                module(images)
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        shape = "x".join(str(size) for size in images.shape)
        lines = [line.strip() for line in str(error).split("\n") if line.strip()] or [type(error).__name__]
        said = lines[-1 if scripted else 0][:160]  # TorchScript tells where, line by line, before it tells what
        raise NetworkError(
            f"operations: the network cannot run on an input of {shape}: {said}; "
            "say what it takes in an attribute input_shape of the module, or with --input"
        ) from error
    return Operations(
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        layers=tuple(_of_one_image(it, batch) for it in tally.layers()),
        unsupported=tuple(
            Unsupported(operator, layer, calls) for (operator, layer), calls in tally.unsupported.items()
        ),
        layered=not scripted,
    )


def _of_one_image(layer: Layer, batch: int) -> Layer:
    """What a layer did for a batch, as done for one image of it."""
    output = layer.output
    if output is not None and output[:1] == (batch,):
        output = (1, *output[1:])
    count = layer.count
    return replace(
        layer, output=output, count=Count(count.macs // batch, count.flops // batch, count.flops_legacy // batch)
    )


def _unflattened(program: ExportedProgram) -> nn.Module:
    """The program as modules within modules, as they were when it was exported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice on how torch itself is written
        return unflatten(program)


class _Tally(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch has no types there
    """Sees every operator of a pass, and books it on the innermost layer that is running."""

    # Named as a whole: the operators that torch makes them of have rules, which would charge a part of their cost.
    WHOLE: Final = ("LocalResponseNorm",)

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.unsupported: Counter[tuple[str, str]] = Counter()
        self._formulas = _torchs_formulas()
        self._running: list[tuple[str, nn.Module]] = []
        self._finished: dict[str, tuple[nn.Module, tuple[int, ...] | None]] = {}
        self._counts: dict[str, Count] = {}

    def start(self, name: str, layer: nn.Module) -> None:
        """The layer begins."""
        if (kind := _kind(layer)) in self.WHOLE:
            self.unsupported[kind, name] += 1
        self._running.append((name, layer))

    def finish(self, output: object) -> None:
        """The layer that began last returns `output`."""
        name, layer = self._running.pop()
        self._finished[name] = layer, tuple(output.shape) if isinstance(output, Tensor) else None

    def layers(self) -> Iterator[Layer]:
        """The layers that computed something themselves, hold parameters, or have nothing in them."""
        for name, (layer, output) in self._finished.items():
            count = self._counts.get(name, Count())
            parameters = sum(parameter.numel() for parameter in layer.parameters(recurse=False))
            if parameters or count != Count() or next(layer.children(), None) is None:
                kind = _kind(layer)
                yield Layer(name, kind, output, parameters, count, isinstance(layer, nn.Linear) or kind == "Linear")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        operator = str(func.overloadpacket)  # such as aten.add_
        rule = self._rule(operator)
        if rule is None:
            with self:  # in inference mode operators come as they were called; most consist of others
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        output = func(*args, **kwargs)
        name, layer = self._running[-1]
        if _kind(layer) in self.WHOLE:
            return output
        if rule is None:
            self.unsupported[operator, name] += 1
        else:
            first = output[0] if isinstance(output, tuple | list) else output
            self._counts[name] = self._counts.get(name, Count()) + rule(args, first)
        return output

    def _rule(self, operator: str) -> Rule | None:
        """How to count calls of an operator; one that works in place counts as the other."""
        library, _, name = operator.removesuffix("_").partition(".")
        if operator in self._formulas:
            return partial(_product, self._formulas[operator], name)
        return _RULES.get(name) if library == "aten" else None


def _kind(layer: nn.Module) -> str:
    """The name of a layer's class, also where the layer was exported or scripted since."""
    if isinstance(layer, torch.jit.ScriptModule):
        return str(layer.original_name)
    name = type(layer).__name__
    if type(layer).__module__ == unflatten.__module__ and hasattr(layer, "type_name"):
        name = layer.type_name() or name  # type: ignore[operator]  # mypy takes it for a layer
    return str(name).rpartition(".")[2]


def _torchs_formulas() -> Mapping[str, Callable[..., int]]:
    """Torch's own formula for each operator that it has one for; attention on a processor is as that on a GPU."""
    formulas = {str(operator): formula for operator, formula in FlopCounterMode(display=False).flop_registry.items()}
    attention = "aten._scaled_dot_product_flash_attention"
    return formulas | {f"{attention}_for_cpu": formulas[attention]}


@contextmanager
def _named_layers(module: nn.Module, tally: _Tally) -> Iterator[None]:
    """Tell the tally which layer is running."""
    hooks = []
    if isinstance(module, torch.jit.ScriptModule):  # it takes no hooks: all it does is its own
        tally.start("", module)
        yield
        tally.finish(None)
        return
    try:
        for name, layer in module.named_modules():
            hooks.append(layer.register_forward_pre_hook(lambda layer, _, name=name: tally.start(name, layer)))
            hooks.append(layer.register_forward_hook(lambda _, __, output: tally.finish(output)))
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _product(formula: Callable[..., int], name: str, args: Sequence[Any], output: Tensor) -> Count:
    """A convolution or matrix product; the formula takes no account of a bias."""
    products = formula(*args, out_val=output)
    if name in {"convolution", "_convolution"}:
        bias, groups = args[2], args[8]
        flops = products + (output.numel() if bias is not None else 0)
        return Count(products // 2, flops, products * groups + output.numel())
    flops = products + (output.numel() if name in {"addmm", "baddbmm"} else 0)
    return Count(products // 2, flops, flops)


def _each(cost: int, _: Sequence[Any], output: Tensor) -> Count:
    """So many for each element."""
    return _same(cost * output.numel())


def _element_wise(args: Sequence[Any], output: Tensor) -> Count:
    """As many for each element as tensors go in."""
    return _same(sum(isinstance(it, Tensor) for it in args) * output.numel())


def _pooling(dimensions: int, dilates: bool, args: Sequence[Any], output: Tensor) -> Count:
    """The area of the window for each place it has in the input; the old rule forgot that there are channels.

    Where the output's size is rounded up, the last window hangs over the edge, and is not charged.
    """

    def each(index: int, default: int) -> list[int]:
        """An argument for each dimension: it may be a number, a list of one, or empty for the default."""
        value = args[index] if index < len(args) else []
        value = list(value) if isinstance(value, Sequence) else [value]
        return value * dimensions if len(value) == 1 else value or [default] * dimensions

    kernel, padding, dilation = each(1, 1), each(3, 0), each(4, 1) if dilates else [1] * dimensions
    stride = each(2, 0)
    stride = stride if any(stride) else kernel
    shape = zip(args[0].shape[-dimensions:], kernel, stride, padding, dilation, strict=True)
    one = prod(kernel) * prod((size + 2 * edge - gap * (k - 1) - 1) // step + 1 for size, k, step, edge, gap in shape)
    maps = prod(output.shape[:-dimensions])
    return Count(0, one * maps, one * maps // output.shape[-dimensions - 1])


def _global_pooling(args: Sequence[Any], _: Tensor) -> Count:
    """Windows that together cover the input once."""
    images = args[0]
    channels = images.shape[1] if images.dim() == 4 else 1
    return Count(0, images.numel(), images.numel() // channels)


def _nothing(_: Sequence[Any], __: Tensor) -> Count:
    return Count()


def _same(flops: int) -> Count:
    return Count(0, flops, flops)


_ACTIVATIONS = """relu prelu _prelu_kernel leaky_relu elu gelu silu mish hardtanh hardswish hardsigmoid sigmoid tanh
    softplus clamp clamp_min exp sqrt neg"""
# Batch normalisation can be folded into the layer before it; the rest moves data or makes it.
_FREE = """batch_norm native_batch_norm _native_batch_norm_legit_no_training _batch_norm_no_update cudnn_batch_norm
    view _unsafe_view reshape expand permute transpose t squeeze unsqueeze select slice split split_with_sizes unbind
    cat stack clone contiguous copy detach alias lift_fresh _to_copy as_strided index index_select gather embedding
    constant_pad_nd reflection_pad2d replication_pad2d flip roll pixel_shuffle channel_shuffle native_channel_shuffle
    upsample_nearest2d dropout native_dropout empty empty_like new_empty zeros zeros_like new_zeros ones ones_like
    full full_like arange"""
_RULES: Final[Mapping[str, Rule]] = {
    **dict.fromkeys(_FREE.split(), _nothing),
    **dict.fromkeys(_ACTIVATIONS.split(), partial(_each, 1)),
    **dict.fromkeys(("_softmax", "_safe_softmax", "_log_softmax"), partial(_each, 3)),
    **dict.fromkeys(("add", "sub", "mul", "div"), _element_wise),
    **{f"avg_pool{it}d": partial(_pooling, it, False) for it in (2, 3)},
    **{f"max_pool{it}d_with_indices": partial(_pooling, it, True) for it in (2, 3)},
    **dict.fromkeys(("mean", "_adaptive_avg_pool2d", "adaptive_max_pool2d"), _global_pooling),
}
