"""Packages of the extra `[scale]`, asked for when they are used."""

import importlib


class EngineError(ValueError):
    """An engine is missing, unreachable or refuses; the message says which one, where,
    and what to do.
    """


def package(name: str):
    """Import a package of the extra; EngineError if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        hint = 'run `pip install -e ".[scale]"`'
        raise EngineError(f"{name} is not installed ({error}): {hint}") from None
