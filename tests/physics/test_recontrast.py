"""A real image in another contrast: means as wanted, texture and partial volume its own.

- Pure tissue has the new mean and the texture of the scan, voxel for voxel.
- A border voxel that is half of each tissue is half of each in the new contrast too.
- The same means give the image back; so does going there and back.
- A border that lies elsewhere than the labels say stays where the image has it.
"""

import pytest
import torch

from medacuity.physics.recontrast import recontrasted

OLD, NEW = [0.0, 0.4, 0.6, 0.9], [0.0, 0.9, 0.3, 0.5]


def stripes(size: tuple[int, ...]) -> torch.Tensor:
    """Return label maps of slabs: fluid, grey and white matter between air, 10 voxels each."""
    places = torch.arange(size[0]) // 10
    labels = torch.tensor([0, 1, 2, 3, 0])[places]
    return labels.reshape(-1, *[1] * (len(size) - 1)).expand(size)[None].clone()


def scan(labels: torch.Tensor, noise: float = 0.0) -> torch.Tensor:
    x = torch.tensor(OLD)[labels][:, None]
    inside = (labels > 0)[:, None]
    return x + noise * inside * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [(50, 24), (50, 12, 12)])
def test_tissues_get_their_means_and_keep_their_texture(size):
    labels = stripes(size)
    x = scan(labels, 0.03)
    y = recontrasted(x, labels, means=NEW)
    for label in (1, 2, 3):
        deep = slice(10 * label + 3, 10 * label + 7)
        before, after = x[0, 0, deep], y[0, 0, deep]
        assert abs(float(after.mean()) - NEW[label]) < 0.01
        assert torch.allclose(after - after.mean(), before - before.mean(), atol=2e-3)


def test_partial_volume_is_the_images_own():
    labels = stripes((50, 24))
    x = scan(labels)
    x[0, 0, 30] = (OLD[2] + OLD[3]) / 2  # the first row of white matter is half grey
    y = recontrasted(x, labels, means=NEW)
    assert torch.allclose(y[0, 0, 30], torch.tensor((NEW[2] + NEW[3]) / 2), atol=0.03)


def test_the_image_decides_where_a_border_is():
    labels = stripes((50, 24))
    x = scan(labels, 0.005)
    x[0, 0, 29] = OLD[3]  # white matter begins a voxel earlier than the labels say
    y = recontrasted(x, labels, means=NEW)
    assert torch.allclose(y[0, 0, 29], torch.tensor(NEW[3]), atol=0.05)


def test_there_and_back():
    labels = stripes((50, 24))
    x = scan(labels, 0.02)
    same = recontrasted(x, labels, means=OLD)
    assert float((same - x).abs().mean()) < 0.005
    back = recontrasted(recontrasted(x, labels, means=NEW), labels, means=OLD)
    assert float((back - x).abs().mean()) < 0.02
