"""Whatever dies - the tab, the browser, the network, the server - no answer is lost or doubled.

- A tab that is killed right after a click has kept it: 20 of 20 clicks.
- A browser that is killed (``kill -9``) has kept every answer after which it went on.
- A rater goes on for a minute without the network; afterwards everything is stored.
- A server that is killed (``kill -9``) has every answer it confirmed; the page waits for it.
- A reply that is lost, and a request that arrives twice, count once.
- Two tabs, two devices: one answer per trial, and both pages end up at the same trial.
- All of it at random moments: what is stored is what was pressed, once.
"""

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import pytest
from browsing import CHROMIUM, DESKTOP, SWITCHES, Desk, Site, study_site

pytestmark = pytest.mark.slow


@pytest.fixture
def site(tmp_path: Path):
    with study_site(tmp_path, cases=10, methods=2, shape=(24, 24, 2)) as made:
        yield made


@pytest.fixture
def desk(chromium, site: Site):
    context = chromium.new_context(**DESKTOP)
    yield Desk(context, site)
    context.close()


def scores(site: Site) -> list[tuple[int, int]]:
    """Return position and score of what holds now."""
    return [(position, int(answer["q1"])) for _, position, answer in site.stored()]


def score_for(position: int) -> int:
    """Return what this rater thinks of a trial: something else for the next one."""
    return 1 + position * 3 % 5


def all_scores(count: int) -> list[tuple[int, int]]:
    return [(position, score_for(position)) for position in range(count)]


def test_a_tab_is_killed_after_every_click(desk: Desk, site: Site):
    desk.enter(site.links[0])
    for position in range(20):
        desk.trial(position)
        desk.answer(str(score_for(position)))
        desk.page.close()
        desk.page = desk.open_page()
        desk.page.goto(f"{site.address}/rate")
        if position < 19:
            desk.greet()
    desk.thanked()
    assert scores(site) == all_scores(20)
    assert len(site.events()) == 20


def test_a_minute_without_the_network(desk: Desk, site: Site):
    desk.enter(site.links[0])
    desk.trial(0)
    desk.page.wait_for_timeout(3000)  # what is next has been fetched by now
    desk.context.set_offline(True)
    begun = time.monotonic()
    for position in range(15):  # an answer every four seconds
        desk.trial(position)
        desk.answer(str(score_for(position)))
        desk.page.wait_for_timeout(max(0, 4 * (position + 1) - (time.monotonic() - begun)) * 1000)
    assert "15 answers kept on this device" in desk.page.locator("#network").inner_text()
    assert scores(site) == []
    desk.context.set_offline(False)
    desk.page.locator("#network", has_text="Saved").wait_for()
    assert scores(site) == all_scores(15)
    for position in range(15, 20):
        desk.trial(position)
        desk.answer(str(score_for(position)))
    desk.thanked()
    assert scores(site) == all_scores(20)
    assert len(site.events()) == 20


def test_the_server_is_killed_again_and_again(desk: Desk, site: Site):
    rng = random.Random(0)
    desk.enter(site.links[0])
    for position in range(20):
        desk.trial(position)
        desk.answer(str(score_for(position)))
        if position % 3 == 2:
            time.sleep(rng.uniform(0, 0.05))
            site.kill()
            site.start()
    desk.thanked()
    assert scores(site) == all_scores(20)
    assert len(site.events()) == 20


def test_lost_replies_and_requests_that_arrive_twice(desk: Desk, site: Site):
    rng = random.Random(1)
    fates = []

    def meddle(route: object) -> None:
        fates.append(rng.choice(["pass", "lost request", "lost reply", "twice"]))
        if fates[-1] == "pass":
            route.continue_()
        elif fates[-1] == "lost request":
            route.abort("connectionreset")
        elif fates[-1] == "lost reply":
            route.fetch()
            route.abort("connectionreset")
        else:
            route.fetch()
            route.fulfill(response=route.fetch())

    desk.enter(site.links[0])
    desk.page.route("**/api/events", meddle)
    for position in range(20):
        desk.trial(position)
        desk.answer(str(score_for(position)))
    desk.page.set_default_timeout(120_000)
    desk.thanked()
    assert {"lost request", "lost reply", "twice"} <= set(fates)
    assert scores(site) == all_scores(20)
    assert len(site.events()) == 20


def test_two_tabs_and_two_devices(chromium, desk: Desk, site: Site):
    desk.enter(site.links[0])
    desk.trial(0)
    desk.answer("1")
    desk.trial(1)
    newer = desk.open_page()  # the newer tab rates, the older one stops
    newer.goto(f"{site.address}/rate")
    newer.click("#cover-go")
    desk.page.locator("#cover-heading", has_text="another tab").wait_for()
    newer.close()
    desk.page.click("#cover-go")
    desk.greet()
    desk.trial(1)
    other = chromium.new_context(**DESKTOP)  # another device knows no locks
    elsewhere = Desk(other, site)
    elsewhere.enter(site.links[0])
    elsewhere.trial(1)
    elsewhere.answer("2")
    elsewhere.trial(2)
    elsewhere.page.locator("#network", has_text="Saved").wait_for()
    desk.answer("3")  # too late: trial 1 is answered
    desk.trial(2)
    desk.page.locator("#network", has_text="Saved").wait_for()
    desk.page.wait_for_timeout(500)
    desk.trial(2)
    assert scores(site) == [(0, 1), (1, 2)]
    desk.answer("4")
    desk.trial(3)
    desk.page.locator("#network", has_text="Saved").wait_for()
    elsewhere.answer("5")
    elsewhere.trial(3)
    assert scores(site) == [(0, 1), (1, 2), (2, 4)]
    other.close()


class MortalBrowser:
    """A browser with a folder of its own, which can be killed as a power cut would."""

    def __init__(self, kind: object, folder: Path, site: Site) -> None:
        self.kind, self.folder, self.site = kind, folder, site
        self.desk: Desk | None = None

    def open(self) -> Desk:
        """Start it, and follow the invitation."""
        context = self.kind.launch_persistent_context(
            str(self.folder), executable_path=str(CHROMIUM), args=SWITCHES, **DESKTOP
        )
        self.desk = Desk(context, self.site)
        self.desk.log_in(self.site.links[0])
        return self.desk

    def kill(self) -> None:
        """End all of its processes at once."""
        mark = f"--user-data-dir={self.folder}".encode()
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ProcessLookupError):
                if mark in (place / "cmdline").read_bytes().split(b"\0"):
                    os.kill(int(place.name), signal.SIGKILL)
        with contextlib.suppress(Exception):
            self.desk.context.close()


def test_everything_dies_at_random(chromium, tmp_path: Path, site: Site):
    """Answers are compared with what was pressed, trial by trial, however often one is redone."""
    rng = random.Random(7)
    browser = MortalBrowser(chromium.browser_type, tmp_path / "profile", site)
    desk = browser.open()
    said: dict[int, int] = {}
    pressed: tuple[int, int] | None = None
    kills = {"tab": 0, "browser": 0, "server": 0, "network": 0}
    position = 0
    deadline = time.monotonic() + 1800
    while time.monotonic() < deadline:
        position = where(desk)
        if pressed is not None:  # the page says whether it took the last press
            taken, score = pressed
            if position == taken + 1:
                said[taken] = score
            pressed = None
        if position >= 20 and sum(kills.values()) >= 16:
            break
        if position and (position >= 20 or rng.random() < 0.1):
            undo(desk)
            desk.trial(position - 1)
            said.pop(position - 1)
            position -= 1
        score = rng.randint(1, 5)
        desk.page.keyboard.press(str(score))
        pressed = (position, score)
        desk.page.keyboard.press("Enter")
        fate = rng.choice(["", "", "tab", "browser", "server", "network"])
        if fate:
            kills[fate] += 1
        time.sleep(rng.uniform(0, 0.3))
        if fate == "tab":
            desk.page.close()
            desk.page = desk.open_page()
            desk.page.goto(f"{site.address}/rate")
        elif fate == "browser":
            browser.kill()
            desk = browser.open()
        elif fate == "server":
            site.kill()
            site.start()
        elif fate == "network":
            desk.context.set_offline(True)
            time.sleep(rng.uniform(0, 2))
            desk.context.set_offline(False)
        if fate not in ("tab", "browser"):  # the page is the same: it will go on
            desk.page.wait_for_selector(f'body:not([data-trial="{position}"])', state="attached")
    assert min(kills.values()) >= 2, kills
    desk.page.locator("#cover-text", has_text="are saved").wait_for(timeout=60_000)
    assert scores(site) == sorted(said.items())
    assert [position for position, _ in scores(site)] == list(range(20))
    kinds = [kind for kind, _, _ in site.events()]
    assert kinds.count("answer") - kinds.count("undo") == 20
    assert len({key for _, _, key in site.events()}) == len(kinds)
    browser.desk.context.close()


def undo(desk: Desk) -> None:
    """Take the last answer back, from a trial or from the end."""
    button = "#cover-undo" if desk.page.locator("#cover-undo").is_visible() else "#undo"
    desk.page.click(button)


def where(desk: Desk) -> int:
    """Wait for a trial or for the end, passing greetings; return the position."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        trial, go_on, ended = desk.page.evaluate(STATE)
        if go_on:
            desk.page.click("#cover-go")
        elif ended or trial is not None:
            return 20 if ended else int(trial)
        time.sleep(0.05)
    raise AssertionError("neither a trial nor the end is shown")


STATE = """() => {
  const seen = (id) => document.getElementById(id)?.checkVisibility() ?? false;
  return [document.body.dataset.trial ?? null, seen("cover-go"), seen("cover-undo")];
}"""
