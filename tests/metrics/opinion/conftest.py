"""What these tests share: a source of randomness that is the same every time."""

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a generator from a fixed seed."""
    return np.random.default_rng(20261122)
