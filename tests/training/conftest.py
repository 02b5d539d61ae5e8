"""Runs of tests draw no curves: what is drawn is tested in test_figures.py."""

from collections.abc import Iterator

import pytest

from medacuity.training import figures


@pytest.fixture(autouse=True, scope="module")
def no_drawing(request: pytest.FixtureRequest) -> Iterator[None]:
    """Save the seconds that pictures of curves take, but where they are what is tested."""
    if request.module.__name__ == "test_figures":
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        for name in ("losses", "critics"):
            patch.setattr(figures, name, lambda rows, *, title, marks: b"curves")
        patch.setattr(figures.Film, "_all", lambda film: b"a film")
        yield
