"""The teacher's tools: reset, check, slides, badges, workflow; and in the slow tier a
class without a network.
"""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import badges
import classroom
import nbformat
import pytest
import rehearsal
import slides
import website

import notebooks
from qrr_lib.course import machine
from qrr_lib.course.reset import SHIPPED, reset
from qrr_lib.embed import finder

ROOT = Path(__file__).resolve().parent.parent
LESSONS = notebooks.lessons()


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


PROJECT = tomllib.loads(text_of(ROOT / "pyproject.toml"))


@pytest.fixture
def course(tmp_path):
    """A small course with two lessons, as a git checkout."""
    for name in ("05_faiss", "exercises/05_faiss", "06_rerank"):
        path = tmp_path / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"original {name}\n".encode())
    author = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


def make_class_folder(course: Path) -> None:
    """Turn the git checkout into a class folder."""
    with zipfile.ZipFile(course / SHIPPED, "w") as archive:
        for path in (course / "notebooks").rglob("*.ipynb"):
            archive.write(path, path.relative_to(course).as_posix())
    shutil.rmtree(course / ".git")


@pytest.mark.parametrize("kind", ["git", "class folder"])
def test_reset_restores_and_keeps_the_learners_copies(course, kind):
    if kind == "class folder":
        make_class_folder(course)
    lesson = course / "notebooks" / "05_faiss.ipynb"
    original = lesson.read_bytes()
    for number, answer in enumerate(("mine", "mine again"), 1):
        lesson.write_text(answer)
        kept = lesson.with_name(f"05_faiss.mine-{number}.ipynb")
        assert reset("5", root=course) == (lesson, kept)
        assert lesson.read_bytes() == original and kept.read_text() == answer
    assert reset("05", root=course) == (lesson, None), "nothing was changed"
    lesson.unlink()
    assert reset("05", root=course) == (lesson, None)
    assert lesson.read_bytes() == original
    exercise = course / "notebooks" / "exercises" / "05_faiss.ipynb"
    exercise.write_text("answers")
    kept = exercise.with_name("05_faiss.mine-1.ipynb")
    assert reset("05", exercise=True, root=course) == (exercise, kept)
    assert exercise.read_text() == "original exercises/05_faiss\n"
    assert lesson.read_bytes() == original


@pytest.mark.parametrize("way", ["cloned", "put under git"])
def test_reset_finds_the_original_after_the_learner_committed(course, way, tmp_path):
    root = course
    if way == "cloned":
        root = tmp_path / "clone"
        command = ["git", "clone", "-q", str(course), str(root)]
        subprocess.run(command, check=True, capture_output=True)
    lesson = root / "notebooks" / "05_faiss.ipynb"
    original = lesson.read_bytes()
    author = ["-c", "user.name=me", "-c", "user.email=x@example.org"]
    for answer in ("mine", "mine again"):
        lesson.write_text(answer)
        for words in (["add", "notebooks"], [*author, "commit", "-qm", answer]):
            subprocess.run(["git", *words], cwd=root, check=True, capture_output=True)
    kept = lesson.with_name("05_faiss.mine-1.ipynb")
    assert reset("05", root=root) == (lesson, kept)
    assert lesson.read_bytes() == original and kept.read_text() == "mine again"


def test_check_can_be_pasted_into_a_report(monkeypatch, tmp_path):
    """No folder and no user name, not even in advice; versions, platform and settings
    are there.
    """
    monkeypatch.setenv("QRR_CACHE_DIR", str(tmp_path / "anna" / "cache"))
    monkeypatch.setenv("QRR_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "anna" / "hub"))
    (tmp_path / "anna" / "cache").mkdir(parents=True)
    text = "\n".join(map(str, machine.check_machine()))
    for secret in (str(tmp_path), str(ROOT), str(Path.home())):
        assert len(secret) < 2 or secret not in text, text
    python = r"Python +3\.\d+\.\d+ on \w+ \w+"
    for wanted in (r"qrr_lib 0\.", "QRR_OFFLINE=1", r"torch +\d+\.\d+", python):
        assert re.search(wanted, text), wanted


MODELS = ("all-mpnet-base-v2", "all-MiniLM-L6-v2")


@pytest.mark.parametrize(
    "model, enough, too_little", [(MODELS[0], 8, 2), (MODELS[1], 2, 1)]
)
def test_check_knows_how_much_memory_each_mode_needs(
    monkeypatch, model, enough, too_little
):
    """Binder has 2 GB: enough for light mode, which it uses; lesson 00 asserts this
    line.
    """
    monkeypatch.setenv("QRR_MODEL", model)
    for gigabytes, ok in ((enough, True), (too_little, False)):
        total = gigabytes * 1024.0**3
        monkeypatch.setattr(machine, "total_memory", lambda total=total: total)
        assert machine.memory().ok is ok


@pytest.mark.parametrize("model", MODELS)
def test_check_names_the_memory_that_was_measured(monkeypatch, model):
    """What the line promises holds for every lesson, and is not far from the truth."""
    monkeypatch.setenv("QRR_MODEL", model)
    measured = json.loads(text_of(ROOT / "data" / "results" / "lessons.json"))
    peaks = {
        name[:2]: row[model]["peak_gb"] for name, row in measured["lessons"].items()
    }
    said = re.search(r"to ([\d.]+) GB.*13 ([\d.]+) GB", machine.memory().found)
    most, thirteen = map(float, said.groups())
    assert 0 <= thirteen - peaks.pop("13") < 0.15
    assert 0 <= most - max(peaks.values()) < 0.15


def wishes() -> list:
    """The lines about what only lessons 11, 13, 14 and 15 want."""
    packages = [machine.extra(name) for name in ("serve", "engine", "quantum")]
    return [packages[0], machine.language_model(), *packages[1:]]


def test_check_says_how_to_get_what_single_lessons_want_and_fails_nobody(
    monkeypatch, empty_cache
):
    fetched, version = [], importlib.metadata.version

    def look(name):
        if name in ("gguf", "pypdf", "qdrant-client", "jax"):
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", look)
    monkeypatch.setattr(finder, "from_hub", fetched.append)
    monkeypatch.setattr(finder, "from_packages", fetched.append)
    advice = (
        ("gguf", 'pip install -e ".[serve]"'),
        ("not in place", "qrr models SmolLM2-135M-Instruct"),
        ("qdrant-client, pypdf", 'pip install -e ".[engine]"'),
        ("jax", 'pip install -e ".[quantum]"'),
    )
    for line, words in zip(wishes(), advice):
        assert line.ok, "lesson 00 asserts it"
        assert re.match(r"\[ -- \] lessons? 1", str(line))
        assert all(word in str(line) for word in words), str(line)
    assert not fetched, "nothing is fetched for a wish"


def test_check_is_content_where_everything_is_in_place(monkeypatch, tmp_path):
    spec = finder.model_spec(machine.LANGUAGE_MODEL)
    (tmp_path / spec.name).mkdir()
    (tmp_path / spec.name / spec.weights).write_bytes(b"")
    monkeypatch.setenv("QRR_MODEL_DIR", str(tmp_path))
    monkeypatch.setattr(type(spec), "fault_in", lambda spec, folder: "")
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.0")
    for line in wishes():
        assert re.match(r"\[ OK \] lessons? 1", str(line)) and "->" not in str(line)


def test_check_asks_for_the_packages_of_the_extras():
    extras = PROJECT["project"]["optional-dependencies"]
    for extra, (_, names) in machine.EXTRAS.items():
        listed = {re.match(r"[\w-]+", item)[0] for item in extras[extra]}
        assert listed == set(names)


@pytest.mark.parametrize("wanted", ["3", "03"])
def test_lessons_are_named_with_or_without_the_zero(monkeypatch, wanted):
    ran = []
    monkeypatch.setattr(notebooks, "execute", ran.append)
    assert notebooks.main(["run", wanted]) == 0
    assert [path.name[:2] for path in ran] == ["03", "03"], "lesson and solution"


def badge_setting(address: str) -> tuple[str, str]:
    return badges.setting(f'[tool.qrr]\nrepository = "{address}"\nbranch = "trunk"')


NO_LESSON = "no lesson 77; choose from 00, 01, .*14"
FORM = "must look like"
REFUSALS = [  # id, call with a course's folder, error, words of its message
    ("number", lambda c: reset("13", root=c), ValueError, "choose one of 05, 06"),
    (
        "no git",
        lambda c: reset("05", root=c / "notebooks"),
        FileNotFoundError,
        "download",
    ),
    ("run", lambda c: notebooks.main(["run", "77", "3"]), SystemExit, NO_LESSON),
    ("slides", lambda c: slides.main(["77", "3"]), SystemExit, NO_LESSON),
    ("rehearsal", lambda c: rehearsal.main(["77", "3"]), SystemExit, NO_LESSON),
    ("https", lambda c: badge_setting("https://github.com/a/b"), ValueError, FORM),
    ("no name", lambda c: badge_setting("github.com/a"), ValueError, FORM),
    ("no host", lambda c: badge_setting("a/b"), ValueError, FORM),
]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case[0])
def test_mistakes_are_answered_with_what_to_do(course, monkeypatch, case):
    _, call, error, words = case
    monkeypatch.setattr(notebooks, "execute", lambda path: pytest.fail("it ran"))
    with pytest.raises(error, match=words):
        call(course)


def sources(cells, kind: str) -> list[str]:
    return [cell.source for cell in cells if cell.cell_type == kind]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_slides_hold_every_cell_of_a_lesson_once(path):
    cells = notebooks.read(path).cells
    groups = slides.steps(notebooks.read(path))
    shown = [cell for group in groups for cell in group]
    assert sources(shown, "code") == sources(cells, "code")
    said = " ".join(sources(shown, "markdown"))
    words = " ".join(sources(cells, "markdown")).split()
    assert all(word in said for word in words) and len(groups) >= 10
    for first, *rest in groups:
        assert first.cell_type == "markdown" and first.source.startswith("#")
        assert not (slides.STOP.search(first.source) and sources(rest, "code")), (
            f"the answer stands under the question: {first.source[:200]}"
        )


def test_slides_ask_no_other_server():
    text = slides.slides_html(LESSONS[0])
    assert not re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="https?:', text)


def first_lesson(repository: str = "", line: str = ""):
    """Lesson 00 with what belongs to an address, or without."""
    return badges.lesson_with(notebooks.read(LESSONS[0]), repository, line)


def shown_by_a_browser(page: Path) -> str:
    """What Chromium makes of a page, as HTML; without a Chromium the test is
    skipped.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        pytest.skip("formulas are looked at in Chromium, which is not here")
    words = "--headless=new --no-sandbox --disable-gpu --virtual-time-budget=20000"
    words = [*words.split(), f"--user-data-dir={page.parent / 'profile'}"]
    command = [browser, *words, "--dump-dom", page.as_uri()]
    cut = rehearsal.network_can_be_cut() == ""
    done = subprocess.run(
        rehearsal.without_network(command) if cut else command,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        timeout=120,
    )
    return done.stdout


@pytest.fixture
def drawn_lesson(tmp_path):
    """A lesson with a drawing, formulas and a check, beside mathjax/."""
    pytest.importorskip("jupyter_server_mathjax", reason="needs the extra [site]")
    text = r"# T" + "\n\n![A wide arc](figures/arc.svg) $\\langle a|b\\rangle$\n\n"
    text += r"$$\begin{pmatrix} 1 & 0 \\ 0 & 1 \end{pmatrix}$$"
    check = nbformat.v4.new_code_cell("assert True", metadata={"tags": ["check"]})
    cells = [nbformat.v4.new_markdown_cell(text), check]
    path = tmp_path / "notebooks" / "00_t.ipynb"
    (path.parent / "figures").mkdir(parents=True)
    shutil.copy(
        notebooks.NOTEBOOKS / "figures" / "overlap_angle.svg",
        path.parent / "figures" / "arc.svg",
    )
    notebooks.write(nbformat.v4.new_notebook(cells=cells), path)
    slides.copy_mathjax(tmp_path)
    return path


def test_slides_hold_drawings_formulas_and_collapsed_checks(drawn_lesson):
    """One file with its pictures; MathJax lies beside it, no address is asked for it,
    and what it is told to load is there.
    """
    text = slides.slides_html(drawn_lesson)
    assert '<img alt="A wide arc" src="data:image/svg+xml;base64,' in text
    assert r"$\langle a|b\rangle$" in text and "begin{pmatrix}" in text
    assert text.count("<details><summary>Check") == 1
    (source,) = re.findall(r'<script src="([^"]+)"', text)
    script, config = source.split("?config=")
    folder = (drawn_lesson.parent / script).resolve().parent
    assert folder == drawn_lesson.parents[1] / "mathjax"
    assert (folder / "config" / f"{config}.js").is_file()
    assert list((folder / "fonts" / "HTML-CSS" / "STIX-Web").rglob("*.woff"))


@pytest.mark.slow
def test_formulas_are_set_without_a_network(drawn_lesson):
    page = drawn_lesson.parents[1] / "slides" / "t.html"
    page.parent.mkdir()
    page.write_text(slides.slides_html(drawn_lesson), encoding="utf-8")
    shown = shown_by_a_browser(page)
    assert shown.count('class="MathJax"') == 2 and 'class="MathJax_Error' not in shown
    assert "<mtable" in shown, "for screen readers, as MathML"


def test_without_the_package_it_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"\[site\]"):
        slides.copy_mathjax(tmp_path)


def test_slides_leave_out_what_needs_a_network(tmp_path):
    path = tmp_path / LESSONS[0].name
    notebooks.write(first_lesson("a/b", badges.line("a/b", "main")), path)
    plain = [cell.source for cell in first_lesson().cells]
    assert [cell.source for cell in slides.described(path).cells] == plain


def test_badges_agree_with_the_setting(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["badges.py", "--check"])
    assert badges.main() == 0, capsys.readouterr().out


def test_badges_lead_to_the_right_places():
    """Their form, for an address of the kind the setting wants; what they open
    exists.
    """
    place = badge_setting("github.com/some-one/a.course")
    assert place == ("some-one/a.course", "trunk")
    binder, colab, tests = [address for address, _ in badges.targets(*place).values()]
    opened = "?urlpath=lab%2Ftree%2Fnotebooks%2F00_welcome.ipynb"
    assert binder == f"https://mybinder.org/v2/gh/some-one/a.course/trunk{opened}"
    editor = "https://colab.research.google.com/github/some-one/a.course/blob/trunk/"
    assert colab == f"{editor}notebooks/00_welcome.ipynb"
    assert tests.endswith("/actions/workflows/tests.yml")
    assert (ROOT / ".github" / "workflows" / "tests.yml").is_file()
    assert (ROOT / badges.LANDING).is_file()
    assert rehearsal.LANDING == f"lab/tree/{badges.LANDING}", "what the badge opens"
    title, marks = "# Title\n\n<!-- badges -->\n", "<!-- /badges -->\n"
    readme = badges.readme_with(f"{title}old\n{marks}", badges.line(*place))
    assert readme.count("](https://") == 6 and "old" not in readme
    assert badges.readme_with(readme, "") == title + marks


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
def test_every_lesson_has_a_cell_for_colab_and_the_first_the_badges(path):
    lesson = notebooks.read(path)
    plain = [cell.source for cell in badges.lesson_with(lesson, "", "").cells]
    line = badges.line("a/b", "main") if path == LESSONS[0] else ""
    cells = badges.lesson_with(lesson, "some-one/a.course", line).cells
    added = [cell.source for cell in cells if "badges" in notebooks.tags(cell)]
    assert [c.source for c in cells] == [plain[0], *added, *plain[1:]]
    assert ["mybinder" in source for source in added] == [True] * bool(line) + [False]
    assert "google.colab" in added[-1]
    assert "https://github.com/some-one/a.course" in added[-1]
    assert [c.source for c in badges.lesson_with(lesson, "", "").cells] == plain


def test_the_cell_for_colab_works_there_and_does_nothing_elsewhere(
    monkeypatch, tmp_path
):
    lesson = first_lesson()
    lesson.cells[0].source += "\n![One drawing](figures/one.svg)"
    code = badges.lesson_with(lesson, "some-one/a.course", "").cells[1].source
    assert max(map(len, code.splitlines())) <= 112, "wider than a laptop"
    here, paths, done = Path.cwd(), list(sys.path), []
    exec(code, {})
    assert (Path.cwd(), sys.path) == (here, paths)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "google.colab", object())
    monkeypatch.setattr(subprocess, "run", lambda words, check: done.append(words))
    monkeypatch.setattr(sys, "path", paths)
    figures = tmp_path / "course" / "notebooks" / "figures"
    figures.mkdir(parents=True)
    for name in re.findall(r"(?m)^ {8}(\w+)$", code):
        (figures / f"{name}.svg").write_text("<svg/>", encoding="utf-8")
    assert (figures / "one.svg").is_file()
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda svg: shown.append(svg.data))
    exec(code, {})
    assert shown == ["<svg/>"] * len(list(figures.iterdir()))
    clone, install = done
    address = "https://github.com/some-one/a.course"
    assert clone[:2] == ["git", "clone"] and clone[-2:] == [address, "course"]
    assert install[1:4] == ["-m", "pip", "install"]
    assert install[-2:] == ["-e", "course[serve]"], "lesson 13 needs the extra"
    assert Path.cwd() == tmp_path / "course" / "notebooks"
    assert sys.path[0] == str(tmp_path / "course")


def test_badges_change_every_lesson_once(monkeypatch, tmp_path, capsys):
    """Written with a setting, agreed with afterwards, taken out without one."""
    paths = [tmp_path / "notebooks" / path.name for path in LESSONS[:2]]
    paths[0].parent.mkdir()
    for source, path in zip(LESSONS, paths):
        notebooks.write(badges.lesson_with(notebooks.read(source), "", ""), path)
    marks = "# T\n\n<!-- badges -->\n<!-- /badges -->\n"
    (tmp_path / "README.md").write_text(marks, encoding="utf-8")
    monkeypatch.setattr(badges, "ROOT", tmp_path)
    monkeypatch.setattr(notebooks, "NOTEBOOKS", tmp_path / "notebooks")

    def call(*words: str, repository: str = "github.com/a/b") -> tuple[int, str]:
        table = f'[tool.qrr]\nrepository = "{repository}"\n'
        (tmp_path / "pyproject.toml").write_text(table, encoding="utf-8")
        monkeypatch.setattr(sys, "argv", ["badges.py", *words])
        return badges.main(), capsys.readouterr().out

    stale = "stale: README.md, 00_welcome.ipynb, 01_embeddings.ipynb"
    assert call("--check") == (1, f"{stale}: run python tools/badges.py\n")
    assert "notebooks.py run 00 01`" in call()[1]
    assert call("--check")[0] == 0 and "notebooks.py run" not in call()[1]
    texts = [text_of(path) for path in paths]
    assert ["mybinder" in text for text in texts] == [True, False]
    assert [text.count("google.colab") for text in texts] == [1, 1]
    call(repository="")
    assert not any("google.colab" in text_of(path) for path in paths)


def test_the_class_folder_holds_slides_and_says_what_a_machine_needs(
    monkeypatch, tmp_path
):
    """Built without wheels, models and site, which take minutes: the slow tier builds
    them.
    """
    for name in ("copy_course", "copy_models", "collect_wheels"):
        monkeypatch.setattr(classroom, name, lambda *words: None)
    monkeypatch.setattr(website, "build", lambda *words: None)
    monkeypatch.setattr(slides, "copy_mathjax", lambda *words: None)
    monkeypatch.setattr(slides, "lessons", lambda: LESSONS[:1])
    folder = classroom.build(tmp_path / "class")
    assert [path.name for path in (folder / "slides").iterdir()] == ["00_welcome.html"]
    page = text_of(folder / "INSTALL.html")
    needs = ("6 GB should be free", "own installer from python.org")
    for words in (*needs, "<code>slides</code>", '<th scope="row">slides</th>'):
        assert words in page
    assert "http" not in page


def test_the_workflow_covers_three_systems_three_sets_of_versions_and_every_week():
    import yaml

    flow = yaml.safe_load(text_of(ROOT / ".github" / "workflows" / "tests.yml"))
    matrix = flow["jobs"]["test"]["strategy"]["matrix"]
    systems = [name.split("-")[0] for name in matrix["os"]]
    assert systems == ["ubuntu", "macos", "windows"]
    assert matrix["versions"] == ["oldest", "current", "next"]
    assert {row["versions"] for row in matrix["include"]} == set(matrix["versions"])
    assert flow[True]["schedule"]
    rules = PROJECT["tool"]["pytest"]["ini_options"]["filterwarnings"]
    assert any(rule.startswith("error::DeprecationWarning") for rule in rules)


def test_version_is_one():
    import qrr_lib

    cited = re.search(r"(?m)^version: (\S+)$", text_of(ROOT / "CITATION.cff"))[1]
    assert PROJECT["project"]["version"] == qrr_lib.__version__ == cited


@pytest.mark.slow
def test_a_class_without_network(tmp_path):
    """The folder is built with a network, then installed and used where there is none:
    its own home, no index, no settings of pip.

    QRR_CLASSROOM names a folder that is built already: test the one you are going to
    hand out.
    """
    if reason := rehearsal.network_can_be_cut():
        print(reason)
        pytest.skip(reason)
    if os.environ.get("QRR_CLASSROOM"):
        folder = Path(os.environ["QRR_CLASSROOM"]).resolve()
    else:
        index = os.environ.get("TORCH_INDEX")
        folder = classroom.build(tmp_path.resolve() / "class", index)
    assert (folder / "INSTALL.html").is_file()
    for place in ("site/notebooks", "site/notebooks/solutions", "slides"):
        made = {path.stem for path in (folder / place).glob("*.html")}
        assert made >= {path.stem for path in LESSONS}, place
    home = tmp_path.resolve() / "home"
    home.mkdir()
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    environment |= {"LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"}

    def run(*command, timeout: int = 1500) -> str:
        done = subprocess.run(
            rehearsal.without_network(list(map(str, command))),
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return done.stdout

    count = "print(open('/proc/net/route').read().count(chr(10)))"
    assert int(run(sys.executable, "-c", count)) == 1, "only the header: no route"
    python = folder / "course" / ".venv" / "bin" / "python"
    assert "FAIL" not in run(sys.executable, "install.py")
    where = "import qrr_lib, torch; print(qrr_lib.__file__, torch.__file__)"
    for path in run(python, "-c", where).split():
        assert Path(path).is_relative_to(folder), path
    convert = "-m nbconvert --to notebook --execute --stdout --log-level=ERROR".split()
    for path in LESSONS:
        if path.name[:2] in ("00", "01", "06", "09"):
            run(python, *convert, f"course/notebooks/{path.name}")
    lesson = folder / "course" / "notebooks" / LESSONS[0].name
    lesson.write_text("broken")
    restore = "from qrr_lib.course.reset import reset; print(reset('00'))"
    assert "mine-1" in run(python, "-c", restore)
    assert lesson.read_bytes() == LESSONS[0].read_bytes()
