"""The course in a real JupyterLab in a real browser (slow tier): what a visitor of
Binder sees and does.

Needs Playwright and a Chromium: the distribution's (`apt-get install chromium`), or
`python -m playwright install chromium`; QRR_CHROMIUM names another. Screenshots go to
artefacts/browser/, which git ignores.
"""

import json
import os
import re
import shutil
import sys
import urllib.request
from pathlib import Path

import pytest
import rehearsal
from conftest import listen

import notebooks

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.slow
SHOTS = ROOT / "artefacts" / "browser"
LAPTOP = {"width": 1366, "height": 768}
TOKEN = "browser"
IDLE = re.compile(r"Python 3.*\| Idle")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """(address, folder) of a JupyterLab that serves a copy of the course, so that
    nothing here is saved over.
    """
    folder = rehearsal.clean_copy(tmp_path_factory.mktemp("lab").resolve() / "course")
    home = folder.parent / "home"
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    # Binder answers the question about news for its visitors; a test has to answer it
    # itself
    (settings / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False}), encoding="utf-8"
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    environment |= {"QRR_MODEL": "all-MiniLM-L6-v2", "QRR_OFFLINE": "1"}
    environment |= {
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
    }
    SHOTS.mkdir(parents=True, exist_ok=True)
    server, address = rehearsal.start_lab(folder, environment, [], TOKEN)
    yield address, folder
    rehearsal.stop(server)


@pytest.fixture
def page(browser, lab):
    """A page of a laptop's size that remembers what went wrong in it; its kernels are
    shut down afterwards.
    """
    context = browser.new_context(viewport=LAPTOP)
    page = context.new_page()
    page.troubles = []
    listen(page, page.troubles.append)
    yield page
    context.close()
    for kernel in json.loads(ask(lab, "/api/kernels")):
        ask(lab, f"/api/kernels/{kernel['id']}", "DELETE")


def ask(lab, path: str, method: str = "GET", body: dict | None = None) -> bytes:
    """One request to the server's own interface."""
    data = json.dumps(body).encode() if body else None
    about = {"headers": {"Content-Type": "application/json"}, "method": method}
    request = urllib.request.Request(f"{lab[0]}{path}?token={TOKEN}", data, **about)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read()


def visit(page, lab, notebook: str) -> None:
    """Open a notebook by the address that Binder's launcher uses, and wait for its
    kernel.
    """
    address = f"{lab[0]}/lab/tree/notebooks/{notebook}?token={TOKEN}&reset"
    page.goto(address, wait_until="domcontentloaded")
    cells = page.locator(".jp-NotebookPanel:visible .jp-Notebook .jp-Cell")
    cells.first.wait_for(timeout=90_000)
    page.get_by_text(IDLE).first.wait_for(timeout=90_000)


def menu(page, *names: str) -> None:
    """Choose from the menu bar."""
    page.locator(".lm-MenuBar-item", has_text=re.compile(f"^{names[0]}$")).click()
    for name in names[1:]:
        begins = re.compile(f"^{name}")
        page.locator(".lm-Menu-item:visible", has_text=begins).first.click()


def run_all(page, lab, notebook: str, seconds: int = 240) -> list:
    """Run > Run All Cells; wait, save, and return the code cells as the server now
    holds them. No cell may have failed.
    """
    menu(page, "Run", "Run All Cells")
    counts, cells = [], []
    for _ in range(seconds // 3):
        page.wait_for_timeout(3000)
        if page.get_by_text(IDLE).count():
            page.keyboard.press("Control+s")
            page.wait_for_timeout(1500)
            cells = code_cells(lab[1] / "notebooks" / notebook)
            counts = [cell.execution_count or 0 for cell in cells]
            if sorted(counts) == list(range(1, len(cells) + 1)):
                break
    else:
        page.screenshot(path=SHOTS / "stuck.png")
        raise AssertionError(f"{notebook} did not finish: {counts}")
    outputs = [output for cell in cells for output in cell.outputs]
    failed = [o.get("evalue") for o in outputs if o.output_type == "error"]
    assert not failed, failed
    return cells


def code_cells(path: Path) -> list:
    return [c for c in notebooks.read(path).cells if c.cell_type == "code"]


def scroll_to(page, locator, steps: int = 150):
    """Turn the wheel from the top until `locator` is there (JupyterLab draws only what
    is near the window).
    """
    panel = page.locator(".jp-NotebookPanel:visible .jp-WindowedPanel-outer")
    panel.evaluate("element => { element.scrollTop = 0 }")
    page.wait_for_timeout(500)
    for _ in range(steps):
        if locator.count() and locator.first.is_visible():
            locator.first.scroll_into_view_if_needed()
            page.wait_for_timeout(700)
            return locator.first
        panel.evaluate("element => { element.scrollTop += 350 }")
        page.wait_for_timeout(150)
    page.screenshot(path=SHOTS / "not_found.png")
    raise AssertionError(f"not found while scrolling: {locator}")


def theme(lab, name: str) -> None:
    """Choose JupyterLab's colours, as the menu Settings > Theme would."""
    place = "/lab/api/settings/@jupyterlab/apputils-extension:themes"
    ask(lab, place, "PUT", {"raw": json.dumps({"theme": name})})


def fits(page, locator) -> bool:
    """Is the element as wide as it wants to be, inside the window?"""
    box = locator.bounding_box()
    inside = 0 <= box["x"] and box["x"] + box["width"] <= LAPTOP["width"] + 1
    return inside and locator.evaluate("e => e.scrollWidth <= e.clientWidth + 1")


def first_cells(page) -> str:
    return page.locator(".jp-NotebookPanel:visible .jp-Notebook").inner_text()


def test_lesson_00_runs_by_the_launchers_address(page, lab):
    visit(page, lab, "00_welcome.ipynb")
    page.screenshot(path=SHOTS / "00_first_sight.png")
    assert "Welcome: what does a second look cost" in first_cells(page)
    run_all(page, lab, "00_welcome.ipynb")
    found = ".jp-OutputArea-output:visible table"
    answer = "Boosters and immune memory"
    table = scroll_to(page, page.locator(found, has_text=answer))
    assert table.locator("tbody th").all_inner_texts() == ["1", "2", "3", "4", "5"]
    heads = ["rank", "move", "document", "score", "cosine", "states"]
    assert table.locator("thead th").all_inner_texts() == heads
    assert answer in table.locator("tbody tr").first.inner_text()
    assert fits(page, table), "the ranking table is cut off at a laptop's width"
    page.screenshot(path=SHOTS / "00_ranking.png")
    figure = scroll_to(page, page.locator(".jp-OutputArea-output:visible img"))
    assert fits(page, figure) and figure.evaluate("e => e.naturalWidth") > 400
    page.screenshot(path=SHOTS / "00_figure.png")
    assert page.troubles == []


def test_moving_a_slider_moves_the_state(page, lab):
    """With the keyboard alone, once the slider has the focus: that path must exist,
    too.
    """
    visit(page, lab, "02_angle_head.ipynb")
    run_all(page, lab, "02_angle_head.ipynb")
    handle = scroll_to(page, page.locator(".widget-slider:visible .noUi-handle"))
    shown = page.locator(".widget-output:visible img").first
    pictures = [shown.get_attribute("src")]
    for key in ("Home", "End"):  # θ = 0°, then 180°
        handle.focus()
        page.keyboard.press(key)
        page.wait_for_timeout(2500)
        page.screenshot(path=SHOTS / f"02_slider_{key}.png")
        pictures.append(shown.get_attribute("src"))
    assert len(set(pictures)) == 3, "a key moved the slider and not the state"
    assert page.troubles == []


def test_an_exercise_and_its_checker(page, lab):
    name = "exercises/00_welcome.ipynb"
    visit(page, lab, name)
    cells = run_all(page, lab, name)
    said = "".join(o.get("text", "") for cell in cells for o in cell.outputs)
    checks = sum("check" in notebooks.tags(cell) for cell in cells)
    assert said.count("⏳") == checks and "✅" not in said
    solved = code_cells(ROOT / "notebooks" / "solutions" / "00_welcome.ipynb")
    answer = next(c.source for c in solved if "exercise" in notebooks.tags(c))
    stub = page.locator(".jp-CodeCell:visible", has_text="raise NotImplementedError")
    scroll_to(page, stub).locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(answer)
    page.keyboard.press("Shift+Enter")  # define the answer
    page.keyboard.press("Shift+Enter")  # run the checker
    page.get_by_text("✅ Exercise 1").first.wait_for(timeout=30_000)
    page.screenshot(path=SHOTS / "exercise_passed.png")
    assert page.troubles == []


@pytest.mark.parametrize("colours", ["JupyterLab Light", "JupyterLab Dark"])
@pytest.mark.parametrize("path", notebooks.lessons(), ids=lambda p: p.stem)
def test_every_figure_and_table_fits_a_laptop(page, lab, path, colours):
    """As stored, without running: nothing is wider than the page, figures keep their
    white ground, in both themes.
    """
    # another test may have run and saved it, sliders included
    shutil.copy2(path, lab[1] / "notebooks" / path.name)
    theme(lab, colours)
    visit(page, lab, path.name)
    dark = page.evaluate("document.body.dataset.jpThemeLight") == "false"
    assert dark == colours.endswith("Dark")
    panel = page.locator(".jp-NotebookPanel:visible .jp-WindowedPanel-outer")
    outputs = [o for cell in code_cells(path) for o in cell.outputs]
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    seen, wide = set(), set()
    shot = f"{path.stem}_{'dark' if dark else 'light'}.png"
    down = (
        "e => { const at = e.scrollTop; e.scrollTop += 500; return e.scrollTop === at }"
    )
    for _ in range(150):
        for image in page.locator(".jp-OutputArea-output:visible img").all():
            source = image.get_attribute("src")
            if source not in seen and image.is_visible():
                seen.add(source)
                if not fits(page, image):
                    wide.add(f"figure {len(seen)}")
                if len(seen) == 1:
                    image.scroll_into_view_if_needed()
                    page.wait_for_timeout(500)
                    page.screenshot(path=SHOTS / shot)
        for table in page.locator(".jp-RenderedMarkdown:visible table").all():
            if not fits(page, table):
                wide.add(table.inner_text()[:60])
        if panel.evaluate(down):
            break
        page.wait_for_timeout(150)
    assert len(seen) == len(pictures), "not all figures were drawn"
    assert not wide, wide
    assert page.troubles == []
