"""Pydantic's findings, told to the person who edits ``mdm.toml``: file, key, found, allowed."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ValidationError

#: What pydantic says in words of Python, said in words of TOML.
_SAID = {
    "string_type": 'a text in quotes is asked for: "…"',
    "tuple_type": 'a list is asked for: ["…", "…"]',
    "dict_type": "a table is asked for: [section]",
    "model_type": "a table is asked for: [section]",
    "too_short": "at least one is needed",
}


def no_such(kind: str, name: str, allowed: Iterable[str]) -> str:
    """That there is no ``name``, what may have been meant, and what there is."""
    known = list(allowed)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"no such {kind}; found {name!r}; {hint}allowed: {', '.join(known)}"


def explain(path: Path, error: ValidationError, root: type[BaseModel]) -> str:
    """One line per fault of ``error``, each with file, key, what was found and what is allowed."""
    lines = []
    for fault in error.errors(include_url=False):
        location = tuple(str(part) for part in fault["loc"])
        key = ".".join(part for part in location if not part.startswith(("function-", "tuple[")))
        kind = fault["type"]
        if kind == "extra_forbidden":
            allowed = _fields(root, location[:-1])
            close = difflib.get_close_matches(location[-1], allowed, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            lines.append(f"{path}: {key}: unknown key; {hint}allowed: {', '.join(allowed)}")
        elif kind == "missing":
            lines.append(f"{path}: {key}: missing; it is required")
        elif kind == "value_error":
            for message in str(fault["ctx"]["error"]).splitlines():
                lines.append(f"{path}: {key}: {message}" if key else f"{path}: {message}")
        else:
            said = _SAID.get(kind, fault["msg"])
            lines.append(f"{path}: {key}: {said}; found {fault['input']!r}")
    return "\n".join(dict.fromkeys(lines))


def _fields(root: type[BaseModel], location: tuple[str, ...]) -> list[str]:
    """The keys allowed at ``location``, found by walking the section types."""
    model: typing.Any = root
    for part in location:
        if isinstance(model, type) and issubclass(model, BaseModel) and part in model.model_fields:
            annotation = model.model_fields[part].annotation
            arguments = typing.get_args(annotation)
            # dict[str, Section]: the next part of the location is the user's own name, not a field
            inner = [argument for argument in arguments if argument is not type(None)]
            model = inner[-1] if inner else annotation
    return list(model.model_fields) if hasattr(model, "model_fields") else []
