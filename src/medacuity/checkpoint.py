"""Names, numbers and weights on disk: safetensors with a card in its header, nothing that runs."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from medacuity.atomic import atomic_write
from medacuity.errors import StorageError, UsageError, WeightsRefused
from medacuity.intensity import Fixed, Percentile, Picture, Rule
from medacuity.models import NETWORKS

LARGEST = 2 << 30  # bytes of a weight file
MOST = 1024  # of anything a network's arguments count
DEPTHS = {"blocks", "groups", "layers", "convolutions", "recursions", "mappings"}
"""Arguments that are multiplied by each other in what is built, or computed."""
KINDS = ("F16", "BF16", "F32")
SCANNERS = ("kspace", "block mean", "bicubic")  # as trust.consistency knows them


@dataclass(frozen=True)
class Card:
    """What a weight file says of itself; all of it JSON.

    Args:
        name: What ``--model`` calls it.
        network: Name in the table of networks.
        arguments: The network's arguments; its ``scale`` is the factor of the largest network
            the file holds.
        scales: The factors it serves besides, per axis: with ``[[2, 2], [3, 3]]`` the network
            is also built with these scales, from the same weights or a part of them.
        intensity: Rule by which scanner numbers become the unit range.
        task: One line: what goes in and what comes out.
        measured_by: How the scanner is taken to have made the input: ``"kspace"``,
            ``"block mean"`` or ``"bicubic"``; data consistency is checked against it.
        noise: Range of noise it was made for, over the brightness of the input.
        data: What it was trained on.
        licence: Terms of the weights, from those of the scans.
        training: Steps, seed, seconds and whatever else tells how it was made.
        measured: Figures on scans no training saw, by the script that is named there.
    """

    name: str
    network: str
    arguments: dict[str, Any]
    intensity: dict[str, Any]
    task: str = ""
    measured_by: str = "kspace"
    noise: tuple[float, float] = (0.0, 0.0)
    data: str = ""
    licence: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)
    scales: list[list[int]] = field(default_factory=list)

    @property
    def served(self) -> list[tuple[int, ...]]:
        """All factors it serves, per axis, smallest first."""
        every = {tuple(scale) for scale in (self.arguments["scale"], *self.scales)}
        return sorted(every, key=lambda scale: (math.prod(scale), scale))

    def rule(self) -> Rule:
        """Return the intensity rule."""
        kinds: dict[str, type[Percentile] | type[Fixed] | type[Picture]] = {
            "percentile": Percentile,
            "fixed": Fixed,
            "picture": Picture,
        }
        arguments = dict(self.intensity)
        return kinds[arguments.pop("kind")](**arguments)


@dataclass(frozen=True)
class Trained:
    """A network with its weights, its card and the hash of the file they came from."""

    model: nn.Module
    card: Card
    sha256: str


def rule_as_json(rule: Rule) -> dict[str, Any]:
    """Return a rule the way a card holds it."""
    return {"kind": type(rule).__name__.lower(), **asdict(rule)}


def in_short(scale: Sequence[int]) -> str:
    """Return a factor as people say it: ``"x2"``, or ``"1x1x4"`` where the axes differ."""
    return f"x{scale[0]}" if len(set(scale)) == 1 else "x".join(map(str, scale))


def save_weights(path: Path, model: nn.Module, card: Card, *, half: bool = True) -> None:
    """Write one file: weights and card.

    What has one number per channel (biases, slopes, what batch norm counted) stays float32: it
    is small, and its range may be wide. The rest becomes float16 unless ``half`` is False.

    Raises:
        WeightsRefused: A weight is not finite; nothing is written.
    """
    tensors = {
        name: value.detach().cpu()
        .to(torch.float16 if half and value.ndim > 1 else torch.float32).contiguous()
        for name, value in model.state_dict().items()
    }  # fmt: skip
    _check_finite(tensors, path)
    with atomic_write(path) as file:
        file.write(save(tensors, {"card": json.dumps(asdict(card), sort_keys=True)}))


def load_weights(path: str | Path, *, scale: Sequence[int] | None = None) -> Trained:
    """Read a weight file, or the shipped weights of that name.

    Args:
        path: A file, or the name of shipped weights.
        scale: Which of the factors it serves, per axis; None: that of the card's arguments.

    Raises:
        StorageError: There is no such file, or it cannot be read.
        UsageError: It does not serve that factor.
        WeightsRefused: It is damaged, names an unknown network, or does not fit it.
    """
    path = find_weights(path)
    with _opened(path) as file:
        card = _card(file.metadata() or {}, path)
        _check_fit(file, card, path)
        arguments = _at(card, scale)
        names = _used(card, arguments, path)
        tensors = {name: file.get_tensor(name).float() for name in names}
    _check_finite(tensors, path)
    model = build(card.network, arguments, path)
    model.load_state_dict(tensors)
    return Trained(model.eval().requires_grad_(False), card, file_sha256(path))


def read_card(path: Path) -> Card:
    """Return the card alone; the weights stay on disk."""
    with _opened(path) as file:
        return _card(file.metadata() or {}, path)


def shipped() -> dict[str, Path]:
    """Return the weights that came with the package, by name."""
    folder = Path(str(resources.files("medacuity") / "weights"))
    return {
        path.name.removesuffix(".safetensors"): path
        for path in sorted(folder.glob("*.safetensors"))
    }


def find_weights(name: str | Path) -> Path:
    """Return the file behind a name or a path."""
    if str(name) in shipped():
        return shipped()[str(name)]
    path = Path(name)
    if path.is_file():
        return path
    if path.suffix == ".safetensors" or len(path.parts) > 1:
        raise StorageError("there is no such weight file", path=path)
    raise UsageError(f"no weights are called {str(name)!r}; shipped are {', '.join(shipped())}")


def build(network: str, arguments: Mapping[str, Any], path: Path | None = None) -> nn.Module:
    """Return a network by its name in the table; refuse what is not there or does not fit."""
    if network not in NETWORKS:
        raise WeightsRefused(
            f"names the network {network!r}; known are {', '.join(NETWORKS)}", path=path
        )
    try:
        return NETWORKS[network](**_plain(arguments))
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error)[:200]  # the card decides how long it would be
        raise WeightsRefused(f"its arguments do not fit {network}: {reason}", path=path) from error


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a weight file; its header is checked against its size before anything is read."""
    try:
        if path.stat().st_size > LARGEST:
            raise WeightsRefused(f"larger than {LARGEST >> 30} GiB", path=path)
        with safe_open(path, "pt") as file:
            yield file
    except SafetensorError as error:
        raise WeightsRefused("not a whole safetensors file; fetch it again", path=path) from error
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(f"cannot read: {error.strerror or error}", path=path) from error


def _card(metadata: Mapping[str, str], path: Path) -> Card:
    try:
        card = Card(**json.loads(metadata["card"]))
        _check_card(card)
        low, high = card.noise
        return replace(card, noise=(low, high))
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise WeightsRefused("has no card of medacuity in its header", path=path) from error


def _check_card(card: Card) -> None:
    """Refuse a card whose fields are of another kind than they should be."""
    texts = (card.name, card.network, card.task, card.data, card.licence)
    tables = (card.arguments, card.intensity, card.training, card.measured)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("names and notes must be text")
    if not all(isinstance(table, dict) for table in tables):
        raise TypeError("arguments, intensity, training and measured must be tables")
    if card.measured_by not in SCANNERS:
        raise ValueError(f"measured_by must be one of {SCANNERS}")
    low, high = card.noise
    if not 0 <= low <= high < math.inf:
        raise ValueError("noise must be a range")
    _check_scales(card)
    card.rule()


def _check_scales(card: Card) -> None:
    """Refuse factors that are not whole numbers for every axis of the network."""
    if not isinstance(card.scales, list) or len(card.scales) > MOST:
        raise TypeError("scales must be a list")
    for scale in (card.arguments["scale"], *card.scales):
        if not isinstance(scale, list | tuple) or len(scale) != card.arguments["dims"]:
            raise TypeError("a scale must be a list, one number per axis")
        if not all(type(n) is int and 1 <= n <= MOST for n in scale):
            raise ValueError(f"a scale must be whole numbers from 1 to {MOST}")


def _check_fit(file: Any, card: Card, path: Path) -> None:
    """Compare names and shapes before any memory is spent on the network or its weights."""
    found = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
    shapes = {name: tuple(part.get_shape()) for name, part in found.items()}
    if shapes != _shapes(card.network, card.arguments, path):
        raise WeightsRefused(f"its weights do not fit {card.network}", path=path)
    if any(part.get_dtype() not in KINDS for part in found.values()):
        raise WeightsRefused(f"its weights must be of {', '.join(KINDS)}", path=path)


def _at(card: Card, scale: Sequence[int] | None) -> dict[str, Any]:
    """Return the arguments of the network that serves a factor."""
    if scale is None:
        return card.arguments
    if tuple(scale) not in card.served:
        each = ", ".join(map(in_short, card.served))
        raise UsageError(f"{card.name} enlarges by {each}, and {in_short(scale)} was asked for")
    return card.arguments | {"scale": list(scale)}


def _used(card: Card, arguments: Mapping[str, Any], path: Path) -> list[str]:
    """Return the weights of the network with these arguments: all that it has, or a part."""
    whole, part = (_shapes(card.network, each, path) for each in (card.arguments, arguments))
    if not part.items() <= whole.items():
        at = in_short(arguments["scale"])
        raise WeightsRefused(f"its weights do not fit {card.network} at {at}", path=path)
    return list(part)


def _shapes(network: str, arguments: Mapping[str, Any], path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a network's weights, by name; takes no memory for them."""
    with torch.device("meta"):
        weights = build(network, arguments, path).state_dict()
    return {name: tuple(value.shape) for name, value in weights.items()}


def _plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Refuse arguments that would build without end before a weight is compared."""
    for key, value in arguments.items():
        numbers = value if isinstance(value, list | tuple) else [value]
        if not all(isinstance(n, int | float) and 0 <= n <= MOST for n in numbers):
            raise ValueError(f"{key} must be numbers from 0 to {MOST}")
    # What is no number here is the network's to refuse; multiplied it would only take memory.
    depths = {key: n for key, n in arguments.items() if key in DEPTHS and isinstance(n, int)}
    if math.prod(depths.values()) > MOST:
        raise ValueError(f"{' x '.join(depths)} must be at most {MOST}")
    return dict(arguments)


def _check_finite(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    for name, value in tensors.items():
        if not torch.isfinite(value).all():
            raise WeightsRefused(f"the weight {name} is not finite", path=path)
