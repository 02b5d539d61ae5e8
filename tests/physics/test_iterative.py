"""SIRT, CGLS and TV: they solve what they say, know when to stop, and slices keep apart.

- CGLS is the least-squares solution of numpy; SIRT never goes below 0 and fits better at each step.
- TV lowers its own objective below that of other images near it, and beats FBP on noisy data;
  taking the views by parts at first comes near the same image in far fewer steps.
- Compiled and plain steps on the edges are the same.
- Each stopping rule stops; a slice gets the same image whatever slices it came with.
"""

import math

import pytest
import torch

from medacuity.errors import UsageError
from medacuity.physics.dose import counted, low_dose
from medacuity.physics.fbp import fbp
from medacuity.physics.geometry import Grid, fan, parallel
from medacuity.physics.iterative import cgls, noise_level, sirt, solve
from medacuity.physics.phantoms import Ellipse, Phantom
from medacuity.physics.radon import Radon
from medacuity.physics.tv import tv

GRID = Grid((32, 36), (6.0, 5.0))
SCAN = parallel(40, bins=55, pitch=5.0)
BODY = Phantom([
    Ellipse(0.02, (85.0, 70.0)), Ellipse(-0.015, (25.0, 30.0), (35.0, 10.0)),
    Ellipse(0.004, (20.0, 12.0), (-40.0, -20.0), 30.0),
])  # fmt: skip


def truth():
    return BODY.image(GRID)[None, None].float()


def measured(photons=20_000.0, seed=0):
    rng = torch.Generator().manual_seed(seed)
    y = Radon(SCAN, GRID)(truth())
    return low_dose(y, photons=photons, rng=rng), counted(y, photons=photons)


def error(x):
    return float((x - truth()).norm() / truth().norm())


def test_cgls_is_the_least_squares_solution():
    grid = Grid((5, 6), (6.0, 5.0))
    operator = Radon(parallel(9, bins=11, pitch=4.0), grid)
    units = torch.eye(30, dtype=torch.float64).reshape(30, 1, 5, 6)
    matrix = operator(units).flatten(1).T
    y = torch.rand(1, 1, 9, 11, dtype=torch.float64)
    wanted = torch.linalg.lstsq(matrix, y.flatten()).solution
    found = solve(cgls(y, operator), steps=60).x
    torch.testing.assert_close(found.flatten(), wanted, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("method", [sirt, cgls])
def test_without_noise_the_image_comes_back(method):
    operator = Radon(SCAN, GRID)
    y = operator(truth())
    few, many = (solve(method(y, operator), steps=n).x for n in (5, 60))
    assert error(many) < error(few)
    assert error(many) < 0.08
    residual = (y - operator(many)).norm() / y.norm()
    assert float(residual) < 0.01


def test_sirt_never_goes_below_zero_and_fits_better_at_each_step():
    operator = Radon(SCAN, GRID)
    y, _ = measured(500.0)
    steps = sirt(y, operator)
    found = [next(steps) for _ in range(12)]
    assert all(float(step.x.min()) >= 0 for step in found)
    left = [float(step.residual.norm()) for step in found]
    assert left == sorted(left, reverse=True)


def objective(x, y, weights, operator, weight):
    du = (x[..., 1:, :] - x[..., :-1, :]) * math.sqrt(30) / 6
    dv = (x[..., 1:] - x[..., :-1]) * math.sqrt(30) / 5
    edges = torch.zeros(2, *x.shape)
    edges[0, ..., :-1, :], edges[1, ..., :-1] = du, dv
    fit = 0.5 * (weights * (operator(x) - y) ** 2).sum()
    return float(fit + weight * edges.norm(dim=0).sum())


def test_tv_finds_the_least_of_its_objective():
    operator = Radon(SCAN, GRID)
    y, weights = measured()
    start = fbp(y, SCAN, GRID)
    width = math.sqrt(30) * 2 / 3
    weight = 0.5 * float((width * operator.adjoint(weights)).mean().sqrt())
    x = solve(tv(y, operator, weights=weights, strength=0.5, start=start), steps=250).x
    least = objective(x, y, weights, operator, weight)
    assert float(x.min()) >= 0
    rng = torch.Generator().manual_seed(1)
    for size in (1e-5, 1e-4):
        for _ in range(3):
            near = (x + size * torch.randn(x.shape, generator=rng)).clamp(min=0)
            assert objective(near, y, weights, operator, weight) > least
    for other in (x * 0.999, x * 1.001, 0.99 * x + 0.01 * truth(), 0.99 * x + 0.01 * x.mean()):
        assert objective(other, y, weights, operator, weight) > least


def test_parts_of_the_views_lead_to_the_same_image_sooner():
    operator = Radon(SCAN, GRID)
    y, weights = measured()
    rest = {"weights": weights, "strength": 0.5, "start": fbp(y, SCAN, GRID)}
    whole = solve(tv(y, operator, **rest), steps=250).x
    slow, parts = (solve(tv(y, operator, **rest, parts=n), steps=10).x for n in (1, 4))
    far = float((slow - whole).norm())
    assert float((parts - whole).norm()) < 0.5 * far
    onward = solve(tv(y, operator, **rest, parts=4), steps=200).x
    assert float((onward - whole).norm()) < 0.02 * far


def test_what_is_left_is_in_the_order_of_the_views():
    operator = Radon(SCAN, GRID)
    y, weights = measured()
    start = fbp(y, SCAN, GRID)
    steps = tv(y, operator, weights=weights, strength=0.5, start=start, parts=3)
    found = [next(steps) for _ in range(6)][-1]
    exact = y - operator(found.x)
    assert float((found.residual - exact).norm()) < 0.2 * float(exact.norm())


@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_compiled_edges_are_the_plain_ones(dtype, close):
    pytest.importorskip("numba")
    from medacuity.physics import compiled, plain

    rng = torch.Generator().manual_seed(0)
    x, pull = (torch.rand(3, 1, 9, 14, generator=rng, dtype=dtype) for _ in range(2))
    how = {"pull": 0.1 * pull, "step": torch.ones_like(pull), "scale": (1.2, 0.8), "steps": 4}
    duals = [torch.zeros(2, *x.shape, dtype=dtype) for _ in range(2)]
    for _ in range(2):
        a = plain.shorten(x, duals[0], **how)
        b = compiled.shorten(x, duals[1], **how)
        assert float((a - b).abs().max()) < close
        assert float((duals[0] - duals[1]).abs().max()) < close


@pytest.mark.parametrize("photons", [300.0, 20_000.0])
def test_tv_beats_the_best_of_the_others_at_any_dose(photons):
    operator = Radon(SCAN, GRID)
    y, weights = measured(photons)
    start = fbp(y, SCAN, GRID, window="hann")
    smooth = min(error(fbp(y, SCAN, GRID, window="hann", cutoff=c)) for c in (0.3, 0.5, 0.7, 1))
    solved = solve(
        tv(y, operator, weights=weights, strength=0.5, start=start), steps=100, tolerance=5e-4
    )
    assert error(solved.x) < smooth
    assert solved.why == "still"


def test_fans_are_solved_too():
    scan = fan(30, bins=61, pitch=9.0, source=500.0, detector=1000.0)
    operator = Radon(scan, GRID)
    y = operator(truth())
    weights = torch.full_like(y, 1e4)
    start = fbp(y, scan, GRID)
    x = solve(tv(y, operator, weights=weights, strength=0.3, start=start), steps=60).x
    assert error(x) < 0.6 * error(start)


def test_noise_stops_cgls_before_it_fits_it():
    operator = Radon(SCAN, GRID)
    y, weights = measured(2_000.0)
    stopped = solve(cgls(y, operator), steps=60, weights=weights)
    fitted = solve(cgls(y, operator), steps=60)
    assert stopped.why == "noise"
    assert stopped.steps < fitted.steps == 60
    assert error(stopped.x) < 0.7 * error(fitted.x)


def test_standing_still_stops():
    operator = Radon(SCAN, GRID)
    solved = solve(sirt(operator(truth()), operator), steps=500, tolerance=1e-2)
    assert solved.why == "still"
    assert solved.steps < 60


def test_a_slice_does_not_know_its_neighbours():
    operator = Radon(SCAN, GRID)
    noisy, easy = measured(300.0)[0].double(), operator(0.1 * truth()).double()
    for method in (sirt, cgls):

        def run(y, method=method):
            return solve(method(y, operator), steps=25, tolerance=5e-3).x

        together = run(torch.cat([noisy, easy]))
        torch.testing.assert_close(together[:1], run(noisy), rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(together[1:], run(easy), rtol=1e-5, atol=1e-7)


def test_progress_is_told():
    told = []
    operator = Radon(SCAN, GRID)
    solve(sirt(operator(truth()), operator), steps=4, report=lambda *what: told.append(what))
    assert [(done, of) for done, of, _ in told] == [(n, 4) for n in range(5)]
    changes = [change for *_, change in told[1:]]
    assert changes == sorted(changes, reverse=True)


def test_the_noise_of_a_sinogram_is_estimated():
    rng = torch.Generator().manual_seed(0)
    smooth = BODY.sinogram(parallel(60, bins=400, pitch=0.7)).float()[None, None].repeat(2, 1, 1, 1)
    sigma = torch.tensor([0.01, 0.05]).reshape(2, 1, 1, 1)
    found = noise_level(smooth + sigma * torch.randn(smooth.shape, generator=rng))
    assert found.shape == (2, 1, 1, 1)
    assert found.flatten().tolist() == pytest.approx([0.01, 0.05], rel=0.1)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 3, "tolerance": 1.0}])
def test_rules_that_cannot_be(wrong):
    operator = Radon(SCAN, GRID)
    with pytest.raises(UsageError, match="steps must be"):
        solve(sirt(operator(truth()), operator), **wrong)


def test_strength_must_be_one():
    operator = Radon(SCAN, GRID)
    y = operator(truth())
    with pytest.raises(UsageError, match="strength"):
        next(tv(y, operator, weights=torch.ones_like(y), strength=0.0, start=truth()))
