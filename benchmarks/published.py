"""Every network and factor: published, trained by us, bicubic; on Set5, Set14 or your pictures.

    python benchmarks/published.py --data ../shared/data [--weights FOLDER] [--only VDSR]
        [--sets Set5 Set14 | a folder of pictures] [--output FOLDER]

The papers' protocol: luma of 8 bits, reduced in floating point, luma / 255 into the network, the
result rounded to 8 bits, a border of ``scale`` pixels off, peak 255, the mean over pictures.
Weights are those that ship, and files of their name in ``--weights``. Prints Markdown; with
``--output`` also writes published.md and published.png, quality against cost.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from costs import LARGEST, RUNS, SIDE, Make, milliseconds, multiply_adds, parameters
from papers import Score, find_set, score, trained
from tradeoff import Point, draw

from medacuity.atomic import atomic_write
from medacuity.checkpoint import Card
from medacuity.models import EDSR, ESPCN, FSRCNN, RCAN, SRCNN, VDSR, LapSRN, MSLapSRN, SRResNet
from medacuity.training.recipes import RECIPES

SETS = ("Set5", "Set14")
T91, T291, MORE, IMAGENET, DIV2K = "T91", "T91 + BSDS200", "T91 + General-100", "ImageNet", "DIV2K"


class Published(NamedTuple):
    """What a paper printed, or others measured of its weights; "" where nobody did."""

    network: str
    factor: int
    pictures: str  # it was trained on
    set5: str  # PSNR/SSIM; a "?" behind it: quoted from memory, not verified
    set14: str
    source: str  # a key of SOURCES


SOURCES = {
    "paper": "the paper",
    "tables": "results tables of later papers",
    "SelfExSR": "the weights of the ECCV 2014 paper, scored by the authors of SelfExSR",
    "weights": "the authors' weights, measured again; SSIM before rounding, .001 to .003 higher",
    "SRGAN": "the SRGAN paper, by its own tool, whose SSIM runs higher",
}
PUBLISHED = [
    Published("SRCNN 9-1-5", 2, T91, "36.28/.9509", "32.00/.9012", "SelfExSR"),
    Published("SRCNN 9-1-5", 3, T91, "32.37/.9025", "28.90/.8124", "SelfExSR"),
    Published("SRCNN 9-1-5", 4, T91, "30.08/.8525", "27.13/.7395", "SelfExSR"),
    Published("SRCNN 9-5-5", 2, IMAGENET, "36.66/.9542", "32.42/.9063", "tables"),
    Published("SRCNN 9-5-5", 3, IMAGENET, "32.75/.9090", "29.28/.8209", "tables"),
    Published("SRCNN 9-5-5", 4, IMAGENET, "30.48/.8628", "27.49/.7503", "tables"),
    Published("FSRCNN", 2, T91, "36.94", "", "tables"),
    Published("FSRCNN", 3, T91, "33.06", "", "tables"),
    Published("FSRCNN", 4, T91, "30.55", "", "tables"),
    Published("FSRCNN", 2, MORE, "37.00/.9558", "32.63/.9088", "tables"),
    Published("FSRCNN", 3, MORE, "33.16", "29.43?", "tables"),
    Published("FSRCNN", 4, MORE, "30.71/.8657", "27.59/.7535", "tables"),
    Published("ESPCN", 3, T91, "32.55", "29.08", "paper"),
    Published("ESPCN", 3, IMAGENET, "33.13", "29.49", "paper"),
    Published("ESPCN", 4, IMAGENET, "30.90", "27.73", "paper"),
    Published("VDSR", 2, T291, "37.53/.9587", "33.03/.9124", "paper"),
    Published("VDSR", 3, T291, "33.66/.9213", "29.77/.8314", "paper"),
    Published("VDSR", 4, T291, "31.35/.8838", "28.01/.7674", "paper"),
    Published("LapSRN", 2, T291, "37.52/.9591", "32.99/.9124", "tables"),
    Published("LapSRN", 4, T291, "31.54/.885", "28.19/.772", "tables"),
    Published("LapSRN", 8, T291, "26.14/.738", "24.44/.623", "tables"),
    Published("MS-LapSRN", 2, T291, "37.78/.9600", "", "weights"),
    Published("MS-LapSRN", 4, T291, "31.74/.8902", "", "weights"),
    Published("MS-LapSRN", 8, T291, "26.34/.7558", "", "weights"),
    Published("SRResNet", 4, IMAGENET, "32.05/.9019", "28.49/.8184", "SRGAN"),
    Published("EDSR-baseline", 2, DIV2K, "37.99/.9604", "33.57/.9175", "tables"),
    Published("EDSR-baseline", 3, DIV2K, "34.37?", "", "tables"),
    Published("EDSR-baseline", 4, DIV2K, "32.09/.8938", "28.58/.7813", "tables"),
    Published("EDSR", 2, DIV2K, "38.11/.9602", "33.92/.9195", "tables"),
    Published("EDSR", 3, DIV2K, "34.65/.9280", "30.52/.8462", "tables"),
    Published("EDSR", 4, DIV2K, "32.46/.8968", "28.80/.7876", "tables"),
    Published("RCAN", 2, DIV2K, "38.27/.9614", "34.12/.9216", "tables"),
    Published("RCAN", 3, DIV2K, "34.74/.9299", "30.65/.8482", "tables"),
    Published("RCAN", 4, DIV2K, "32.63/.9002", "28.87/.7889", "tables"),
]


class Network(NamedTuple):
    """A network of the family and the name of its weights; "" where no recipe trains it."""

    name: str
    make: Make
    weights: str
    factors: tuple[int, ...] = (2, 3, 4)


LARGE = {"width": 256, "blocks": 32, "residual": 0.1}
NETWORKS = (
    Network("SRCNN 9-1-5", SRCNN, "srcnn-photo-x{}"),
    Network("SRCNN 9-5-5", partial(SRCNN, kernels=(9, 5, 5)), "srcnn-955-photo-x{}"),
    Network("FSRCNN", FSRCNN, "fsrcnn-photo-x{}"),
    Network("ESPCN", ESPCN, "espcn-photo-x{}"),
    Network("VDSR", VDSR, "vdsr-photo"),
    Network("LapSRN", LapSRN, "lapsrn-photo"),
    Network("LapSRN", partial(LapSRN, convolutions=5), "lapsrn-photo-x{}", (8,)),
    Network("MS-LapSRN", MSLapSRN, "mslapsrn-photo", (2, 3, 4, 8)),
    Network("SRResNet", SRResNet, "srresnet-photo-x{}", (4,)),
    Network("EDSR-baseline", EDSR, "edsr-photo-x{}"),
    Network("EDSR", partial(EDSR, **LARGE), "edsr-large-photo-x{}"),
    Network("RCAN", RCAN, "rcan-photo-x{}"),
)


class Row(NamedTuple):
    """All there is to say of a network at a factor."""

    network: Network
    factor: int
    published: list[Published]  # one per training set
    card: Card | None
    ours: dict[str, Score]  # by set
    cost: float  # multiply-adds per output pixel
    time: float  # milliseconds per megapixel


Bicubic = Mapping[tuple[str, int], Score]
"""By set and factor."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="a folder of weights that are not shipped")
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--only", nargs="+", default=[], help="names of networks, or their starts")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    chosen = [n for n in NETWORKS if not args.only or _wanted(n.name, args.only)]
    if not chosen:
        parser.error(f"--only: the networks are {', '.join(n.name for n in NETWORKS)}")
    sets = {Path(name).name: find_set(args.data, name) for name in args.sets}
    plain = {
        (name, s): score(None, sets[name], s)
        for name in sets
        for s in sorted({s for n in chosen for s in n.factors})
    }
    rows = [_measured(n, s, sets, args.weights) for n in chosen for s in n.factors]
    text = "\n".join([*_quality(rows, plain, list(sets)), *_notes(rows), *_costs(rows)])
    print(text)
    if args.output:
        args.output.mkdir(parents=True, exist_ok=True)
        with atomic_write(args.output / "published.md") as file:
            file.write(f"{text}\n".encode())
        with atomic_write(args.output / "published.png") as file:
            file.write(draw(list(_points(rows, plain)), next(iter(sets)), torch.get_num_threads()))


def _wanted(name: str, only: Sequence[str]) -> bool:
    """Tell whether a name was asked for: ``SRCNN`` means every SRCNN, ``EDSR`` no EDSR-baseline."""
    return any(f"{name} ".lower().startswith(f"{word} ".lower()) for word in only)


def _measured(network: Network, factor: int, sets: Mapping[str, list], folder: Path | None) -> Row:
    found = trained(network.weights.format(factor), factor, folder) if network.weights else None
    ours = {name: score(found[0], sets[name], factor) for name in sets} if found else {}
    cost = multiply_adds(network.make, factor)
    return Row(
        network, factor,
        [p for p in PUBLISHED if (p.network, p.factor) == (network.name, factor)],
        found[1] if found else None, ours, cost, milliseconds(network.make, factor, cost),
    )  # fmt: skip


def _quality(rows: list[Row], plain: Bicubic, sets: Sequence[str]) -> Iterator[str]:
    for name in sets:
        yield f"### {name}, PSNR/SSIM\n"
        yield "| network | x | published | trained on | ours | trained on | our run | bicubic |"
        yield "|---|---|---|---|---|---|---|---|"
        for row in rows:
            ours = str(row.ours[name]) if row.ours else "not trained yet"
            ours = ours if row.network.weights else "no recipe"
            bicubic = plain[name, row.factor]
            for n, paper in enumerate(row.published or [None]):
                mine = (
                    [ours, _pictures(row.card), _run(row.card)] if n == 0 else ["as above", "", ""]
                )
                theirs = [_figure(paper, name), paper.pictures if paper else ""]
                cells = [row.network.name, f"x{row.factor}", *theirs, *mine, bicubic]
                yield f"| {' | '.join(map(str, cells))} |"
        yield ""


def _figure(paper: Published | None, name: str) -> str:
    """Return what was published of a set; nothing where it is nobody's or none of the papers'."""
    figure = {"Set5": paper.set5, "Set14": paper.set14}.get(name, "") if paper else ""
    return figure.replace("?", " (unverified)") or "-"


def _pictures(card: Card | None) -> str:
    return card.data if card else ""


def _run(card: Card | None) -> str:
    """Say how far a run went: of the paper's, or a quick one."""
    if card is None:
        return ""
    recipe, steps = str(card.training.get("recipe", "")), int(card.training.get("steps", 0))
    full = RECIPES[recipe].steps if recipe in RECIPES else steps
    done = f"{steps:,} of {full:,} steps" if steps < full else f"{steps:,} steps"
    seconds = card.training.get("seconds")
    took = f", {seconds / 3600:.1f} h" if seconds else ""
    return f"{'quick recipe, ' * recipe.endswith('-quick')}{done}{took}"


def _notes(rows: list[Row]) -> Iterator[str]:
    """Yield what has to be said before anybody compares."""
    yield (
        "A network is comparable with its paper where both were trained on the same pictures; "
        "where they differ, the figures compare pictures and lengths of training as well."
    )
    for source, words in SOURCES.items():
        whose = dict.fromkeys(p.network for r in rows for p in r.published if p.source == source)
        if whose:
            yield f"- Published figures of {', '.join(whose)}: {words}."
    yield ""


def _costs(rows: list[Row]) -> Iterator[str]:
    yield "### Cost, on luma\n"
    yield "| network | factor | parameters | multiply-adds per pixel | ms per megapixel |"
    yield "|---|---|---|---|---|"
    for network, factor, *_, cost, time in rows:
        count = parameters(network.make, factor)
        figures = f"{count:,} | {cost:,.{0 if cost >= 1e4 else 1}f} | {time:,.0f}"
        yield f"| {network.name} | x{factor} | {figures} |"
    yield (
        f"\nPer pixel of output; the median of {RUNS} runs on {SIDE} x {SIDE} pixels, or as many "
        f"as {LARGEST / 1e9:.0f}e9 multiply-adds make; torch {torch.__version__}, {_threads()}, "
        "float32."
    )


def _threads() -> str:
    threads = torch.get_num_threads()
    return f"{threads} CPU thread{'s' * (threads > 1)}"


def _points(rows: list[Row], plain: Bicubic) -> Iterator[Point]:
    """Yield gains over bicubic on Set5, or on the first set there is."""
    name = next(iter(plain))[0]
    for row in rows:
        point = partial(Point, row.network.name, row.factor, row.cost, row.time)
        level = plain[name, row.factor].psnr
        if row.ours:
            yield point(row.ours[name].psnr - level, "ours")
        for paper in row.published:
            figure = _figure(paper, name).partition("/")[0]
            if figure.replace(".", "").isdigit():
                kind = "published" if paper.pictures in (T91, T291) else "elsewhere"
                yield point(float(figure) - level, kind)


if __name__ == "__main__":
    main()
