"""Train classifiers on few pictures, with and without generated ones, and say what was gained.

    python examples/better_with_generated_data.py
    python examples/better_with_generated_data.py --data ../shared/data/travel/labelled

Without --data pictures are made up: dim spots in noise and slow shadows, one class with a spot
and one without, of which few are drawn. Each of three draws trains five classifiers: on real
pictures, with classical augmentation, with generated pictures, with both, and on generated ones
alone. What is printed is what may be said: "better" stands only where the interval leaves zero
out. With --data a generator learns from every draw, which takes some minutes: docs/utility.md.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from medacuity.utility.classify import Settings
from medacuity.utility.harness import BASELINE, BOTH
from medacuity.utility.session import classified

SIZE = 28


def main() -> None:
    """Compare, and print one sentence for each arm."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="class folders, or a MedMNIST .npz")
    parser.add_argument("--seeds", type=int, default=3)
    wish = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        data = wish.data or write_pictures(folder / "pictures")
        settings = Settings() if wish.data else Settings(generator="lent", steps=30, each=50)
        amount = 0.02 if wish.data else 0.15
        found = classified(data, folder / "out", settings, amounts=[amount], seeds=wish.seeds)
        print(f"learnt from {found.task.described(amount)}")
        for each in found.record["differences"]:
            if each["against"] == BASELINE:
                arm = f"{each['arm']} (the usual way)" if each["arm"] == BOTH else each["arm"]
                print(f"{each['metric']}, {arm}, against {BASELINE}: {each['sentence']}")
        print(found.record["notes"][0])


def write_pictures(folder: Path, *, count: int = 80) -> Path:
    """Write made-up pictures: a folder with spots, a folder without."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices((SIZE, SIZE)) / SIZE
    for kind in ("clear", "spot"):
        (folder / kind).mkdir(parents=True)
        for n in range(count):
            x, y = rng.uniform(0.3, 0.7, 2)
            shadow = (
                60 * np.sin(3 * rows + rng.uniform(0, 6)) * np.cos(3 * columns + rng.uniform(0, 6))
            )
            spot = 50 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 0.01) * (kind == "spot")
            pixels = 110 + shadow + spot + rng.normal(0, 12, (SIZE, SIZE))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / kind / f"{n}.png")
    return folder


if __name__ == "__main__":
    main()
