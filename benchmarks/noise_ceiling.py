"""How much of a noisy scan could be won back? What a perfect remover of noise would gain.

    python benchmarks/noise_ceiling.py --data ../shared/data [--noise 0.03] [--half]

In-plane x2 with noise, as in mri.py. Beside the gain of medacuity's choice over the best
interpolation stands the gain of an oracle: zero-filled sinc of the scan *before* the noise was
added, so all noise gone and no detail invented. Where the oracle itself stays below 1 dB, the
missing detail is the larger part of the error, and no remover of noise alone reaches it.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from held_out import middle, scans

from medacuity.degrade import Acquisition, degrade
from medacuity.enhance import Settings, enhance
from medacuity.metrics.protocols import PERCENTILE, head_mask
from medacuity.volume import Volume

PLAIN = ("linear", "cubic", "spline", "lanczos", "sinc")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--noise", type=float, default=0.03)
    parser.add_argument("--half", action="store_true")
    args = parser.parse_args()
    made = Acquisition("kspace", (2, 2, 1), noise=args.noise, seed=1)
    print("| case | best interpolation, dB | medacuity | oracle: no noise, no new detail |")
    print("|---|---|---|---|")
    for scan in scans(args.data):
        truth = middle(scan.volume, 24, 2)
        noisy, clean = degrade(truth, made), degrade(truth, replace(made, noise=0.0))
        settings = Settings(scale=made.factor, half=args.half)
        plain = [enhance(noisy, replace(settings, weights=name)).volume for name in PLAIN]
        best = max(_psnr(volume, truth) for volume in plain)
        ours = _psnr(enhance(noisy, settings).volume, truth) - best
        oracle = _psnr(enhance(clean, replace(settings, weights="sinc")).volume, truth) - best
        print(f"| {scan.name} | {best:.2f} | {ours:+.2f} | {oracle:+.2f} |", flush=True)


def _psnr(volume: Volume, truth: Volume) -> float:
    """Inside the head, over the truth's percentile: the protocol "head"."""
    span = float(np.percentile(truth.array, PERCENTILE))
    wrong = (volume.array - truth.array)[head_mask(truth.array)]
    return float(10 * np.log10(span**2 / np.mean(np.square(wrong, dtype=np.float64))))


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
