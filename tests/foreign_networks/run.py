"""torchvision's and timm's networks with random weights beside powerlab's with the same ones: are the scores the same?

    python tests/foreign_networks/run.py [--into FOLDER] [--only NAME] [--record]

Installs the two libraries into a folder of their own, not into this Python, whose torch they use. Fills each of their
networks with random weights (normalisations with random statistics, too), saves the state dict, loads the file as a
user would, and compares the scores of two random images. One line for each; exit status 1 when one differs by more than
1e-5 of the largest score. `--record` writes the keys and shapes of their state dicts to where the test suite reads
them. Not part of `make test`: it needs a package index and a minute or two.
"""

import argparse
import subprocess
import sys
import tempfile
import types
from pathlib import Path

import torch
from torch import nn

ROOT = Path(__file__).parent.parent.parent
KEYS = ROOT / "tests" / "powerlab" / "networks" / "keys"
LIMIT = 1e-5  # of the largest score

sys.path[:0] = [str(ROOT / part) for part in (".", "instruments", "traces", "analysis")]

from powerlab.networks import build, find  # noqa: E402 - found by the line above
from tests.foreign_networks.twins import TWINS, Twin, shapes_of, written  # noqa: E402 - as above


def install(folder: Path) -> None:
    """Put the libraries that belong to this torch into `folder`, and let this process find them."""
    if not (folder / "timm").exists():
        release = int(torch.__version__.split(".")[1]) + 15  # torchvision 0.28 goes with torch 2.13, and so on
        packages = (f"torchvision==0.{release}.*", "timm", "safetensors", "pyyaml")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*command, "--target", str(folder), *packages], check=True)
    sys.path.append(str(folder))
    # torchvision may have been built for another variant of this torch. Its networks need none of its own operators.
    sys.modules["torchvision._meta_registrations"] = types.ModuleType("torchvision._meta_registrations")


def randomise(module: nn.Module, seed: int) -> None:
    """Weights that let every layer count, and keep what passes through in range."""
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            spread = (2 / layer.weight[0].numel()) ** 0.5
            layer.weight.data.normal_(0, spread, generator=generator)
            if layer.bias is not None:
                layer.bias.data.normal_(0, 0.1, generator=generator)
        elif isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.weight.data.uniform_(0.3, 0.9, generator=generator)
            layer.bias.data.normal_(0, 0.1, generator=generator)
            layer.running_mean.normal_(0, 0.1, generator=generator)
            layer.running_var.uniform_(0.5, 1.5, generator=generator)


@torch.inference_mode()
def difference(twin: Twin, folder: Path) -> tuple[float, float]:
    """The largest difference of two scores, and the largest score."""
    network = find(twin.own)
    theirs = twin.make()
    randomise(theirs, seed=11)
    torch.save(theirs.state_dict(), folder / "weights.pt")
    ours = build(network, seed=1, weights=folder / "weights.pt")
    images = torch.randn((2, *network.input_shape), generator=torch.Generator().manual_seed(12))
    expected = theirs(images)
    return (ours(images)[:, : expected.shape[1]] - expected).abs().max().item(), expected.abs().max().item()


def main() -> int:
    """Compare all twins; 0 when all agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, help="keep the libraries here (default: a temporary folder)")
    parser.add_argument("--only", default="", help="networks whose name contains this")
    parser.add_argument("--record", action="store_true", help="write the keys that the test suite reads")
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        install((options.into or Path(name) / "libraries").absolute())
        import timm
        import torchvision

        sys.stdout.write(f"torch {torch.__version__}, torchvision {torchvision.__version__}, timm {timm.__version__}\n")
        for twin in TWINS:
            if options.only not in twin.foreign:
                continue
            if options.record:
                (KEYS / twin.keys_file).write_text(written(shapes_of(twin.on_meta())))
            worst, largest = difference(twin, Path(name))
            agrees = worst <= LIMIT * largest
            failed += not agrees
            sys.stdout.write(
                f"{'pass' if agrees else 'FAIL'}  {twin.own:12}  {twin.library:11}  {twin.foreign:12}  "
                f"largest difference {worst:.1e} of {largest:.3g}\n"
            )
            sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
