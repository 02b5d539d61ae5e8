"""The right networks for a scan: by how its axes are alike, how thick its slices, how noisy."""

import numpy as np
import pytest

from medacuity.choose import plan
from medacuity.errors import UsageError
from medacuity.volume import Volume


def scan(shape, spacing, *, noise=0.0):
    """A smooth bright ball in silent air, or with Rician noise of a share of its brightness."""
    axes = np.meshgrid(*[np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape],
                       indexing="ij")  # fmt: skip
    ball = 1000 / (1 + np.exp(40 * (sum(a**2 for a in axes) - 0.4)))
    rng = np.random.default_rng(0)
    if noise:
        real, imaginary = rng.standard_normal((2, *shape)) * noise * 1000
        ball = np.hypot(ball + real, imaginary)
    return Volume(ball.astype(np.float32), np.diag([*spacing, 1.0]))


def chosen(volume, **wish):
    return [(stage.weights, stage.axes) for stage in plan(volume, **wish).stages]


CUBE = scan((48, 48, 48), (1, 1, 1))
STACK = scan((96, 96, 20), (0.5, 0.5, 3.0))
UPRIGHT = scan((20, 96, 96), (3.0, 0.5, 0.5))


def test_cubes_get_the_volume_network():
    assert chosen(CUBE, scale=[2]) == [("mri-3d-x2", (0, 1, 2))]


def test_in_plane_gets_the_slice_network_across_the_axis_left_alone():
    assert chosen(CUBE, scale=[2, 2, 1]) == [("mri-2d-x2", (0, 1))]
    assert chosen(CUBE, scale=[1, 2, 2]) == [("mri-2d-x2", (1, 2))]


@pytest.mark.parametrize(("factor", "name"), [(2, 2), (2.3, 2), (3, 3), (4, 4), (6, 4)])
def test_through_plane_gets_the_nearest_factor_with_the_slice_axis_last(factor, name):
    assert chosen(STACK, scale=[1, 1, factor]) == [(f"mri-slices-x{name}", (0, 1, 2))]
    assert chosen(UPRIGHT, scale=[factor, 1, 1]) == [(f"mri-slices-x{name}", (1, 2, 0))]


def test_thick_slices_are_thinned_first_when_every_axis_is_wanted():
    assert chosen(STACK, scale=[2]) == [("mri-slices-x2", (0, 1, 2)), ("mri-2d-x2", (0, 1))]


def test_left_to_itself_it_thins_thick_slices_and_doubles_cubes_and_pictures():
    assert plan(STACK).size == (96, 96, 80)
    assert plan(CUBE).size == (96, 96, 96)
    assert plan(scan((64, 64, 1), (1, 1, 1))).size == (128, 128, 1)


def test_one_number_leaves_a_single_slice_single_but_three_are_obeyed():
    picture = scan((64, 64, 1), (1, 1, 1))
    assert plan(picture, scale=[2]).size == (128, 128, 1)
    assert plan(picture, scale=[2, 1, 1]).size == (128, 64, 1)


def test_one_spacing_never_makes_an_axis_coarser():
    assert plan(STACK, spacing=[1.0]).size == (96, 96, 60)
    assert plan(STACK, spacing=[1.0, 1.0, 1.0]).size == (48, 48, 60)


def test_a_spacing_is_met_in_the_same_field_of_view():
    assert plan(STACK, spacing=[0.5, 0.5, 1.0]).size == (96, 96, 60)
    assert plan(CUBE, spacing=[0.5]).size == (96, 96, 96)


@pytest.mark.parametrize(("noise", "ending"), [(0.0, ""), (0.005, ""), (0.03, "-noisy")])
def test_noise_decides_which_of_the_two(noise, ending):
    noisy = scan((96, 96, 12), (1, 1, 1), noise=noise)
    assert chosen(noisy, scale=[2, 2, 1])[0][0] == f"mri-2d-x2{ending}"


def test_only_the_first_network_takes_the_noise_out():
    noisy = scan((96, 96, 20), (0.5, 0.5, 3.0), noise=0.03)
    assert [name for name, _ in chosen(noisy, scale=[2])] == ["mri-slices-x2-noisy", "mri-2d-x2"]


@pytest.mark.parametrize("scale", [[0], [-1], [float("nan")], [2, 2], [1000]])
def test_a_scale_that_makes_no_sense_is_named(scale):
    with pytest.raises(UsageError, match="scale needs"):
        plan(CUBE, scale=scale)


def test_scale_and_spacing_together_are_refused():
    with pytest.raises(UsageError, match="not both"):
        plan(CUBE, scale=[2], spacing=[1.0])
