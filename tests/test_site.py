"""The site, built and opened in a real browser (slow tier): what a student who browses
sees, on a laptop and on a phone, in light and dark, without a network.

Needs the extra [site], and Playwright with a Chromium as tests/test_browser.py does.
"""

import functools
import http.server
import re
import threading
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from conftest import listen

pytestmark = pytest.mark.slow
WIDTHS = (1366, 390)
THEMES = ("light", "dark")
SAID = re.compile(r'<img [^>]*?alt="([^"]*)"')
# Contrast is a matter of looks: axe judges it for one text of each look, since on a
# long page it needs seconds for all of them. Every other rule sees the whole page, in
# the other theme the one on colours of links: nothing else differs there.
RUN_AXE = """async theme => {
  document.documentElement.dataset.theme = theme;
  document.documentElement.dataset.mode = theme;
  const grounds = new Map(), looks = new Map();
  const ground = (element) => {
    if (!element) return '';
    if (!grounds.has(element)) {
      const {backgroundColor, backgroundImage, opacity} = getComputedStyle(element);
      const own = backgroundColor + backgroundImage + opacity;
      const opaque = own.startsWith('rgb(') && opacity == '1';
      grounds.set(element, opaque ? own : own + ground(element.parentElement));
    }
    return grounds.get(element);
  };
  for (const element of document.body.querySelectorAll('*')) {
    const said = [...element.childNodes].some(n => n.nodeType == 3 && n.data.trim());
    if (!said || !element.checkVisibility()) continue;
    const {color, fontSize, fontWeight} = getComputedStyle(element);
    const look = [color, fontSize, fontWeight, ground(element)].join();
    if (!looks.has(look)) looks.set(look, element);
  }
  const what = {resultTypes: ['violations'], preload: false};
  const whole = await axe.run(document, {...what, ...(theme == 'light'
    ? {rules: {'color-contrast': {enabled: false}}}
    : {runOnly: ['link-in-text-block']})});
  const contrast = await axe.run(
    {include: [...looks.values()]}, {...what, runOnly: ['color-contrast']});
  return [...whole.violations, ...contrast.violations]
    .filter(v => ['serious', 'critical'].includes(v.impact))
    .map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 120)));
}"""
# formulas that MathJax has not set, and those in which it found a mistake
NOT_SET = """[...document.querySelectorAll('.math.notranslate')].filter(
  m => !m.querySelector('.MathJax') || m.querySelector('.MathJax_Error, .merror')
).map(m => m.textContent.slice(0, 80))"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    pytest.importorskip("myst_nb", reason='the site needs pip install -e ".[site]"')
    import website

    return website.build(tmp_path_factory.mktemp("site").resolve()).parent


@pytest.fixture(scope="module")
def address(site):
    """Where a server on this machine shows the site."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def pages(site: Path) -> list[str]:
    """Pages that people read, as addresses below the site's."""
    found = [path.relative_to(site).as_posix() for path in site.rglob("*.html")]
    return sorted(name for name in found if not name.startswith("_static/"))


def test_no_link_leads_nowhere_and_every_picture_says_what_it_shows(site):
    there = {p.relative_to(site).as_posix() for p in site.rglob("*") if p.is_file()}
    anchors, wrong = {}, []
    for name in pages(site):
        text = (site / name).read_text(encoding="utf-8")
        anchors[name] = set(re.findall(r'\bid="([^"]+)"', text))
        wrong += [f"{name}: alt {said!r}" for said in SAID.findall(text) if not said]
        wrong += [f"{name}: no alt"] * (text.count("<img ") - len(SAID.findall(text)))
    for name in pages(site):
        text = (site / name).read_text(encoding="utf-8")
        for target in re.findall(r'<a [^>]*?href="([^"]+)"', text):
            if re.match(r"[a-z]+:", target):
                continue
            place, anchor = urldefrag(urljoin(name, target))
            if unquote(place) not in there:
                wrong.append(f"{name}: {target}")
            elif anchor and unquote(anchor) not in anchors.get(place, {anchor}):
                wrong.append(f"{name}: {target} (no such place on that page)")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_is_quiet_whole_and_legible(site, address, browser, width):
    """Each page is loaded once at this width; its theme is changed while it is open."""
    axe = pytest.importorskip("axe_playwright_python", reason="axe is not installed")
    script = Path(axe.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
    context = browser.new_context(
        viewport={"width": width, "height": 800}, reduced_motion="reduce"
    )
    context.add_init_script("localStorage.setItem('mode', 'light')")
    wrong: list[str] = []

    def foreign(route) -> None:
        wrong.append(f"asks for {route.request.url}")
        route.abort()

    here = re.compile(rf"^(?!{re.escape(address)}|data:|blob:)")
    context.route(here, foreign)
    for name in pages(site):
        page = context.new_page()
        listen(page, lambda said, name=name: wrong.append(f"{name}: {said}"))
        page.goto(address + name)
        wrong.extend(f"{name}: {said}" for said in faults(page, width, script))
        page.close()
    context.close()
    assert not wrong, f"{len(wrong)} faults\n" + "\n".join(dict.fromkeys(wrong))


def faults(page, width: int, axe: str) -> list[str]:
    """What is wrong with an open page: formulas, its width, what axe finds."""
    wrong = []
    if page.locator(".math.notranslate").count():
        page.wait_for_function("window.MathJax && MathJax.isReady", timeout=120_000)
        page.wait_for_function("MathJax.Hub.queue.pending == 0", timeout=120_000)
        wrong += [f"formula not set: {said}" for said in page.evaluate(NOT_SET)]
    wide = page.evaluate("document.documentElement.scrollWidth")
    wrong += [f"{wide} pixels wide at {width}"] * (wide > width)
    page.evaluate(axe)
    for theme in THEMES:
        wrong += [f"{theme}: {found}" for found in page.evaluate(RUN_AXE, theme)]
    return wrong


def test_search_works_without_a_network(site, address, browser):
    page = browser.new_page()
    page.goto(address + "search.html?q=concentration")
    page.wait_for_selector("#search-results li a", timeout=30_000)
    found = page.locator("#search-results li a").all_text_contents()
    assert any("qubits" in title.lower() for title in found), found
    page.close()
