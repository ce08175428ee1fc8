"""Packages of an extra, asked for when they are used."""

import importlib


class EngineError(ValueError):
    """An engine is missing, unreachable or refuses; the message says which one, where,
    and what to do.
    """


def package(name: str, extra: str = "engine"):
    """Import a package of the extra; EngineError if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        hint = f'run `pip install -e ".[{extra}]"`'
        raise EngineError(f"{name} is not installed ({error}): {hint}") from None
