"""A network and its weights: seeded random ones, or those of a file."""

import importlib
import math
import pickle
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from powerlab.networks import Network, NetworkError

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


def build_with_weights(network: Network, seed: int, weights: Path | None) -> nn.Module:
    """See `powerlab.networks.build`."""
    factory = _factory(network)
    if network.parameters is None:
        module = _seeded(network, factory, seed)
    else:
        module = _outline(factory).to_empty(device="cpu")
        fill(module, seed)
    if weights is not None:
        load(module, weights)
    return module.eval().requires_grad_(requires_grad=False)


def outline(network: Network) -> nn.Module:
    """The network in evaluation mode, without numbers (on the meta device) where it is one of the table.

    A user's factory is called as for `build`, for nobody knows whether it could do without numbers.

    Raises
    ------
    NetworkError
        The user's factory cannot be found, or makes no module.
    """
    factory = _factory(network)
    return (_seeded(network, factory, 0) if network.parameters is None else _outline(factory)).eval()


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


def _factory(network: Network) -> Callable[[], nn.Module]:
    """The function that makes the network's module."""
    try:
        factory = getattr(importlib.import_module(network.module), network.factory)
    except ImportError as error:
        raise NetworkError(
            f"model {network.name}: cannot import {network.module}: {error}; run from the folder that holds it, "
            "or install it"
        ) from error
    except AttributeError as error:
        raise NetworkError(f"model {network.name}: {network.module} has no {network.factory}") from error
    if not callable(factory):
        raise NetworkError(f"model {network.name}: {network.factory} is no function")
    made: Callable[[], nn.Module] = factory
    return made


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
