"""Who computes: compiled loops on the CPU where numba is installed, plain torch elsewhere."""

import importlib.util
from types import ModuleType

from torch import Tensor

COMPILED = importlib.util.find_spec("numba") is not None
"""Whether the compiled loops are there: ``pip install 'medacuity[ct]'``."""


def engine(x: Tensor) -> ModuleType:
    """Return the module that computes on ``x``; both have the same functions."""
    if COMPILED and x.device.type == "cpu":
        from medacuity.physics import compiled

        return compiled
    from medacuity.physics import plain

    return plain
