"""Our numbers from ratings against published ones, on the same ratings.

    python benchmarks/opinion.py [--data ../shared/data]

Prints a table: what is computed, on which ratings, ours, theirs, the difference. Then: how often
ITU-T P.910 follows one rater alone, by the size of the panel; and how often 95 % intervals hold
the truth of simulated studies. Without --data the rows that need the real ratings are left out.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.metrics.opinion.published import SHROUT_FLEISS, corrupted, matrix, nflx, printed
from tests.metrics.opinion.test_agreement import KRIPPENDORFF
from tests.metrics.opinion.test_choices import WINS
from tests.metrics.opinion.test_mixed import study

from medacuity.metrics.opinion.agreement import alpha, kappa
from medacuity.metrics.opinion.icc import icc
from medacuity.metrics.opinion.mixed import fit_mixed
from medacuity.metrics.opinion.pairs import bradley_terry
from medacuity.metrics.opinion.recovery import recover
from medacuity.metrics.opinion.scores import mos
from medacuity.metrics.opinion.screening import screen_by_correlation, screen_by_kurtosis

Row = tuple[str, str, float, float]


def main() -> None:
    """Compute and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--studies", type=int, default=200)
    args = parser.parse_args()
    rows = [*(real(args.data) if args.data else ()), *textbook()]
    print("| what | ratings | ours | published | difference |")
    print("|---|---|---:|---:|---:|")
    for what, source, ours, theirs in rows:
        print(f"| {what} | {source} | {ours:.6f} | {theirs:.6f} | {ours - theirs:+.0e} |")
    print("\n| raters | stimuli | P.910 follows one rater alone |")
    print("|---:|---:|---:|")
    for raters in (3, 4, 5, 8, 15):
        for stimuli in (20, 80):
            print(f"| {raters} | {stimuli} | {100 * alone(raters, stimuli, args.studies):.0f} % |")
    print("\n| interval | held the truth, of 95 % |")
    print("|---|---:|")
    for name, share in held(args.studies):
        print(f"| {name} | {100 * share:.1f} % |", flush=True)


def real(data: Path) -> Iterator[Row]:
    """Yield what others publish for ratings of real people."""
    folder = data / "travel" / "mos"
    scores = nflx(data)
    found = mos(scores, normal=True)
    yield "MOS[0]", "NFLX", found.mean[0], 4.884615384615385
    yield "MOS[10]", "NFLX", found.mean[10], 2.076923076923077
    yield "mean standard error", "NFLX", found.error.mean(), 0.12986637295658307
    for name in ("itut_p910", "itur_bt500"):
        theirs = printed(folder / f"{name}_README.md")
        ours = recover(matrix(folder / f"{name}_sample_data.csv"))
        for ours_of, key in (
            (ours.quality, "mos_j"), (ours.error, "sos_j"), (ours.bias, "bias_i"),
            (ours.inconsistency, "inconsistency_i"),
        ):  # fmt: skip
            worst = int(np.argmax(np.abs(ours_of - theirs[key])))
            yield f"{key}, the worst of {ours_of.size}", name, ours_of[worst], theirs[key][worst]
    shuffled = corrupted(scores)
    kept = screen_by_kurtosis(shuffled, population=True).kept
    source = "NFLX, 5 shuffled"
    yield "BT.500 screening: mean", source, mean(shuffled, kept), 3.5611814345991566
    kept = screen_by_correlation(shuffled).kept
    yield "correlation screening: mean", source, mean(shuffled, kept), 3.5322483423749245


def mean(scores: NDArray[np.float64], kept: NDArray[np.bool_]) -> float:
    """Return the mean of all MOS of the raters that stay."""
    return float(mos(scores[:, kept]).mean.mean())


def textbook() -> Iterator[Row]:
    """Yield what textbooks and other programs print for small tables."""
    rng = np.random.default_rng(0)
    found = icc(SHROUT_FLEISS)
    published = (
        (found.one, 0.17), (found.two, 0.29), (found.three, 0.71), (found.one_mean, 0.44),
        (found.two_mean, 0.62), (found.three_mean, 0.91),
    )  # fmt: skip
    names = ("ICC(1,1)", "ICC(2,1)", "ICC(3,1)", "ICC(1,k)", "ICC(2,k)", "ICC(3,k)")
    for name, (ours, theirs) in zip(names, published, strict=True):
        yield name, "Shrout & Fleiss 1979", ours.value, theirs
    yield "ICC(2,1), lower end", "the same, R psych", found.two.low, 0.019
    ordinal = alpha(KRIPPENDORFF, rng=rng).value
    yield "alpha, ordinal", "Krippendorff 2011", ordinal, 0.815
    counts = np.array([[0, 4, 1], [0, 8, 0], [0, 1, 5]])
    pairs = np.array([[i, j] for i, j in np.ndindex(3, 3) for _ in range(counts[i, j])], float)
    yield "kappa, linear", "SAS example", kappa(pairs, rng=rng, squared=False).value, 0.4701
    strengths = bradley_terry(WINS).value
    for i, theirs in enumerate((1.5814, 1.4364, 1.2945, 1.2476, 1.1077, 0.6839)):
        ours = float(strengths[i] - strengths[6])
        yield f"Bradley-Terry, team {i + 1}", "Agresti's baseball", ours, theirs


def alone(raters: int, stimuli: int, studies: int) -> float:
    """Return how often the published solution follows one rater alone."""
    found = []
    for seed in range(studies):
        rng = np.random.default_rng(seed)
        meant = rng.normal(3, 0.9, stimuli)[:, None] + rng.normal(0, 0.4, raters)
        scores = np.clip(np.round(meant + rng.normal(0, 0.6, (stimuli, raters))), 1, 5)
        found.append(recover(scores).collapsed)
    return float(np.mean(found))


def held(studies: int) -> Iterator[tuple[str, float]]:
    """Yield how often intervals hold the truth."""
    rng = np.random.default_rng(0)
    for count in (5, 15, 26):
        found = mos(rng.normal(3, 0.8, (50 * studies, count)))
        yield f"MOS, {count} raters", float(((found.low <= 3) & (found.high >= 3)).mean())
    for raters, cases in ((4, 10), (6, 15), (12, 20)):
        models = [fit_mixed(*study(rng, methods=2, cases=cases, raters=raters))
                  for _ in range(studies)]  # fmt: skip
        name = f"{raters} raters, {cases} cases"
        differences = [model.contrast(1, 0).difference.has(0.4) for model in models]
        yield f"difference of two methods, {name}", float(np.mean(differences))
        yield f"mean of a method, {name}", float(np.mean([m.mean(0).has(0.0) for m in models]))


if __name__ == "__main__":
    main()
