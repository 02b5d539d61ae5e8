"""A CT scan of sixty views: what each reconstruction makes of it, in decibels and as a picture.

    python examples/ct_sparse_view.py

The patient is a schematic chest whose line integrals are known exactly, so that no method finds
its own pixels again. It prints PSNR, over the range of the truth, and the error in HU, and leaves
``ct_sparse_view.png`` beside you.
"""

import numpy as np
import torch
from matplotlib.figure import Figure

from medacuity.checkpoint import shipped
from medacuity.evaluate_pictures import write_picture
from medacuity.metrics.ct import rmse
from medacuity.metrics.fidelity import psnr
from medacuity.physics.dose import Attenuation
from medacuity.physics.geometry import Grid, parallel
from medacuity.physics.phantoms import chest
from medacuity.reconstruct import METHODS, Settings, reconstruct
from medacuity.sinograms import Sinogram

VIEWS = 60
GRID = Grid((256, 256), (1.4, 1.4))
WATER = Attenuation()
METHODS_SHOWN = {
    "FBP": Settings("fbp"),
    "FBP, Hann 0.6": Settings("fbp", window="hann", cutoff=0.6),
    "CGLS": Settings("cgls"),
    "TV": Settings("tv"),
} | {name: Settings(name) for name in METHODS if f"{name}-sparse" in shipped()}


def main() -> None:
    """Scan, reconstruct, print and draw."""
    geometry = parallel(VIEWS, bins=363, pitch=1.4)
    lines = chest(WATER.water).sinogram(geometry)[None].float()
    sinogram = Sinogram(lines.numpy(), geometry, GRID, np.eye(4), WATER)
    truth = WATER.to_hu(chest(WATER.water).image(GRID))[None, None]
    images = {"truth": truth}
    print(f"{VIEWS} views of {geometry.bins} bins, without noise")
    for name, settings in METHODS_SHOWN.items():
        volume, _ = reconstruct(sinogram, settings)
        images[name] = torch.from_numpy(volume.array[None, None, :, :, 0]).double()
        quality = float(psnr(images[name], truth, data_range=float(truth.max() - truth.min())))
        error = float(rmse(images[name], truth))
        print(f"{name:14} {quality:5.1f} dB {error:6.1f} HU")
    draw(images)


def draw(images: dict[str, torch.Tensor]) -> None:
    """Draw all of them in a window from lung to bone, the front of the chest up."""
    figure = Figure((2.6 * len(images), 2.1), layout="constrained")
    for ax, (name, x) in zip(figure.subplots(1, len(images)), images.items(), strict=True):
        ax.imshow(x[0, 0].numpy().T[::-1][50:206], cmap="gray", vmin=-1000, vmax=500)
        ax.set_title(name, size=10)
        ax.set_axis_off()
    write_picture("ct_sparse_view.png", figure)


if __name__ == "__main__":
    main()
