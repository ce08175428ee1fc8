"""The house stays in order: who may import whom, and sizes that may only fall.

Lines are counted without docstrings. A number in `SIZES` is what was measured last;
when one has fallen, write the new one.
"""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import notebooks

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "qrr_lib"
BASE = ("files", "arrays", "lazy", "checks", "tables")
MAY_IMPORT = {  # stage: what it stands on, beside the parts of `BASE`
    "files": [],
    "arrays": [],
    "lazy": [],
    "checks": [],
    "tables": [],
    "embed": [],
    "encode": [],
    "rank": ["embed", "encode"],
    "learn": ["embed", "encode", "rank"],
    "shots": ["encode"],
    "engine": ["embed", "encode", "rank"],
    "serve": ["embed", "encode", "rank", "engine"],
    "course": ["embed", "encode", "rank", "learn", "shots", "engine", "serve"],
}
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
SIZES = {
    "files": 144,
    "arrays": 70,
    "lazy": 34,
    "checks": 134,
    "tables": 133,
    "embed": 1098,
    "encode": 1174,
    "rank": 1509,
    "learn": 806,
    "shots": 352,
    "engine": 1395,
    "serve": 1599,
    "course": 1442,
    "the spine (embed, encode, rank)": 3781,
    "the whole library": 9914,
    "tests": 16909,
    "tools": 10876,
    "longest file of the library, docstrings counted": 241,
    "longest function of the library": 32,
    "functions over 40 lines": 0,
    "private names in lessons and solutions": 0,
    "marks that silence the linter": 0,
}


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def modules() -> list[Path]:
    return sorted(LIBRARY.rglob("*.py"))


def stage_of(path: Path) -> str:
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def imported(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    """(module of ours, names taken from it) of every import, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            if node.module and node.module.split(".")[0] == "qrr_lib":
                yield node.module, [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "qrr_lib":
                    yield alias.name, []


# who may import whom


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(LIBRARY)))
def test_a_stage_imports_only_what_stands_below_it(path):
    stage = stage_of(path)
    if stage == "__init__":
        return
    allowed = {stage, *BASE, "__version__", *MAY_IMPORT[stage]}
    for module, names in imported(tree_of(path)):
        inside = module.split(".")[1:]
        for used in [inside[0]] if inside else names:
            if stage == "course" and not inside and used in public_names():
                continue  # the command line uses the library as its readers do
            assert used in allowed, f"{stage} may not import {used}"


def public_names() -> list[str]:
    import qrr_lib

    return qrr_lib.__all__


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(LIBRARY)))
def test_private_names_stay_in_their_module(path):
    for module, names in imported(tree_of(path)):
        private = [n for n in names if n.startswith("_") and n != "__version__"]
        assert not private, f"{module}: {private}"


def test_every_stage_is_ordered():
    assert {stage_of(path) for path in modules()} == {*MAY_IMPORT, "__init__"}


STAGES = [s for s in MAY_IMPORT if s not in BASE]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_says_what_is_in_it(stage):
    """Its first lines name every module, and every public name is there."""
    package = __import__(f"qrr_lib.{stage}", fromlist=["__all__"])
    for path in (LIBRARY / stage).rglob("*.py"):
        if path.stem != "__init__":
            name = path.parent.name if path.parent != LIBRARY / stage else path.stem
            assert re.search(rf"\b{name}\b", package.__doc__), name
    if not missing_packages() or stage != "engine":
        for name in package.__all__:
            assert getattr(package, name) is not None


def missing_packages() -> set[str]:
    from importlib.util import find_spec

    engine = ("qdrant_edge", "qdrant_client", "pyarrow")
    return {name for name in engine if find_spec(name) is None}


BOOKS = notebooks.lessons() + notebooks.solutions()


def code_of(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")


@pytest.mark.parametrize("path", BOOKS, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_notebooks_import_stages_and_nothing_private(path):
    stages = {"qrr_lib", *(f"qrr_lib.{stage}" for stage in MAY_IMPORT)}
    for module, names in imported(ast.parse(code_of(path))):
        assert module in stages, f"import {names} from qrr_lib or one of its stages"
        assert not [name for name in names if name.startswith("_")], names


def test_importing_a_stage_imports_no_heavy_package():
    heavy = ("torch", "numpy", "faiss", "qiskit", "pennylane", "fastapi", "matplotlib")
    stages = ", ".join(f"qrr_lib.{stage}" for stage in MAY_IMPORT)
    code = f"import sys, {stages}; print([m for m in {heavy} if m in sys.modules])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_stage_encode_is_also_the_function():
    import qrr_lib.encode
    from qrr_lib import Circuit, encode

    angles = [[[[0.4, 1.0]]]]
    assert encode is qrr_lib.encode
    assert encode(angles, Circuit()).equal(encode.encode(angles, Circuit()))


# layout


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_code_is_laid_out_as_the_formatter_would(command):
    """88 columns, and 80 in notebooks (pyproject.toml, notebooks/ruff.toml)."""
    ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", "."]
    done = subprocess.run(ruff, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run make format: {done.stdout[-2000:]}{done.stderr}"


# sizes


def docstring_lines(node: ast.AST) -> int:
    """Lines of a definition's own docstring."""
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        if isinstance(first.value.value, str):
            return first.end_lineno - first.lineno + 1
    return 0


def lines_of(path: Path) -> int:
    """Lines of a file without docstrings."""
    tree = tree_of(path)
    inner = [n for n in ast.walk(tree) if isinstance(n, DEFINITIONS)]
    documented = sum(map(docstring_lines, [tree, *inner]))
    return len(path.read_text(encoding="utf-8").splitlines()) - documented


def functions(path: Path) -> Iterator[tuple[int, str]]:
    """(lines without its docstring, name) of every function."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, DEFINITIONS[:2]):
            length = node.end_lineno - node.lineno + 1 - docstring_lines(node)
            yield length, f"{path.relative_to(ROOT)}: {node.name}"


def private_names_in_lessons() -> list[str]:
    pattern = re.compile(r"\bqrr_lib[\w.]*\._\w+|\b\w+\._[a-z]\w*")
    return [found for path in BOOKS for found in pattern.findall(code_of(path))]


def noqa() -> list[str]:
    folders = (LIBRARY, ROOT / "tests", ROOT / "tools")
    files = [p for folder in folders for p in folder.rglob("*.py")]
    mark = "# no" + "qa"
    return [p.name for p in files for _ in range(p.read_text("utf-8").count(mark))]


def measured() -> dict[str, int]:
    """What `SIZES` holds, as it is today."""
    stages = dict.fromkeys(MAY_IMPORT, 0)
    for path in modules():
        if stage_of(path) != "__init__":
            stages[stage_of(path)] += lines_of(path)
    others = {
        folder: sum(map(lines_of, (ROOT / folder).rglob("*.py")))
        for folder in ("tests", "tools")
    }
    every = [found for path in modules() for found in functions(path)]
    files = [len(p.read_text("utf-8").splitlines()) for p in modules()]
    return stages | {
        "the spine (embed, encode, rank)": sum(
            stages[stage] for stage in ("embed", "encode", "rank")
        ),
        "the whole library": sum(map(lines_of, modules())),
        **others,
        "longest file of the library, docstrings counted": max(files),
        "longest function of the library": max(every)[0],
        "functions over 40 lines": sum(length > 40 for length, _ in every),
        "private names in lessons and solutions": len(private_names_in_lessons()),
        "marks that silence the linter": len(noqa()),
    }


TODAY = measured()


@pytest.mark.parametrize("what", SIZES)
def test_nothing_grows(what):
    today, last = TODAY[what], SIZES[what]
    longest = sorted(found for path in modules() for found in functions(path))[-5:]
    assert today <= last, f"{what}: {today} instead of {last}; {longest}"
    assert today >= 0.98 * last - 1, f"{what} has fallen: write {today} into SIZES"


def test_every_size_is_watched():
    assert list(SIZES) == list(TODAY)


def test_no_room_is_too_long_to_read_in_one_sitting():
    assert TODAY["longest file of the library, docstrings counted"] <= 250
