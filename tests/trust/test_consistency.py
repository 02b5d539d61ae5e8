"""A result explains the measurement, or it is told by how much it does not.

- An image leaves nothing unexplained of its own measurement; the residual is the formula's.
- After ``project`` any image explains what was measured, for all scanners, whole and fractional
  factors, odd and even sizes, whole or cut into slabs.
- ``project`` is a projection: it changes as little as it takes, and nothing the second time.
- Explaining is the adjoint of measuring, up to a factor.
"""

import numpy as np
import pytest
import torch

from medacuity.trust import consistency
from medacuity.trust.consistency import BLOCK_MEAN, KSPACE, SCANNERS, project, residual

SIZES = [
    ((16, 16, 9), (8, 8, 9)),
    ((15, 16, 9), (8, 8, 9)),
    ((15, 15, 9), (5, 15, 3)),
    ((16, 20, 12), (8, 10, 4)),
    ((15, 10, 8), (10, 10, 8)),
    ((20, 20, 20), (13, 13, 13)),
    ((22, 21, 30), (9, 9, 20)),
    ((14, 14, 14), (7, 7, 7)),
    ((6, 5, 4), (2, 1, 1)),
    ((6, 4, 2), (2, 2, 2)),
    ((9, 9, 9), (9, 9, 9)),
]
scanners = pytest.mark.parametrize("scanner", SCANNERS.values(), ids=list(SCANNERS))
sizes = pytest.mark.parametrize(("fine", "coarse"), SIZES, ids=str)


def noise(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Return noise, the hardest image: it is full of every frequency."""
    return np.random.default_rng(seed).random(shape, np.float32)


def measured(scanner, image: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Return what the scanner makes of an image."""
    return scanner.measure(torch.from_numpy(image)[None, None], size)[0, 0].numpy()


@scanners
@sizes
def test_an_image_explains_its_own_measurement(scanner, fine, coarse):
    image = noise(fine)
    found = residual(image, measured(scanner, image, coarse), scanner)
    assert found.scanner == scanner.name
    assert found.relative < 1e-6
    assert found.largest < 1e-5


@scanners
@sizes
def test_project_makes_any_image_explain_what_was_measured(scanner, fine, coarse):
    image, y = noise(fine, 1), measured(scanner, noise(fine, 2), coarse)
    project(image, y, scanner)
    found = residual(image, y, scanner)
    assert found.relative < 2e-5
    assert found.largest < 2e-4


@pytest.mark.parametrize(("fine", "coarse"), [s for s in SIZES if min(s[1]) > 1], ids=str)
def test_project_explains_even_noise_that_is_no_image(fine, coarse):
    for scanner in SCANNERS.values():
        image, y = noise(fine, 1), noise(coarse, 2)
        project(image, y, scanner)
        assert residual(image, y, scanner).relative < 1e-3


@scanners
@sizes
def test_project_changes_as_little_as_it_takes(scanner, fine, coarse):
    truth, image = noise(fine, 3), noise(fine, 4)
    before, y = image.copy(), measured(scanner, truth, coarse)
    project(image, y, scanner)
    # The change stands at right angles on everything that would not be seen.
    off = (image - before).astype(np.float64)
    rest = (truth - image).astype(np.float64)
    assert abs((off * rest).sum()) <= 1e-3 * np.linalg.norm(off) * max(np.linalg.norm(rest), 1e-3)
    again = image.copy()
    project(again, y, scanner)
    np.testing.assert_allclose(again, image, atol=1e-4)


@scanners
@sizes
def test_explaining_is_the_adjoint_up_to_a_factor(scanner, fine, coarse):
    x = torch.rand(1, 1, *fine, dtype=torch.float64)
    y = torch.rand(1, 1, *coarse, dtype=torch.float64)
    seen = (scanner.measure(x, coarse) * y).sum()
    explained = (x * scanner.explain(y, fine)).sum()
    factor = np.prod(fine) / np.prod(coarse)
    np.testing.assert_allclose(explained, factor * seen, rtol=1e-10)


@scanners
def test_slabs_change_nothing(scanner, monkeypatch):
    fine, coarse = (16, 12, 30), (8, 12, 15) if scanner is BLOCK_MEAN else (8, 6, 30)
    whole, y = noise(fine, 5), noise(coarse, 6)
    slabs = whole.copy()
    found = residual(whole, y, scanner)
    project(whole, y, scanner)
    parts = consistency._parts

    def thin(fine, coarse, scanner):
        (axis,) = {12: [1], 30: [2]}[fine[1] if scanner is BLOCK_MEAN else fine[2]]
        for n in range(coarse[axis]):
            yield consistency._slab(axis, n, n + 1), consistency._slab(axis, n, n + 1)

    assert len(list(parts(fine, coarse, scanner))) == 1
    monkeypatch.setattr(consistency, "_parts", thin)
    cut = residual(slabs, y, scanner)
    project(slabs, y, scanner)
    np.testing.assert_allclose(slabs, whole, atol=1e-4)  # each is settled by itself
    assert cut.relative == pytest.approx(found.relative, rel=1e-5)
    assert cut.largest == pytest.approx(found.largest, rel=1e-5)


@pytest.mark.parametrize(
    ("fine", "coarse", "scanner"),
    [((64, 64, 4096), (32, 32, 4096), KSPACE), ((256, 256, 512), (256, 256, 256), BLOCK_MEAN),
     ((300, 300, 300), (150, 150, 100), BLOCK_MEAN), ((9, 9, 9), (6, 6, 6), KSPACE)],
)  # fmt: skip
def test_slabs_cover_everything_once(fine, coarse, scanner):
    covered = [np.zeros(fine, np.uint8), np.zeros(coarse, np.uint8)]
    for parts in consistency._parts(fine, coarse, scanner):
        for seen, part in zip(covered, parts, strict=True):
            seen[part] += 1
    assert all((seen == 1).all() for seen in covered)


def test_the_residual_is_its_formula():
    y = np.array([[[1.0, 3.0]]], np.float32)
    result = np.array([[[1.0, 1.0, 3.0, 4.0]]], np.float32)  # block means 1 and 3.5
    found = residual(result, y, BLOCK_MEAN)
    assert found.relative == pytest.approx(0.5 / np.sqrt(10))
    assert found.largest == pytest.approx(0.25)


@scanners
def test_nothing_and_constants_are_explained(scanner):
    for value in (0, 7):
        image = np.full((8, 8, 8), value, np.int16)
        found = residual(image, np.full((4, 4, 4), value, np.int16), scanner)
        assert (found.relative, found.largest) == (pytest.approx(0, abs=1e-6), 0)
        changed = image.astype(np.float32)
        project(changed, np.full((4, 4, 4), value, np.float32), scanner)
        np.testing.assert_allclose(changed, value, atol=1e-5)
