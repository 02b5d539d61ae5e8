"""Where a synthetic image and its uncertainty go."""

from pathlib import Path

from medacuity.checkpoint import Card
from medacuity.formats import Source, output_in


def output_for(output: Path, source: Source, card: Card) -> Path:
    """Return where a result goes: ``output``, or, if that is a folder, a name in it.

    The name says SYNTHETIC. A series of DICOM slices is a folder itself: it fills an empty one.
    """
    fills = source.path.is_dir() and not (output.is_dir() and any(output.iterdir()))
    if fills or not output.is_dir():
        return output
    contrast = "".join(c for c in card.output.contrast.lower() if c.isalnum() or c in "-_")
    return output_in(output, source, f"SYNTHETIC-{contrast or 'image'}")


def beside(output: Path) -> Path:
    """Return where the uncertainty of a result goes.

    Example:
        >>> beside(Path("out/pet.nii.gz")).name
        'pet_uncertainty.nii.gz'
    """
    suffix = "".join(output.suffixes[-2:] if output.suffix == ".gz" else output.suffixes[-1:])
    return output.with_name(f"{output.name.removesuffix(suffix)}_uncertainty{suffix}")
