"""Are tiles seamless? Every shipped network, every tile size, against the whole volume.

    python benchmarks/tiles.py

Prints the largest difference over the range of the result; the promise is 1e-6.
"""

import argparse

import torch

from medacuity.checkpoint import load_weights, shipped
from medacuity.physics.noise import rician
from medacuity.tiling import run_tiled

SHAPES = {2: (2, 1, 93, 70), 3: (1, 1, 41, 33, 30)}
TILES = (13, 19, 24)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="not needed")
    parser.parse_args()
    print("| weights | halo | " + " | ".join(f"tile {t}" for t in TILES) + " |")
    print("|---|---|" + "---|" * len(TILES))
    for name in shipped():
        model = load_weights(name).model
        x = _ball(SHAPES[model.dims])
        with torch.inference_mode():
            whole = model(x)
        cells = []
        for tile in TILES:
            out = torch.empty_like(whole)
            run_tiled(model, x, out=out, tile=tile)
            cells.append(f"{float((out - whole).abs().max() / (whole.max() - whole.min())):.1e}")
        print(f"| {name} | {model.halo} | " + " | ".join(cells) + " |", flush=True)


def _ball(shape: tuple[int, ...]) -> torch.Tensor:
    """Return a bright ball with 3 % Rician noise, unit range, as a scan would be."""
    axes = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in shape[2:]), indexing="ij")
    ball = torch.exp(-3 * torch.stack(axes).square().sum(0)).expand(shape)
    return rician(ball.clone(), sigma=0.03, rng=torch.Generator().manual_seed(0))


if __name__ == "__main__":
    main()
