"""Every scale, by mouse, by keyboard and by touch, from the invitation to the thanks.

What is stored is what was clicked, pressed or tapped; on a tablet a finger goes through the
slices, two fingers zoom, and every target is at least 44 pixels tall. A slider counts only once
it was touched. Panels look at the same place: window, zoom, place and slice are linked.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browsing import DESKTOP, TABLET, Desk, Site, contrasts, study_site

from medacuity.study.design import Layout, Viewer

pytestmark = pytest.mark.slow

STUDIES = {
    "acr": {"training": 1},
    "acr-hr": {"original": True, "checks": 1, "shape": (240, 200, 2)},
    "dcr": {"original": True, "layout": Layout.FLICKER},
    "pairwise": {"layout": Layout.CHOICE, "viewer": Viewer.VOLUME},
    "forced-choice": {},
    "slider": {},
    "likert": {"questions": ("Edges are sharp.", "Noise does not disturb.", "Fit for a report.")},
}
WAYS = {
    "acr": (5, 4, 3, 2, 1), "acr-hr": (5, 4, 3, 2, 1), "dcr": (5, 4, 3, 2, 1),
    "pairwise": (-1, 0, 1), "forced-choice": (-1, 1), "likert": (1, 2, 3, 4, 5),
}  # fmt: skip
Hand = Callable[[Desk, str, int], dict[str, float]]


@pytest.fixture(params=STUDIES)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Site]]:
    wishes = {"cases": 2, "methods": 3, "shape": (40, 32, 6), **STUDIES[request.param]}
    with study_site(tmp_path, scale=request.param, **wishes) as made:
        yield request.param, made


def by_mouse(desk: Desk, scale: str, turn: int) -> dict[str, float]:
    """Click on labels; drag the slider from its middle."""
    if scale == "slider":
        box = desk.page.locator(".slider input").bounding_box()
        desk.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        desk.page.mouse.down()
        desk.page.mouse.move(box["x"] + box["width"] * (turn % 9 + 1) / 10, box["y"] + 20)
        desk.page.mouse.up()
        return {"q1": float(desk.page.locator(".slider output").inner_text())}
    said = {}
    for n in range(desk.page.locator("fieldset").count()):
        place = (turn + n) % len(WAYS[scale])
        desk.page.locator("fieldset").nth(n).locator("label").nth(place).click()
        said[f"q{n + 1}"] = WAYS[scale][place]
    return said


def by_touch(desk: Desk, scale: str, turn: int) -> dict[str, float]:
    """Tap on labels and on the slider."""
    if scale == "slider":
        box = desk.page.locator(".slider input").bounding_box()
        across = box["x"] + box["width"] * (turn % 9 + 1) / 10
        desk.page.touchscreen.tap(across, box["y"] + box["height"] / 2)
        return {"q1": float(desk.page.locator(".slider output").inner_text())}
    said = {}
    for n in range(desk.page.locator("fieldset").count()):
        place = (turn + n) % len(WAYS[scale])
        desk.page.locator("fieldset").nth(n).locator("label").nth(place).tap()
        said[f"q{n + 1}"] = WAYS[scale][place]
    return said


def by_keyboard(desk: Desk, scale: str, turn: int) -> dict[str, float]:
    """Press the keys that the choices show."""
    if scale == "slider":
        desk.page.keyboard.press(str(turn % 10))
        desk.page.keyboard.press("ArrowRight")
        return {"q1": 10.0 * (turn % 10) + 1}
    said = {}
    for n in range(desk.page.locator("fieldset").count()):
        place = (turn + n) % len(WAYS[scale])
        key = desk.page.locator("fieldset").nth(n).locator("kbd").nth(place).inner_text()
        desk.page.keyboard.press({"←": "ArrowLeft", "→": "ArrowRight"}.get(key, key))
        said[f"q{n + 1}"] = WAYS[scale][place]
    return said


def go_on(desk: Desk, hand: Hand) -> None:
    """Press, click or tap "Next"."""
    if hand is by_keyboard:
        desk.page.keyboard.press("Enter")
    elif hand is by_touch:
        desk.page.tap("#next")
    else:
        desk.page.click("#next")


def swap(desk: Desk, hand: Hand) -> None:
    """Look at the other image."""
    if hand is by_keyboard:
        desk.page.keyboard.press("f")
    elif hand is by_touch:
        desk.page.tap("#flip")
    else:
        desk.page.click("#flip")


@pytest.mark.parametrize("hand", [by_mouse, by_touch, by_keyboard], ids=lambda hand: hand.__name__)
def test_a_whole_study(chromium, site: tuple[str, Site], hand: Hand):
    scale, served = site
    context = chromium.new_context(**(TABLET if hand is by_touch else DESKTOP))
    desk = Desk(context, served)
    desk.enter(served.links[0])
    said = {}
    for turn in range(served.total()):
        desk.trial(turn)
        assert desk.page.locator("#next").is_disabled()
        said[turn] = hand(desk, scale, turn)
        if scale == "dcr":  # one image has not been seen yet
            assert desk.page.locator("#next").is_disabled()
            swap(desk, hand)
        go_on(desk, hand)
    desk.thanked()
    assert {position: answer for _, position, answer in served.stored()} == said
    desk.check()
    context.close()


@pytest.fixture
def pairs(tmp_path: Path) -> Iterator[Site]:
    wishes = {"layout": Layout.CHOICE, "viewer": Viewer.VOLUME, "shape": (48, 40, 12)}
    with study_site(tmp_path, scale="pairwise", **wishes) as made:
        yield made


PICTURES = """() => [...document.querySelectorAll("#stage canvas")].map((canvas) => {
  const { width, height } = canvas;
  const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const pixels = copy.getImageData(0, 0, width, height).data;
  let sum = 0;
  for (let i = 0; i < pixels.length; i += 4) sum += pixels[i];
  return { width, height, mean: sum / (width * height), hidden: canvas.parentElement.hidden };
})"""


def seen(desk: Desk) -> tuple[str, str]:
    """Return what the page says of slice and window."""
    desk.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    return tuple(
        desk.page.locator(f"#{name}").inner_text() for name in ("slice-said", "window-said")
    )


def test_looking_by_keyboard_and_mouse(chromium, pairs: Site):
    context = chromium.new_context(**DESKTOP)
    desk = Desk(context, pairs)
    desk.enter(pairs.links[0])
    desk.trial(0)
    page, start = desk.page, seen(desk)
    assert start[0] == "7 / 12"
    page.keyboard.press("ArrowUp")
    assert seen(desk)[0] == "6 / 12"
    page.keyboard.press("PageDown")
    assert seen(desk)[0] == "11 / 12"
    page.keyboard.press("PageDown")
    assert seen(desk)[0] == "12 / 12"  # there is none beyond
    page.mouse.move(300, 400)
    page.mouse.wheel(0, -200)
    assert seen(desk)[0] == start[0]
    page.keyboard.press("w")
    page.keyboard.press("l")
    page.keyboard.press("+")
    assert seen(desk)[1] != start[1]
    first, second = page.evaluate(PICTURES)
    assert abs(first["mean"] - second["mean"]) < 10  # one window, one place for both
    page.keyboard.press("r")
    assert seen(desk) == start
    page.mouse.down(button="right")
    page.mouse.move(400, 300)
    page.mouse.up(button="right")
    assert seen(desk)[1] != start[1]
    page.click("#reset")
    page.keyboard.press("f")
    assert [picture["hidden"] for picture in page.evaluate(PICTURES)] == [False, True]
    page.keyboard.press("f")
    assert [picture["hidden"] for picture in page.evaluate(PICTURES)] == [True, False]
    page.keyboard.press("v")
    assert [picture["hidden"] for picture in page.evaluate(PICTURES)] == [False, False]
    page.click("#volume")
    page.locator("#volumes canvas").nth(1).wait_for()
    page.wait_for_timeout(1500)
    page.click("#volume")
    page.locator("#stage").wait_for()
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("2")  # nothing is answered behind the help
    page.keyboard.press("Escape")
    assert page.locator("#next").is_disabled()
    page.keyboard.press("?")
    page.click("#single-keys")
    page.click("#help-close")
    page.keyboard.press("w")
    assert seen(desk) == start
    desk.check()
    context.close()


def test_looking_with_fingers(chromium, pairs: Site):
    context = chromium.new_context(**TABLET)
    desk = Desk(context, pairs)
    desk.enter(pairs.links[0])
    desk.trial(0)
    fingers = context.new_cdp_session(desk.page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        at = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    start = seen(desk)
    touch("touchStart", (200, 300))
    for y in range(300, 340, 4):
        touch("touchMove", (200, y))
    touch("touchEnd")
    assert seen(desk)[0] == "10 / 12"
    touch("touchStart", (150, 300), (250, 300))
    for step in range(1, 11):
        touch("touchMove", (150 - 5 * step, 300), (250 + 5 * step, 300))
    touch("touchEnd")
    assert seen(desk)[1].startswith("2.0×")
    desk.page.tap("#reset")
    assert seen(desk)[1] == start[1]
    small = desk.page.evaluate(
        """() => [...document.querySelectorAll("button, #tools span, .choices label, input")]
          .filter((element) => element.checkVisibility())
          .map((element) => [element.id || element.textContent, element.getBoundingClientRect()])
          .filter(([, box]) => box.height < 44 || box.width < 44).map(([name]) => name)"""
    )
    assert small == []
    assert all(ratio >= 4.5 for ratio in contrasts(desk.page).values())
    desk.check()
    context.close()
