"""Filtered back-projection: right values in the right place, for every beam and any angles.

- It is scikit-image's ``iradon`` where that exists, filter by filter, and no less accurate.
- A disc comes back with its value, its place and nothing around it, for parallel beams and fans,
  full turns, short scans, uneven angles and views that were measured twice.
- Parker's weights of a ray and its opposite add up to one; so do those of several arcs.
- Compiled loops and plain torch agree, and gradients are those of a linear operator.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from medacuity.errors import UsageError
from medacuity.physics import plain
from medacuity.physics.fbp import fbp
from medacuity.physics.filters import ramp_filter
from medacuity.physics.geometry import Geometry, Grid, fan, parallel
from medacuity.physics.phantoms import Ellipse, Phantom, shepp_logan
from medacuity.physics.radon import Radon
from medacuity.physics.redundancy import parker, reach, redundancy, sides, turn
from medacuity.physics.shadows import shadows

GRID = Grid((96, 96), (1.0, 1.0))
FAN = {"source": 160.0, "detector": 320.0}  # 17.5 degrees to each side
SCANS = {
    "parallel": parallel(180, bins=137, pitch=1.0),
    "parallel, full turn": parallel(360, bins=137, pitch=1.0, span_deg=360.0),
    "parallel, backwards": Geometry(tuple(np.arange(180.0)[::-1] - 700), 137, 1.0),
    "parallel, uneven": Geometry(
        tuple(np.r_[np.arange(0, 90, 0.7), np.arange(90, 180, 1.2)]), 137, 1.0
    ),
    "parallel, golden": Geometry(tuple(np.arange(233) * 111.246117975), 137, 1.0),
    "parallel, shifted": replace(parallel(180, bins=151, pitch=1.0), shift=3.3),
    "parallel, aside": replace(parallel(360, bins=91, pitch=1.0, span_deg=360.0), shift=25.2),
    "parallel, odd and aside": replace(
        parallel(361, bins=91, pitch=1.0, span_deg=360.0), shift=-20
    ),
    "flat, aside": replace(fan(360, bins=121, pitch=1.1, **FAN), shift=40.0),
    "curved, aside": replace(fan(360, bins=121, pitch=1.1, curved=True, **FAN), shift=-40.0),
    "flat": fan(360, bins=181, pitch=1.1, **FAN),
    "curved": fan(360, bins=181, pitch=1.1, curved=True, **FAN),
    "flat, short": Geometry(tuple(np.arange(41.0, 260.0)), 181, 1.1, **FAN),
    "curved, short": Geometry(tuple(np.arange(341.0, 560.0)), 181, 1.1, curved=True, **FAN),
    "flat, longer": Geometry(tuple(np.arange(0.0, 300.0)), 181, 1.1, **FAN),
    "flat, two turns": fan(720, bins=181, pitch=1.1, span_deg=720.0, **FAN),
    "flat, two holes": Geometry(
        tuple(np.r_[np.arange(0.0, 101.0), np.arange(110.0, 221.0), np.arange(230.0, 360.0)]),
        181,
        1.1,
        **FAN,
    ),
}


def discs():
    return Phantom(
        [Ellipse(1.0, (20.0, 20.0), (7.0, -12.0)), Ellipse(0.5, (9.0, 9.0), (-22.0, 18))]
    )


def away(place):
    u, v = GRID.places()
    return np.hypot(u[:, None] - place[0], v - place[1])


def image_of(geometry, **how):
    y = discs().sinogram(geometry)[None, None]
    return fbp(y, geometry, GRID, **how)[0, 0].numpy()


@pytest.mark.parametrize("scan", SCANS)
def test_discs_come_back_with_their_values(scan):
    x = image_of(SCANS[scan])
    large, small = away((7, -12)), away((-22, 18))
    assert x[large < 17].mean() == pytest.approx(1, abs=3e-3)
    assert x[small < 6].mean() == pytest.approx(0.5, abs=3e-3)
    around = (large > 23) & (small > 12) & (away((0, 0)) < 46)
    assert abs(x[around].mean()) < 2e-3
    assert x[around].std() < 0.035


@pytest.mark.parametrize("scan", SCANS)
def test_a_blob_comes_back_where_it_is(scan):
    place, u = (11.3, -7.8), GRID.places()[0]
    blob = torch.from_numpy(np.exp(-(away(place) ** 2) / 32))[None, None]
    geometry = SCANS[scan]
    x = fbp(Radon(geometry, GRID)(blob), geometry, GRID)[0, 0].numpy()
    x = np.where(away(place) < 16, x, 0)
    centre = (x.sum(1) @ u / x.sum(), x.sum(0) @ u / x.sum())
    assert np.abs(np.subtract(centre, place)).max() < 0.01


def by_iradon(y, geometry, size, window="ramp"):
    """Give scikit-image's image, and its grid: it turns about pixel n // 2."""
    transform = pytest.importorskip("skimage.transform")
    angles = np.array(geometry.angles_deg) - 90  # its first rays run along the second axis
    x = transform.iradon(
        y.numpy().T, angles, filter_name=window, output_size=size, circle=False
    )  # fmt: skip
    return x, Grid((size, size), (1.0, 1.0), (-0.5, -0.5))


@pytest.mark.parametrize(
    ("window", "close"),
    # Its Hamming and Hann windows are one sample out of the middle.
    [("ramp", 1e-10), ("shepp-logan", 1e-10), ("cosine", 1e-10), ("hamming", 0.01), ("hann", 0.01)],
)
def test_it_is_scikit_images_iradon(window, close):
    geometry = parallel(50, bins=95, pitch=1.0)
    y = shepp_logan(30.0).sinogram(geometry)
    theirs, grid = by_iradon(y, geometry, 64, window)
    ours = fbp(y[None, None], geometry, grid, window=window)[0, 0].numpy()
    np.testing.assert_allclose(ours, theirs, atol=close * np.abs(theirs).max())


def test_the_head_is_no_less_accurate_than_iradons():
    geometry = parallel(720, bins=185, pitch=1.0)
    head = shepp_logan(62.0)
    theirs, grid = by_iradon(head.sinogram(geometry), geometry, 128)
    ours = fbp(head.sinogram(geometry)[None, None], geometry, grid)[0, 0].numpy()
    inside = np.hypot(*np.meshgrid(*grid.places())) < 62
    truth = head.image(grid).numpy()
    errors = [np.sqrt(np.mean((x - truth)[inside] ** 2)) for x in (ours, theirs)]
    assert errors[0] <= errors[1] * (1 + 1e-9)
    assert errors[0] < 0.05


@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
def test_compiled_and_plain_agree(scan, dtype, close):
    pytest.importorskip("numba")
    from medacuity.physics import compiled

    geometry, grid = SCANS[scan], Grid((17, 20), (3.0, 2.5), (4.0, -1.0))
    y = torch.randn(2, geometry.views, geometry.bins, dtype=dtype)
    where = shadows(geometry, grid)
    a, b = (engine.backproject(y, where, grid.shape) for engine in (compiled, plain))
    assert float((a - b).abs().max()) < close * float(b.abs().max())


@pytest.mark.parametrize("scan", ["parallel", "flat, short", "curved"])
def test_gradients_pass(scan):
    geometry = SCANS[scan].select(range(0, SCANS[scan].views, 60))
    grid = Grid((4, 5), (15.0, 12.0))
    y = torch.randn(1, 1, geometry.views, geometry.bins, dtype=torch.float64)
    weights = torch.randn(1, 1, 4, 5, dtype=torch.float64)
    y.requires_grad_()
    (gradient,) = torch.autograd.grad((fbp(y, geometry, grid) * weights).sum(), y)
    with torch.no_grad():
        assert float((gradient * y).sum()) == pytest.approx(
            float((fbp(y, geometry, grid) * weights).sum()), rel=1e-10
        )


def test_views_stand_for_their_share_of_the_turn():
    assert turn(SCANS["parallel"]).weights == pytest.approx(math.pi / 180)
    assert turn(SCANS["flat, two turns"]).weights == pytest.approx(math.pi / 360)
    assert turn(SCANS["parallel, golden"]).weights.sum() == pytest.approx(math.pi)
    assert not len(turn(SCANS["parallel, golden"]).arcs)
    assert turn(parallel(1, bins=3, pitch=1.0)).weights == pytest.approx(math.pi)


def test_what_was_not_measured_is_not_made_up():
    limited = turn(Geometry(tuple(np.arange(120.0)), 3, 1.0))
    assert limited.weights == pytest.approx(math.radians(1))
    np.testing.assert_allclose(np.rad2deg(limited.arcs), [[0, 119]], atol=1e-6)


def test_arcs_are_found():
    arcs = turn(SCANS["flat, two holes"]).arcs
    np.testing.assert_allclose(np.rad2deg(arcs), [[110, 220], [230, 460]], atol=1e-6)


def test_a_ray_and_its_opposite_count_for_one():
    rng = np.random.default_rng(1)
    gamma, spare = rng.uniform(-0.3, 0.3, 2000), 0.35
    beta = rng.uniform(0, math.pi + 2 * spare, 2000)
    opposite = (beta + math.pi + 2 * gamma) % math.tau
    total = parker(beta, gamma, spare) + parker(opposite, -gamma, spare)
    np.testing.assert_allclose(total, 1, atol=1e-9)


def test_a_full_turn_counts_every_ray_twice():
    assert redundancy(SCANS["flat"]) == pytest.approx(0.5)
    assert redundancy(SCANS["parallel, full turn"]) == pytest.approx(1.0)


@pytest.mark.parametrize("shift", [0.0, 0.25, 3.0, -30.0, 44.0])
def test_a_detector_aside_counts_every_ray_once(shift):
    scan = replace(parallel(360, bins=101, pitch=1.0, span_deg=360.0), shift=shift)
    s, weights = scan.lines().s[0], sides(scan)
    opposite = np.interp(-s, s, weights, left=0.0, right=0.0)
    seen = (np.abs(s) < 50 - abs(shift)) | (np.abs(s) > 52 - abs(shift))
    np.testing.assert_allclose((weights + opposite)[seen], 1.0, atol=0.03 if shift else 1e-12)
    assert reach(scan) == pytest.approx(50 + abs(shift) if 0 < abs(shift) < 50 else scan.radius)
    half = replace(parallel(180, bins=101, pitch=1.0), shift=shift)
    assert reach(half) == half.radius
    assert set(sides(half)) == {0.5}


@pytest.mark.parametrize("arc", [False, True])
def test_the_ramp_keeps_the_mean_and_kills_a_constant(arc):
    pitch = 0.002
    line = torch.zeros(1, 256, dtype=torch.float64)
    line[0, 128] = 1
    out = ramp_filter(line, pitch=pitch, arc=arc)
    assert float(out[0, 128]) == pytest.approx(0.25 / pitch, rel=1e-6)
    assert float(out[0, 127]) == pytest.approx(-1 / math.pi**2 / pitch, rel=1e-5)
    assert abs(float(out.sum())) * pitch < 2e-3


def test_a_cutoff_takes_the_fine_away():
    geometry = SCANS["parallel"]
    sharp, soft = image_of(geometry), image_of(geometry, window="hann", cutoff=0.4)
    flat = away((7, -12)) < 12
    assert soft[flat].std() < sharp[flat].std()
    assert np.abs(np.diff(soft, axis=0)).max() < 0.4 * np.abs(np.diff(sharp, axis=0)).max()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"window": "ham"}, "hamming"), ({"cutoff": 0.0}, "cutoff"), ({"cutoff": 1.5}, "cutoff")],
)
def test_a_filter_that_does_not_exist_is_named(wrong, says):
    with pytest.raises(UsageError, match=says):
        image_of(SCANS["parallel"], **wrong)


def test_another_shape_is_refused():
    with pytest.raises(UsageError, match=r"\(B, C, 180, 137\)"):
        fbp(torch.zeros(180, 137), SCANS["parallel"], GRID)
