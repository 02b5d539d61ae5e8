"""Names, numbers and weights on disk: safetensors with a card in its header, nothing that runs."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from medacuity.atomic import atomic_write
from medacuity.blueprint import build, shapes_of
from medacuity.card import Card, Images, in_short, parse, rule_as_json
from medacuity.errors import StorageError, UsageError, WeightsRefused

LARGEST = 2 << 30  # bytes of a weight file
KINDS = ("F16", "BF16", "F32")

__all__ = [
    "Card",
    "Images",
    "Trained",
    "file_sha256",
    "find_weights",
    "in_short",
    "load_weights",
    "read_card",
    "rule_as_json",
    "save_weights",
    "shipped",
]


@dataclass(frozen=True)
class Trained:
    """A network with its weights, its card and the hash of the file they came from."""

    model: nn.Module
    card: Card
    sha256: str


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
        return parse(metadata["card"])
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise WeightsRefused("has no card of medacuity in its header", path=path) from error


def _check_fit(file: Any, card: Card, path: Path) -> None:
    """Compare names and shapes before any memory is spent on the network or its weights."""
    found = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
    shapes = {name: tuple(part.get_shape()) for name, part in found.items()}
    if shapes != shapes_of(card.network, card.arguments, path):
        raise WeightsRefused(f"its weights do not fit {card.network}", path=path)
    if any(part.get_dtype() not in KINDS for part in found.values()):
        raise WeightsRefused(f"its weights must be of {', '.join(KINDS)}", path=path)


def _at(card: Card, scale: Sequence[int] | None) -> dict[str, Any]:
    """Return the arguments of the network that serves a factor."""
    if scale is None:
        return card.arguments
    if tuple(scale) not in card.served:
        each = ", ".join(map(in_short, card.served)) or "nothing"
        raise UsageError(f"{card.name} enlarges by {each}, and {in_short(scale)} was asked for")
    return card.arguments | {"scale": list(scale)}


def _used(card: Card, arguments: Mapping[str, Any], path: Path) -> list[str]:
    """Return the weights of the network with these arguments: all that it has, or a part."""
    whole, part = (shapes_of(card.network, each, path) for each in (card.arguments, arguments))
    if not part.items() <= whole.items():
        at = in_short(arguments["scale"])
        raise WeightsRefused(f"its weights do not fit {card.network} at {at}", path=path)
    return list(part)


def _check_finite(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    for name, value in tensors.items():
        if not torch.isfinite(value).all():
            raise WeightsRefused(f"the weight {name} is not finite", path=path)
