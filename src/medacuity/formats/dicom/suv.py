"""Activity -> SUV by what a PET series says of weight, dose and times; or why it cannot be.

SUV = Bq/ml x weight in g / dose in Bq at the moment that the values hold for (`decay`). The
vendors' own factors are used as in QIBA's vendor-neutral pseudo-code for SUV. What is left in the
syringe is not known to a header.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from medacuity.errors import UsageError
from medacuity.formats.dicom.decay import (
    HALF_LIFE,
    START_DATETIME,
    START_TIME,
    dose_of,
    half_lives,
    number,
    refusal,
)
from medacuity.formats.dicom.frames import Frame
from medacuity.formats.dicom.header import PHILIPS_ACTIVITY, PHILIPS_SUV
from medacuity.formats.dicom.values import unit_of

DOSE = "RadionuclideTotalDose"
OF_THE_SERIES = (
    "Units", "SUVType", "CorrectedImage", "DecayCorrection", "PatientWeight", "SeriesDate",
    "SeriesTime",
)  # fmt: skip
OF_THE_DOSE = (DOSE, HALF_LIFE, START_TIME, START_DATETIME)
KG = 700.0  # nobody weighs more
BQ = 1e4  # nobody is scanned with less; in MBq, as other kinds of file have it, doses are below


def suv_factors(stack: Sequence[Frame], series: Sequence[Frame]) -> NDArray[np.float64]:
    """Return for each slice what its values times give SUV by body weight.

    Args:
        stack: The slices of one volume.
        series: All slices that were read.

    Shape:
        ``(slices,)``

    Raises:
        UsageError: It is no PET, or in a unit that SUV is not made of.
        MalformedInput: The header lacks something, or contradicts itself.
    """
    first = series[0]
    if first.modality != "PT":
        raise UsageError("only PET has SUV, and this is another kind of scan", path=first.path)
    unit = unit_of(first)
    if unit not in ("SUV", "Bq/ml", "counts"):
        raise UsageError(
            f"SUV by body weight is made of Bq/ml, and the values are in {unit}; export the "
            "series anew, with Units BQML",
            path=first.path,
        )
    _check_same(first, OF_THE_SERIES, [frame.header for frame in series])
    if unit == "SUV":
        return np.ones(len(stack))
    correction = _correction(first)
    own = np.array([_vendors(frame, PHILIPS_SUV) for frame in stack])
    if unit == "counts" and (own > 0).all():
        return own
    _check_same(first, OF_THE_DOSE, [dose_of(frame) for frame in series])
    weight = number(first, first.header.get("PatientWeight"), "PatientWeight in kg", most=KG)
    dose = number(first, dose_of(first).get(DOSE), f"{DOSE} in Bq", least=BQ)
    left = dose * 0.5 ** half_lives(stack, series, correction)
    return np.asarray(1000 * weight / left * _activity(stack, unit))


def _check_same(first: Frame, keywords: Sequence[str], said: Sequence[Dataset]) -> None:
    """Refuse a series whose slices tell different things of one patient and one injection."""
    for keyword in keywords:
        if len({str(each.get(keyword)) for each in said}) > 1:
            raise refusal(first, f"{keyword} must be the same in all slices and is not")


def _correction(first: Frame) -> str:
    """Return to which moment values are corrected, if they are corrected as they must be."""
    correction = str(first.header.get("DecayCorrection") or "").strip().upper()
    if correction not in ("START", "ADMIN", "NONE"):
        raise refusal(first, "DecayCorrection must be START, ADMIN or NONE and is not")
    value = first.header.get("CorrectedImage") or ()
    done = {str(word).strip() for word in ([value] if isinstance(value, str) else value)}
    if "ATTN" not in done:
        raise refusal(first, "CorrectedImage must contain ATTN and does not")
    if ("DECY" in done) is (correction == "NONE"):
        wanted = "must not" if correction == "NONE" else "must"
        raise refusal(
            first, f"with DecayCorrection {correction} CorrectedImage {wanted} contain DECY"
        )
    return correction


def _activity(stack: Sequence[Frame], unit: str) -> NDArray[np.float64]:
    """Return what values times give Bq/ml, slice by slice."""
    if unit == "Bq/ml":
        return np.ones(len(stack))
    factors = np.array([_vendors(frame, PHILIPS_ACTIVITY) for frame in stack])
    if not (factors > 0).all():
        raise refusal(
            stack[0],
            "Units is CNTS without Philips' factors to SUV (7053,1000) or to Bq/ml (7053,1009)",
        )
    return factors


def _vendors(frame: Frame, tag: int) -> float:
    """Return a vendor's own factor; 0 where it is missing or no number above 0."""
    try:
        factor = float(frame.header[tag].value)
    except (KeyError, TypeError, ValueError, OverflowError):
        return 0.0
    return factor if 0 < factor < np.inf else 0.0
