"""The shipped features put damages in the order a reader would, on a scan no training saw.

Blur, noise, ringing, missing detail and shifts, each by degree, on the head that matplotlib
ships: more of it is always further. Across kinds: a shift of half a voxel or one, a little more
brightness or contrast are nearer than blur, a k-space cut and missing structures of the same
mean squared error, and of half of it, where MSE says the opposite. benchmarks/features.py
measures the same on patients of four scanners.
"""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import ndimage

from medacuity.checkpoint import find_weights, read_card
from medacuity.demo import sample_head
from medacuity.errors import WeightsRefused
from medacuity.features import WEIGHTS, described, look_apart, medical_features
from medacuity.metrics.distribution import kid
from medacuity.physics.kspace import kspace_crop, zero_fill
from medacuity.physics.noise import rician

DEGREES = (0.1, 0.25, 0.5, 0.75, 1.0)
SIZE = 112


def head() -> np.ndarray:
    array = sample_head().array[:, :, 0].astype(np.float64)
    return (array / np.quantile(array, 0.999))[72 : 72 + SIZE, 48 : 48 + SIZE]


def lesions() -> np.ndarray:
    """Five small bright and dark spots inside the head."""
    out = np.zeros((SIZE, SIZE))
    i, j = np.indices(out.shape)
    for n, (a, b) in enumerate(((32, 52), (52, 32), (56, 72), (72, 52), (42, 88))):
        spot = 1 / (1 + np.exp(4 * (np.hypot(i - a, j - b) / (1.5 + 0.3 * n) - 1)))
        out += 0.25 * (-1) ** n * spot
    return out


TRUTH = head() + lesions()
SMOOTH = ndimage.median_filter(TRUTH, 5)


def tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image)[None, None].float()


def cut(image: np.ndarray, factor: float) -> np.ndarray:
    x = torch.from_numpy(image)[None, None]
    return zero_fill(kspace_crop(x, factor=(factor, factor)), size=image.shape)[0, 0].numpy()


def noisy(image: np.ndarray, sigma: float) -> np.ndarray:
    rng = torch.Generator().manual_seed(0)
    return rician(torch.from_numpy(image.clip(0)), sigma=sigma, rng=rng).numpy()


def shifted(image: np.ndarray, voxels: float) -> np.ndarray:
    """Move by phases in k-space, so that nothing is smoothed; mirrored, nothing comes round."""
    lines = np.fft.fft(np.concatenate([image, image[::-1]]), axis=0)
    turns = np.fft.fftfreq(len(lines))[:, None]
    return np.fft.ifft(lines * np.exp(-2j * np.pi * turns * voxels), axis=0).real[: len(image)]


HARM = {
    "blur": lambda d: ndimage.gaussian_filter(TRUTH, 2 * d),
    "noise": lambda d: noisy(TRUTH, 0.1 * d),
    "ringing": lambda d: cut(TRUTH, 1 + 2 * d),
    "missing lesions": lambda d: TRUTH - d * lesions(),
    "missing detail": lambda d: TRUTH + d * (SMOOTH - TRUTH),
}
HARMLESS = {
    "shift": lambda d: shifted(TRUTH, d),
    "brightness": lambda d: TRUTH * (1 + 0.1 * d),
    "contrast": lambda d: TRUTH.clip(0) ** (1 + 0.15 * d),
}


ALL = {**HARM, **HARMLESS}
GRID = np.linspace(0, 1, 17) ** 2


def mse(image: np.ndarray) -> float:
    return float(np.square(image - TRUTH).mean())


def apart(image: np.ndarray) -> float:
    return float(look_apart(tensor(image), tensor(TRUTH)))


@cache
def errors(kind: str) -> list[float]:
    """Return the MSE at every degree of a grid."""
    return [mse(ALL[kind](degree)) for degree in GRID]


def with_error(kind: str, wanted: float) -> np.ndarray:
    """Return a damage whose MSE is ``wanted``, or a little below."""
    return ALL[kind](float(np.interp(0.97 * wanted, errors(kind), GRID)))


@pytest.mark.parametrize("kind", [*HARM, *HARMLESS])
def test_more_of_a_damage_is_further(kind):
    distances = [0.0, *(apart(ALL[kind](degree)) for degree in DEGREES)]
    assert all(milder < worse for milder, worse in pairwise(distances)), distances


def in_order(mild: str, harm: str, share: float) -> bool:
    """Return whether a harmless change is nearer than harm of ``share`` of its MSE."""
    most = 0.8 * min(errors(mild)[-1], errors(harm)[-1])
    harmless, damaged = with_error(mild, most), with_error(harm, share * most)
    assert mse(damaged) <= 1.05 * share * mse(harmless)
    return apart(harmless) < apart(damaged)


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("mild", HARMLESS)
def test_what_is_harmless_is_nearer_than_harm_of_as_much_error(mild, harm):
    assert in_order(mild, harm, 1.0)


def test_what_is_harmless_is_nearer_than_nearly_all_harm_of_half_the_error():
    """MSE has all of these pairs in the wrong order."""
    pairs = [(mild, harm) for mild in HARMLESS for harm in HARM]
    right = [pair for pair in pairs if in_order(*pair, 0.5)]
    assert len(right) >= len(pairs) - 1, set(pairs) - set(right)


@pytest.mark.parametrize("voxels", [0.5, 1.0])
def test_a_shift_of_half_a_voxel_or_one_is_nearer_than_blur_of_the_same_error(voxels):
    moved = shifted(TRUTH, voxels)
    assert apart(moved) < 0.5 * apart(with_error("blur", mse(moved)))


def test_missing_lesions_count_more_than_as_much_noise():
    gone = HARM["missing lesions"](1.0)
    assert apart(with_error("noise", mse(gone))) < apart(gone)


def patches(image: np.ndarray, first: int) -> torch.Tensor:
    """Return the even or the odd patches of an image, as a row of features each."""
    cut_up = tensor(image).unfold(2, 24, 6).unfold(3, 24, 6).reshape(-1, 1, 24, 24)
    return described([cut_up[first::2]])


def test_blurred_patches_are_the_less_distributed_as_sharp_ones_the_more_they_are_blurred():
    real = patches(head(), 0)
    made = [patches(ndimage.gaussian_filter(head(), sigma), 1) for sigma in (0.0, 0.5, 1.0, 2.0)]
    values = [kid(x, real, resamples=0).value for x in made]
    assert values == sorted(values)
    same = kid(made[0], real)
    assert same.low < 0 < same.high
    assert kid(made[-1], real).low > same.high


def test_images_of_a_batch_are_measured_each_by_itself():
    pair = [HARM["blur"](0.5), HARM["noise"](0.5)]
    together = look_apart(torch.cat([*map(tensor, pair)]), torch.cat([tensor(TRUTH)] * 2))
    assert together.tolist() == pytest.approx([apart(image) for image in pair], rel=1e-4)


def test_the_file_is_small_and_its_card_says_whose_scans_and_which_terms():
    path = find_weights(WEIGHTS)
    assert path.stat().st_size <= 1_000_000
    card = read_card(path)
    assert card.purpose == "compare"
    assert "OASIS" in card.data
    assert "CC BY-NC" in card.licence


def test_layers_are_chosen_by_name_and_hold_still():
    network = medical_features("relu1_1", "relu4_2")
    shallow, deep = network(tensor(TRUTH))
    assert shallow.shape[2:] == (SIZE, SIZE)
    assert deep.shape == (1, 128, SIZE // 8, SIZE // 8)
    assert not any(weight.requires_grad for weight in network.parameters())


def test_weights_of_another_network_are_refused():
    with pytest.raises(WeightsRefused, match="not features"):
        medical_features(weights="mri-2d-x2-small")
