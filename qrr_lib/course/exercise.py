"""The checker behind every exercise: not started, what is wrong, or right."""

from collections.abc import Callable

from qrr_lib.course.lines import printable


def check(title: str) -> Callable[[Callable[[], None]], None]:
    """Decorator that runs a test at once and prints one line.

    ⏳ not started, ❌ what is wrong, or ✅.

    The test calls the learner's function and asserts; the message of the first
    assertion that fails is shown. A stub raises NotImplementedError, which means "not
    started". Nothing is raised, so a notebook runs on.
    """

    def run(test: Callable[[], None]) -> None:
        try:
            test()
        except NotImplementedError:
            _show(f"⏳ {title}: not started")
        except AssertionError as error:
            _show(f"❌ {title}: {error}")
        except Exception as error:  # a learner's code may fail in any way
            _show(f"❌ {title}: your code raised {type(error).__name__}: {error}")
        else:
            _show(f"✅ {title}")

    return run


def _show(line: str) -> None:
    if printable(line) != line:  # a Windows console without UTF-8
        for sign, word in (("⏳", "[todo]"), ("❌", "[wrong]"), ("✅", "[ok]")):
            line = line.replace(sign, word)
    print(printable(line))
