"""Python source as text that stays the same when comments and formatting change."""

from __future__ import annotations

import ast
import functools
import itertools
import warnings
from collections.abc import Iterator
from typing import Any

#: Fields without effect when the code runs.
_IGNORED_FIELDS = {"type_comment", "kind"}


@functools.lru_cache(maxsize=256)
def canonical_source(source: bytes) -> bytes:
    """Return the syntax tree of a Python file as text: docstrings included, comments and formatting left out.

    The text is the same on each Python that parses the file. Neither ``ast.dump`` nor ``ast.unparse`` can promise that:
    3.13 omits empty lists, 3.12 adds fields, and both split f-strings in their way. So empty fields are left out here,
    and the parts of an f-string are joined. White space in a docstring counts as one space, as on the site.

    A file that doesn't parse is returned as it is: any change of it counts.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # A warning about an odd escape must not fail a strict run.
            tree = ast.parse(source)
        return " ".join(_walk_tokens(tree)).encode()
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return source


def _walk_tokens(tree: ast.AST) -> Iterator[str]:
    """Yield the tokens of the text. A stack takes the place of recursion, which deep trees would exceed."""
    stack: list[object] = [tree]  # nodes and lists to take apart, and finished tokens
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            stack += ["]", *(_stacked(part) for part in reversed(item)), "["]
        elif isinstance(item, ast.Constant):
            yield f"{type(item.value).__name__} {item.value!a}"
        elif isinstance(item, ast.AST):
            yield f"{type(item).__name__}("
            stack.append(")")
            for name in _field_names(type(item)):  # type: ignore[arg-type]  # mypy takes a class for unhashable
                value = _field_value(item, name)
                if value is not None and value != []:
                    stack += [_stacked(value), f"{name}="]


@functools.cache
def _field_names(kind: Any) -> list[str]:
    """Return the names of the fields of a kind of node, in reverse order, because they go onto a stack."""
    return sorted(set(kind._fields) - _IGNORED_FIELDS, reverse=True)


def _stacked(value: object) -> object:
    """Return what stands for `value` on the stack: a plain value is a finished token."""
    return value if isinstance(value, ast.AST | list) else ascii(value)


def _field_value(node: ast.AST, name: str) -> object:
    value: object = getattr(node, name, None)
    if name == "values" and isinstance(node, ast.JoinedStr):
        return _joined_parts(node)
    if name == "body" and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        docstring = ast.get_docstring(node, clean=False)
        if docstring is not None:
            return [ast.Constant(" ".join(docstring.split())), *node.body[1:]]
    return value


def _joined_parts(node: ast.JoinedStr) -> list[ast.expr]:
    """Return the parts of an f-string, neighbouring texts joined and empty ones left out."""
    parts: list[ast.expr] = []
    for _, group in itertools.groupby(node.values, lambda part: isinstance(part, ast.Constant)):
        run = list(group)
        text = "".join(str(part.value) for part in run if isinstance(part, ast.Constant))
        parts += [ast.Constant(text)] if text else [part for part in run if not isinstance(part, ast.Constant)]
    return parts
