"""The door: read, call one thing, write. Everything heavy is imported inside the commands."""

import os
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from medacuity import __version__
from medacuity.cli.degrade import degrade
from medacuity.cli.demo import demo
from medacuity.cli.doctor import doctor
from medacuity.cli.enhance import enhance
from medacuity.cli.evaluate import evaluate
from medacuity.cli.generate import generate
from medacuity.cli.models import app as models
from medacuity.cli.reconstruct import reconstruct
from medacuity.cli.study import app as study
from medacuity.cli.synthesize import synthesize
from medacuity.cli.train import resume, train
from medacuity.cli.utility import app as utility
from medacuity.errors import MedacuityError

FAULT, INTERRUPT = 70, 130

# Typer carries its own copy of click in some releases; its usage errors have this base in all.
WrongCall = typer.BadParameter.__mro__[2]

app = typer.Typer(
    help="Make a medical image better, and keep it true.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    enhance,
    reconstruct,
    synthesize,
    generate,
    degrade,
    evaluate,
    train,
    resume,
    doctor,
    demo,
):
    app.command()(command)
app.add_typer(models, name="models")
app.add_typer(study, name="study")
app.add_typer(utility, name="utility")


def _show_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True,
                           callback=_show_version),
    ] = False,
) -> None:  # fmt: skip
    """Make a medical image better, and keep it true."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code. What went wrong is one line on stderr."""
    warnings.showwarning = _show_warning
    try:
        return int(app(args=arguments, prog_name="medacuity", standalone_mode=False) or 0)
    except MedacuityError as error:
        return _say(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _say("interrupted; nothing was left behind", INTERRUPT)
    except Exception as error:
        if isinstance(error, WrongCall):
            return _say(_usage(error), 2) if str(error) else 2
        if os.environ.get("MEDACUITY_DEBUG"):
            raise
        what = type(error).__name__
        return _say(f"a fault of ours ({what}); set MEDACUITY_DEBUG=1 to see where", FAULT)


def run() -> None:
    """Be the program; asked to end, leave nothing behind, as for Ctrl-C."""
    try:
        for name in ("SIGTERM", "SIGHUP"):
            signal.signal(getattr(signal, name), signal.default_int_handler)
        code = main()
    except KeyboardInterrupt:  # before main could answer for it, or after
        code = INTERRUPT
    if code == INTERRUPT:
        # Where it came while Python ran code made of text (a dataclass, a named tuple), the
        # interpreter would end by the signal although it has been answered for.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(INTERRUPT)
    sys.exit(code)


def _usage(error: Any) -> str:
    where = getattr(getattr(error, "ctx", None), "command_path", "medacuity")
    return f"{error.format_message()} (see {where} --help)"


def _say(what: str, code: int) -> int:
    line = " ".join(what.split())
    print(f"medacuity: error {code}: {line}", file=sys.stderr)
    return code


def _show_warning(message: Warning | str, *where: object, **more: object) -> None:
    print(f"medacuity: warning: {' '.join(str(message).split())}", file=sys.stderr)
