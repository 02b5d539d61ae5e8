"""``medacuity utility``: does generated data make a better model? One command for each task."""

import typer

from medacuity.cli.utility_classify import classify
from medacuity.cli.utility_segment import segment

app = typer.Typer(help="Does generated data make a better model?", no_args_is_help=True)


@app.callback()
def tasks() -> None:
    """Does generated data make a better model?"""


app.command()(classify)
app.command()(segment)
