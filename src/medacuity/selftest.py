"""What this machine can do, what is installed, and whether the shipped weights still work."""

import os
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import torch

from medacuity import __version__
from medacuity.checkpoint import Trained, in_short, load_weights, read_card, shipped
from medacuity.errors import MedacuityError
from medacuity.physics.geometry import Grid, parallel
from medacuity.physics.phantoms import Ellipse, Phantom
from medacuity.physics.radon import Radon
from medacuity.physics.tv import shortest_edges
from medacuity.reconstruct_learned import image_of
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
    """Run the networks of a file, at every factor that it serves."""
    name = path.name.removesuffix(".safetensors")
    try:
        card = read_card(path)
        every = [load_weights(path, scale=scale) for scale in card.served] or [load_weights(path)]
    except MedacuityError as error:
        return Check(name, False, error.reason)
    if card.purpose == "enhance":
        passed, says = _ball(every)
    else:
        passed, says = _disc(every[0]) if card.purpose == "reconstruct" else _runs(every[0])
    return Check(name, passed, f"{says}, {card.licence}")


def _ball(every: Sequence[Trained]) -> tuple[bool, str]:
    """Enlarge a smooth ball: it must stay within a tenth of the brightness of cubic."""
    off = max(map(_off, every))
    at = " ".join(map(in_short, every[0].card.served))
    return off < 0.1, f"{at}: {off:.3f} off a smooth ball"


def _disc(trained: Trained) -> tuple[bool, str]:
    """Reconstruct a disc of water: it must stay water to a twentieth."""
    scan, grid = parallel(120, bins=91, pitch=1.0), Grid((64, 64), (1.0, 1.0))
    y = Phantom([Ellipse(0.02, (25.0, 25.0))]).sinogram(scan).float()[None, None]
    sure = torch.full_like(y, 1e4)
    operator = Radon(scan, grid)
    least = shortest_edges(y, operator, weights=sure, known=True).x
    x = image_of(y, sure, least, operator=operator, water=0.02, trained=trained)
    off = abs(float(x[..., 24:40, 24:40].mean()) / 0.02 - 1)
    return off < 0.05 and bool(x.isfinite().all()), f"a disc of water is {off:.3f} off"


def _runs(trained: Trained) -> tuple[bool, str]:
    """Run it on what it takes: every number that comes out must be finite."""
    model: Any = trained.model
    card = trained.card
    size = [max(32, getattr(model, "multiple", 1))] * card.dims
    given = [torch.full((1, int(card.arguments.get("channels", 1)), *size), 0.5)]
    if card.purpose == "generate":
        given = [torch.zeros(1, model.latent)]
        given += [torch.zeros(1, dtype=torch.long)] if card.labels else []
    with torch.inference_mode():
        result = model(*given)
    parts = result if isinstance(result, tuple) else (result,)
    return all(bool(part.isfinite().all()) for part in parts), f"{card.offer or card.purpose}: runs"


def _off(trained: Trained) -> float:
    """Return by how much of its brightness a network's ball is off the cubic one."""
    axes = torch.meshgrid(*[torch.linspace(-1, 1, 16)] * trained.card.arguments["dims"],
                          indexing="ij")  # fmt: skip
    ball = 255 * torch.exp(-4 * torch.stack(axes).square().sum(0))[None, None].numpy()
    given = torch.from_numpy(trained.card.rule().of(ball).to_unit(ball))
    with torch.inference_mode():
        result = trained.model(given)
    return float((result - resize(given, result.shape[2:], cubic)).abs().max())
