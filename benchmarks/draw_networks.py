"""Draw the architecture of every network, one picture each, all in the language of `drawing`.

python benchmarks/draw_networks.py [--output docs/networks] [--only vdsr edsr]
"""

import argparse
from pathlib import Path

from drawing import Network, Row, block, conv, enlarge, image, node, other, picture

from medacuity.atomic import atomic_write

BLOCK = [conv(3, 64, "ReLU"), conv(3, 64), node()]
NETWORKS = {
    "srcnn": Network([Row([
        image(), enlarge("bicubic", "×s"), conv(9, 64, "ReLU", size=2),
        conv(1, 32, "ReLU", size=2), conv(5, 1, size=2), image(2),
    ])]),
    "fsrcnn": Network([Row([
        image(), conv(5, 56, "PReLU"), conv(1, 12, "PReLU"), conv(3, 12, "PReLU"),
        conv(1, 56, "PReLU"), enlarge("9×9, 1", "stride s"), image(2),
    ], repeats=[(3, 3, "4 times")])]),
    "espcn": Network([Row([
        image(), conv(5, 64, "tanh"), conv(3, 32, "tanh"), conv(3, "s²"),
        enlarge("shuffle", "×s"), image(2),
    ])]),
    "vdsr": Network([Row([
        image(), enlarge("bicubic", "×s"), conv(3, 64, "ReLU", size=2),
        conv(3, 64, "ReLU", size=2), conv(3, 1, size=2), node(size=2), image(2),
    ], skips=[(1, 5, "the enlarged image")], repeats=[(3, 3, "18 times")])]),
    "lapsrn": Network([
        Row([
            image(), conv(3, 64, "leaky"), conv(3, 64, "leaky"), enlarge("3×3, 64", "stride 2"),
            conv(3, 64, "leaky", size=2), enlarge("3×3, 64", "stride 2", size=2, after=4),
        ], repeats=[(2, 2, "10 times"), (4, 4, "10 times")], title="features"),
        Row([conv(3, 1, size=2), conv(3, 1, size=4)], at=(3, 5), chained=False, title="residuals"),
        Row([
            enlarge("4×4", "stride 2"), node("+", "image ×2", size=2),
            enlarge("4×4", "stride 2", size=2, after=4), node("+", "image ×4", size=4), image(4),
        ], at=(2, 3, 4, 5), title="image"),
    ], links=[
        ((0, 0), (2, 0)), ((0, 3), (1, 0)), ((0, 5), (1, 1)), ((1, 0), (2, 1)), ((1, 1), (2, 3)),
    ]),
    "mslapsrn": Network([
        Row([
            image(), conv(3, 64), block("block"), node(), enlarge("leaky", "3×3, 64", "stride 2"),
            conv(3, 1, size=2), node(size=2), image(2),
        ], skips=[(1, 3, "the level's input"), (0, 6, "4×4, stride 2")],
           repeats=[(2, 3, "8 times, the same weights")], title="one level"),
        Row([other("leaky"), conv(3, 64)], repeats=[(0, 1, "5 times")], title="block"),
    ]),
    "srresnet": Network([
        Row([
            image(), conv(9, 64, "PReLU"), block("block"), conv(3, 64, "norm"), node(),
            conv(3, 256), enlarge("shuffle", "×2", "PReLU"), conv(9, 1, size=4), image(4),
        ], skips=[(1, 4, "")], repeats=[(2, 2, "16 times"), (5, 6, "twice")]),
        Row([conv(3, 64, "norm", "PReLU"), conv(3, 64, "norm"), node()], skips=[(-1, 2, "")],
            title="block"),
    ]),
    "edsr": Network([
        Row([
            image(), conv(3, 64), block("block"), conv(3, 64), node(), conv(3, "64 s²"),
            enlarge("shuffle", "×s"), conv(3, 1, size=2), image(2),
        ], skips=[(1, 4, "")], repeats=[(2, 2, "16 times")]),
        Row(BLOCK, skips=[(-1, 2, "")], title="block"),
    ]),
    "rcan": Network([
        Row([
            image(), conv(3, 64), block("group"), conv(3, 64), node(), conv(3, "64 s²"),
            enlarge("shuffle", "×s"), conv(3, 1, size=2), image(2),
        ], skips=[(1, 4, "")], repeats=[(2, 2, "10 times")]),
        Row([block("block"), conv(3, 64), node()], skips=[(-1, 2, "")],
            repeats=[(0, 0, "20 times")], title="group"),
        Row([
            conv(3, 64, "ReLU"), conv(3, 64), other("mean of", "image"),
            conv(1, 4, "ReLU"), conv(1, 64, "sigmoid"), node("×"), node(),
        ], skips=[(1, 5, "every feature by its weight"), (-1, 6, "")], title="block"),
    ]),
    "red_cnn": Network([Row([
        image(), conv(5, 96, "ReLU"), conv(5, 96, "ReLU"), conv(5, 96, "ReLU"),
        other("5×5, 96", "transp."), node(), other("5×5, 96", "transp."), node(),
        other("5×5", "transp."), node(), image(),
    ], skips=[(2, 5, "then ReLU"), (1, 7, "then ReLU"), (0, 9, "the input")],
       repeats=[(1, 1, "twice"), (2, 2, "twice"), (6, 6, "twice"), (8, 8, "twice")])]),
    "acuity": Network([
        Row([
            image(), conv(3, 64), block("block"), conv(3, 64), node(), conv(3, "s²"),
            enlarge("shuffle", "×s"), node(size=2), image(2),
        ], skips=[(1, 4, ""), (0, 7, "cubic ×s")], repeats=[(2, 2, "6 times")]),
        Row(BLOCK, skips=[(-1, 2, "")], title="block"),
    ]),
}  # fmt: skip


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("docs/networks"))
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--data", help="not needed")
    args = parser.parse_args()
    for name in args.only:
        with atomic_write(args.output / f"{name}.png") as file:
            file.write(picture(NETWORKS[name]))


if __name__ == "__main__":
    main()
