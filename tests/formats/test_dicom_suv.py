"""What SUV from a PET's own header promises.

- A body that holds its whole dose evenly has SUV 1, to whatever moment its values were corrected
  for decay, over midnight, with each slice's own slope; `physics.pet.suv` gives the same.
- Whose clock counts is what QIBA's pseudo-code says: the series', GE's own, the earliest
  acquisition's. Philips' counts take Philips' factors.
- What is missing, impossible or contradictory is refused by the attribute's name, with the way
  out, and never by its value: no weight, no time of a patient stands in a message.
- SUV goes to formats that can tell it, and not to DICOM under the old unit.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dicom_makers as make
import numpy as np
import pytest
from pydicom import Dataset

from medacuity import formats
from medacuity.errors import MalformedInput, MedacuityError, UsageError
from medacuity.formats import Source
from medacuity.formats.suv import in_suv
from medacuity.physics.pet import suv

WEIGHT, GIVEN, HALF_LIFE = 73.0, 365e6, 6586.2  # kg, Bq, s: 5000 Bq/ml once spread evenly
INJECTED = {
    "RadionuclideTotalDose": GIVEN,
    "RadionuclideHalfLife": HALF_LIFE,
    "RadiopharmaceuticalStartTime": "110100",  # an hour before the series of the makers
}
EVEN = 1000 * GIVEN / (1000 * WEIGHT) / 1000  # Bq/ml at the injection
SEQUENCE = "RadiopharmaceuticalInformationSequence"
Change = Callable[[list[Dataset]], None]


def pet(folder: Path, *, seconds: float = 3600.0, change: Change = lambda made: None) -> Source:
    """Return a body that holds its dose evenly, ``seconds`` after the injection."""
    made = make.slices(np.full((3, 4, 5), 20000, np.int16), kind=make.PT)
    level = EVEN * 0.5 ** (seconds / HALF_LIFE)
    for k, header in enumerate(made):
        header.PixelData = np.full((4, 5), 10000 * (k + 1), np.int16).tobytes()
        header.RescaleSlope = f"{level / (10000 * (k + 1)):.10g}"  # slices have their own
        header.PatientWeight = WEIGHT
        make.filled(header.RadiopharmaceuticalInformationSequence[0], INJECTED)
    change(made)
    return formats.read(make.save(made, folder / "pet"))


def told(**values: Any) -> Change:
    """Return a change of all slices; what belongs to the injection goes there."""

    def change(made: list[Dataset]) -> None:
        for header in made:
            inner = header.RadiopharmaceuticalInformationSequence[0]
            for keyword, value in values.items():
                place = inner if keyword.startswith("Radio") else header
                make.filled(place, {keyword: value})

    return change


def every(act: Callable[[Dataset], Any]) -> Change:
    """Return a change that does something to each slice."""
    return lambda made: [act(header) for header in made].clear()


def both(*changes: Change) -> Change:
    """Return changes one after the other."""

    def change(made: list[Dataset]) -> None:
        for each in changes:
            each(made)

    return change


def private(tag: int, creator: str, vr: str, value: Any) -> Change:
    """Return a change that adds a vendor's element, where the vendor's block is the second."""

    def change(made: list[Dataset]) -> None:
        for header in made:
            header.private_block(tag >> 16, "Somebody else", create=True)
            block = header.private_block(tag >> 16, creator, create=True)
            block.add_new(tag & 0xFF, vr, value)

    return change


def is_one(source: Source) -> bool:
    (volume,) = in_suv(source)
    assert (volume.unit, volume.array.dtype) == ("SUV", np.float32)
    assert np.array_equal(volume.affine, source.volumes[0].affine)
    return bool(np.allclose(volume.array, 1, rtol=1e-6, atol=0))


def test_what_is_spread_evenly_has_suv_one(tmp_path: Path) -> None:
    source = pet(tmp_path)
    assert source.volumes[0].unit == "Bq/ml"
    assert is_one(source)
    by_hand = suv(
        float(source.volumes[0].array[0, 0, 0]), dose=GIVEN, weight=WEIGHT, minutes=60,
        half_life=HALF_LIFE / 60,
    )  # fmt: skip
    assert by_hand == pytest.approx(1, rel=1e-6)


def test_corrected_to_the_injection_no_time_is_needed(tmp_path: Path) -> None:
    change = told(DecayCorrection="ADMIN", RadiopharmaceuticalStartTime=None, AcquisitionTime=None)
    assert is_one(pet(tmp_path, seconds=0, change=change))


def test_uncorrected_each_slice_has_its_own_moment(tmp_path: Path) -> None:
    """A frame's average activity is that of the integral of its decay over its duration."""

    def change(made: list[Dataset]) -> None:
        told(DecayCorrection="NONE", CorrectedImage=["ATTN"], ActualFrameDuration=1.2e6)(made)
        rate = np.log(2) / HALF_LIFE
        for k, header in enumerate(made):
            header.AcquisitionTime = f"12{20 * k:02d}00"
            since = 59 * 60 + 1200 * k
            mean = np.exp(-rate * since) * (1 - np.exp(-rate * 1200)) / (rate * 1200)
            header.RescaleSlope = f"{EVEN * mean / (10000 * (k + 1)):.10g}"

    assert is_one(pet(tmp_path, change=change))


@pytest.mark.parametrize(
    ("seconds", "change"),
    [
        (3600, told(RadiopharmaceuticalStartDateTime="20200101110100.000000")),
        (5400, told(RadiopharmaceuticalStartTime="233000", SeriesTime="010000",
                    AcquisitionTime="010500")),
        (5400, told(RadiopharmaceuticalStartTime="233000", SeriesTime="010000.0",
                    AcquisitionTime="010500",
                    RadiopharmaceuticalStartDateTime="20191231233000")),
        (900, told(RadiopharmaceuticalStartTime="233000", SeriesTime="234500",
                   AcquisitionTime="000500", AcquisitionDate="20200102")),
        (3600, told(RadiopharmaceuticalStartTime=None, TimezoneOffsetFromUTC="+0200",
                    RadiopharmaceuticalStartDateTime="20200101090100+0000")),
        (3600, told(RadiopharmaceuticalStartDateTime="20200101110100.00+0100")),
    ],
    ids=["dated", "midnight, undated", "midnight, dated", "midnight in the scan", "zones",
         "zone of the clock"],
)  # fmt: skip
def test_clocks(tmp_path: Path, seconds: float, change: Change) -> None:
    assert is_one(pet(tmp_path, seconds=seconds, change=change))


LATER = told(SeriesTime="180000")  # a series made anew of the scan that began at 12:01:01


def test_a_series_made_later_counts_from_the_earliest_acquisition(tmp_path: Path) -> None:
    def change(made: list[Dataset]) -> None:
        LATER(made)
        made[0].AcquisitionTime, made[2].AcquisitionTime = "120601", "121101"

    assert is_one(pet(tmp_path, seconds=3601, change=change))


def test_a_series_made_later_counts_from_the_scan_time_of_ge(tmp_path: Path) -> None:
    began = private(0x0009100D, "GEMS_PETD_01", "DT", "20200101114100.00")
    assert is_one(pet(tmp_path, seconds=2400, change=both(LATER, began)))
    other = private(0x0009100D, "GEMS_PETD_02", "DT", "20200101114100.00")
    assert is_one(pet(tmp_path / "b", seconds=3601, change=both(LATER, other)))


def test_a_part_of_a_series_made_later_is_refused(tmp_path: Path) -> None:
    """Its DecayFactor tells that the scan began before the earliest acquisition at hand."""
    factor = 2 ** (90 / HALF_LIFE)
    whole = told(DecayFactor=f"{factor:.6f}", ActualFrameDuration=180000)
    assert is_one(pet(tmp_path, seconds=3601, change=both(LATER, whole)))
    part = told(DecayFactor=f"{factor * 1.07:.6f}", ActualFrameDuration=180000)
    with pytest.raises(MalformedInput, match=r"DecayFactor .*are all files of the series there"):
        in_suv(pet(tmp_path / "part", change=both(LATER, part)))


def test_counts_of_philips(tmp_path: Path) -> None:
    creator, counts = "Philips PET Private Group", told(Units="CNTS")
    values = EVEN * 0.5 ** (3600 / HALF_LIFE)
    factor = private(0x70531000, creator, "DS", f"{1 / values:.10g}")
    assert is_one(pet(tmp_path / "a", change=both(counts, factor)))
    none = private(0x70531000, creator, "DS", "0")
    activity = private(0x70531009, creator, "DS", "2.0")
    source = pet(tmp_path / "b", change=both(counts, none, activity))
    assert np.allclose(in_suv(source)[0].array, 2)
    for name, change in {"c": none, "d": private(0x70531000, "Another", "DS", "2")}.items():
        with pytest.raises(MalformedInput, match=r"\(7053,1000\) or to Bq/ml \(7053,1009\)"):
            in_suv(pet(tmp_path / name, change=both(counts, change)))


def test_suv_stays_suv_and_other_kinds_of_it_are_told(tmp_path: Path) -> None:
    source = pet(tmp_path, change=told(Units="GML", PatientWeight=None))
    assert in_suv(source) == source.volumes
    assert source.header.suv_factors()[0].tolist() == [1, 1, 1]
    lean = pet(tmp_path / "lean", change=told(Units="GML", SUVType="LBM"))
    assert lean.volumes[0].unit == "SUVlbm"
    with pytest.raises(UsageError, match="values are in SUVlbm"):
        in_suv(lean)


WRONG: dict[str, tuple[Change, str]] = {
    "weight missing": (told(PatientWeight=None), "PatientWeight"),
    "weight 0": (told(PatientWeight=0), "PatientWeight"),
    "weight below 0": (told(PatientWeight=-73), "PatientWeight"),
    "weight in g": (told(PatientWeight=73000), "PatientWeight"),
    "dose missing": (told(RadionuclideTotalDose=None), "RadionuclideTotalDose"),
    "dose in MBq": (told(RadionuclideTotalDose=365), "RadionuclideTotalDose in Bq"),
    "half-life missing": (told(RadionuclideHalfLife=None), "RadionuclideHalfLife"),
    "half-life 0": (told(RadionuclideHalfLife=0), "RadionuclideHalfLife"),
    "no injection": (
        every(lambda h: setattr(h, SEQUENCE, [])),
        SEQUENCE),
    "two injections": (
        every(lambda h: h[SEQUENCE].value.append(Dataset())),
        SEQUENCE),
    "time missing": (told(RadiopharmaceuticalStartTime=None), "RadiopharmaceuticalStartTime"),
    "injected after the scan": (
        told(RadiopharmaceuticalStartTime="121100"), "RadiopharmaceuticalStartTime"),
    "injected after the scan, dated": (
        told(RadiopharmaceuticalStartTime="121100",
             RadiopharmaceuticalStartDateTime="20200101121100"),
        "RadiopharmaceuticalStartTime lies after the scan"),
    "injected the day before": (
        told(RadiopharmaceuticalStartDateTime="20191231110100"), "more than 6 half-lives"),
    "times contradict": (
        told(RadiopharmaceuticalStartDateTime="20200101111100"), "contradict each other"),
    "zone unknown": (
        told(RadiopharmaceuticalStartTime=None,
             RadiopharmaceuticalStartDateTime="20200101110100+0100"), "TimezoneOffsetFromUTC"),
    "day unknown": (told(RadionuclideHalfLife=282000), "leaves the day open"),
    "hour only": (told(RadiopharmaceuticalStartDateTime="2020010111"), "to the minute"),
    "no day": (told(SeriesDate=None), "SeriesDate"),
    "no such day": (told(AcquisitionDate="20200231"), "AcquisitionDate"),
    "no time": (told(AcquisitionTime=None), "AcquisitionTime"),
    "decay untold": (told(DecayCorrection=None), "DecayCorrection"),
    "decay uncorrected": (told(CorrectedImage=["ATTN"]), "DECY"),
    "decay corrected after all": (told(DecayCorrection="NONE"), "DECY"),
    "attenuation uncorrected": (told(CorrectedImage="DECY"), "ATTN"),
    "no duration": (
        told(DecayCorrection="NONE", CorrectedImage="ATTN", ActualFrameDuration=0),
        "ActualFrameDuration"),
    "weights differ": (lambda made: setattr(made[1], "PatientWeight", 70), "PatientWeight"),
    "doses differ": (
        lambda made: setattr(made[1][SEQUENCE][0], "RadionuclideTotalDose", 1e8),
        "RadionuclideTotalDose must be the same"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=list(WRONG))
def test_refusals_name_the_attribute_and_no_value(
    tmp_path: Path, change: Change, words: str
) -> None:
    source = pet(tmp_path, change=change)
    with pytest.raises(MalformedInput, match=words) as caught:
        in_suv(source)
    assert caught.value.exit_code == 3
    assert "physics.pet.suv" in caught.value.reason
    quoted = re.findall(r"\d+", re.sub(r"\(\w{4},\w{4}\)", "", caught.value.reason))
    assert set(quoted) <= {"0", "1", "2", "6", "700", "10000", "12", "18"}  # limits of ours
    assert "\n" not in caught.value.reason


@pytest.mark.parametrize(("units", "unit"), [("PROPCPS", "cps"), ("STDDEV", "a.u.")])
def test_other_units_are_refused(tmp_path: Path, units: str, unit: str) -> None:
    with pytest.raises(UsageError, match=f"made of Bq/ml, and the values are in {unit}"):
        in_suv(pet(tmp_path, change=told(Units=units)))


def test_only_pet_as_dicom_tells_a_dose(tmp_path: Path) -> None:
    mr = formats.read(make.save(make.slices(make.ramp(2, 4, 4)), tmp_path / "mr"))
    with pytest.raises(UsageError, match="only PET has SUV"):
        in_suv(mr)
    formats.write(tmp_path / "mr.nii.gz", mr.volumes, like=mr)
    with pytest.raises(UsageError, match="name its DICOM series, or convert with"):
        in_suv(formats.read(tmp_path / "mr.nii.gz"))
    enhanced = make.multiframe(make.ramp(2, 4, 4), kind=make.ENHANCED_PT)
    with pytest.raises(MedacuityError):
        in_suv(formats.read(make.save(enhanced, tmp_path / "e.dcm")))


def test_the_lines_of_the_manual_make_a_file_in_suv_at_the_same_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = pet(tmp_path)
    (tmp_path / "pet").rename(tmp_path / "pet_dicom")
    monkeypatch.chdir(tmp_path)
    manual = Path(__file__).parents[2] / "docs" / "pet.md"
    (lines,) = re.findall(r"```text\n(from medacuity import.*?)```", manual.read_text(), re.S)
    exec(compile(lines, manual.name, "exec"), {})
    back = formats.read(tmp_path / "pet_suv.nii.gz").volumes[0]
    assert np.allclose(back.array, 1, rtol=1e-6)
    assert np.allclose(back.affine, source.volumes[0].affine, atol=1e-4)
    with pytest.raises(UsageError, match=r"in SUV and the input in Bq/ml.*name the output"):
        formats.write(tmp_path / "suv", in_suv(source), like=source)


def test_what_is_made_of_a_scan_keeps_no_private_element(tmp_path: Path) -> None:
    began = private(0x0009100D, "GEMS_PETD_01", "DT", "20200101114100.00")
    source = pet(tmp_path, change=began)
    assert 0x0009100D in source.header.stacks[0][0].header
    formats.write(tmp_path / "out", source.volumes, like=source)
    made = formats.read(tmp_path / "out")
    assert not [e for f in made.header.stacks[0] for e in f.header if e.tag.is_private]
    assert is_one(made)


def test_the_real_fdg_series(data: Path) -> None:
    """By hand from its header: 66.2 kg, 381.47 MBq, 5024.678 s of 6586.2 s half-life."""
    folder = data / "bulk" / "pet" / "dicom_fdg_trunk"
    if not folder.is_dir():
        pytest.skip("no FDG series here")
    source = formats.read(folder)
    factor = 66.2e3 / (381.47e6 * 0.5 ** (5024.678 / 6586.2))
    assert source.header.suv_factors()[0] == pytest.approx(factor, rel=1e-9)
    array = in_suv(source)[0].array
    body = array > 0.2
    assert 0.8 < array[body].mean() < 1.3  # most of the tracer is spread over the body
    assert 3 < np.percentile(array, 99.9) < array.max() < 50  # organs that drain it stand out
