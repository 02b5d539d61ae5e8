"""The harness, on problems whose answer is known.

- Where generated data holds what scarce real data lacks, the report says better; where it holds
  nothing new, it does not.
- Every score is on disk before the next model; an interrupted run goes on, to the same figures,
  and trains nothing twice. A folder of other settings is refused.
- What is generated comes of the drawn data alone, and all arms of a seed share one draw.
- Generators that copy are found out by their distances.
"""

import csv
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from medacuity.errors import MalformedInput, SafetyGate, StorageError, UsageError
from medacuity.utility.harness import ARMS, BASELINE, BOTH, PLAIN, Plan, Results, run
from medacuity.utility.journal import Table
from medacuity.utility.report import differences
from medacuity.utility.task import Examples

AT, ASIDE = slice(0, 1), slice(1, None)


class Line(nn.Module):
    """The side of a line: the mean of one class minus that of the other."""

    def __init__(self, examples: Examples) -> None:
        super().__init__()
        x = examples.images.flatten(1)
        means = [x[examples.answers == k].mean(0) for k in (0, 1)]
        self.weight, self.middle = means[1] - means[0], (means[0] + means[1]) / 2


@dataclass
class Toy:
    """Two clouds in 16 dimensions, apart along the first; with few images the line is askew.

    A generator that ``knows`` which dimension matters makes the others vanish.
    """

    knows: bool = True
    copies: bool = False
    honest: bool = True
    broken: float = 0.0
    stop_after: int = 10**9
    drawn: list[tuple[float, int]] = field(default_factory=list)
    given: list[Examples] = field(default_factory=list)
    learnt: int = 0
    name = "toy"
    metrics = ("accuracy",)
    amounts = (2.0, 200.0)

    @property
    def settings(self) -> dict[str, object]:
        return {"knows": self.knows}

    @property
    def held_out(self) -> Tensor:
        return self._cloud(200, 99).images

    def described(self, amount: float) -> str:
        return f"{amount:g} images of each class"

    def draw(self, amount: float, seed: int) -> Examples:
        self.drawn.append((amount, seed))
        return self._cloud(int(amount), seed)

    def generate(self, real: Examples, seed: int) -> Examples:
        self.given.append(real)
        names = tuple(f"generated-{n}" for n in range(100))
        if self.copies:
            return Examples(
                real.images[:1].repeat(100, 1, 1, 1), torch.arange(100) % 2, names, made=True
            )
        answers = torch.arange(100) % 2
        if self.knows:
            x = torch.zeros(100, 16)
        else:  # where the real ones lie already
            line = Line(real)
            x = line.middle + (answers[:, None] - 0.5) * line.weight
        x[:, 0] += 4.0 * (answers - 0.5) if self.knows else 0
        return Examples(x.reshape(-1, 1, 4, 4), answers, names, made=self.honest)

    def learn(self, examples: Examples, *, classical: bool, seed: int) -> nn.Module:
        self.learnt += 1
        if self.learnt > self.stop_after:
            raise KeyboardInterrupt
        return Line(examples)

    def score(self, model: nn.Module) -> dict[str, float]:
        test = self._cloud(500, 1234)
        says = (test.images.flatten(1) - model.middle) @ model.weight > 0
        accuracy = float((says == test.answers.bool()).float().mean())
        return {"accuracy": self.broken or accuracy}

    def _cloud(self, each: int, seed: int) -> Examples:
        rng = torch.Generator().manual_seed(seed)
        answers = torch.arange(2 * each) % 2
        x = torch.randn(2 * each, 16, generator=rng)
        x[:, 0] += 2.0 * (answers - 0.5)
        names = tuple(f"{seed}-{n}" for n in range(2 * each))
        return Examples(x.reshape(-1, 1, 4, 4), answers, names)


def word(results: Results, plan: Plan, amount: float, arm: str, against: str) -> str:
    found = differences(results, plan)
    return next(
        d.difference.word for d in found
        if (d.amount, d.arm, d.against) == (amount, arm, against)
    )  # fmt: skip


def test_generated_data_that_knows_more_is_better_where_real_data_is_scarce(tmp_path: Path) -> None:
    plan = Plan((2.0, 200.0), seeds=8)
    results = run(Toy(), tmp_path / "u", plan)
    assert word(results, plan, 2.0, BOTH, BASELINE) == "better"
    assert word(results, plan, 2.0, "generated only", PLAIN) == "better"
    # With plenty of real data there is hardly anything left to gain.
    scarce, plenty = (
        sum(results.scores(a, BOTH, "accuracy", range(8)))
        - sum(results.scores(a, BASELINE, "accuracy", range(8)))
        for a in plan.amounts
    )
    assert scarce > 5 * abs(plenty)


def test_generated_data_that_knows_nothing_new_is_not_called_better(tmp_path: Path) -> None:
    plan = Plan((2.0,), seeds=6)
    results = run(Toy(knows=False), tmp_path / "u", plan)
    for d in differences(results, plan):
        assert d.difference.word == "no difference shown"
        assert "better" not in d.difference.sentence


def test_an_interrupted_run_goes_on_to_the_same_figures(tmp_path: Path) -> None:
    plan = Plan((2.0, 200.0), seeds=3)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(Toy(), whole, plan)
    with pytest.raises(KeyboardInterrupt):
        run(Toy(stop_after=7), parts, plan)
    assert len(scores_in(parts)) == 7
    rest = Toy()
    run(rest, parts, plan)
    assert rest.learnt == 3 * 2 * len(ARMS) - 7
    assert scores_in(parts) == scores_in(whole)
    again = Toy()
    run(again, parts, plan)
    assert again.learnt == 0
    assert not again.drawn


def test_of_a_run_that_is_not_done_the_pairs_count(tmp_path: Path) -> None:
    plan = Plan((2.0,), seeds=5)
    with pytest.raises(KeyboardInterrupt):
        run(Toy(stop_after=3 * len(ARMS) + 2), tmp_path / "u", plan)
    found = differences(Results(tmp_path / "u", Toy()), plan)
    seeds = {(d.arm, d.against): d.difference.seeds for d in found}
    assert seeds[BASELINE, PLAIN] == 4
    assert seeds[BOTH, BASELINE] == 3


def scores_in(folder: Path) -> list[tuple[str, ...]]:
    with (folder / "journal.csv").open(newline="") as file:
        return [(r["amount"], r["seed"], r["arm"], r["accuracy"]) for r in csv.DictReader(file)]


def test_more_seeds_and_amounts_go_into_the_same_folder(tmp_path: Path) -> None:
    run(Toy(), tmp_path / "u", Plan((2.0,), seeds=1))
    more = Toy()
    run(more, tmp_path / "u", Plan((2.0, 200.0), seeds=2))
    assert more.learnt == 3 * len(ARMS)


def test_a_folder_of_other_settings_or_other_things_is_refused(tmp_path: Path) -> None:
    run(Toy(), tmp_path / "u", Plan((2.0,), seeds=1))
    with pytest.raises(StorageError, match="knows"):
        run(Toy(knows=False), tmp_path / "u", Plan((2.0,), seeds=1))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(StorageError, match="other things"):
        run(Toy(), tmp_path / "mine", Plan((2.0,), seeds=1))


def test_damaged_files_are_named(tmp_path: Path) -> None:
    run(Toy(), tmp_path / "u", Plan((2.0,), seeds=1))
    journal = tmp_path / "u" / "journal.csv"
    journal.write_text(journal.read_text().replace("accuracy", "dice"))
    with pytest.raises(MalformedInput, match=r"journal\.csv: its columns"):
        run(Toy(), tmp_path / "u", Plan((2.0,), seeds=1))
    (tmp_path / "rows.csv").write_text("a,b\n1\n")
    with pytest.raises(MalformedInput, match="not whole"):
        Table(tmp_path / "rows.csv", ("a", "b"))
    (tmp_path / "u" / "settings.json").write_text("{")
    with pytest.raises(MalformedInput, match="damaged"):
        run(Toy(), tmp_path / "u", Plan((2.0,), seeds=1))


def test_generation_sees_the_drawn_data_alone_and_all_arms_share_it(tmp_path: Path) -> None:
    toy = Toy()
    run(toy, tmp_path / "u", Plan((2.0,), seeds=2))
    assert toy.drawn == [(2.0, 0), (2.0, 1)]  # once for all arms
    assert [given.patients for given in toy.given] == [
        toy.draw(2.0, seed).patients for seed in (0, 1)
    ]


def test_generated_data_must_be_marked_whatever_its_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="marked as such"):
        run(Toy(honest=False), tmp_path / "u", Plan((2.0,), seeds=1))


def test_a_generator_that_copies_is_found_out(tmp_path: Path) -> None:
    run(Toy(), tmp_path / "a", Plan((200.0,), seeds=1))
    run(Toy(copies=True), tmp_path / "b", Plan((200.0,), seeds=1))
    with (tmp_path / "b" / "memory.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    assert float(row["nearer"]) == 1.0
    assert float(row["ratio"]) == pytest.approx(0, abs=1e-6)


def test_a_score_that_is_not_finite_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(SafetyGate, match="not finite"):
        run(Toy(broken=float("nan")), tmp_path / "u", Plan((2.0,), seeds=1))
    assert not (tmp_path / "u" / "journal.csv").exists()


@pytest.mark.parametrize(("amounts", "seeds"), [((), 3), ((1.0, 1.0), 3), ((1.0,), 0)])
def test_plans_that_measure_nothing_are_refused(amounts: tuple[float, ...], seeds: int) -> None:
    with pytest.raises(UsageError):
        Plan(amounts, seeds)
