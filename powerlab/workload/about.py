"""Who a workload's process is: the machine, its versions, and the devices networks can run on there."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import powerlab


def about(*, devices: bool) -> dict[str, Any]:
    """Names and versions, as JSON has them; `torch` is None where it is not installed.

    Looking for `devices` loads it, else they are None.
    """
    said: dict[str, Any] = {
        "host": platform.node(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "powerlab": powerlab.__version__,
        "torch": None,
        "devices": None,
    }
    try:
        said["torch"] = version("torch")
    except PackageNotFoundError:
        return said
    return said | {"devices": _devices() if devices else None}


def _devices() -> list[str]:
    import torch  # noqa: PLC0415 - whoever asks for names only needs not wait for it

    gpus = [f"cuda:{it} {torch.cuda.get_device_name(it)}" for it in range(torch.cuda.device_count())]
    return ["cpu", *gpus, *(["mps"] if torch.backends.mps.is_available() else [])]
