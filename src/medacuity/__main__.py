"""``python -m medacuity``: the same door."""

from medacuity.cli import run

run()
