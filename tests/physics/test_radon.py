"""The projector: right line integrals, an exact adjoint, gradients, and a patient who stays still.

- A disc's integrals are its chords, an ellipse's its exact shadow; ASTRA and scikit-image agree.
- ``<A x, y> = <x, A* y>`` to 1e-10 in float64, for every beam, grid and pixel shape.
- The gradient of the one is the other; both can be differentiated again.
- Compiled loops and plain torch are the same operator; a batch is its slices.
- A blob at a known place in mm casts its shadow where that place does.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from medacuity.errors import UsageError
from medacuity.physics import plain
from medacuity.physics.geometry import Geometry, Grid, fan, parallel
from medacuity.physics.phantoms import Ellipse, Phantom
from medacuity.physics.radon import Radon

BEAMS = {
    "parallel": parallel(19, bins=47, pitch=0.9),
    "shifted": replace(parallel(7, bins=40, pitch=1.3), shift=2.2),
    "turned": Geometry((-400.0, 3.0, 44.9, 45.0, 135.0, 181.0, 270.0), 47, 0.9),
    "flat fan": fan(23, bins=51, pitch=1.9, source=60.0, detector=120.0),
    "curved fan": fan(23, bins=51, pitch=1.9, source=60.0, detector=120.0, curved=True),
    "shifted fan": replace(fan(7, bins=40, pitch=2.0, source=60.0, detector=110.0), shift=-3.3),
    "shifted arc": replace(
        fan(7, bins=40, pitch=2.0, source=60.0, detector=110.0, curved=True), shift=5.1
    ),
    "wide fan": fan(9, bins=31, pitch=7.0, source=40.0, detector=60.0),
}
GRID = Grid((26, 33), (1.2, 0.8), (1.5, -2.0))


def operator(beam, grid=GRID):
    return Radon(BEAMS[beam], grid)


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("beam", BEAMS)
@pytest.mark.parametrize("engine", ["own", "plain"])
def test_the_adjoint_is_the_transpose(beam, engine):
    project = operator(beam)
    x = draw(2, 1, *GRID.shape).abs()
    y = draw(2, 1, project.geometry.views, project.geometry.bins, seed=1).abs()
    if engine == "own":
        forth, back = project(x), project.adjoint(y)
    else:
        forth = plain.forward(x[:, 0], project.sweeps)[:, None]
        back = plain.adjoint(y[:, 0], project.sweeps, GRID.shape)[:, None]
    assert float((forth * y).sum()) == pytest.approx(float((x * back).sum()), rel=1e-10)


@pytest.mark.parametrize("beam", BEAMS)
@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_compiled_and_plain_are_one_operator(beam, dtype, close):
    pytest.importorskip("numba")
    from medacuity.physics import compiled

    project = operator(beam)
    x = draw(3, *GRID.shape, dtype=dtype)
    y = draw(3, project.geometry.views, project.geometry.bins, dtype=dtype)
    a, b = compiled.forward(x, project.sweeps), plain.forward(x, project.sweeps)
    assert float((a - b).abs().max()) < close * float(b.abs().max())
    a = compiled.adjoint(y, project.sweeps, GRID.shape)
    b = plain.adjoint(y, project.sweeps, GRID.shape)
    assert float((a - b).abs().max()) < close * float(b.abs().max())


@pytest.mark.parametrize("threads", [1, 3])
def test_a_batch_is_its_slices_whatever_the_threads(threads):
    project = operator("flat fan")
    x = draw(5, 2, *GRID.shape, dtype=torch.float32)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        together, alone = project(x), torch.stack([project(s[None])[0] for s in x])
        back = project.adjoint(together)
        alone_back = torch.stack([project.adjoint(y[None])[0] for y in together])
    finally:
        torch.set_num_threads(before)
    assert together.shape == (5, 2, 23, 51)
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(back, alone_back, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("beam", ["parallel", "flat fan", "curved fan"])
def test_gradients_are_those_of_a_linear_operator(beam):
    project = Radon(replace(BEAMS[beam], angles_deg=(0.0, 50.0)), Grid((5, 6), (4.0, 5.0)))
    x = draw(2, 1, 5, 6).requires_grad_()
    y = draw(2, 1, 2, project.geometry.bins).requires_grad_()
    assert torch.autograd.gradcheck(project, x)
    assert torch.autograd.gradcheck(project.adjoint, y)
    assert torch.autograd.gradgradcheck(lambda x: project(x) ** 2, x)


def disc_error(geometry, size):
    """Mean error over the mean, of a disc's projections against its chords."""
    disc = Phantom([Ellipse(1.0, (20.0, 20.0), (7.0, -5.0))])
    grid = Grid((size, size), (64 / size, 64 / size))
    x = disc.image(grid, fine=8)[None, None]
    exact = disc.sinogram(geometry)
    return float((Radon(geometry, grid)(x)[0, 0] - exact).abs().mean() / exact.mean())


@pytest.mark.parametrize(
    "geometry",
    [
        parallel(10, bins=90, pitch=1.0),
        fan(10, bins=90, pitch=2.0, source=100.0, detector=200.0),
        fan(10, bins=90, pitch=2.0, source=100.0, detector=200.0, curved=True),
    ],
    ids=["parallel", "flat", "curved"],
)
def test_a_disc_has_its_chords(geometry):
    coarse, fine = disc_error(geometry, 96), disc_error(geometry, 384)
    assert coarse < 5e-3
    assert fine < coarse / 3  # it is the pixels that err, not the lines


def test_the_chord_is_the_schoolbook_one():
    geometry = parallel(4, bins=61, pitch=1.0)
    t = geometry.taus() - 3 * np.cos(geometry.beta)[:, None] - 4 * np.sin(geometry.beta)[:, None]
    chord = 2 * np.sqrt(np.maximum(20.0**2 - t**2, 0))
    found = Phantom([Ellipse(1.0, (20.0, 20.0), (3.0, 4.0))]).sinogram(geometry)
    np.testing.assert_allclose(found.numpy(), chord, atol=1e-12)


def blob(grid, place, sigma=3.0):
    u, v = grid.places()
    far = (u[:, None] - place[0]) ** 2 + (v - place[1]) ** 2
    return torch.from_numpy(np.exp(-far / (2 * sigma**2)))[None, None]


@pytest.mark.parametrize("beam", ["parallel", "shifted"])
def test_a_blob_casts_its_shadow_where_it_is(beam):
    geometry = replace(BEAMS[beam], bins=90)
    grid, place = Grid((60, 70), (1.0, 0.9), (1.5, -2.0)), np.array([4.3, -7.7])
    y = Radon(geometry, grid)(blob(grid, place))[0, 0].numpy()
    centre = (y * geometry.taus()).sum(1) / y.sum(1)
    beta = geometry.beta
    wanted = place[0] * np.cos(beta) + place[1] * np.sin(beta)
    assert np.abs(centre - wanted).max() < 0.01 * 0.9


@pytest.mark.parametrize("curved", [False, True])
def test_a_dot_meets_the_ray_of_a_fan_that_goes_through_it(curved):
    geometry = fan(12, bins=201, pitch=0.5, source=60.0, detector=120.0, curved=curved)
    grid, place = Grid((100, 100), (0.25, 0.25)), (3.125, -6.375)
    x = blob(grid, place, sigma=0.5)
    y = Radon(geometry, grid)(x)[0, 0].numpy()
    beta = geometry.beta
    across = place[0] * np.cos(beta) + place[1] * np.sin(beta)
    depth = 60 + place[0] * np.sin(beta) - place[1] * np.cos(beta)
    wanted = 120 * (np.arctan2(across, depth) if curved else across / depth)
    centre = (y * geometry.taus()).sum(1) / y.sum(1)
    assert np.abs(centre - wanted).max() < 0.02


def test_a_fan_from_far_away_is_a_parallel_beam():
    near = parallel(8, bins=47, pitch=0.9)
    far = Geometry(near.angles_deg, 47, 0.9 * 1.001, source=1e6, detector=1.001e6)
    x = draw(1, 1, *GRID.shape)
    a, b = Radon(near, GRID)(x), Radon(far, GRID)(x)
    assert float((a - b).abs().max()) < 1e-3 * float(a.abs().max())


def test_astra_projects_the_same():
    astra = pytest.importorskip("astra")
    geometry, grid = parallel(24, bins=60, pitch=1.0), Grid((32, 40), (1.0, 1.0))
    x = draw(1, 1, 32, 40, dtype=torch.float32)
    ours = Radon(geometry, grid)(x)[0, 0].numpy()
    # ASTRA's columns run along our first axis, and its rows down the second.
    image = np.ascontiguousarray(x[0, 0].numpy().T[::-1])
    rays = astra.create_proj_geom("parallel", 1.0, 60, geometry.beta)
    projector = astra.create_projector("linear", rays, astra.create_vol_geom(*image.shape))
    number, theirs = astra.create_sino(image, projector)
    astra.data2d.delete(number)
    assert np.abs(ours - theirs).max() < 1e-4 * np.abs(theirs).max()


def test_scikit_image_projects_nearly_the_same():
    transform = pytest.importorskip("skimage.transform")
    size = 128
    disc = Phantom([Ellipse(1.0, (30.0, 20.0), (7.0, -15.0), 20.0)])
    # scikit-image turns about pixel n // 2, and its rows run down.
    grid = Grid((size, size), (1.0, 1.0), (-0.5, -0.5))
    x = disc.image(grid)[None, None]
    angles = tuple(np.arange(0.0, 180.0, 7.0))
    ours = Radon(Geometry(angles, size, 1.0, shift=-0.5), grid)(x)[0, 0].numpy()
    theirs = transform.radon(x[0, 0].numpy(), np.array(angles) - 90.0, circle=True).T
    assert np.abs(ours - theirs).mean() < 0.01 * theirs.mean()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype):
    project = operator("parallel")
    x = draw(1, 1, *GRID.shape).abs().to(dtype)
    found = project(x)
    assert found.dtype == dtype
    torch.testing.assert_close(found, project(x.float()).to(dtype))


def test_the_norm_bounds_what_comes_out():
    project = operator("flat fan")
    x = draw(1, 1, *GRID.shape)
    dense = project(torch.eye(26 * 33, dtype=torch.float64).reshape(-1, 1, *GRID.shape)).flatten(1)
    assert project.norm == pytest.approx(float(torch.linalg.matrix_norm(dense, 2)), rel=1e-3)
    assert float(project(x).norm()) < project.norm * float(x.norm())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("beam", BEAMS)
def test_a_gpu_computes_the_same(beam):
    project = operator(beam)
    x, y = draw(2, 1, *GRID.shape), draw(2, 1, project.geometry.views, project.geometry.bins)
    torch.testing.assert_close(project(x.cuda()).cpu(), project(x), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(
        project.adjoint(y.cuda()).cpu(), project.adjoint(y), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"angles_deg": ()}, "at least one angle"),
        ({"angles_deg": (math.nan,)}, "finite"),
        ({"bins": 0}, "bins"),
        ({"pitch": -1.0}, "pitch"),
        ({"shift": math.inf}, "shift"),
        ({"source": 100.0}, "detector"),
        ({"source": 100.0, "detector": 90.0}, "source < detector"),
        ({"source": -math.inf}, "source < detector"),
        ({"curved": True}, "parallel"),
        ({"detector": 90.0}, "parallel"),
        ({"source": 10.0, "detector": 11.0, "curved": True, "pitch": 2.0}, "90 degrees"),
    ],
)
def test_a_scanner_that_cannot_be_is_refused(wrong, says):
    with pytest.raises(UsageError, match=says):
        Geometry(**{"angles_deg": (0.0,), "bins": 20, "pitch": 1.0, **wrong})


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"shape": (0, 3)}, "pixel"),
        ({"spacing": (1.0, 0.0)}, "spacing"),
        ({"spacing": (1.0, math.inf)}, "spacing"),
        ({"centre": (math.nan, 0.0)}, "centre"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(wrong, says):
    with pytest.raises(UsageError, match=says):
        Grid(**{"shape": (3, 3), "spacing": (1.0, 1.0), **wrong})


def test_the_grid_must_not_reach_the_source():
    with pytest.raises(UsageError, match="source stands at 60 mm"):
        operator("flat fan", Grid((100, 100), (1.0, 1.0)))


@pytest.mark.parametrize("shape", [(26, 33), (1, 1, 33, 26), (1, 26, 33)])
def test_another_shape_is_refused(shape):
    with pytest.raises(UsageError, match=r"\(B, C, 26, 33\)"):
        operator("parallel")(torch.zeros(shape))


def test_whole_numbers_are_refused():
    with pytest.raises(UsageError, match="floats"):
        operator("parallel")(torch.zeros(1, 1, 26, 33, dtype=torch.int64))
