"""The checker behind every exercise: not started, what is wrong, or right."""

import linecache
import traceback
from collections.abc import Callable

from qrr_lib.files import printable


def check(title: str) -> Callable[[Callable[[], None]], bool]:
    """Decorator that runs a test at once and prints one line.

    ⏳ not started, ❌ what is wrong, or ✅.

    The test calls the learner's function and asserts; the message of the first
    assertion that fails is shown. An answer that is None, or of a type the test can't
    use, is named as such (a test that calls it `got` says more), an exception with the
    line that raised it. A stub raises NotImplementedError, which means "not started".
    Nothing is raised, so a notebook runs on; the decorated name is True if the answer
    is right, and False if not.
    """

    def run(test: Callable[[], None]) -> bool:
        try:
            test()
        except NotImplementedError:
            _show(f"⏳ {title}: not started")
        except Exception as error:  # a learner's code may fail in any way
            _show(f"❌ {title}: {_reason(error, test)}")
        else:
            _show(f"✅ {title}")
            return True
        return False

    return run


def _reason(error: Exception, test: Callable[[], None]) -> str:
    """What to tell a learner of the error that ended a test."""
    frame, line = [  # the last place in the notebook; it shares the test's names
        place
        for place in traceback.walk_tb(error.__traceback__)
        if place[0].f_globals is test.__globals__
    ][-1]
    said, code = f"{type(error).__name__}: {error}", frame.f_code
    if code.co_filename != test.__code__.co_filename:
        text = linecache.getline(code.co_filename, line).strip()
        where = f"line {line}" + f" (`{text}`)" * bool(text)
        return f"your code raised {said}, in {code.co_name}, {where}"
    answer = frame.f_locals.get("got", ...)
    if answer is None or "NoneType" in str(error):
        return "your function returned None: is its `return` missing?"
    if isinstance(error, AssertionError):
        return str(error)
    given = "" if answer is ... else f", a {type(answer).__name__}"
    return (
        f"the check can't use your answer{given} ({said}): is it of the type and shape "
        "that the docstring names?"
    )


def _show(line: str) -> None:
    if printable(line) != line:  # a Windows console without UTF-8
        for sign, word in (("⏳", "[todo]"), ("❌", "[wrong]"), ("✅", "[ok]")):
            line = line.replace(sign, word)
    print(printable(line))
