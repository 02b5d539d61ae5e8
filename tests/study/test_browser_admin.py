"""The administrator's page in a real browser: live, and in charge of the links.

- Progress appears by itself while a rater answers; attention to checks and time with it.
- A link that was made there lets its rater in; a renewed one replaces the old, and a withdrawn
  rater is out at once, with all answers kept.
- A wrong secret opens nothing; the secret does not stay in the address.
"""

from pathlib import Path

import pytest
from browsing import DESKTOP, Desk, study_site

pytestmark = pytest.mark.slow


def test_progress_and_links(chromium, tmp_path: Path):
    with study_site(tmp_path, cases=3) as site:
        office = chromium.new_context(**DESKTOP)
        admin = Desk(office, site)
        page = admin.page
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(f"{site.address}/admin#wrong")
        page.locator("#trouble", has_text=" ").wait_for()
        assert page.locator("#study").is_hidden()
        page.fill("#secret", site.secret)
        page.click("#login button")
        page.locator("#study").wait_for()
        assert page.url == f"{site.address}/admin"

        page.fill("#names", "Ann, Ben")
        page.click("#invite button")
        links = page.locator("#links code").all_inner_texts()
        assert [name.inner_text() for name in page.locator("#links strong").all()] == ["Ann", "Ben"]
        ward = chromium.new_context(**DESKTOP)
        ann = Desk(ward, site)
        ann.enter(links[0])
        for position in range(2):
            ann.trial(position)
            ann.answer("4")
        row = page.locator("tbody tr", has_text="Ann")
        row.locator("td", has_text=f"2 of {site.total()}").wait_for()
        row.locator("td", has_text="just now").wait_for()

        row.get_by_role("button", name="New link").click()
        page.locator("#links code", has_text="/join#").first.wait_for()
        page.wait_for_timeout(500)
        newer = page.locator("#links code").all_inner_texts()
        assert newer[0] not in links
        other = chromium.new_context(**DESKTOP)
        late = Desk(other, site)
        late.page.goto(links[0])
        late.page.click("#begin")
        late.page.locator("#trouble", has_text=" ").wait_for()

        row.get_by_role("button", name="Withdraw").click()
        row.locator(".tag", has_text="withdrawn").wait_for()
        ann.page.goto(f"{site.address}/rate")
        ann.page.wait_for_url("**/join")
        assert [answer["q1"] for _, _, answer in site.stored()] == [4, 4]

        page.click("#leave")
        page.locator("#secret").wait_for()
        admin.check()
        for context in (office, ward, other):
            context.close()
