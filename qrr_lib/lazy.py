"""Names of a package, and packages of an extra, that are imported when they are first
used.
"""

import importlib
import sys
from collections.abc import Callable, Mapping


def lazy_names(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable, Callable, list[str]]:
    """Make a package's `__getattr__`, `__dir__` and `__all__` (PEP 562).

    Parameters
    ----------
    package : str
        The package's `__name__`.
    homes : {module inside the package: its names, with blanks between}
        A dot before a module means one beside the package.
    """
    module_of = {}
    for module, names in homes.items():
        module_of |= dict.fromkeys(names.split(), module)
    every = sorted(module_of)

    def __getattr__(name: str):
        if name not in module_of:
            has = ", ".join(every)
            raise AttributeError(f"{package} has no {name!r}; it has {has}")
        module = importlib.import_module(f".{module_of[name]}", package)
        return getattr(module, name)

    def __dir__() -> list[str]:
        return sorted({*vars(sys.modules[package]), *every})

    return __getattr__, __dir__, every


def package(name: str, extra: str = "engine"):
    """Import a package, or a module, of an extra; ValueError if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        hint = f'run `pip install -e ".[{extra}]"`'
        missing = error.name or name
        raise ValueError(f"{missing} is not installed ({error}): {hint}") from None
