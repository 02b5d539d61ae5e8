"""What this machine can do, what is installed, and whether the shipped weights still work."""

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import torch

from medacuity import __version__
from medacuity.checkpoint import Trained, in_short, load_weights, read_card, shipped
from medacuity.errors import MedacuityError
from medacuity.resize import cubic, resize

LIBRARIES = ("torch", "numpy", "scipy", "nibabel", "pydicom", "python-gdcm", "safetensors")


class Check(NamedTuple):
    """One thing looked at."""

    what: str
    passed: bool
    says: str


def examine() -> list[Check]:
    """Look at machine, libraries and weights."""
    return [_machine(), *map(_library, LIBRARIES), *map(_weights, shipped().values())]


def _machine() -> Check:
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    says = (
        f"medacuity {__version__}, Python {platform.python_version()}, "
        f"{platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, {gpu}"
    )
    return Check("machine", True, says)


def _library(name: str) -> Check:
    try:
        return Check(name, True, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Check(name, False, f"missing; pip install {name}")


def _weights(path: Path) -> Check:
    """Run the networks of a file on a smooth ball.

    At every factor that it serves, it must stay within a tenth of the brightness of cubic.
    """
    name = path.name.removesuffix(".safetensors")
    try:
        card = read_card(path)
        off = max(_off(load_weights(path, scale=scale)) for scale in card.served)
    except MedacuityError as error:
        return Check(name, False, error.reason)
    at = " ".join(map(in_short, card.served))
    return Check(name, off < 0.1, f"{at}: {off:.3f} off a smooth ball, {card.licence}")


def _off(trained: Trained) -> float:
    """Return by how much of its brightness a network's ball is off the cubic one."""
    axes = torch.meshgrid(*[torch.linspace(-1, 1, 16)] * trained.card.arguments["dims"],
                          indexing="ij")  # fmt: skip
    ball = 255 * torch.exp(-4 * torch.stack(axes).square().sum(0))[None, None].numpy()
    given = torch.from_numpy(trained.card.rule().of(ball).to_unit(ball))
    with torch.inference_mode():
        result = trained.model(given)
    return float((result - resize(given, result.shape[2:], cubic)).abs().max())
