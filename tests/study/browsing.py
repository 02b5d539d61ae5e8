"""What the tests in a real browser share: small studies, a server to kill, and a rater's hands."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from medacuity import formats
from medacuity.formats import Source
from medacuity.study.create import Wanted, create
from medacuity.study.database import opened, writing
from medacuity.study.raters import invite
from medacuity.study.schema import event, rater, rating, trial
from medacuity.study.sessions import renew_administrator
from medacuity.volume import Volume

CHROMIUM = Path("/usr/bin/chromium")
SWITCHES = [
    "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--disable-background-networking", "--no-first-run", "--disable-quic",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
DESKTOP = {"viewport": {"width": 1440, "height": 900}}
TABLET = {"viewport": {"width": 820, "height": 1180}, "has_touch": True, "is_mobile": True}


def make_results(folder: Path, *, cases: int, methods: int, shape: tuple[int, ...]) -> dict:
    """Write noise of growing blur as the results of methods; return the folders."""
    rng = np.random.default_rng(0)
    found = {}
    for m in range(methods):
        found[f"secret{m}"] = folder / f"secret{m}"
        found[f"secret{m}"].mkdir(parents=True)
    for case in range(cases):
        array = rng.integers(0, 1000, shape).astype(np.float32)
        for m, place in enumerate(found.values()):
            blurred = sum(np.roll(array, k, 0) for k in range(m + 1)) / (m + 1)
            volume = Volume(blurred.astype(np.int16), np.diag([1.0, 1, 4, 1]))
            path = place / f"patient{case}.nii.gz"
            formats.write(path, [volume], like=Source(folder / "made", (volume,), None, ""))
    return found


@dataclass
class Site:
    """A study with its server, which can be killed and started again at the same address."""

    folder: Path
    port: int
    process: subprocess.Popen | None = None
    links: list[str] = field(default_factory=list)
    secret: str = ""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "medacuity", "study", "serve", str(self.folder),
             "--port", str(self.port)],
            env=environment, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"{self.address}/join", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                assert self.process.poll() is None, "the server does not start"
                assert time.monotonic() < until, "the server does not answer"
                time.sleep(0.05)

    def kill(self) -> None:
        """End the server as a power cut would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def stored(self) -> list[tuple[int, int, dict]]:
        """Return rater, position and answer of everything that holds now."""
        rows = select(rating.c.rater, trial.c.position, rating.c.answer).join(
            trial, trial.c.token == rating.c.trial
        )
        with opened(self.folder) as (_, engine), engine.connect() as connection:
            found = connection.execute(rows.order_by(rating.c.rater, trial.c.position)).all()
        return [(row[0], row[1], json.loads(row[2])) for row in found]

    def events(self) -> list[tuple[str, int, str]]:
        """Return kind, sequence and key of all events, in order."""
        rows = select(event.c.event, event.c.sequence, event.c.key).order_by(
            event.c.rater, event.c.sequence
        )
        with opened(self.folder) as (_, engine), engine.connect() as connection:
            return [tuple(row) for row in connection.execute(rows).all()]

    def total(self) -> int:
        """Return how many trials the first rater has."""
        rows = select(trial.c.token).join(rater).where(rater.c.number == 1)
        with opened(self.folder) as (_, engine), engine.connect() as connection:
            return len(connection.execute(rows).all())


@contextlib.contextmanager
def study_site(
    folder: Path, *, cases: int = 3, methods: int = 2, raters: int = 1,
    shape: tuple[int, ...] = (40, 32, 5), **wishes: object,
) -> Iterator[Site]:  # fmt: skip
    """Create a study of noise, invite raters, serve it; end the server at the end."""
    found = make_results(folder / "results", cases=cases, methods=methods, shape=shape)
    if wishes.pop("original", False):
        wishes["original"] = found.pop("secret0")
    create(folder / "study", Wanted(methods=found, title="Sharp heads", **wishes))
    site = Site(folder / "study", free_port())
    with opened(site.folder) as (study, engine), writing(engine).begin() as connection:
        invited = invite(connection, study, [f"R{n:02d}" for n in range(1, raters + 1)])
        site.secret = renew_administrator(connection)
    site.links = [f"{site.address}{each.path}" for each in invited]
    site.start()
    try:
        yield site
    finally:
        site.kill()


def free_port() -> int:
    """Return a port that nobody uses now, nor will use by chance while the server is down."""
    while True:
        port = random.randrange(20_000, 32_000)  # below the ports that outgoing connections take
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """Start Debian's Chromium; skip where it, or Playwright, is missing."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip(f"no browser here: {CHROMIUM} is missing")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=SWITCHES)
        yield browser
        browser.close()


class Desk:
    """A rater at a page: watches what the browser says, and does what raters do."""

    def __init__(self, context: object, site: Site) -> None:
        self.context = context
        self.site = site
        self.faults: list[str] = []
        self.requests: list[str] = []
        context.on("request", lambda request: self.requests.append(request.url))
        self.page = self.open_page()

    def open_page(self) -> object:
        """Open a tab whose complaints are kept."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._heard)
        page.set_default_timeout(60_000)
        return page

    def _heard(self, message: object) -> None:
        # A network that is gone is what some tests are about; everything else is a fault.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.faults.append(message.text)

    def log_in(self, link: str) -> None:
        """Follow an invitation to the greeting, or to the thanks."""
        self.page.goto(link)
        self.page.click("#begin")
        self.page.wait_for_url("**/rate")

    def enter(self, link: str) -> None:
        """Follow an invitation to the first trial."""
        self.log_in(link)
        self.greet()

    def greet(self) -> None:
        """Press the button of the greeting, and wait for a trial."""
        self.page.wait_for_selector("#cover-go:visible")
        self.page.click("#cover-go")

    def trial(self, position: int) -> None:
        """Wait until a trial is shown; pass what comes between practice and rating."""
        shown = f'body[data-trial="{position}"]'
        go_on = "#cover:not([hidden]) #cover-go:not([hidden])"
        self.page.wait_for_selector(f"{shown}, {go_on}", state="attached")
        if self.page.locator(go_on).count():
            self.page.click("#cover-go")
        self.page.wait_for_selector(shown, state="attached")

    def answer(self, key: str) -> None:
        """Answer by keyboard, and go on."""
        self.page.keyboard.press(key)
        self.page.keyboard.press("Enter")

    def thanked(self) -> None:
        """Wait until the page says that everything is saved."""
        self.page.locator("#cover-text", has_text="are saved").wait_for()

    def check(self) -> None:
        """Nothing was complained of, and nobody but the study's server was asked."""
        assert not self.faults, self.faults
        foreign = [url for url in self.requests
                   if not url.startswith((self.site.address, "data:", "blob:"))]  # fmt: skip
        assert not foreign, foreign


def contrasts(page: object) -> dict[str, float]:
    """Return the contrast ratio (WCAG 2.2) of every visible piece of text on a page."""
    return page.evaluate(CONTRASTS)


CONTRASTS = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const over = (top, under) => {
    const share = top[3] ?? 1;
    return [0, 1, 2].map((i) => top[i] * share + under[i] * (1 - share));
  };
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      layers.push(numbers(getComputedStyle(at).backgroundColor));
      if ((layers.at(-1)[3] ?? 1) === 1) break;
    }
    return layers.reduceRight((under, layer) => over(layer, under), [0, 0, 0]);
  };
  const luminance = (colour) => {
    const [red, green, blue] = colour.map((level) => {
      const part = level / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const found = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility({ visibilityProperty: true })) continue;
    const under = ground(element);
    const ink = over(numbers(getComputedStyle(element).color), under);
    const [light, dark] = [luminance(ink), luminance(under)].sort((a, b) => b - a);
    found[`${location.pathname} ${node.data.trim()}`] = (light + 0.05) / (dark + 0.05);
  }
  return found;
}"""
