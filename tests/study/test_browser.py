"""The rating page in a real browser (Debian's Chromium): the quick proofs.

- A whole study by keyboard alone, with an undo and a return on the way: every answer is stored
  once, with the number that was pressed, and the page goes on where the rater stopped.
- Nobody but the study's server is asked; the browser complains of nothing, so that no line of
  the content security policy is broken.
- Numbers become greys as a window says; events that no longer fit are found.
- Colours and words keep the contrast that WCAG 2.2 AA asks for.
"""

import pytest
from browsing import DESKTOP, Desk, Site, contrasts, study_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory):
    with study_site(tmp_path_factory.mktemp("acr"), cases=2, training=1, raters=2) as made:
        yield made


@pytest.fixture
def desk(chromium, site: Site):
    context = chromium.new_context(**DESKTOP)
    yield Desk(context, site)
    context.close()


def test_a_whole_study_by_keyboard(desk: Desk, site: Site):
    desk.enter(site.links[0])
    desk.trial(0)
    desk.page.keyboard.press("Enter")  # nothing is answered yet
    assert desk.page.locator("#toast").inner_text() == "Please answer first."
    desk.answer("1")
    desk.trial(1)
    desk.answer("2")
    desk.trial(2)
    desk.page.keyboard.press("u")
    desk.trial(1)
    assert desk.page.locator("input:checked[name=q1]").input_value() == "2"  # what was said
    desk.answer("4")
    desk.trial(2)
    desk.page.reload()
    desk.greet()
    desk.trial(2)
    desk.answer("5")
    desk.thanked()
    assert [(row[1], row[2]["q1"]) for row in site.stored()] == [(0, 1), (1, 4), (2, 5)]
    assert [kind for kind, _, _ in site.events()] == [
        "answer",
        "answer",
        "undo",
        "answer",
        "answer",
    ]
    desk.check()


def test_numbers_become_greys_as_the_window_says(desk: Desk, site: Site):
    desk.page.goto(f"{site.address}/join")
    greys = desk.page.evaluate(
        """async () => {
          const { greyTable } = await import("/static/greys.js");
          const table = greyTable(1000, 3000);
          return [0, 1000, 1500, 2000, 2500, 3000, 65535].map((number) => table[number]);
        }"""
    )
    expected = [0, 0, 64, 128, 191, 255, 255]  # 255 (number - low) / (high - low), rounded
    assert [grey & 255 for grey in greys] == expected
    assert all(grey == 0xFF000000 + 0x010101 * (grey & 255) for grey in greys)


FITTING = [  # where the rater is, what waits; what no longer fits, where the rest leads
    (5, [("answer", 5), ("answer", 6)], [], 7),  # nothing was lost, nothing doubled
    (6, [("answer", 5), ("answer", 6)], [1], 7),  # another device answered 5
    (5, [("answer", 6), ("answer", 7)], [1, 2], 5),  # 5 is missing: both are asked again
    (5, [("undo", 4), ("answer", 4)], [], 5),
    (4, [("undo", 4), ("answer", 4)], [1], 5),  # taken back elsewhere already
]


def test_what_no_longer_fits_is_found(desk: Desk, site: Site):
    desk.page.goto(f"{site.address}/join")
    for position, waiting, outdated, after in FITTING:
        rows = [
            {"order": n, "message": {"position": at, "event": {"event": kind}}}
            for n, (kind, at) in enumerate(waiting, 1)
        ]
        found = desk.page.evaluate(
            """async ([position, rows]) => {
              const { reconcile } = await import("/static/sender.js");
              return reconcile(position, rows);
            }""",
            [position, rows],
        )
        assert found == {"outdated": outdated, "position": after}


def test_contrasts_are_those_of_wcag(desk: Desk, site: Site):
    desk.enter(site.links[1])
    desk.trial(0)
    desk.page.keyboard.press("3")
    low = contrasts(desk.page)
    desk.page.keyboard.press("?")
    low |= contrasts(desk.page)
    for path in ("/join", "/admin", "/nowhere"):
        desk.page.goto(site.address + path)
        low |= contrasts(desk.page)
    assert len(low) > 40
    assert not {words: ratio for words, ratio in low.items() if ratio < 4.5}
