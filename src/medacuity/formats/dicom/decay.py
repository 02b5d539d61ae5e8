"""How much of a PET tracer's dose had decayed at the moment that a slice's values hold for.

Where DecayCorrection is START, that moment is the one of QIBA's vendor-neutral pseudo-code for
SUV: the series' time unless it lies after an acquisition; then GE's own scan time, or the
earliest acquisition. ADMIN and NONE are as in DICOM PS3.3, C.8.9.1.1.5.
"""

import math
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from medacuity.errors import MalformedInput
from medacuity.formats.dicom.frames import Frame
from medacuity.formats.dicom.header import GE_SCAN

STAMP = re.compile(r"(\d{8})(\d\d):?(\d\d):?(\d\d)?(\.\d+)?([+-])?(\d\d)?(\d\d)?")
ZONE = re.compile(r"([+-])(\d\d)(\d\d)")
DURATION = "ActualFrameDuration"  # in ms
START_TIME, START_DATETIME = "RadiopharmaceuticalStartTime", "RadiopharmaceuticalStartDateTime"
HALF_LIFE = "RadionuclideHalfLife"
LATEST = 6  # half-lives after the injection at which a scan is believed: 11 hours for F-18
AGREE = 60.0  # seconds by which two accounts of one moment may differ
DAY = timedelta(days=1)


def half_lives(
    stack: Sequence[Frame], series: Sequence[Frame], correction: str
) -> NDArray[np.float64]:
    """Return the decay that the injected dose has behind it for each slice, in half-lives.

    Args:
        stack: The slices of one volume.
        series: All slices that were read: the earliest of them tells when the scan began.
        correction: ``"START"``, ``"ADMIN"`` or ``"NONE"``.

    Shape:
        ``(slices,)``

    Raises:
        MalformedInput: Times are missing, contradict each other or leave the day open.
    """
    if correction == "ADMIN":
        return np.zeros(len(stack))
    first = series[0]
    half_life = number(first, dose_of(first).get(HALF_LIFE), f"{HALF_LIFE} in s", least=1)
    if correction == "START":
        moments = [_start(series, half_life)] * len(stack)
    else:
        moments = [_acquired(frame) + _average(frame, half_life) for frame in stack]
    injected = _injected(first, min(moments), half_life)
    passed = [(moment - injected).total_seconds() / half_life for moment in moments]
    if min(passed) < 0:
        raise refusal(first, f"{START_TIME} lies after the scan")
    if max(passed) > LATEST:
        raise refusal(
            first,
            f"more than {LATEST} half-lives lie between {START_TIME} and the scan, or it "
            "lies after the scan",
        )
    return np.array(passed)


def refusal(frame: Frame, what: str) -> MalformedInput:
    """Return the error that says why there is no SUV, and the way out."""
    return MalformedInput(
        f"for SUV the header must be complete and consistent, and {what}; correct it, or convert "
        "with medacuity.physics.pet.suv",
        path=frame.path,
    )


def number(frame: Frame, value: Any, name: str, *, least: float = 0.0, most: float = 1e12) -> float:
    """Return a number above 0 and within limits; refuse it by name, never by value."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not (found > 0 and least <= found <= most):
        limits = f"from {least:g} to {most:g}" if least else f"above 0 and at most {most:g}"
        raise refusal(frame, f"{name} must be a number {limits} and is not")
    return found


def dose_of(frame: Frame) -> Dataset:
    """Return what the header says of the injection, of which there must be one."""
    items = list(frame.header.get("RadiopharmaceuticalInformationSequence") or ())
    if len(items) != 1:
        raise refusal(
            frame, f"RadiopharmaceuticalInformationSequence must hold one item, not {len(items)}"
        )
    found: Dataset = items[0]
    return found


def _start(series: Sequence[Frame], half_life: float) -> datetime:
    """Return when the scan began: the moment that START corrects to."""
    began = _moment(series[0], "Series")
    acquired = min(_acquired(frame) for frame in series)
    own = series[0].header.get(GE_SCAN)
    if began <= acquired:
        return began
    if own is not None:  # a series made later of an old scan
        return _read(series[0], str(own.value), "GE's scan time (0009,100D)")[0]
    for frame in series:
        _check_factor(frame, acquired, half_life)
    return acquired


def _check_factor(frame: Frame, start: datetime, half_life: float) -> None:
    """Refuse slices corrected for another decay than since ``start``: the first are not here."""
    factor, duration = (frame.number(name) or 0.0 for name in ("DecayFactor", DURATION))
    if factor <= 1 or duration <= 0:
        return
    since = (_acquired(frame) - start).total_seconds()
    seconds, slack = (half_life * math.log2(f) for f in (factor, 1.01))
    if not since - slack <= seconds <= since + duration / 1000 + slack:
        raise refusal(
            frame,
            "DecayFactor tells of another start than the earliest AcquisitionTime (are all "
            "files of the series there?)",
        )


def _average(frame: Frame, half_life: float) -> timedelta:
    """Return when in a frame activity was at its average (PS3.3, C.8.9.4.1.5, example 2)."""
    seconds = number(frame, frame.header.get(DURATION), f"{DURATION} in ms") / 1000
    decay = math.log(2) * seconds / half_life
    return timedelta(seconds=seconds / decay * math.log(decay / -math.expm1(-decay)))


def _acquired(frame: Frame) -> datetime:
    return _moment(frame, "Acquisition")


def _moment(frame: Frame, which: str) -> datetime:
    date, time = (str(frame.header.get(f"{which}{part}") or "") for part in ("Date", "Time"))
    name = f"{which}Date with {which}Time"
    return _read(frame, date.replace(".", "") + time, name)[0]


def _read(frame: Frame, text: str, name: str) -> tuple[datetime, timedelta | None]:
    """Return a moment as the clock showed it, and the clock's zone where it is told."""
    match = STAMP.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError(name)
        day, hour, minute, second, part, *zone = match.groups()
        moment = datetime.strptime(f"{day}{hour}{minute}{second or '00'}", "%Y%m%d%H%M%S")
    except ValueError:
        raise refusal(frame, f"{name} must tell day and time to the minute and does not") from None
    return moment + timedelta(seconds=float(part or 0)), _zone("".join(z or "" for z in zone))


def _zone(text: str) -> timedelta | None:
    match = ZONE.fullmatch(text.strip())
    if match is None:
        return None
    sign, hours, minutes = match.groups()
    return (-1 if sign == "-" else 1) * timedelta(hours=int(hours), minutes=int(minutes))


def _injected(first: Frame, scan: datetime, half_life: float) -> datetime:
    """Return when the tracer was given, by the clock of the scan."""
    said = dose_of(first)
    time, whole = (str(said.get(name) or "").strip() for name in (START_TIME, START_DATETIME))
    if not whole:
        return _last_before(first, time, scan, half_life)
    moment, zone = _read(first, whole, START_DATETIME)
    ours = _zone(str(first.header.get("TimezoneOffsetFromUTC") or ""))
    if zone is not None and ours is not None:
        moment += ours - zone
    if time:
        timed, _ = _read(first, f"{moment:%Y%m%d}{time}", START_TIME)
        if abs((moment - timed).total_seconds()) > AGREE:
            raise refusal(first, f"{START_TIME} and {START_DATETIME} contradict each other")
    elif zone is not None and ours is None:
        raise refusal(
            first,
            f"{START_DATETIME} names a zone that neither {START_TIME} nor "
            "TimezoneOffsetFromUTC relates to SeriesTime",
        )
    return moment


def _last_before(first: Frame, time: str, scan: datetime, half_life: float) -> datetime:
    """Return the last moment before the scan at which the clock showed ``time``."""
    if not time:
        raise refusal(first, f"{START_TIME} is missing")
    moment, _ = _read(first, f"{scan:%Y%m%d}{time}", START_TIME)
    moment -= DAY if moment > scan else timedelta()
    if (scan - moment + DAY).total_seconds() <= LATEST * half_life:
        raise refusal(
            first,
            f"the nuclide lives so long that {START_TIME} leaves the day open, and "
            f"{START_DATETIME} is missing",
        )
    return moment
