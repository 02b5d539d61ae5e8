"""What all tests share: one thread, so that busy machines do not stall, and the real scans."""

import os
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data() -> Path:
    """Return the folder of real scans (``MEDACUITY_DATA``); skip where it is missing."""
    folder = Path(os.environ.get("MEDACUITY_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real scans here: set MEDACUITY_DATA")
    return folder
