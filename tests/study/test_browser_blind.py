"""Nothing that reaches a rater's browser tells the method, not even the clock.

- No address, header or text names a method, a case or a file; all stimuli have one size, and no
  date or tag of a file.
- Where one method loads slowly the page takes no longer to show it: images are fetched ahead,
  and between trials there is always the same blank.
"""

import statistics
from pathlib import Path

import pytest
from browsing import DESKTOP, Desk, study_site

pytestmark = pytest.mark.slow

READABLE = (240, 200, 2)
"""Size of images on which an attention check can be read."""

WATCH = """() => {
  window.blanks = [];
  let gone = 0;
  new MutationObserver(() => {
    if (document.body.dataset.trial === undefined) gone = performance.now();
    else window.blanks.push(performance.now() - gone);
  }).observe(document.body, { attributes: true, attributeFilter: ["data-trial"] });
}"""


def test_nothing_on_the_wire_tells_the_method(chromium, tmp_path: Path):
    with study_site(tmp_path, cases=2, methods=3, checks=1, training=1, shape=READABLE) as site:
        context = chromium.new_context(**DESKTOP)
        desk = Desk(context, site)
        heard = []

        def listen(route: object) -> None:
            reply = route.fetch(max_redirects=0)
            heard.append((reply.url, reply.headers, reply.body()))
            route.fulfill(response=reply)

        desk.page.route("**/*", listen)
        desk.enter(site.links[0])
        for position in range(site.total()):
            desk.trial(position)
            desk.answer("3")
        desk.thanked()
        sizes = set()
        for url, headers, body in heard:
            told = f"{url} {headers}"
            if "/api/stimuli/" in url:
                sizes.add((len(body), headers["content-length"]))
                assert not {"etag", "last-modified"} & set(headers)
            elif "/static/" not in url:
                told += body.decode()
            for word in ("secret", "patient", ".nii", str(tmp_path)):
                assert word not in told, (word, url)
        assert len(sizes) == 1
        desk.check()
        context.close()


def test_the_clock_tells_nothing(chromium, tmp_path: Path):
    with study_site(tmp_path, cases=10, methods=2, shape=(24, 24, 2)) as site:
        context = chromium.new_context(**DESKTOP)
        desk = Desk(context, site)
        slow = set()

        def delay(route: object) -> None:
            if len(slow) % 2:  # every other image takes its time
                desk.page.wait_for_timeout(300)
            slow.add(route.request.url)
            route.continue_()

        desk.page.route("**/api/stimuli/*", delay)
        desk.enter(site.links[0])
        desk.trial(0)
        desk.page.evaluate(WATCH)
        for position in range(20):
            desk.trial(position)
            desk.page.wait_for_timeout(1000)
            desk.answer("3")
        desk.thanked()
        blanks = desk.page.evaluate("() => window.blanks")
        assert len(blanks) == 19
        assert min(blanks) >= 400
        even, odd = statistics.median(blanks[::2]), statistics.median(blanks[1::2])
        assert abs(even - odd) < 100  # far less than the 300 ms that one kind took longer
        context.close()
