"""Images out of chance: samples of a generator, each told by its seed, all of them SYNTHETIC."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from medacuity import __version__
from medacuity.atomic import atomic_folder, atomic_write
from medacuity.checkpoint import Card, Trained, find_weights, load_weights, read_card
from medacuity.errors import LimitExceeded, SafetyGate, UsageError
from medacuity.formats import Source, nifti, raster
from medacuity.nd import channels_last, usable_device
from medacuity.sheet import contact_sheet, grey, looked_at, rank
from medacuity.volume import Volume

MOST = 100_000  # images at once
SHEET = 64  # images that a contact sheet shows
EIGHT_BITS, SIXTEEN_BITS = 255, 65535
AS_A_PICTURE = "PL"  # rows, then columns, of a slice as it is looked at
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Settings:
    """What to generate.

    Args:
        weights: Name or file of a generator.
        count: Images.
        kind: Class that is asked for; None: each in turn.
        seed: Of the first image; the next has the next. An image depends on its seed alone.
        form: ``"png"`` for pictures, ``"nifti"`` for volumes; None: by the generator.
        sheet: Also write a contact sheet, ``sheet.png``.
        memory: Bytes that an image and its features may take.
        device: ``"cpu"``, ``"cuda"`` or ``"auto"``.
    """

    weights: str
    count: int = 16
    kind: str | None = None
    seed: int = 0
    form: str | None = None
    sheet: bool = False
    memory: float = 4 * 2**30
    device: str = "auto"


class Sample(NamedTuple):
    """One image: in the unit range, with what it was made of."""

    seed: int
    kind: str
    latent: list[float]
    x: NDArray[np.float32]


def generate(settings: Settings, trained: Trained) -> Iterator[Sample]:
    """Yield images, one by one: what an image shows depends on its seed and class alone.

    Raises:
        SafetyGate: A voxel is not finite.
    """
    card, labels = trained.card, trained.card.labels
    device = usable_device(settings.device)
    model: Any = channels_last(trained.model, card.dims).to(device)
    for seed in range(settings.seed, settings.seed + settings.count):
        z = torch.randn(1, model.latent, generator=torch.Generator().manual_seed(seed))
        kind = settings.kind or (labels[seed % len(labels)] if labels else "")
        label = [torch.tensor([labels.index(kind)], device=device)] if labels else []
        with torch.inference_mode():
            x = model(z.to(device), *label)[0, 0].float().cpu().numpy()
        if not np.isfinite(x).all():
            raise SafetyGate(f"the image of seed {seed} is not finite; the weights are of no use")
        yield Sample(seed, kind, [float(f"{v:.9g}") for v in z[0].tolist()], x)


def generate_folder(
    folder: Path, settings: Settings, *, report: Report = lambda what, done, of: None
) -> dict[str, Any]:
    """Write images, ``samples.json`` and perhaps a sheet to a new folder; return the record.

    Raises:
        UsageError: The weights generate nothing, or not that class or form.
        StorageError: The folder is there and not empty, or cannot be written.
        LimitExceeded: An image would take more memory than allowed.
    """
    card = read_card(find_weights(settings.weights))
    form = _check(settings, card)
    trained = load_weights(settings.weights)
    record = _record(settings, trained, form)
    shown: list[Sample] = []
    with atomic_folder(folder) as room:
        for n, sample in enumerate(generate(settings, trained), start=1):
            record["images"].append(_write(room, sample, trained, form))
            shown += [sample] if settings.sheet and n <= SHEET else []
            report(card.name, n, settings.count)
        if shown:
            _save_png(room / "sheet.png", _sheet(shown, card, record["description"]), record)
        with atomic_write(room / "samples.json") as file:
            file.write(json.dumps(record, indent=1).encode() + b"\n")
    return record


def in_words(record: dict[str, Any]) -> list[str]:
    """Return the record as lines for a person."""
    kinds = ", ".join(dict.fromkeys(i["class"] for i in record["images"] if i["class"]))
    of = f" of {kinds}" if kinds else ""
    count, seed = len(record["images"]), record["seed"]
    made = f"1 image{of}, of seed {seed}"
    if count > 1:
        made = f"{count} images{of}, of the seeds {seed} to {seed + count - 1}"
    return [record["description"], made]


def _check(settings: Settings, card: Card) -> str:
    """Refuse what cannot be made; return the form to write."""
    card.expect("generate", settings.weights)
    if not 1 <= settings.count <= MOST:
        raise UsageError(f"count must be 1 to {MOST}, got {settings.count}")
    if not 0 <= settings.seed < 2**63 - MOST:
        raise UsageError(f"seed must be a whole number from 0, got {settings.seed}")
    if settings.kind is not None and settings.kind not in card.labels:
        near = get_close_matches(settings.kind.lower(), card.labels, 1, 0.6)
        known = ", ".join([*near, *(k for k in card.labels if k not in near)][:20])
        what = f"take {known}" if known else "it knows none: leave --class out"
        raise UsageError(f"{card.name} has no class {settings.kind!r}; {what}")
    form = settings.form or ("png" if card.dims == 2 else "nifti")
    if form not in ("png", "nifti"):
        raise UsageError(f"images are written as png or nifti, not {form}")
    if form == "png" and card.dims == 3:
        raise UsageError(f"{card.name} makes volumes, which no picture holds; take --as nifti")
    if card.arguments.get("outputs", 1) != 1:
        raise UsageError(f"{card.name} makes several images at once; take another")
    _check_memory(settings, card)
    return form


def _check_memory(settings: Settings, card: Card) -> None:
    """Refuse images that do not fit, by the features of the last doubling at full size."""
    size, width = (int(card.arguments.get(n, 64)) for n in ("size", "width"))
    need = 4 * (2 * width + 2) * float(size) ** card.dims
    if need > settings.memory:
        raise LimitExceeded(
            f"an image needs about {need / 2**20:.0f} MiB, the budget is "
            f"{settings.memory / 2**20:.0f} MiB; raise it"
        )


def _record(settings: Settings, trained: Trained, form: str) -> dict[str, Any]:
    card, scale = trained.card, trained.card.back()
    what = card.output.contrast or "image"
    return {
        "medacuity": __version__,
        "synthetic": True,
        "label": "SYNTHETIC",
        "description": f"SYNTHETIC: {what} of no patient, generated by the network {card.name}.",
        "method": card.name,
        "method_sha256": trained.sha256,
        "version": __version__,
        "licence": card.licence,
        "seed": settings.seed,
        "unit": card.output.unit,
        "black": scale.low,
        "white": scale.high,
        "form": form,
        "spacing": card.spacing or None,
        "images": [],
    }


def _write(folder: Path, sample: Sample, trained: Trained, form: str) -> dict[str, Any]:
    """Write one image; return what the record says of it."""
    kind = f"-{sample.kind.replace(' ', '_')}" if sample.kind else ""
    made = {"synthetic": True, "method": trained.card.name, "method_sha256": trained.sha256}
    path = folder / f"SYNTHETIC{kind}-{sample.seed:06d}{'.png' if form == 'png' else '.nii.gz'}"
    if form == "png":
        _save_png(path, _picture(sample.x, trained.card, _white(trained.card)), made)
    else:
        volume = _volume(sample.x, trained.card)
        nifti.write(path, [volume], like=_like(path, volume), provenance=made)
    return {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "seed": sample.seed,
        "class": sample.kind or None,
        "latent": sample.latent,
    }


def _sheet(samples: Sequence[Sample], card: Card, title: str) -> NDArray[np.uint8]:
    pictures = [_picture(sample.x, card, EIGHT_BITS) for sample in samples]
    words = [f"{sample.kind} {sample.seed}".strip() for sample in samples]
    return contact_sheet(pictures, words, title=title)


def _picture(x: NDArray[np.float32], card: Card, white: int) -> NDArray[Any]:
    return grey(looked_at(x, _directions(card)), white)


def _white(card: Card) -> int:
    """Return white: of 8 bits where they hold every step of the card's numbers, else of 16."""
    scale = card.back()
    return EIGHT_BITS if scale.high - scale.low <= EIGHT_BITS else SIXTEEN_BITS


def _directions(card: Card) -> str:
    return card.orientation or (AS_A_PICTURE if card.dims == 2 else card.directions)


def _volume(x: NDArray[np.float32], card: Card) -> Volume:
    """Return an image in the card's numbers, around the origin, at the spacing of training."""
    scale, directions = card.back(), _directions(card)
    array = scale.from_unit(x)
    array = np.maximum(array, 0) if scale.low == 0 else array
    array = array.reshape(*array.shape, *[1] * (3 - array.ndim))
    spacing = [*(card.spacing or [1.0] * card.dims), 1.0][:3]
    directions += "".join(d for d in "RAS" if rank(d) not in map(rank, directions))
    affine = np.eye(4)
    for axis, (direction, mm) in enumerate(zip(directions, spacing, strict=True)):
        affine[:3, axis] = 0
        affine[rank(direction), axis] = mm if direction in "RAS" else -mm
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(array.shape) - 1) / 2)
    return Volume(array, affine, card.output.unit)


def _save_png(path: Path, picture: NDArray[Any], made: dict[str, Any]) -> None:
    volume = Volume(picture.T[..., None], np.eye(4))
    raster.write(path, [volume], like=_like(path, volume), provenance=made)


def _like(path: Path, volume: Volume) -> Source:
    """Return a source without a place in a patient, which is what these images are."""
    return Source(path, (volume,), raster.PictureHeader(volume.array.dtype, None), "", True)
