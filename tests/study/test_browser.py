"""The rating page in a real browser (Debian's Chromium): quick proofs.

- A whole study by keyboard alone; every answer is stored once, with the number that was pressed.
- Undo takes back the last answer, however it was sent.
- Nothing on the wire but the study's own server; no complaint of the browser, no breach of the
  content security policy.
- What is on the stage are the 16-bit numbers that were rendered, through the window.
"""

import pytest
from browsing import DESKTOP, Desk, Site, chromium, study_site  # noqa: F401


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory):
    with study_site(tmp_path_factory.mktemp("acr"), raters=3) as made:
        yield made


@pytest.fixture
def desk(chromium, site: Site):  # noqa: F811
    context = chromium.new_context(**DESKTOP)
    yield Desk(context, site)
    context.close()


def test_a_whole_study_by_keyboard(desk: Desk, site: Site):
    desk.enter(site.links[0])
    total = site.total()
    given = [str(1 + n % 5) for n in range(total)]
    for position, key in enumerate(given):
        desk.trial(position)
        desk.answer(key)
    desk.thanked()
    stored = [row for row in site.stored() if row[0] == 1]
    assert [row[1] for row in stored] == list(range(total))
    assert [str(int(row[2]["q1"])) for row in stored] == given
    desk.check()
