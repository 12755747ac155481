"""Networks of torchvision and timm by name. Neither library downloads anything unless its weights are asked for."""

import difflib
import inspect
import warnings
from collections.abc import Callable
from typing import Any

from torch import nn

from powerlab.networks import INPUT_SHAPE, Kind, Network, NetworkError
from powerlab.networks.terms import Terms
from powerlab_traces.extras import library


def library_factory(network: Network, *, pretrained: bool) -> Callable[[], nn.Module]:
    """What makes the network, with the weights that the library has for it or with random ones.

    Raises
    ------
    Missing
        The library is not installed.
    NetworkError
        It does not go with this torch, or has no such network.
    """
    if network.kind is Kind.TORCHVISION:
        return _torchvision(network, pretrained=pretrained)
    return _timm(network, pretrained=pretrained)


def library_terms(network: Network, module: nn.Module, *, pretrained: bool) -> Terms:
    """What a network of these libraries takes: of torchvision's the crop that its weights are for, else 224 pixels."""
    package = _library(network)
    details = {"library": f"{network.module} {package.__version__}"}
    if network.kind is Kind.TIMM:
        config: dict[str, Any] = package.data.resolve_data_config({}, model=module)
        if pretrained:
            details["library's weights"] = str(getattr(module, "pretrained_cfg", {}).get("tag") or "its default")
        return Terms(input_shape=tuple(config["input_size"]), details=details)
    weights = package.models.get_model_weights(network.factory).DEFAULT
    if pretrained:
        details["library's weights"] = str(weights)
    crop = getattr(weights.transforms, "keywords", {}).get("crop_size", INPUT_SHAPE[1])
    size = getattr(module, "image_size", crop)  # a transformer is made for one size, whatever other weights are for
    return Terms(input_shape=(3, size, size) if isinstance(size, int) else None, details=details)


def _torchvision(network: Network, *, pretrained: bool) -> Callable[[], nn.Module]:
    models = _library(network).models
    if network.factory not in (known := models.list_models()):
        raise _unknown(network, known)
    options: dict[str, Any] = {"weights": "DEFAULT" if pretrained else None}
    if "weights_backbone" in inspect.signature(models.get_model_builder(network.factory)).parameters:
        options["weights_backbone"] = None  # it would be downloaded

    def make() -> nn.Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # how it draws its weights will change, once
            module: nn.Module = models.get_model(network.factory, **options)
        return module

    return make


def _timm(network: Network, *, pretrained: bool) -> Callable[[], nn.Module]:
    package = _library(network)
    if network.factory.partition(".")[0] not in (known := package.list_models()):
        raise _unknown(network, known)

    def make() -> nn.Module:
        module: nn.Module = package.create_model(network.factory, pretrained=pretrained)
        return module

    return make


def _library(network: Network) -> Any:
    name = network.module
    try:
        return library(name, name)
    except RuntimeError as error:  # an operator that its compiled part should have brought
        first = str(error).partition("\n")[0]
        raise NetworkError(
            f"model {network.name}: {name} does not go with this torch ({first}); install its match"
        ) from error


def _unknown(network: Network, known: list[str]) -> NetworkError:
    close = difflib.get_close_matches(network.factory.lower(), known, n=3)
    hint = f"did you mean {', '.join(close)}?" if close else f"{network.module} lists {len(known)} others"
    return NetworkError(f"model {network.name}: {network.module} has no network {network.factory!r}; {hint}")
