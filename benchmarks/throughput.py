"""Does the input pipeline keep the device busy? Training as it is, against data already there.

    python benchmarks/throughput.py --data ../shared/data [--device cuda] [--steps 200]

For each recipe the same network takes the same steps twice, side by side in blocks: through the
loop with patches from memory-mapped arrays, and on one batch that lies on the device already.
Prints patches per second of both, their ratio (at least 0.80 is wanted) and, on a GPU, its
utilisation as the driver reports it.
"""

import argparse
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import torch

from medacuity.nd import channels_last
from medacuity.training.fit import fit
from medacuity.training.learners.supervised import Batch, Supervised
from medacuity.training.pairs import Pairs
from medacuity.training.pictures import find_pictures
from medacuity.training.prepare import prepare
from medacuity.training.recipes import RECIPES, Recipe
from medacuity.training.run import moved

CHOSEN = (
    "srcnn-photo-x3-quick", "fsrcnn-photo-x2-quick", "espcn-photo-x3-quick", "vdsr-photo",
    "lapsrn-photo-quick", "edsr-photo-x2",
)  # fmt: skip
BLOCKS = 5  # of steps, the two ways in turn: machines are shared, ratios are not
ENOUGH = 0.8


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=50, help="of each way and block")
    parser.add_argument("--only", nargs="*", default=CHOSEN, choices=CHOSEN)
    args = parser.parse_args()
    print(f"{args.device}, {torch.get_num_threads()} threads, {args.steps} steps a block\n")
    print("| recipe | from arrays, patches/s | on the device, patches/s | ratio | busy |")
    print("|---|---|---|---|---|")
    for name in args.only:
        with tempfile.TemporaryDirectory() as folder:
            _measure(RECIPES[name], args.data / "travel/natural", Path(folder), args)


def _measure(recipe: Recipe, data: Path, folder: Path, args: argparse.Namespace) -> None:
    cases = find_pictures(data, recipe.sets)[::6]  # a sixth of the pictures; speed is the same
    prepare(recipe, cases, folder)
    pairs = Pairs(folder, "train", patch=recipe.patch, scale=recipe.scale, seed=0,
                  stride=recipe.stride)  # fmt: skip
    torch.manual_seed(0)
    model = channels_last(recipe.model(), recipe.dims).to(args.device)
    learner = recipe.learner(model, steps=1_000_000)

    def drawn(step: int) -> Batch:
        return moved(pairs.batch(step, recipe.batch), args.device)

    there = drawn(0)
    steps = max(5, args.steps // (8 if recipe.batch * recipe.patch[0] ** 2 > 60_000 else 1))
    _seconds(learner, lambda step: there, 5, args.device)  # warm
    ratios, best = [], [float("inf")] * 2
    for _ in range(BLOCKS):
        loop = _seconds(learner, drawn, steps, args.device)
        bare = _seconds(learner, lambda step: there, steps, args.device)
        ratios.append(bare / loop)
        best = [min(best[0], loop), min(best[1], bare)]
    a, b = (recipe.batch * steps / seconds for seconds in best)
    ratio = statistics.median(ratios)
    verdict = "" if ratio >= ENOUGH else " (too low)"
    print(f"| {recipe.name} | {a:.0f} | {b:.0f} | {ratio:.2f}{verdict} | {_busy(args.device)} |",
          flush=True)  # fmt: skip


def _seconds(learner: Supervised, batches, steps: int, device: str) -> float:
    began = time.perf_counter()
    fit(learner, batches, steps=steps, report=lambda step, logged: None)
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _busy(device: str) -> str:
    if device == "cpu":
        return ""
    asked = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    main()
