"""The main job, end to end, on what every installation has.

The scan is the sagittal MR image of a head that matplotlib ships as sample data
(``s1045.ima.gz``, 256 x 256, 16 bit); no training of ours saw it. Beside it stands a phantom
with known structures: the ten ellipses of Shepp and Logan, "The Fourier reconstruction of a
head section", IEEE Trans. Nucl. Sci. 1974, in the contrast of Toft's thesis (1996).
"""

import gzip
from pathlib import Path

import matplotlib.cbook
import numpy as np
from numpy.typing import NDArray

from medacuity.degrade import Acquisition, degrade
from medacuity.enhance import Settings, enhance
from medacuity.evaluate import Case, Method, Table, evaluate
from medacuity.evaluate_pictures import panel, write_picture
from medacuity.metrics.protocols import protocol
from medacuity.volume import Volume

# value added, semi-axes, centre, angle in degrees (Toft 1996, table B.1)
ELLIPSES = (
    (1.0, 0.69, 0.92, 0.0, 0.0, 0), (-0.8, 0.6624, 0.874, 0.0, -0.0184, 0),
    (-0.2, 0.11, 0.31, 0.22, 0.0, -18), (-0.2, 0.16, 0.41, -0.22, 0.0, 18),
    (0.1, 0.21, 0.25, 0.0, 0.35, 0), (0.1, 0.046, 0.046, 0.0, 0.1, 0),
    (0.1, 0.046, 0.046, 0.0, -0.1, 0), (0.1, 0.046, 0.023, -0.08, -0.605, 0),
    (0.1, 0.023, 0.023, 0.0, -0.606, 0), (0.1, 0.023, 0.046, 0.06, -0.605, 0),
)  # fmt: skip
METHODS = ("cubic", "sinc", "mri-2d-x2")


def run_demo(folder: Path) -> tuple[str, list[Path]]:
    """Halve the resolution in k-space, enhance, compare; return the table and the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    truths = {"head": sample_head(), "phantom": phantom(256)}
    lowered = {name: degrade(truth, Acquisition("kspace")) for name, truth in truths.items()}
    methods: dict[str, Method] = {name: _method(name) for name in METHODS}
    pictures = []

    def draw(case: Case, given: Volume, truth: Volume, done: dict[str, Volume]) -> None:
        """Write the picture of a case, and remember where it lies."""
        shown = {"cubic": done["cubic"], "ours": done["mri-2d-x2"]}
        pictures.append(folder / f"{case.name}.png")
        write_picture(pictures[-1], panel(given, shown, truth, title=f"{case.name}, x2"))

    cases = [Case(name, lambda n=name: (lowered[n], truths[n])) for name in truths]  # type: ignore[misc]
    table = evaluate(
        methods, cases, protocol("slices"), interpolations=["cubic", "sinc"], keep=draw  # type: ignore[arg-type]
    )  # fmt: skip
    return _in_lines(table), pictures


def sample_head() -> Volume:
    """Return the MR image that matplotlib ships: sagittal, rows downwards; 1 mm is assumed."""
    stored = Path(str(matplotlib.cbook.get_sample_data("s1045.ima.gz", asfileobj=False)))
    rows = np.frombuffer(gzip.decompress(stored.read_bytes()), ">u2").reshape(256, 256)
    columns_then_rows = rows.T.astype(np.uint16)[:, :, None]
    # Columns run from the face to the back of the head, rows from the top down.
    affine = np.array([[0, 0, 1, 0], [-1, 0, 0, 128], [0, -1, 0, 128], [0, 0, 0, 1.0]])
    return Volume(columns_then_rows, affine)


def phantom(size: int) -> Volume:
    """Return the Shepp-Logan phantom, each pixel the mean of 4 x 4 samples."""
    fine = 4 * size
    line = (np.arange(fine) + 0.5) / fine * 2 - 1
    x, y = np.meshgrid(line, line, indexing="ij")
    image: NDArray[np.float64] = np.zeros((fine, fine))
    for value, a, b, x0, y0, degrees in ELLIPSES:
        turn = np.deg2rad(degrees)
        u = (x - x0) * np.cos(turn) + (y - y0) * np.sin(turn)
        v = (y - y0) * np.cos(turn) - (x - x0) * np.sin(turn)
        image[(u / a) ** 2 + (v / b) ** 2 <= 1] += value
    blocks = image.reshape(size, 4, size, 4).mean((1, 3))
    # 1 - 0.8 - 0.2 is not quite 0 in floating point; nothing is below air.
    rounded = np.round(1000 * blocks[:, :, None], 3).clip(min=0).astype(np.float32)
    return Volume(rounded, np.diag([1.0, 1.0, 1.0, 1.0]))


def _in_lines(table: Table) -> str:
    """Return a line per image and method: two images need no statistics."""
    lines = [f"{'x2 from half of k-space':24s} {'PSNR (dB)':>10s} {'SSIM':>8s}"]
    for result in table.results:
        psnr, ssim = result.record["psnr"], result.record["ssim"]
        lines.append(f"{result.case + ', ' + result.method:24s} {psnr:10.2f} {ssim:8.4f}")
    return "\n".join(lines)


def _method(name: str) -> Method:
    return lambda volume: enhance(volume, Settings(weights=name, scale=[2.0])).volume
