"""Discs with holes to learn limited angles from: drawn, scanned over an arc, and reconstructed.

A disc is one disc, with holes that stay inside of it; what reconstruction makes of it is worse the
fewer degrees there are; nothing depends on the attenuation; the same seed draws the same discs.
"""

import numpy as np
import pytest
import torch
from scipy.ndimage import label

from medacuity.errors import UsageError
from medacuity.physics.phantoms import Ellipse, Phantom
from medacuity.physics.radon import Radon
from medacuity.physics.tv import densest, shortest_edges
from medacuity.training import discs, session
from medacuity.training.discs import RADIUS, Arc, disc_with_holes, make_discs
from medacuity.training.run import read_run

SMALL = Arc(size=48, arcs=(60.0,))


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(discs, "EACH", 2)


@pytest.mark.parametrize("seed", range(8))
def test_a_disc_is_one_disc_and_its_holes_are_inside(seed):
    grid = SMALL.grid(4)
    x = disc_with_holes(grid, np.random.default_rng(seed))
    assert 0 <= x.min() <= x.max() <= 1 + 1e-6
    solid = x > 0.5
    u, v = grid.places()
    far = np.hypot(u[:, None], v)
    assert not solid[far > RADIUS[1] + 2.2].any()
    air = label(~solid)[0]
    assert far[air == air[0, 0]].min() > RADIUS[0] - 2.5  # no hole opens to the outside


def test_there_are_discs_with_many_holes_and_with_few():
    drawn = [disc_with_holes(SMALL.grid(4), np.random.default_rng(n)) > 0.5 for n in range(12)]
    counts = [label(~x)[1] - 1 for x in drawn]  # all but what is around the disc
    assert min(counts) <= 3
    assert max(counts) >= 6


def test_the_same_seed_draws_the_same_discs():
    first, again, other = (make_discs(SMALL, rng(n)) for n in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[1], other[1])
    assert first[0].shape == (2, 2, 48, 48)
    assert first[1].shape == (2, 1, 48, 48)


def test_fewer_degrees_tell_less():
    errors = []
    for degrees in (30.0, 180.0):
        given, x = make_discs(Arc(size=48, arcs=(degrees,)), rng())
        errors.append(float((given[:, :1] - x).square().mean()))
    assert errors[0] > 3 * errors[1]


def test_the_densest_part_is_what_a_disc_is_made_of():
    grid = SMALL.grid()
    disc = Phantom([Ellipse(0.04, (30.0, 30.0))])
    scan = discs.SCANNER.select(range(0, 360, 4))
    y = disc.sinogram(scan).float()[None, None]
    least = shortest_edges(y, Radon(scan, grid), weights=torch.full_like(y, 1e4), known=False)
    assert densest(least.x) == pytest.approx(0.04, rel=0.03)
    assert densest(3 * least.x) == pytest.approx(3 * densest(least.x), rel=1e-5)


def test_what_is_drawn_needs_no_scans(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "go_on", lambda folder, report: folder)
    begun = session.begin(tmp_path / "run", session.Wish("fbpconvnet-discs"), report=print)
    assert read_run(begun).data == "drawn discs with holes"
    with pytest.raises(UsageError, match="--data"):
        session.begin(tmp_path / "other", session.Wish("fbpconvnet-sparse"), report=print)
