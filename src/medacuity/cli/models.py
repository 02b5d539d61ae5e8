"""``medacuity models``: what is shipped, and what a weight file says of itself."""

from typing import Annotated

import typer

from medacuity.cli.talk import show_json

app = typer.Typer(help="Weights: what is shipped, and what a file says of itself.",
                  no_args_is_help=True)  # fmt: skip


@app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the shipped weights, what each does (factors, contrasts, classes), and for what."""
    from dataclasses import asdict

    from medacuity.choose import available

    cards = available()
    if as_json:
        show_json([asdict(card) for card in cards.values()])
        return
    for name, card in cards.items():
        noisy = ", noisy input" if card.noise[1] else ""
        print(f"{name:20s} {card.offer:9s} {card.task}{noisy}")


@app.command()
def info(
    name: Annotated[str, typer.Argument(help="Name of shipped weights, or a file.")],
) -> None:
    """Show a card: what it is for, what it was trained on, how well it measured."""
    from dataclasses import asdict

    from medacuity.checkpoint import file_sha256, find_weights, read_card

    path = find_weights(name)
    card = read_card(path)
    more = {"purpose": card.purpose, "served": card.served, "sha256": file_sha256(path)}
    show_json(asdict(card) | more)
