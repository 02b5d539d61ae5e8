"""Another implementation's LapSRN, x4, kernel 4, without biases, as weights of ours."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

ORACLE = Path(__file__).resolve().parents[3] / "shared" / "oracle" / "weights"
NAME = "LapSRN_twtygqyy.npz"
CONVOLUTIONS = 10


def oracle_weights() -> dict[str, Tensor]:
    """Return its weights under our names; skip where they are missing."""
    if not (ORACLE / NAME).is_file():
        pytest.skip("no weights of others here")
    with np.load(ORACLE / NAME) as arrays:
        theirs = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    ours = {"head.weight": theirs["conv_input.weight"], "head.bias": torch.zeros(64)}
    for level in range(2):
        of, place = f"levels.{level}", f"convt_F{level + 1}.0.cov_block"
        for i in range(CONVOLUTIONS):
            ours[f"{of}.refine.{2 * i}.weight"] = theirs[f"{place}.{2 * i}.weight"]
            ours[f"{of}.refine.{2 * i}.bias"] = torch.zeros(64)
        ours[f"{of}.enlarge.weight"] = theirs[f"{place}.{2 * CONVOLUTIONS}.weight"]
        ours[f"{of}.enlarge.bias"] = torch.zeros(64)
        ours[f"{of}.residual.weight"] = theirs[f"convt_R{level + 1}.weight"]
        ours[f"{of}.residual.bias"] = torch.zeros(1)
        ours[f"{of}.image.weight"] = theirs[f"convt_I{level + 1}.weight"]
    return ours
