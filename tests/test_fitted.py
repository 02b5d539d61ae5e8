"""A translator takes any size: what comes out is as large, and is what the network says.

- Sizes are padded to what the network takes and cropped back; values are the network's own.
- Brought to the network's spacing and back, straight lines stay straight lines.
- Windows over a volume agree with the whole where the network looks at single voxels, cover
  every voxel, and are of the size that the card names.
- An image that shows next to nothing is shown beside the fullest one: a network that takes out
  each image's own brightness does not make a head of noise.
- What would not fit into the memory allowed is refused before it is allocated.
- A label map reaches the network as one channel for each label, never mixed.
"""

import numpy as np
import pytest
import torch
from torch import Tensor

from medacuity.errors import LimitExceeded
from medacuity.fitted import Fitted, _starts
from translator_makers import Plain


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (8, 8), (17, 9), (64, 33)])
@pytest.mark.parametrize("multiple", [1, 4, 16])
def test_any_size_goes_in_and_comes_out(size, multiple):
    network = Plain(dims=2, multiple=multiple)
    x = torch.rand(2, 1, *size)
    y = Fitted(network, size)(x)
    torch.testing.assert_close(y, 0.5 * x)
    assert all(n % multiple == 0 and n >= 8 for n in network.seen[0][2:])


def test_resampled_there_and_back_lines_stay_lines():
    line = torch.linspace(0, 1, 40)[None, None, :, None].expand(1, 1, 40, 30)
    for size in ((20, 30), (80, 60), (57, 11)):
        network = Plain(dims=2)
        y = Fitted(network, size)(line)
        assert network.seen[0][2:] == (*size[:1], max(8, size[1]))
        torch.testing.assert_close(y[..., 5:-5, :], 0.5 * line[..., 5:-5, :], atol=2e-3, rtol=0)


@pytest.mark.parametrize("size", [(20, 17, 9), (8, 8, 8), (30, 8, 5)])
def test_windows_agree_with_the_whole(size):
    network = Plain(dims=3, multiple=4)
    x = torch.rand(1, 1, *size)
    told = []
    y = Fitted(network, size, patch=(8, 8, 8), report=lambda *counts: told.append(counts))(x)
    torch.testing.assert_close(y, 0.5 * x)
    assert {shape[2:] for shape in network.seen} == {(8, 8, 8)}
    if size != (8, 8, 8):
        assert told[-1][0] == told[-1][1] == len(network.seen)


@pytest.mark.parametrize("window", [1, 2, 7, 16])
@pytest.mark.parametrize("size", [16, 17, 31, 100])
def test_windows_cover_and_overlap(size, window):
    starts = _starts(size, window)
    assert starts[0] == 0
    assert starts[-1] == size - window
    assert max(np.diff(starts), default=0) <= max(1, window // 2 + 1)


class Normaliser(Plain):
    """Takes out the brightness of each image by itself, as instance norm does."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the image over its own spread."""
        super().forward(x)
        return x / (x.flatten(1).std(1).reshape(-1, *[1] * (x.ndim - 1)) + 1e-6)


def test_of_next_to_nothing_next_to_nothing_is_made():
    full = torch.rand(1, 1, 24, 16)
    x = torch.cat([full, 0.01 * full, 0.3 * full])
    alone, beside = Fitted(Normaliser(dims=2), (24, 16)), Fitted(Normaliser(dims=2), (24, 16))
    torch.testing.assert_close(alone(x)[1], alone(x)[0], rtol=1e-3, atol=1e-3)
    beside.lean_on(full, mean=float(x.mean()))
    y = beside(x)
    torch.testing.assert_close(y[[0, 2]], alone(x)[[0, 2]])
    assert y[1].max() < 0.02 * y[0].max()
    assert {shape[0] for shape in beside.network.seen} == {2, 1}


def test_windows_of_next_to_nothing_are_shown_beside_the_fullest():
    x = 0.001 * torch.rand(1, 1, 32, 16, 16)
    x[:, :, :16] += torch.rand(1, 1, 16, 16, 16)
    y = Fitted(Normaliser(dims=3), (32, 16, 16), patch=(16, 16, 16))(x)
    assert y[:, :, 24:].max() < 0.01 * y[:, :, :8].max()


def test_what_does_not_fit_is_refused_before_it_is_allocated():
    corner = torch.rand(1, 1, 16, 16)
    huge = Fitted(Plain(dims=2), (10**7, 10**7))
    with pytest.raises(LimitExceeded, match="MiB"):
        huge.tile(corner, (1, 1, 16, 16), budget_bytes=2**30)
    deep = Fitted(Plain(dims=3, multiple=1024), (16, 16, 16))
    with pytest.raises(LimitExceeded, match="1024"):
        deep.tile(corner[..., None], (1, 1, 16, 16, 16), budget_bytes=2**40)


def test_slices_go_together_as_memory_allows():
    fitted = Fitted(Plain(dims=2), (64, 64))
    corner, shape = torch.rand(1, 1, 16, 16), (50, 1, 64, 64)
    assert fitted.tile(corner, shape, budget_bytes=2**30) == (50, 64, 64)
    few = fitted.tile(corner, shape, budget_bytes=2**21)
    assert 1 <= few[0] < 50


def test_labels_reach_the_network_as_channels():
    network = Plain(dims=2, channels=3)
    labels = torch.tensor([[0.0, 1], [2, 1]])[None, None]
    large = labels.repeat_interleave(8, 2).repeat_interleave(8, 3)
    y = Fitted(network, (16, 16), labels=3)(large)
    torch.testing.assert_close(y, 0.5 * (large + 1))
    half = Fitted(Plain(dims=2, channels=3), (13, 11), labels=3)(large)
    assert half.shape == large.shape
