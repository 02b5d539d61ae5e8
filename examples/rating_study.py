"""From two methods to what people see: a rating study, with raters that are simulated.

    python examples/rating_study.py [FOLDER]

The scan is the MR image of a head that matplotlib ships, acquired at half the resolution with
more and more noise; cubic interpolation and medacuity's networks bring it back. Twelve simulated
raters follow structural similarity, each with their own strictness and some chance. People would
answer on the page that ``medacuity study serve FOLDER/study`` shows; the rest is the same.
"""

import sys
import tempfile
import uuid
from pathlib import Path

import numpy as np
import torch
from sqlalchemy import Connection

from medacuity import formats
from medacuity.degrade import Acquisition, degrade
from medacuity.demo import sample_head
from medacuity.enhance import Settings, enhance
from medacuity.formats import Source
from medacuity.metrics.fidelity import psnr, ssim
from medacuity.study.create import Wanted, create
from medacuity.study.database import opened, writing
from medacuity.study.design import ORIGINAL, Study
from medacuity.study.events import Event, record
from medacuity.study.export import ratings_of
from medacuity.study.raters import invite
from medacuity.study.report import analyse, write_report
from medacuity.study.service import course_of
from medacuity.study.sessions import enter, session_of
from medacuity.study.simulate import answer
from medacuity.volume import Volume

METHODS = {"cubic": "cubic", "medacuity": None}  # None: the networks that suit the scan
NOISES = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05)
RATERS = 12


def main(arguments: list[str]) -> None:
    """Enhance, create a study, let raters answer, and report."""
    folder = Path(arguments[0]) if arguments else Path(tempfile.mkdtemp(prefix="medacuity-"))
    metrics = write_results(folder / "results")
    methods = {name: folder / "results" / name for name in METHODS}
    wanted = Wanted(methods, folder / "results" / ORIGINAL, scale="acr-hr", repeats=4,
                    title="Heads from half the resolution")  # fmt: skip
    study = create(folder / "study", wanted)
    with opened(folder / "study") as (_, engine), writing(engine).begin() as connection:
        rate(connection, study, metrics["SSIM"])
    found = analyse(ratings_of(folder / "study"), metrics=metrics)
    report = write_report(found, folder / "report")
    for method in found.questions[0].methods:
        decibels = [db for image, db in metrics["PSNR"].items() if image.endswith(method.name)]
        like = f"PSNR {np.mean(decibels):.2f} dB" if decibels else ""
        low, high = method.mos.low, method.mos.high
        print(f"{method.name:10} MOS {method.mos.value:.2f} ({low:.2f} to {high:.2f}) {like}")
    print(f"{len(found.ratings.ratings)} ratings of {len(study.stimuli)} images: {report[0]}")


def write_results(folder: Path) -> dict[str, dict[str, float]]:
    """Write original and results of each case; return PSNR and SSIM of every image."""
    truth = sample_head()
    x = torch.from_numpy(truth.array[None, None, :, :, 0].astype(np.float32))
    span = float(x.max())
    metrics: dict[str, dict[str, float]] = {"PSNR": {}, "SSIM": {}}
    for number, noise in enumerate(NOISES):
        case = f"head-{number}"
        given = degrade(truth, Acquisition("kspace", factor=(2.0, 2.0, 1.0), noise=noise))
        save(folder / ORIGINAL / f"{case}.nii.gz", truth)
        for name, weights in METHODS.items():
            result = enhance(given, Settings(weights=weights, scale=[2.0, 2.0, 1.0])).volume
            save(folder / name / f"{case}.nii.gz", result)
            y = torch.from_numpy(np.asarray(result.array, dtype=np.float32)[None, None, :, :, 0])
            metrics["PSNR"][f"{case}/{name}"] = psnr(y, x, data_range=span).item()
            metrics["SSIM"][f"{case}/{name}"] = ssim(y, x, data_range=span).item()
    return metrics


def save(path: Path, volume: Volume) -> None:
    """Write a volume as whole numbers, as scanners do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = np.round(volume.array).clip(-32768, 32767).astype(np.int16)
    made = Volume(numbers, volume.affine, volume.unit)
    formats.write(path, [made], like=Source(path.parent / "made", (made,), None, ""))


def rate(connection: Connection, study: Study, likeness: dict[str, float]) -> None:
    """Let simulated raters log in and answer their trials, in their order, as the page does."""
    rng = np.random.default_rng(0)
    scale = study.items[0].scale
    for person in invite(connection, study, [f"R{n:02d}" for n in range(1, RATERS + 1)]):
        cookie, number = enter(connection, person.secret) or ("", 0)
        sitting = session_of(connection, cookie)
        strictness = rng.normal(0, 0.4)
        for sequence, trial in enumerate(course_of(connection, number).trials, 1):
            shown = study.stimuli[trial.panels[-1][1]]
            quality = 1 + 4 * likeness.get(f"{shown.case}/{shown.method}", 1.0) ** 2
            score = answer(quality + strictness + rng.normal(0, 0.5), scale)
            said = Event(str(uuid.uuid4()), sequence, "answer", trial.token,
                         {study.items[0].name: score}, int(rng.gamma(4, 1500)))  # fmt: skip
            place = sequence - 1
            record(connection, number, said, sitting=sitting.number if sitting else 0, at=place)


if __name__ == "__main__":
    main(sys.argv[1:])
