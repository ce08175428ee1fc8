"""The repository keeps its promises: one dependency list, quick import, pinned
versions, no stray addresses.
"""

import re
import shlex
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import environments
import pytest

import qrr_lib
from qrr_lib.course import cli

ROOT = Path(__file__).resolve().parent.parent


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout: the list of files is unknown")
    return [
        ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()
    ]


def test_environment_files_follow_pyproject():
    for path, text in environments.files().items():
        assert path.read_text(encoding="utf-8") == text, (
            f"{path.name} is stale: run python tools/environments.py"
        )


TOOLS = sorted((ROOT / "tools").glob("*.py"))
HEAVY = (
    "torch",
    "numpy",
    "sentence_transformers",
    "nbformat",
    "nbconvert",
    "nbclient",
    "qiskit",
)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda path: path.stem)
def test_every_tool_says_what_it_does_before_it_does_it(tool):
    """`--help` answers at once: nothing heavy is imported, no work is begun, no file is
    touched.
    """
    before = {path: path.stat().st_mtime_ns for path in tracked()}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", tool, "--help"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    first = re.search(r'^"""(.+?)[.:]?\s', tool.read_text(encoding="utf-8"))[1]
    assert (
        done.returncode == 0
        and done.stdout.startswith("usage:")
        and first in done.stdout
    ), done.stdout + done.stderr[-500:]
    assert not [
        name for name in HEAVY if re.search(rf"\| +{name}$", done.stderr, re.MULTILINE)
    ]
    assert {path: path.stat().st_mtime_ns for path in tracked()} == before


@pytest.mark.parametrize("tool", TOOLS, ids=lambda path: path.stem)
def test_every_tool_refuses_an_option_that_it_does_not_know(tool):
    done = subprocess.run(
        [sys.executable, tool, "--nonsense"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2 and "usage:" in done.stderr, (
        done.stdout + done.stderr[-500:]
    )


def test_installed_versions_lie_in_the_ranges_and_are_the_pinned_ones():
    from packaging.requirements import Requirement

    pins = dict(
        re.findall(
            r"^([A-Za-z0-9_.-]+)==(\S+)$",
            (ROOT / "constraints.txt").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    )
    pins = {
        re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins.items()
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    extras = project["optional-dependencies"]
    wanted = ("serve", "engine", "cluster", "quantum", "site", "test")
    listed = [item for name in wanted for item in extras[name]]
    for item in project["dependencies"] + listed:
        need = Requirement(item)
        if need.name == "qrr-lib" or (need.marker and not need.marker.evaluate()):
            continue
        version = metadata.version(need.name).split("+")[0]
        assert need.specifier.contains(version), (
            f"{need.name} {version} is outside {need.specifier}"
        )
        assert re.sub(r"[-_.]+", "-", need.name).lower() in pins, (
            f"{need.name} is not in constraints.txt"
        )


def test_import_is_light():
    """No heavy package is imported by `import qrr_lib`; the time itself belongs to the
    benchmarks.
    """
    heavy = ("torch", "numpy", "faiss", "qiskit", "pennylane", "transformers")
    code = f"import sys, qrr_lib; print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )


def test_every_public_name_exists_and_is_explained():
    import qrr_lib

    for name in qrr_lib.__all__:
        assert getattr(qrr_lib, name).__doc__, name
    with pytest.raises(AttributeError, match="Reranker"):
        qrr_lib.__getattr__("Nonsense")


def test_no_addresses_of_registries_and_no_machine_paths():
    bad = re.compile(
        r"(pythonhos"
        r"ted|pypi\.o"
        r"rg|npmj"
        r"s\.org|deb\.debi"
        r"an)|(^|[^A-Za-z.])/(work|farm|root|tmp)/"
    )
    for path in tracked():
        if path.suffix in (".npz", ".png", ".safetensors"):
            continue
        found = bad.search(path.read_text(encoding="utf-8"))
        assert not found, f"{path.relative_to(ROOT)}: {found[0]!r}"


def test_workflows_fit_the_schema_of_their_format():
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    command = [sys.executable, "-m", "check_jsonschema"]
    command += ["--builtin-schema", "vendor.github-workflows", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert files and done.returncode == 0, done.stdout


def test_advice_with_pip_has_double_quotes():
    """Single quotes around `.[extra]` reach pip in Windows' cmd.exe, which then finds
    no such folder.
    """
    bad = re.compile(r"'\.\[\w+\]'")
    for path in tracked():
        if (
            path.suffix in (".py", ".md", ".yml", ".ipynb")
            and path != Path(__file__).resolve()
        ):
            assert not bad.search(path.read_text(encoding="utf-8")), path.relative_to(
                ROOT
            )


def test_help_names_the_alpha_that_is_used(capsys):
    from qrr_lib import QubitAnglePredictor, QubitMap, Reranker, Scorer

    one_state = Reranker(None, Scorer(QubitAnglePredictor(8)))
    tokens = Reranker(None, Scorer(QubitMap(4), per="token"))
    with pytest.raises(SystemExit):
        cli.main(["search", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert f"(default {tokens.alpha} for tokens, else {one_state.alpha})" in said


@pytest.mark.parametrize(
    "words, said",
    [
        (["search", "phase", "--alpha", "1.5"], "alpha must lie in [0, 1]"),
        (["search", ""], "query is empty"),
        (["models", "nonsense"], "unknown model 'nonsense'; this course knows"),
        (["reset", "77"], "there is no lesson '77' to restore; choose one of 00, 01"),
    ],
)
def test_a_mistake_is_answered_with_one_clear_line(capsys, words, said):
    assert cli.main(words) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("qrr: ") and said in line


def test_demo_prints_a_ranking_and_what_each_mode_is_worth():
    command = [sys.executable, "-m", "qrr_lib.course.cli", "demo", "-k", "5"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    number = r" +(\d\.\d{3})"
    rows = re.findall(rf"(?m)^ +(\d) +\S.*\S{number * 4}$", done.stdout)
    assert [int(rank) for rank, *_ in rows] == [1, 2, 3, 4, 5]
    mix = re.search(r"(?m)^score = (.*);", done.stdout)[1]
    share = {name: float(x) for x, name in re.findall(r"(\S+) \* (\w+)", mix)}
    assert set(share) == {"cosine", "words", "states"}
    for _, final, cosine, states, words in rows:
        signals = {"cosine": cosine, "words": words, "states": states}
        mixed = sum(share[name] * float(value) for name, value in signals.items())
        assert float(final) == pytest.approx(mixed, abs=2e-3)
    named = r"(?m)^  (\d\.\d{3})  (cosine|one state per token|one state per text|words)"
    values = {name: float(value) for value, name in re.findall(named, done.stdout)}
    assert len(values) == 4 and values["one state per token"] > values["cosine"] > 0.2
    met = re.search(r"(?m)^In the first passage, (.*)\.$", done.stdout)[1]
    assert {"extra met extra", "state met state", "weight met weight"} <= set(
        met.split(", ")
    )
    ends = [line.split("#")[0].split()[:2] for line in done.stdout.splitlines()[-3:]]
    assert ends == [["make", "lab"], ["qrr", "search"], ["qrr", "index"]]


def test_the_picture_on_the_front_pages_is_what_the_demo_says():
    from drawings.hero import AFTER, BEFORE, QUERY

    from qrr_lib.course import commands

    assert cli.QUERY == QUERY
    collection, embedder = qrr_lib.load_collection("course"), qrr_lib.TextEmbedder()
    if embedder.name != "all-mpnet-base-v2":
        pytest.skip("the picture shows the default model; this is light mode")

    def places(mode: str, alpha, ranks) -> dict[int, str]:
        made = commands._reranker(collection, embedder, mode, alpha)
        found = made.search(QUERY, k=max(ranks))
        return {r: collection.docs[found[r - 1].doc_id].title for r in ranks}

    assert places("untrained", 1.0, BEFORE) == BEFORE
    assert places("hybrid", None, AFTER) == AFTER


def test_qrr_alone_says_what_it_can_do(capsys):
    assert cli.main([]) == 0
    said = capsys.readouterr().out
    assert all(command in said for command in ("demo", "search", "index", "serve"))


FRONT = ("README.md", "docs/start.md", "docs/documents.md")
EXAMPLES = {"PATH…": "a", "ID…": "a", '"…"': "a", "FILE": "a", "INDEX": "a"}


def said_commands() -> list[str]:
    """Commands of the front pages: lines of their blocks, and what stands in code."""
    lines = []
    for page in FRONT:
        text = (ROOT / page).read_text(encoding="utf-8")
        for block in re.findall(r"(?ms)^ *```(?:bash|bat|console)\n(.*?)^ *```", text):
            lines += [line.strip().removeprefix("$ ") for line in block.splitlines()]
        prose = re.sub(r"(?ms)^ *```.*?^ *```", "", text)
        lines += re.findall(r"`((?:make|qrr|[A-Z_]+=\S+ make) [^`\n]+)`", prose)
    kinds = r"(?:[A-Z_]+=\S+ )?(make|qrr|pip install|uv pip install)\b"
    return sorted({line.split("  #")[0] for line in lines if re.match(kinds, line)})


@pytest.mark.parametrize("said", said_commands())
def test_commands_of_the_front_pages_exist(said):
    """Targets of make, commands and options of qrr, extras of pip. What they do is run
    by tests of their own.
    """
    for name, example in EXAMPLES.items():
        said = said.replace(name, example)
    words = shlex.split(re.sub(r"^[A-Z_]+=\S+ ", "", said))
    if words[0] == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert re.search(rf"(?m)^{words[1]}:", makefile)
    elif words[0] == "qrr" and len(words) == 2:  # a name in a sentence
        assert words[1] in {run.__name__ for run in cli.COMMANDS}
    elif words[0] == "qrr":
        assert cli.parser().parse_args(words[1:]).run
    else:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        extras = project["project"]["optional-dependencies"]
        for asked in re.findall(r"\[([\w,]+)\]", said):
            assert set(asked.split(",")) <= set(extras)
