"""What is told of a comparison shows names as they are, whatever signs they have.

- Markdown cells, terminal titles and titles of pictures hold dollars, brackets and bars as text.
"""

import io
from pathlib import Path

import torch
from rich.console import Console

from medacuity.utility.harness import ARMS, Results
from medacuity.utility.harness import Plan as Wanted
from medacuity.utility.pictures import gains, sheet, write_picture
from medacuity.utility.report import grids, markdown
from medacuity.utility.task import Examples

ODD = "[b]$a^{$ 1|_x_ :heart: [/b]"
PLAN = Wanted((1.0,), seeds=3)


class Odd:
    """A task whose amounts have names of their own."""

    name, metrics, amounts = "odd", ("accuracy",), (1.0,)
    held_out = torch.zeros(2, 1, 4, 4)

    @property
    def settings(self) -> dict[str, object]:
        return {}

    def described(self, amount: float) -> str:
        return f"100 % (3 {ODD})"


def measured(folder: Path) -> Results:
    results = Results(folder, Odd())
    for seed in range(PLAN.seeds):
        for n, arm in enumerate(ARMS):
            results.journal.add({"amount": 1.0, "seed": seed, "arm": arm.name, "seconds": 0,
                                 "accuracy": 0.5 + 0.01 * n * seed})  # fmt: skip
    results.memory.add({"amount": 1.0, "seed": 0, "images": 2, "nearer": 0, "ratio": 1,
                        "seconds": 0})  # fmt: skip
    return results


def test_names_with_signs_are_shown_as_they_are(tmp_path: Path) -> None:
    results = measured(tmp_path / "u")
    text = markdown(Odd(), results, PLAN)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {7}
    shown = r"\[b\]\$a^{\$ 1\|\_x\_ :heart: \[/b\]"
    assert text.count(shown) == len(ARMS) + 1
    console = Console(file=io.StringIO(), width=200)
    for table in grids(Odd(), results, PLAN):
        console.print(table)
    assert ODD in console.file.getvalue()
    real = Examples(torch.rand(4, 1, 4, 4), torch.tensor([0, 0, 1, 1]), tuple("abcd"))
    figures = (gains(Odd(), results, PLAN), sheet(real, real, title=ODD, names=(ODD, "$")))
    for n, figure in enumerate(figures):
        write_picture(tmp_path / f"{n}.png", figure)
        assert (tmp_path / f"{n}.png").stat().st_size > 1000
