"""Is our bicubic that of the papers? Set5 and Set14 under the papers' protocol.

    python benchmarks/set5.py --data ../shared/data

Luma and result rounded to 8 bits, the reduced image kept in floating point, a border of
``scale`` pixels cropped, peak 255. Published: Set5 33.66 / 30.39 / 28.42 dB at x2 / x3 / x4,
Set14 30.24 / 27.55 / 26.00 (it circulates in several versions, worth up to 0.03 dB).
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from medacuity.metrics.fidelity import psnr
from medacuity.metrics.protocols import luma
from medacuity.resize import bicubic

PUBLISHED = {"Set5": (33.66, 30.39, 28.42), "Set14": (30.24, 27.55, 26.00)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data / "travel/natural"
    print("| set | scale | published | ours |\n|---|---|---|---|")
    for name, figures in PUBLISHED.items():
        pictures = [np.asarray(Image.open(p)) for p in sorted((folder / name).glob("*.png"))]
        for scale, published in zip((2, 3, 4), figures, strict=True):
            mean = np.mean([_psnr(picture, scale) for picture in pictures])
            print(f"| {name} | x{scale} | {published:.2f} | {mean:.2f} |", flush=True)


def _psnr(picture: np.ndarray, scale: int) -> float:
    grey = picture if picture.ndim == 2 else luma(picture[..., :3])
    height, width = (n // scale * scale for n in grey.shape)
    truth = torch.from_numpy(np.round(grey[:height, :width].astype(np.float64)))
    result = bicubic(bicubic(truth, 1 / scale), scale).round().clamp(0, 255)
    inside = (slice(scale, -scale),) * 2
    return float(psnr(result[inside][None, None], truth[inside][None, None], data_range=255))


if __name__ == "__main__":
    main()
