"""Light mode: the small model gets through the lessons."""

import pytest

import notebooks

LESSONS, SOLUTIONS = notebooks.lessons(), notebooks.solutions()
SMOKE = [path for path in LESSONS if path.stem[:2] in ("00", "09")]


def in_light_mode(*paths) -> None:
    done = notebooks.nbval(*paths, QRR_MODEL="all-MiniLM-L6-v2")
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_first_lesson_and_the_one_on_tokens():
    """The pipeline, with one state a text and with one a token."""
    in_light_mode(*SMOKE)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [path for path in LESSONS + SOLUTIONS if path not in SMOKE],
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_every_other_notebook(path):
    in_light_mode(path)
