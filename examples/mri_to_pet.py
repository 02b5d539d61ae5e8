"""Learn PET from MRI on heads out of ellipsoids, and see what anatomy tells and what it cannot.

    python examples/mri_to_pet.py

Heads are drawn, given T1 values and a tracer, and scanned by the simulator; a small network
learns from them for 250 steps. On a head it never saw: its error, that of the mean person on
the true anatomy (nothing that sees only anatomy can do much better), how many voxels lie within
its intervals, and a lesion that the PET shows and the MRI does not. Real heads: docs/pet.md.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from medacuity import formats
from medacuity.formats import Source
from medacuity.physics.pet_scanner import Scanner
from medacuity.physics.pet_uptake import FDG, Lesion, Person, draw_person
from medacuity.regrid import onto
from medacuity.synthesize import Settings, synthesize
from medacuity.training import session
from medacuity.training.pet_pairs import Anatomy, anatomy, scanned
from medacuity.training.session import Wish
from medacuity.volume import Volume

SHAPE, SPACING = (48, 56, 40), 3.0
SCANNER = Scanner(fwhm=6.0, spacing=SPACING, views=48, subsets=8, counts=2e7)
PUTAMEN, THALAMUS, VISUAL, FRONTAL = 57, 59, 108, 142  # labels of MICCAI 2012; next: the left
T1 = (0.0, 250.0, 600.0, 900.0)  # of air, fluid, grey, white


def main(steps: int) -> None:
    """Draw, scan, learn, compare."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        wish = Wish("synth", data=write_table(folder, heads=12), steps=steps, batch=4)
        weights = session.begin(folder / "run", wish, report=lambda *_: None, say=print)
        compare(str(weights))


def head(seed: int) -> tuple[Volume, Anatomy]:
    """Return a T1 and the anatomy behind it: a folded cortex around white matter, deep grey."""
    rng = np.random.default_rng(seed)
    half = np.array(SHAPE).reshape(3, 1, 1, 1) / 2 - 5
    half = half * rng.uniform(0.88, 1.0, (3, 1, 1, 1))
    at = (np.indices(SHAPE) - (np.array(SHAPE).reshape(3, 1, 1, 1) - 1) / 2) / half
    turn = np.arctan2(at[1], at[0])
    folds = 0.06 * np.sin(9 * turn + rng.uniform(0, 6)) * np.cos(7 * at[2] + rng.uniform(0, 6))
    radius = np.sqrt((at**2).sum(0)) + folds
    tissues = np.select([radius < 0.72, radius < 0.92, radius < 1.0], [3, 2, 1], 0)
    labels = np.where(tissues == 2, np.where(at[1] < 0, VISUAL, FRONTAL), 0)
    for label, middle, size in ((PUTAMEN, 0.32, 0.16), (THALAMUS, 0.14, 0.12)):
        for side in (1, -1):
            offset = np.array([side * middle, 0.15 if label == PUTAMEN else -0.2, 0.0])
            ball = ((at - offset.reshape(3, 1, 1, 1)) ** 2).sum(0) < size**2
            tissues[ball], labels[ball] = 2, label + (side < 0)
    affine = np.diag([SPACING, SPACING, SPACING, 1.0])
    labels = np.where((at[0] < 0) & (labels >= 100), labels + 1, labels)
    t1 = np.array(T1)[tissues] * (1 + 0.03 * rng.standard_normal(SHAPE))
    kinds = (Volume(v.astype(np.int16), affine) for v in (tissues, labels))
    return Volume(t1.astype(np.float32), affine), anatomy(*kinds)


def write_table(folder: Path, *, heads: int) -> Path:
    """Write MRIs and PETs of several people, and the table that a user would write."""
    rows = ["patient,T1,PET"]
    for n in range(heads):
        mri, inside = head(n)
        rng = torch.Generator().manual_seed(n)
        pet = scanned(inside, draw_person(FDG, rng), scanner=SCANNER, rng=rng)
        for kind, volume in (("T1", mri), ("PET", pet)):
            like = Source(folder / "drawn", (volume,), None, "")
            formats.write(folder / f"p{n}_{kind}.nii.gz", [volume], like=like)
        rows.append(f"p{n},p{n}_T1.nii.gz,p{n}_PET.nii.gz")
    (folder / "pairs.csv").write_text("\n".join(rows) + "\n")
    return folder / "pairs.csv"


def compare(weights: str) -> None:
    """Print errors, coverage and what becomes of a lesion, on a head that is new."""
    mri, inside = head(100)
    rng = torch.Generator().manual_seed(100)
    person = draw_person(FDG, rng)
    i, j, k = (int(n) for n in np.argwhere(inside.parts > 0)[5000])
    ill = Person(person.scale, person.factors, (Lesion((i, j, k), radius=9.0, ratio=2.5),))
    true, seen = (scanned(inside, p, scanner=SCANNER, rng=rng) for p in (person, ill))
    mean = scanned(inside, Person(), scanner=SCANNER)
    done = synthesize(mri, Settings(weights=weights))
    made, half = (onto(v, true).array for v in (done.volume, done.uncertainty) if v is not None)
    brain = inside.tissues > 0
    off = np.abs(made - true.array)[brain]
    least = np.abs(mean.array - true.array)[brain]
    print(
        f"error of the network: {off.mean():.2f} SUV, PSNR {decibel(off):.1f} dB; of the mean "
        f"person on the true anatomy: {least.mean():.2f} SUV, {decibel(least):.1f} dB"
    )
    print(f"within the interval of 90 %: {100 * (off <= half[brain]).mean():.0f} % of the brain")
    lesion = (seen.array - true.array) > 0.5 * (seen.array - true.array).max()
    print(f"a lesion the MRI does not show: {seen.array[lesion].mean():.1f} SUV in the PET, "
          f"{made[lesion].mean():.1f} in what the network made; the MRI is the same with it and "
          "without")  # fmt: skip


def decibel(off: np.ndarray) -> float:
    """Return the PSNR of errors, over 12 SUV."""
    return float(20 * np.log10(12 / np.sqrt((off**2).mean())))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 250)
