"""Damages by degree, for judging distances: none of their code is what the network learnt from.

Each is ``damage(image, degree, rng)`` of a slice ``(H, W)`` in the unit range and a degree from
0 to 1. A reader minds those in `HARM`, and hardly those in `HARMLESS`; what the network of
features never saw in training, in any form, is listed in `UNSEEN`.
"""

import io
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.restoration import denoise_tv_chambolle

from medacuity.physics.kspace import kspace_crop, zero_fill
from medacuity.physics.noise import rician
from medacuity.resize import cubic, resize

Slice = NDArray[np.float64]
Damage = Callable[[Slice, float, np.random.Generator], Slice]


def blur(x: Slice, degree: float, rng: np.random.Generator) -> Slice:
    """Gaussian, up to 2 voxels of deviation."""
    return ndimage.gaussian_filter(x, 2 * degree, mode="mirror")


def noise(x: Slice, degree: float, rng: np.random.Generator) -> Slice:
    """Rician, up to a tenth of the brightness."""
    draw = torch.Generator().manual_seed(int(rng.integers(2**31)))
    return rician(torch.from_numpy(x.clip(0)), sigma=0.1 * degree, rng=draw).numpy()


def ringing(x: Slice, degree: float, rng: np.random.Generator) -> Slice:
    """K-space cut, down to a third of its lines along each axis."""
    factor = 1 + 2 * degree
    image = torch.from_numpy(x)[None, None]
    return zero_fill(kspace_crop(image, factor=(factor, factor)), size=x.shape)[0, 0].numpy()


def coarse(x: Slice, degree: float, rng: np.random.Generator) -> Slice:
    """Fewer voxels, and back by cubic interpolation: what super-resolution starts from."""
    image = torch.from_numpy(x)[None, None]
    size = [max(8, round(n / (1 + 2 * degree))) for n in x.shape]
    return resize(resize(image, size, cubic), x.shape, cubic)[0, 0].numpy()


def painted(x: Slice, degree: float, rng: np.random.Generator) -> Slice:
    """Total variation down: edges stay, texture and small structures go (oil paint)."""
    if degree == 0:
        return x
    return denoise_tv_chambolle(x, weight=0.15 * degree, max_num_iter=60)


def ghost(x: Slice, degree: float, rng: np.random.Generator) -> Slice:
    """Every second line of k-space weaker: the head again, half a field of view away."""
    lines = np.fft.fft(x, axis=0)
    lines[1::2] *= 1 - 0.4 * degree
    return np.abs(np.fft.ifft(lines, axis=0))


def motion(x: Slice, degree: float, rng: np.random.Generator) -> Slice:
    """The head moves between lines of k-space, at six times, by up to two voxels."""
    n = x.shape[0]
    turns = np.fft.fftfreq(n)
    places = np.zeros(n)
    for _ in range(6):
        first = int(rng.integers(n))
        places[first : first + n // 8] = rng.uniform(-2, 2)
    places[np.abs(turns) < 0.02] = 0  # the head's own place
    lines = np.fft.fft(x, axis=0) * np.exp(-2j * np.pi * turns * places * degree)[:, None]
    return np.abs(np.fft.ifft(lines, axis=0))


def jpeg(x: Slice, degree: float, rng: np.random.Generator) -> Slice:
    """Stored with loss: quality from 95 down to 15."""
    if degree == 0:
        return x
    file = io.BytesIO()
    whole = np.round(255 * x.clip(0, 1)).astype(np.uint8)
    Image.fromarray(whole).save(file, "JPEG", quality=round(95 - 80 * degree))
    return x + (np.asarray(Image.open(file), np.float64) - whole) / 255


def missing(x: Slice, degree: float, rng: np.random.Generator) -> Slice:
    """Four small structures fade into their surroundings."""
    return _at_detail(x, degree, rng, ndimage.gaussian_filter(x, 4, mode="mirror"), 4)


def made_up(x: Slice, degree: float, rng: np.random.Generator) -> Slice:
    """Three small lesions that the patient does not have."""
    return _at_detail(x, degree, rng, x + rng.choice([-0.3, 0.3]), 3)


def shift(x: Slice, degree: float, rng: np.random.Generator) -> Slice:
    """Up to one voxel along each axis, by phases in k-space: no voxel is smoothed."""
    rows, columns = x.shape
    whole = np.block([[x, x[:, ::-1]], [x[::-1], x[::-1, ::-1]]])  # nothing comes round the edge
    lines = ndimage.fourier_shift(np.fft.fft2(whole), rng.choice([-1, 1], 2) * degree)
    return np.fft.ifft2(lines).real[:rows, :columns]


def rotation(x: Slice, degree: float, rng: np.random.Generator) -> Slice:
    """Up to one degree of angle."""
    return ndimage.rotate(x, rng.choice([-1, 1]) * degree, reshape=False, order=5, mode="mirror")


def warp(x: Slice, degree: float, rng: np.random.Generator) -> Slice:
    """Smooth, up to one voxel."""
    field = ndimage.gaussian_filter(rng.standard_normal((2, *x.shape)), (0, 16, 16))
    places = np.indices(x.shape) + degree * field / np.abs(field).max()
    return ndimage.map_coordinates(x, places, order=5, mode="mirror")


def brighter(x: Slice, degree: float, rng: np.random.Generator) -> Slice:
    """By up to a tenth."""
    return x * (1 + 0.1 * degree * rng.choice([-1, 1]))


def gamma(x: Slice, degree: float, rng: np.random.Generator) -> Slice:
    """Contrast: an exponent of up to 1.15, or down to its inverse."""
    return x.clip(0) ** (1.15 ** (degree * rng.choice([-1, 1])))


def shading(x: Slice, degree: float, rng: np.random.Generator) -> Slice:
    """The sensitivity of a coil falls off to one side by up to a fifth."""
    line = np.linspace(-1, 1, x.shape[0])[:, None] * rng.choice([-1, 1])
    return x * (1 + 0.1 * degree * line)


HARM: dict[str, Damage] = {
    "blur": blur, "noise": noise, "ringing": ringing, "coarse": coarse, "painted": painted,
    "ghost": ghost, "motion": motion, "jpeg": jpeg, "missing": missing, "made up": made_up,
}  # fmt: skip
HARMLESS: dict[str, Damage] = {
    "shift": shift, "rotation": rotation, "warp": warp, "brighter": brighter, "gamma": gamma,
    "shading": shading,
}  # fmt: skip
UNSEEN = {"painted", "ghost", "motion", "jpeg", "rotation", "warp"}


def _at_detail(x: Slice, degree: float, rng: np.random.Generator, other: Slice, n: int) -> Slice:
    """Go over to ``other`` at ``n`` places in the head, drawn by how much detail is there."""
    detail = np.abs(x - ndimage.gaussian_filter(x, 2, mode="mirror")) * (x > 0.15)
    detail[:10], detail[-10:], detail[:, :10], detail[:, -10:] = 0, 0, 0, 0
    where = np.zeros(x.shape)
    for flat in rng.choice(x.size, n, p=(detail / detail.sum()).ravel(), replace=False):
        i, j = np.unravel_index(flat, x.shape)
        a, b = np.indices(x.shape)
        reach = np.hypot(a - i, b - j) / rng.uniform(2, 4)
        where = np.maximum(where, 1 / (1 + np.exp(6 * (reach - 1))))
    return x + degree * where * (other - x)
