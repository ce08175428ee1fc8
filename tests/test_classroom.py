"""The teacher's tools: reset, check, slides, badges, workflow; and in the slow tier a
class without a network.
"""

from __future__ import annotations

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

import notebooks
from qrr_lib.course import machine as check
from qrr_lib.course.reset import SHIPPED, reset
from qrr_lib.embed import finder as models

ROOT = Path(__file__).resolve().parent.parent

LESSONS = notebooks.lessons()


@pytest.fixture
def course(tmp_path):
    """A small course with two lessons, as a git checkout."""
    for name in (
        "notebooks/05_faiss.ipynb",
        "notebooks/exercises/05_faiss.ipynb",
        "notebooks/06_rerank.ipynb",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(f"original {name}\n".encode())

    def run(*words):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)

    run("init", "-q")
    run("add", ".")
    run("-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-qm", "x")
    return tmp_path


def shipped(course: Path) -> Path:
    """Turn the git checkout into a class folder."""
    with zipfile.ZipFile(course / SHIPPED, "w") as archive:
        for path in (course / "notebooks").rglob("*.ipynb"):
            archive.write(path, path.relative_to(course).as_posix())
    shutil.rmtree(course / ".git")
    return course


@pytest.mark.parametrize("kind", ["git", "class folder"])
def test_reset_restores_and_keeps_the_learners_copies(course, kind):
    course = course if kind == "git" else shipped(course)
    lesson = course / "notebooks" / "05_faiss.ipynb"
    original = lesson.read_bytes()
    for number, answer in enumerate(("mine", "mine again"), 1):
        lesson.write_text(answer)
        restored, kept = reset("5", root=course)
        assert restored == lesson and lesson.read_bytes() == original
        assert (
            kept.name == f"05_faiss.mine-{number}.ipynb" and kept.read_text() == answer
        )
    assert reset("05", root=course) == (lesson, None), (
        "nothing was changed, so nothing is kept"
    )
    lesson.unlink()
    assert (
        reset("05", root=course) == (lesson, None) and lesson.read_bytes() == original
    )
    exercise = course / "notebooks" / "exercises" / "05_faiss.ipynb"
    exercise.write_text("answers")
    assert (
        reset("05", exercise=True, root=course)[1].name == "05_faiss.mine-1.ipynb"
        and lesson.read_bytes() == original
    )
    with pytest.raises(ValueError, match="choose one of 05, 06"):
        reset("13", root=course)


def test_reset_without_an_original_says_what_to_do(course):
    shutil.rmtree(course / ".git")
    with pytest.raises(FileNotFoundError, match="download the course again"):
        reset("05", root=course)


def test_check_can_be_pasted_into_a_report(monkeypatch, tmp_path):
    """No folder and no user name, not even in advice; versions, platform and settings
    are there.
    """
    monkeypatch.setenv("QRR_CACHE_DIR", str(tmp_path / "anna" / "cache"))
    monkeypatch.setenv("QRR_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "anna" / "hub"))
    (tmp_path / "anna" / "cache").mkdir(parents=True)
    text = "\n".join(map(str, check.check_machine()))
    for secret in (str(tmp_path), str(ROOT), str(Path.home())):
        assert len(secret) < 2 or secret not in text, text
    for wanted in (
        r"qrr_lib 0\.",
        "QRR_OFFLINE=1",
        r"torch +\d+\.\d+",
        r"Python +3\.\d+\.\d+ on \w+ \w+",
    ):
        assert re.search(wanted, text), wanted


@pytest.mark.parametrize(
    "model, gigabytes, ok",
    [
        ("all-mpnet-base-v2", 2, False),
        ("all-mpnet-base-v2", 8, True),
        ("all-MiniLM-L6-v2", 2, True),
        ("all-MiniLM-L6-v2", 1, False),
    ],
)
def test_check_knows_how_much_memory_each_mode_needs(monkeypatch, model, gigabytes, ok):
    """Binder has 2 GB: enough for light mode, which it uses; lesson 00 asserts this
    line.
    """
    monkeypatch.setenv("QRR_MODEL", model)
    monkeypatch.setattr(check, "_total_memory", lambda: gigabytes * 1024.0**3)
    assert check._memory().ok is ok


@pytest.mark.parametrize("model", ["all-mpnet-base-v2", "all-MiniLM-L6-v2"])
def test_check_names_the_memory_that_was_measured(monkeypatch, model):
    """What the line promises holds for every lesson, and is not far from the truth."""
    monkeypatch.setenv("QRR_MODEL", model)
    lessons = json.loads(
        (ROOT / "data" / "results" / "lessons.json").read_text(encoding="utf-8")
    )["lessons"]
    most, eleven = map(
        float,
        re.search(
            r"up to ([\d.]+) GB.*, lesson 13 ([\d.]+) GB", check._memory().found
        ).groups(),
    )
    assert (
        0
        <= most
        - max(
            row[model]["peak_gb"] for name, row in lessons.items() if name[:2] != "13"
        )
        < 0.15
    )
    assert 0 <= eleven - lessons["13_service_and_rag"][model]["peak_gb"] < 0.15


def without(monkeypatch, *names):
    """Let importlib.metadata know nothing of these packages."""
    version = importlib.metadata.version

    def look(name):
        if name in names:
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", look)


def test_check_says_how_to_get_what_lessons_11_and_12_want_and_fails_nobody(
    monkeypatch, empty_cache
):
    fetched = []
    monkeypatch.setattr(models, "from_hub", fetched.append)
    monkeypatch.setattr(models, "from_packages", fetched.append)
    without(monkeypatch, "gguf", "ray", "pymilvus")
    lines = [check._extra("serve"), check._language_model(), check._extra("scale")]
    assert all(line.ok for line in lines) and not fetched, (
        "lesson 00 asserts .ok, and nothing is fetched for a wish"
    )
    for line, wanted in zip(
        lines,
        (
            ("gguf", 'pip install -e ".[serve]"'),
            ("not in place", "qrr models SmolLM2-135M-Instruct"),
            ("pymilvus, ray", 'pip install -e ".[scale]"'),
        ),
    ):
        assert str(line).startswith("[ -- ] lesson 1") and all(
            word in str(line) for word in wanted
        ), str(line)


def test_check_is_content_where_everything_is_in_place(monkeypatch, tmp_path):
    spec = models.model_spec(check.LANGUAGE_MODEL)
    (tmp_path / spec.name).mkdir()
    (tmp_path / spec.name / spec.weights).write_bytes(b"")
    monkeypatch.setenv("QRR_MODEL_DIR", str(tmp_path))
    monkeypatch.setattr(
        models, "weights_match", lambda folder, spec: folder == tmp_path / spec.name
    )
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.0")
    for line in (check._extra("serve"), check._language_model(), check._extra("scale")):
        assert str(line).startswith("[ OK ] lesson 1") and "->" not in str(line)


def test_check_asks_for_the_packages_of_the_extras():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]["optional-dependencies"]
    for extra, (_, names) in check.EXTRAS.items():
        listed = {re.match(r"[\w-]+", item)[0] for item in extras[extra]}
        assert listed == set(names) - {"pyarrow"}, "pyarrow comes with ray[data]"


@pytest.mark.parametrize("wanted", ["3", "03"])
def test_lessons_are_named_with_or_without_the_zero(monkeypatch, wanted):
    ran = []
    monkeypatch.setattr(notebooks, "execute", ran.append)
    assert notebooks.main(["run", wanted]) == 0
    assert [path.name[:2] for path in ran] == ["03", "03"], (
        "the lesson and its solution"
    )


@pytest.mark.parametrize(
    "main", [lambda words: notebooks.main(["run", *words]), slides.main, rehearsal.main]
)
def test_a_lesson_that_does_not_exist_is_answered_with_those_that_do(monkeypatch, main):
    monkeypatch.setattr(
        notebooks, "execute", lambda path: pytest.fail("nothing may run")
    )
    with pytest.raises(SystemExit, match="no lesson 77; choose from 00, 01, .*14"):
        main(["77", "3"])


def test_slides_hold_every_cell_of_a_lesson_once():
    notebook = nbformat.read(LESSONS[-1], as_version=4)
    groups = slides.steps(notebook)
    assert [c.source for g in groups for c in g if c.cell_type == "code"] == [
        c.source for c in notebook.cells if c.cell_type == "code"
    ]
    said = " ".join(c.source for g in groups for c in g if c.cell_type == "markdown")
    assert all(
        word in said
        for c in notebook.cells
        if c.cell_type == "markdown"
        for word in c.source.split()
    )
    assert len(groups) >= 10 and all(
        g[0].cell_type == "markdown" and g[0].source.startswith("#") for g in groups
    )


def test_pages_and_slides_ask_no_other_server():
    for text in (slides.page_html(LESSONS[0]), slides.slides_html(LESSONS[0])):
        assert not re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="https?:', text)
    assert 'href="01_embeddings.html"' in slides.page_html(LESSONS[0])


def test_pages_and_slides_leave_out_what_needs_a_network(tmp_path):
    lesson = badges.lesson_with(
        notebooks.read(LESSONS[0]), "a/b", badges.line("a/b", "main")
    )
    notebooks.write(lesson, tmp_path / LESSONS[0].name)
    assert [
        cell.source for cell in slides.described(tmp_path / LESSONS[0].name).cells
    ] == [cell.source for cell in badges.lesson_with(lesson, "", "").cells]


def test_badges_agree_with_the_setting(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["badges.py", "--check"])
    assert badges.main() == 0, capsys.readouterr().out


def test_badges_lead_to_the_right_places(monkeypatch, tmp_path):
    """Their form, for an address of the kind the setting wants; what they open
    exists.
    """
    repository, branch = badges.setting(
        '[tool.qrr]\nrepository = "github.com/some-one/a.course"\nbranch = "trunk"'
    )
    assert (repository, branch) == ("some-one/a.course", "trunk") and (
        ROOT / badges.LANDING
    ).is_file()
    found = badges.targets(repository, branch)
    binder, colab, tests = (address for address, _ in found.values())
    assert (
        binder == "https://mybinder.org/v2/gh/some-one/a.course/trunk"
        "?urlpath=lab%2Ftree%2Fnotebooks%2F00_welcome.ipynb"
    )
    assert (
        colab
        == "https://colab.research.google.com/github/some-one/a.course/blob/trunk/"
        "notebooks/00_welcome.ipynb"
    )
    assert (
        tests.endswith("/actions/workflows/tests.yml")
        and (ROOT / ".github" / "workflows" / "tests.yml").is_file()
    )
    assert rehearsal.LANDING == f"lab/tree/{badges.LANDING}", (
        "the rehearsal opens what the badge opens"
    )
    text = badges.readme_with(
        "# Title\n\n<!-- badges -->\nold\n<!-- /badges -->\n",
        badges.line(repository, branch),
    )
    assert text.count("](https://") == 6 and "old" not in text
    assert (
        badges.readme_with(text, "") == "# Title\n\n<!-- badges -->\n<!-- /badges -->\n"
    )
    for path in LESSONS[1:]:
        lesson = nbformat.read(path, as_version=4)
        first = lesson.cells[0].source
        changed = badges.lesson_with(lesson, repository, "").cells
        assert (
            changed[0].source == first
            and "google.colab" in changed[1].source
            and "badges" in notebooks.tags(changed[1])
        )
        assert sum("badges" in notebooks.tags(cell) for cell in changed) == 1, (
            "the line of badges is for lesson 00"
        )
    notebook = nbformat.read(LESSONS[0], as_version=4)
    plain = [cell.source for cell in badges.lesson_with(notebook, "", "").cells]
    cells = badges.lesson_with(
        notebook, repository, badges.line(repository, branch)
    ).cells
    assert (
        cells[0].source == plain[0]
        and "mybinder" in cells[1].source
        and "https://github.com/some-one/a.course" in cells[2].source
    )
    assert max(map(len, cells[2].source.splitlines())) <= 112, (
        "no line is wider than a laptop"
    )
    compile(cells[2].source, "colab", "exec")
    here, paths, done = Path.cwd(), list(sys.path), []
    exec(cells[2].source, {})
    assert (Path.cwd(), sys.path) == (here, paths), (
        "the Colab cell does nothing anywhere else"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "google.colab", object())
    monkeypatch.setattr(subprocess, "run", lambda words, check: done.append(words))
    monkeypatch.setattr(sys, "path", paths)
    (tmp_path / "course" / "notebooks").mkdir(parents=True)
    exec(cells[2].source, {})
    assert done[0][:2] == ["git", "clone"] and done[0][-2:] == [
        "https://github.com/some-one/a.course",
        "course",
    ]
    assert done[1][1:4] == ["-m", "pip", "install"] and done[1][-2:] == [
        "-e",
        "course[serve]",
    ], "lesson 13 needs the extra"
    assert Path.cwd() == tmp_path / "course" / "notebooks" and sys.path[0] == str(
        tmp_path / "course"
    )
    assert [cell.source for cell in badges.lesson_with(notebook, "", "").cells] == plain
    for wrong in ("https://github.com/a/b", "github.com/a", "a/b"):
        with pytest.raises(ValueError, match="must look like"):
            badges.setting(f'[tool.qrr]\nrepository = "{wrong}"')


def test_badges_change_every_lesson_once(monkeypatch, tmp_path, capsys):
    """Written with a setting, agreed with afterwards, taken out without one."""
    for path in LESSONS[:2]:
        (tmp_path / "notebooks").mkdir(exist_ok=True)
        notebooks.write(
            badges.lesson_with(notebooks.read(path), "", ""),
            tmp_path / "notebooks" / path.name,
        )
    (tmp_path / "README.md").write_text(
        "# T\n\n<!-- badges -->\n<!-- /badges -->\n", encoding="utf-8"
    )
    monkeypatch.setattr(badges, "ROOT", tmp_path)
    monkeypatch.setattr(notebooks, "NOTEBOOKS", tmp_path / "notebooks")

    def call(
        *words: str, repository: str = "github.com/some-one/a.course"
    ) -> tuple[int, str]:
        (tmp_path / "pyproject.toml").write_text(
            f'[tool.qrr]\nrepository = "{repository}"\n', encoding="utf-8"
        )
        monkeypatch.setattr(sys, "argv", ["badges.py", *words])
        return badges.main(), capsys.readouterr().out

    assert call("--check") == (
        1,
        "stale: README.md, 00_welcome.ipynb, 01_embeddings.ipynb: run python "
        "tools/badges.py\n",
    )
    assert (
        "notebooks.py run 00 01`" in call()[1]
        and call("--check")[0] == 0
        and "notebooks.py run" not in call()[1]
    )
    texts = [
        (tmp_path / "notebooks" / path.name).read_text(encoding="utf-8")
        for path in LESSONS[:2]
    ]
    assert ["mybinder" in text for text in texts] == [True, False] and all(
        text.count("google.colab") == 1 for text in texts
    )
    call(repository="")
    assert not any(
        "google.colab"
        in (tmp_path / "notebooks" / path.name).read_text(encoding="utf-8")
        for path in LESSONS[:2]
    )


def test_the_class_folder_holds_slides_and_says_what_a_machine_needs(
    monkeypatch, tmp_path
):
    """Built without wheels, models and pages, which take minutes: the slow tier builds
    them.
    """
    for module, name in (
        (classroom, "copy_course"),
        (classroom, "copy_models"),
        (classroom, "collect_wheels"),
        (slides, "write_pages"),
    ):
        monkeypatch.setattr(module, name, lambda *words: None)
    monkeypatch.setattr(slides, "lessons", lambda: LESSONS[:1])
    folder = classroom.build(tmp_path / "class")
    assert [path.name for path in (folder / "slides").iterdir()] == ["00_welcome.html"]
    page = (folder / "INSTALL.html").read_text(encoding="utf-8")
    assert (
        "6 GB should be free" in page
        and "own installer from python.org" in page
        and "<code>slides</code>" in page
    )
    assert '<th scope="row">slides</th>' in page and "http" not in page


def test_the_workflow_covers_three_systems_three_sets_of_versions_and_every_week():
    import yaml

    flow = yaml.safe_load(
        (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    )
    matrix = flow["jobs"]["test"]["strategy"]["matrix"]
    assert [name.split("-")[0] for name in matrix["os"]] == [
        "ubuntu",
        "macos",
        "windows",
    ] and matrix["versions"] == ["oldest", "current", "next"]
    assert {row["versions"] for row in matrix["include"]} == set(
        matrix["versions"]
    ) and flow[True]["schedule"]
    options = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "tool"
    ]["pytest"]["ini_options"]
    assert any(
        rule.startswith("error::DeprecationWarning")
        for rule in options["filterwarnings"]
    )


def test_version_is_one():
    import qrr_lib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]["version"]
    cited = re.search(
        r"^version: (\S+)$",
        (ROOT / "CITATION.cff").read_text(encoding="utf-8"),
        re.MULTILINE,
    )[1]
    assert project == qrr_lib.__version__ == cited


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
    built = os.environ.get("QRR_CLASSROOM")
    folder = (
        Path(built).resolve()
        if built
        else classroom.build(
            tmp_path.resolve() / "class", os.environ.get("TORCH_INDEX")
        )
    )
    assert (folder / "INSTALL.html").is_file()
    assert (
        {path.stem for path in (folder / "pages").glob("*.html")}
        == {path.stem for path in (folder / "pages" / "solutions").glob("*.html")}
        == {path.stem for path in (folder / "slides").glob("*.html")}
        == {path.stem for path in LESSONS}
    )
    home = tmp_path.resolve() / "home"
    home.mkdir()
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
    }

    def run(*command: str, timeout: int = 1500) -> str:
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

    routes = run(
        sys.executable, "-c", "print(open('/proc/net/route').read().count(chr(10)))"
    )
    assert int(routes) == 1, "only the header line: there is no route to anywhere"
    python = folder / "course" / ".venv" / "bin" / "python"
    assert "FAIL" not in run(sys.executable, "install.py")
    where = run(
        python, "-c", "import qrr_lib, torch; print(qrr_lib.__file__, torch.__file__)"
    ).split()
    assert all(Path(path).is_relative_to(folder) for path in where), where
    for path in LESSONS:
        if path.name[:2] in ("00", "01", "06", "09"):
            run(
                python,
                "-m",
                "nbconvert",
                "--to",
                "notebook",
                "--execute",
                "--stdout",
                "--log-level=ERROR",
                f"course/notebooks/{path.name}",
            )
    lesson = folder / "course" / "notebooks" / LESSONS[0].name
    lesson.write_text("broken")
    assert (
        "mine-1"
        in run(
            python, "-c", "from qrr_lib.course.reset import reset; print(reset('00'))"
        )
        and lesson.read_bytes() == LESSONS[0].read_bytes()
    )
