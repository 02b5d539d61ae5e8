"""Networks by the names that files give them: which there are, what for, and how they are built.

A file is not trusted: what it asks for is bounded, and its shapes are known, before any memory
is spent on it.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from medacuity import models
from medacuity.errors import WeightsRefused

TABLES: dict[str, dict[str, type[nn.Module]]] = {
    "enhance": models.NETWORKS,
    "synthesize": models.TRANSLATORS,
    "generate": models.GENERATORS,
    "reconstruct": models.RECONSTRUCTORS,
    "compare": models.FEATURES,
}
"""All that a weight file may name, by what it is for; but for the last, the command's name."""

MOST = 1024  # of anything a network's arguments count
DEPTHS = {"blocks", "groups", "layers", "convolutions", "recursions", "mappings", "iterations"}
"""Arguments that are multiplied by each other in what is built, or computed."""


def purpose_of(network: str) -> str:
    """Return what a network is for; nothing, where no network is called that."""
    return next((purpose for purpose, table in TABLES.items() if network in table), "")


def build(network: str, arguments: Mapping[str, Any], path: Path | None = None) -> nn.Module:
    """Return a network by its name; refuse what is not there or does not fit.

    Raises:
        WeightsRefused: No network has that name, or its arguments do not fit it.
    """
    purpose = purpose_of(network)
    if not purpose:
        known = ", ".join(name for table in TABLES.values() for name in table)
        raise WeightsRefused(f"names the network {network[:80]!r}; known are {known}", path=path)
    try:
        built = TABLES[purpose][network](**_plain(arguments))
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error)[:200]  # the card decides how long it would be
        raise WeightsRefused(f"its arguments do not fit {network}: {reason}", path=path) from error
    if getattr(built, "multiple", 1) > MOST:  # images would be padded to that
        raise WeightsRefused(f"sizes must be multiples of at most {MOST}", path=path)
    return built


def shapes_of(network: str, arguments: Mapping[str, Any], path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a network's weights, by name; takes no memory for them."""
    with torch.device("meta"), _Unfilled():
        weights = build(network, arguments, path).state_dict()
    return {name: tuple(value.shape) for name, value in weights.items()}


class _Unfilled(TorchFunctionMode):
    """Leaves out what draws the first weights: without memory it is slow, and for nothing."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run what is no drawing of weights."""
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def _plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Refuse arguments that would build without end before a weight is compared."""
    for key, value in arguments.items():
        numbers = value if isinstance(value, list | tuple) else [value]
        if len(numbers) > MOST:
            raise ValueError(f"{key} must be at most {MOST} numbers")
        if not all(isinstance(n, int | float) and 0 <= n <= MOST for n in numbers):
            raise ValueError(f"{key} must be numbers from 0 to {MOST}")
    # What is no number here is the network's to refuse; multiplied it would only take memory.
    depths = {key: n for key, n in arguments.items() if key in DEPTHS and isinstance(n, int)}
    if math.prod(depths.values()) > MOST:
        raise ValueError(f"{' x '.join(depths)} must be at most {MOST}")
    return dict(arguments)
