"""The right networks for a scan: by how its axes are alike, how thick its slices, how noisy.

Weights that were asked for run at the factor, of those that they serve, that is nearest to the
wish; what is left is resampled, and said. CT in HU, by its unit or its numbers, is given the
networks for CT and never MRI's: thick slices down to 3 mm, or twice the voxels.
"""

import numpy as np
import pytest

from medacuity.checkpoint import Card, Images, save_weights
from medacuity.choose import available, plan
from medacuity.errors import UsageError
from medacuity.models import REDCNN, VDSR
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


@pytest.fixture
def weights(tmp_path):
    """Save weights that serve the factors given; return a function of them."""

    def make(*factors, axes=2):
        scales = [[n] * 2 if axes == 2 else [1, 1, n] for n in factors]
        arguments = {"scale": scales[0], "dims": axes, "width": 2, "layers": 2}
        card = Card("several", "VDSR", arguments, {"kind": "picture"}, scales=scales[1:])
        save_weights(tmp_path / "several.safetensors", VDSR(**arguments), card)
        return str(tmp_path / "several.safetensors")

    return make


PICTURE = scan((60, 40, 1), (1, 1, 1))


def only(volume, **wish):
    (stage,) = plan(volume, **wish).stages
    return stage


@pytest.mark.parametrize(
    ("wished", "factor"),
    [(1.1, 2), (2, 2), (2.4, 2), (2.5, 3), (3, 3), (3.4, 3), (3.5, 4), (4, 4), (9, 4), (0.5, 2)],
)
def test_the_served_factor_nearest_to_the_wish_is_taken(weights, wished, factor):
    stage = only(PICTURE, scale=[wished], weights=weights(2, 3, 4))
    assert stage.scale == (factor, factor)
    assert ("is resampled" in stage.why) == (wished != factor)


@pytest.mark.parametrize(
    ("wished", "factor"), [([2, 2.9, 1], 2), ([3, 2.9, 1], 3), ([1, 4, 1], 2), ([4, 3, 1], 4)]
)
def test_of_unequal_wishes_the_geometric_mean_counts(weights, wished, factor):
    assert only(PICTURE, scale=wished, weights=weights(2, 3, 4)).scale == (factor, factor)


def test_through_plane_only_the_slice_axis_counts(weights):
    stage = only(UPRIGHT, scale=[3, 1, 1], weights=weights(2, 3, 4, axes=3))
    assert (stage.scale, stage.axes, stage.why) == ((1, 1, 3), (1, 2, 0), "asked for")


@pytest.mark.parametrize(
    ("factors", "usual"), [((2, 3, 4), 2), ((4, 3, 2), 2), ((3, 4), 3), ((8, 4), 4), ((3,), 3)]
)
def test_without_a_wish_it_is_twofold_or_as_little_as_can_be(weights, factors, usual):
    todo = plan(PICTURE, weights=weights(*factors))
    assert todo.size == (60 * usual, 40 * usual, 1)
    assert todo.stages[0].scale == (usual, usual)


def test_a_picture_one_pixel_wide_stays_so(weights):
    narrow = scan((1, 40, 1), (1, 1, 1))
    for factor in (2, 3, 4):
        todo = plan(narrow, scale=[factor], weights=weights(2, 3, 4))
        assert todo.size == (1, 40 * factor, 1)
        assert todo.stages[0].scale == (factor, factor)
        assert todo.stages[0].why == "asked for"


def test_a_single_factor_leaves_the_rest_of_the_way_and_says_so(weights):
    stage = only(PICTURE, scale=[2], weights=weights(3))
    assert stage.scale == (3, 3)
    assert stage.why == "asked for, enlarges x3, and the result is resampled to what is wanted"


def test_the_choice_by_the_scan_runs_at_the_factor_of_the_card():
    cards = available()
    for volume, scale in ((CUBE, [2]), (STACK, [2]), (STACK, [1, 1, 4]), (CUBE, [2, 2, 1])):
        for stage in plan(volume, scale=scale).stages:
            assert [stage.scale] == cards[stage.weights].served


def body(shape, spacing, *, noise=0.0, unit="a.u."):
    """A body of fat and muscle in air, in HU, with white noise."""
    axes = np.meshgrid(*[np.linspace(-1.2, 1.2, n) for n in shape], indexing="ij")
    radius = np.hypot(axes[0], axes[1])
    hu = np.where(radius < 1, np.where(radius < 0.9, 40.0, -90.0), -1000.0)
    hu += noise * np.random.default_rng(0).standard_normal(shape)
    return Volume(hu.astype(np.float32), np.diag([*spacing, 1.0]), unit)


@pytest.mark.parametrize("unit", ["HU", "a.u."])
@pytest.mark.parametrize(("spacing", "size", "names"), [
    ((0.8, 0.8, 12), (96, 96, 40), ["ct-slices-x4"]),
    ((0.8, 0.8, 9), (96, 96, 30), ["ct-slices-x3"]),
    ((0.8, 0.8, 6), (96, 96, 20), ["ct-slices-x2"]),
    ((0.8, 0.8, 3), (192, 192, 20), ["ct-slices-x2", "ct-2d-x2"]),
    ((3, 3, 3), (192, 192, 20), ["ct-slices-x2", "ct-2d-x2"]),
])  # fmt: skip
def test_ct_is_thinned_down_to_3_mm_or_doubled_by_networks_of_its_own(unit, spacing, size, names):
    found = plan(body((96, 96, 10), spacing, noise=100, unit=unit))
    assert found.ct
    assert found.size == size
    assert [stage.weights for stage in found.stages] == names
    assert [stage.axes for stage in found.stages] == [(0, 1, 2), (0, 1)][: len(names)]


def test_wishes_for_ct_are_met_by_ct_networks():
    upright = body((96, 96, 10), (0.8, 0.8, 5))
    assert chosen(upright, scale=[2, 2, 1]) == [("ct-2d-x2", (0, 1))]
    assert chosen(upright, spacing=[0.8, 0.8, 2.5]) == [("ct-slices-x2", (0, 1, 2))]


def test_the_noise_of_ct_is_in_hu():
    assert plan(body((96, 96, 10), (1, 1, 3), noise=50)).noise == pytest.approx(0.05, rel=0.3)
    assert plan(body((96, 96, 10), (1, 1, 3), noise=0)).noise < 0.001


def test_what_only_cleans_keeps_the_voxels_and_looks_at_slices_across_the_body(tmp_path):
    model = REDCNN(scale=1, dims=2, width=2)
    card = Card("cleaner", "REDCNN", {"scale": [1, 1], "dims": 2, "width": 2},
                {"kind": "fixed", "low": -1024.0, "high": 3071.0}, input=Images("CT", "HU"),
                output=Images("CT", "HU"))  # fmt: skip
    save_weights(tmp_path / "cleaner.safetensors", model, card)
    volume = body((40, 36, 30), (2, 2, 2))
    found = plan(volume, weights=str(tmp_path / "cleaner.safetensors"))
    assert found.size == volume.shape
    assert found.stages[0].axes == (0, 1)
    turned = Volume(
        volume.array, np.array([[0, 0, 2.0, 0], [2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 1]])
    )
    assert plan(turned, weights=str(tmp_path / "cleaner.safetensors")).stages[0].axes == (0, 2)
