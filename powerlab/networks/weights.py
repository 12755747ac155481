"""A network and its weights: seeded random ones, or those of a file."""

import importlib.util
import math
import pickle
import struct
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from powerlab.networks import LIBRARIES, LIBRARY_WEIGHTS, Kind, Network, NetworkError
from powerlab.networks.files import load_exported, load_torchscript, on_device
from powerlab.networks.libraries import library_factory, library_terms
from powerlab.networks.terms import Terms

# What torch's restricted unpickler was seen to raise when fed damaged files.
_UNREADABLE: Final = (
    OSError,
    EOFError,
    RuntimeError,
    LookupError,
    ValueError,
    AssertionError,
    TypeError,
    AttributeError,
    struct.error,
    pickle.UnpicklingError,
)
_NAMED_KEYS: Final = 3  # so that a message stays one readable line


@dataclass(frozen=True, slots=True)
class Built:
    """A network, ready for inference on the CPU, what it takes, and the program that it is where it was exported."""

    module: nn.Module
    terms: Terms
    program: ExportedProgram | None = None

    @property
    def parameters(self) -> int | None:
        """How many trained numbers it has; None for a TorchScript file that has made constants of them."""
        count = sum(parameter.numel() for parameter in self.module.parameters())
        return None if not count and isinstance(self.module, torch.jit.ScriptModule) else count

    def on(self, place: torch.device, dtype: torch.dtype) -> nn.Module:
        """The module on that device and with weights of that type, which an exported one keeps."""
        if self.program is None:
            return self.module.to(place, dtype)
        return self.module if place.type == "cpu" else on_device(self.program, place)


def build_with_weights(network: Network, seed: int, weights: Path | None) -> Built:
    """The network of `powerlab.networks.build`, and what it takes."""
    if network.kind in {Kind.TORCHSCRIPT, Kind.EXPORTED, Kind.ONNX}:
        return _of_file(network, weights)
    pretrained = network.kind in LIBRARIES.values() and weights == LIBRARY_WEIGHTS
    if network.kind is Kind.TABLE:
        module = _outline(_factory(network)).to_empty(device="cpu")
        fill(module, seed)
    else:
        module = _seeded(network, _factory(network, pretrained=pretrained), seed)
    if weights is not None and not pretrained:
        load(module, weights)
    if network.kind in LIBRARIES.values():
        terms = library_terms(network, module, pretrained=pretrained)
    else:
        own = {"weights": "those that the function gives"} if network.kind is Kind.FACTORY and weights is None else {}
        shape: tuple[int, ...] | None = getattr(module, "input_shape", network.input_shape)
        terms = Terms(input_shape=None if shape is None else tuple(shape), details=own)
    return Built(_ready(module), terms)


def outline(network: Network) -> nn.Module:
    """The module of `outlined`."""
    return outlined(network).module


def outlined(network: Network) -> Built:
    """The network in evaluation mode, without numbers (on the meta device) where it is one of the table.

    Any other is built, for nobody knows whether it could do without numbers.

    Raises
    ------
    NetworkError
        As `powerlab.networks.build`.
    """
    if network.kind is Kind.TABLE:
        return Built(_outline(_factory(network)).eval(), Terms(input_shape=network.input_shape))
    return build_with_weights(network, 0, None)


def is_out_of_memory(error: Exception) -> bool:
    """Whether torch failed for want of memory; its CPU allocator says so in words only."""
    return isinstance(error, MemoryError | torch.cuda.OutOfMemoryError) or "can't allocate memory" in str(error)


def fill(module: nn.Module, seed: int) -> None:
    """Give every layer weights drawn from `seed`.

    Convolutions and linear layers get biases of 0 and weights uniform within sqrt(6 / fan-in), which keeps the
    spread of the activations through layers with ReLU (He et al., arXiv 1502.01852, section 2.2). Any other
    layer resets itself, which for normalisations and PReLU is deterministic.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                bound = math.sqrt(6.0 / layer.weight[0].numel())
                layer.weight.uniform_(-bound, bound, generator=generator)
                if layer.bias is not None:
                    layer.bias.zero_()
            elif callable(reset := getattr(layer, "reset_parameters", None)):
                reset()


def load(module: nn.Module, path: Path) -> None:
    """Copy a file's state dict into the module, which may translate it by a method `translated`.

    Raises
    ------
    NetworkError
        The file cannot be read, holds no state dict, or its keys or shapes are not the module's.
    """
    state = _read(path)
    if (translated := getattr(module, "translated", None)) is not None:
        state = translated(state)
    own = module.state_dict()
    for key in own.keys() & state.keys():
        if state[key].shape != own[key].shape:
            raise NetworkError(
                f"weights {path}: {key} is {_shape(state[key])}, but the network needs {_shape(own[key])}; "
                "are they another network's?"
            )
    # torch supplies what files of its older versions lack, so the keys are compared by torch.
    differing = module.load_state_dict(state, strict=False)
    wrong = [
        f"{what} {_listed(keys)}"
        for what, keys in (("lack", differing.missing_keys), ("have no use for", differing.unexpected_keys))
        if keys
    ]
    if wrong:
        raise NetworkError(f"weights {path}: they {' and '.join(wrong)}; are they another network's?")


def _of_file(network: Network, weights: Path | None) -> Built:
    """What a file of torch's own formats holds."""
    path = Path(network.name)
    if weights is not None:
        raise NetworkError(f"model {path} brings its own weights: leave --weights out")
    match network.kind:
        case Kind.TORCHSCRIPT:
            module, terms = load_torchscript(path)
            return Built(_ready(module), terms)
        case Kind.EXPORTED:
            program, terms = load_exported(path)
            # It has no other mode than that of the module that was exported.
            return Built(on_device(program, torch.device("cpu")).requires_grad_(requires_grad=False), terms, program)
    raise NetworkError(f"model {path} is an {network.kind.value}, which torch cannot run")


def _ready(module: nn.Module) -> nn.Module:
    for parameter in module.parameters():  # TorchScript refuses to be told as a whole
        parameter.requires_grad = False
    return module.eval()


def _factory(network: Network, *, pretrained: bool = False) -> Callable[[], nn.Module]:
    """The function that makes the network's module."""
    if network.kind in LIBRARIES.values():
        return library_factory(network, pretrained=pretrained)
    try:
        factory = getattr(importlib.import_module(network.module), network.factory)
    except ImportError as error:
        raise NetworkError(
            f"model {network.name}: cannot import {network.module}: {error}; run from the folder that holds it, "
            "or install it"
        ) from error
    except AttributeError as error:
        if network.module in sys.modules and not hasattr(sys.modules[network.module], network.factory):
            raise NetworkError(f"model {network.name}: {network.module} has no {network.factory}") from error
        raise _failed(network, f"importing {network.module}", error) from error
    except Exception as error:
        raise _failed(network, f"importing {network.module}", error) from error
    if not callable(factory):
        raise NetworkError(f"model {network.name}: {network.factory} is no function")
    made: Callable[[], nn.Module] = factory
    return made


def _failed(network: Network, what: str, error: Exception) -> NetworkError:
    """Somebody else's code failed: with what, and where, which is the last line that is theirs."""
    first = str(error).strip().partition("\n")[0][:160]
    said = f"{type(error).__name__}: {first}" if first else type(error).__name__
    frames = list(traceback.extract_tb(error.__traceback__))
    with suppress(ImportError, AttributeError, ValueError):  # of a module that says nothing of where it is from
        spec = importlib.util.find_spec(network.module)
        frames = [it for it in frames if spec is not None and it.filename == spec.origin] or frames
    where = f"{frames[-1].filename}:{frames[-1].lineno}"
    if isinstance(error, SyntaxError):
        where = f"{error.filename}:{error.lineno}"
    return NetworkError(f"model {network.name}: {what} raised {said} ({where})")


def _outline(factory: Callable[[], nn.Module]) -> nn.Module:
    """A module on the meta device, where a layer's own initialisation, which would take seconds, costs nothing."""
    with torch.device("meta"):
        return factory()


def _seeded(network: Network, factory: Callable[[], nn.Module], seed: int) -> nn.Module:
    """What a user's factory makes when torch's random numbers start at `seed`; they go on as before after it."""
    before = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        module: object = factory()
    except NetworkError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise _failed(network, f"{network.factory}()", error) from error
    finally:
        torch.set_rng_state(before)
    if not isinstance(module, nn.Module):
        raise NetworkError(
            f"model {network.name}: {network.factory}() returned a {type(module).__name__}, not a torch.nn.Module"
        )
    return module.cpu()


def _read(path: Path) -> Mapping[str, Tensor]:
    """The state dict in a file; nothing in the file is run."""
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise NetworkError(f"weights {path}: there is no such file") from error
    except _UNREADABLE as error:
        first = str(error).strip().partition("\n")[0][:160]
        raise NetworkError(
            f"weights {path}: not a state dict that torch can read without running code "
            f"({first or type(error).__name__}); write one with torch.save(network.state_dict(), path)"
        ) from error
    if not (
        isinstance(state, Mapping)
        and all(isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items())
    ):
        raise NetworkError(
            f"weights {path}: holds {_described(state)}, not a state dict of tensors by name; "
            "write one with torch.save(network.state_dict(), path)"
        )
    return state


def _described(state: object) -> str:
    if isinstance(state, Mapping):
        return f"a dictionary with {_listed([str(key) for key in state]) or 'nothing'}"
    return f"a {type(state).__name__}"


def _listed(keys: list[str]) -> str:
    named = ", ".join(keys[:_NAMED_KEYS])
    return named if len(keys) <= _NAMED_KEYS else f"{named} and {len(keys) - _NAMED_KEYS} more"


def _shape(tensor: Tensor) -> str:
    return "x".join(str(size) for size in tensor.shape) or "a single number"
