"""PET in SUV, whatever unit its file has."""

import numpy as np

from medacuity.errors import UsageError
from medacuity.formats.source import Source
from medacuity.volume import Volume


def in_suv(source: Source) -> tuple[Volume, ...]:
    """Return a PET's volumes in SUV by body weight, as floats.

    What the file has in SUV stays as it is. Bq/ml is converted by weight, dose and times of a
    DICOM header; other formats do not know them.

    Raises:
        UsageError: It is no PET, or its format knows no dose.
        MalformedInput: The header lacks something, or contradicts itself.

    Example:
        >>> pet = Volume(np.ones((2, 2, 2)), np.eye(4), "SUV")
        >>> in_suv(Source(None, (pet,), None, ""))[0] is pet
        True
    """
    if all(volume.unit == "SUV" for volume in source.volumes):
        return source.volumes
    if not hasattr(source.header, "suv_factors"):
        raise UsageError(
            f"values in {source.volumes[0].unit} become SUV by weight, dose and times, which only "
            "PET as DICOM tells; name its DICOM series, or convert with medacuity.physics.pet.suv",
            path=source.path,
        )
    return tuple(
        Volume((volume.array * factors).astype(np.float32), volume.affine, "SUV")
        for volume, factors in zip(source.volumes, source.header.suv_factors(), strict=True)
    )
