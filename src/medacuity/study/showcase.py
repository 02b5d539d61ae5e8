"""A study to try: images that every installation has, in four versions each.

The head is the MR slice that matplotlib ships, the brain the echo-planar volume of nibabel's
test data (24 slices, ``example4d.nii.gz``). Each is acquired at half the resolution, once
without noise and once with some, and brought back by interpolation and by our networks.
"""

from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np

from medacuity import formats
from medacuity.degrade import Acquisition, degrade
from medacuity.demo import sample_head
from medacuity.enhance import Settings, enhance
from medacuity.formats import Source
from medacuity.study.create import Wanted, create
from medacuity.study.design import NEAREST, ORIGINAL, Study, Viewer
from medacuity.volume import Volume

METHODS = {"cubic": "cubic", "network": "mri-2d-x2", "network-noisy": "mri-2d-x2-noisy"}
NOISES = {"clean": 0.0, "noisy": 0.03}
INSTRUCTIONS = (
    "You will see MR images of heads. Judge each as a whole: are edges sharp, is fine structure "
    "there, does noise disturb, does anything look wrong?\n\n"
    "Go through the slices, change the window and the zoom as you like. There is no right answer."
)


def showcase(
    folder: Path, wanted: Wanted | None = None, *, report: Callable[[str, int, int], None]
) -> Study:
    """Write the showcase's images and a study of them into a new folder; return the study.

    Args:
        folder: New, or empty: ``results/`` and ``study/`` come to lie in it.
        wanted: What the study shall be, but for its images; a rating of single images if None.
        report: Told what is done, how far, of how much.
    """
    made = write_results(folder / "results", report=report)
    wished = wanted or Wanted(
        {}, title="Sharpness of MR heads", instructions=INSTRUCTIONS, training=1, repeats=2,
        checks=1, viewer=Viewer.VOLUME,
    )  # fmt: skip
    original, nearest = made.pop(ORIGINAL), made.pop(NEAREST)
    study = replace(wished, methods=made, original=original, nearest=nearest)
    return create(folder / "study", study, report=report)


def write_results(folder: Path, *, report: Callable[[str, int, int], None]) -> dict[str, Path]:
    """Write original, input and the results of all methods; return a folder for each."""
    names = (ORIGINAL, NEAREST, *METHODS)
    made = {name: folder / name for name in names}
    for place in made.values():
        place.mkdir(parents=True, exist_ok=True)
    cases = [(scan, noise) for scan in ("head", "brain") for noise in NOISES]
    for done, (scan, noise) in enumerate(cases):
        report("enhancing", done, len(cases))
        for name, volume in _versions(scan, NOISES[noise]).items():
            source = Source(folder / "made", (volume,), None, "")
            formats.write(made[name] / f"{scan}-{noise}.nii.gz", [volume], like=source)
    return made


def sample_brain() -> Volume:
    """Return the first frame of the volume that nibabel tests itself with."""
    stored = files("nibabel") / "tests" / "data" / "example4d.nii.gz"
    first = formats.read(Path(str(stored))).volumes[0]
    return Volume(np.asarray(first.array, dtype=np.int16), first.affine)


def _versions(scan: str, noise: float) -> dict[str, Volume]:
    truth = {"head": sample_head, "brain": sample_brain}[scan]()
    factor = (2.0, 2.0, 1.0)
    given = degrade(truth, Acquisition("kspace", factor=factor, noise=noise))
    found = {ORIGINAL: truth, NEAREST: given}
    for name, weights in METHODS.items():
        found[name] = enhance(given, Settings(weights=weights, scale=list(factor))).volume
    return {name: _whole_numbers(volume) for name, volume in found.items()}


def _whole_numbers(volume: Volume) -> Volume:
    """Return a scan as scanners store it, so that no version stands out by its precision."""
    numbers = np.round(np.asarray(volume.array)).clip(-32768, 32767).astype(np.int16)
    return Volume(numbers, volume.affine, volume.unit)
