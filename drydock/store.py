"""Loads, checks and saves small JSON and TOML files as dataclasses."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import json
import re
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from drydock.errors import MalformedError, did_you_mean

Built = TypeVar("Built")
#: Upper bound of numbers: nothing measured comes near it, and neither infinity nor NaN is below it.
MAX_NUMBER = 1e18


def load_json(kind: type[Built], place: Path, shown: object, remedy: str = "") -> Built:
    """Return what the JSON file `place` holds, as `kind`; see :func:`build`.

    :param shown: the file's name for messages.
    :param remedy: what to do about a malformed file, such as ``delete it and run: nox -s record``.
    :raises MalformedError: the file can't be read, isn't JSON, or holds something else.
    """
    return _checked(kind, place, shown, json.loads, remedy)


def load_toml(kind: type[Built], place: Path, shown: object) -> Built:
    """Return what the TOML file `place` holds, as `kind`; see :func:`load_json`."""
    return _checked(kind, place, shown, tomllib.loads)


def _checked(kind: type[Built], place: Path, shown: object, parse: Any, remedy: str = "") -> Built:
    hint = f"; {remedy}" if remedy else ""
    try:
        return build(kind, parse(read_text(place, shown)))
    except MalformedError as error:
        raise MalformedError(shown, error.line, f"{error.problem}{hint}") from None
    except RecursionError:
        raise MalformedError(shown, 0, f"nested too deeply{hint}") from None
    except ValueError as error:
        line = (
            re.search(r"line (\d+)", str(error))
            if isinstance(error, (json.JSONDecodeError, tomllib.TOMLDecodeError))
            else None
        )
        raise MalformedError(shown, int(line[1]) if line else 0, f"{error}{hint}") from None


def read_text(place: Path, shown: object) -> str:
    """Return the text of the file `place`.

    :param shown: the file's name for messages.
    :raises MalformedError: it can't be read, or isn't UTF-8; the message names the line.
    """
    try:
        return place.read_bytes().decode()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise MalformedError(shown, line, f"not UTF-8 ({error.reason})") from None
    except (OSError, ValueError) as error:
        raise MalformedError(shown, 0, f"cannot be read ({error})") from None


def build(kind: type[Built], data: object, at: str = "") -> Built:
    """Return plain data (dicts, lists, scalars) as `kind`, which may be a dataclass or, say, ``dict[str, Score]``.

    Checks every value against its annotation. A dataclass checks what goes beyond types in ``__post_init__``.

    :param at: where `data` stands in its file, for messages.
    :raises ValueError: the data doesn't fit; the message says where.
    """
    return typing.cast(Built, _built(kind, data, at))


def _built(kind: Any, data: Any, at: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _built_dataclass(kind, data, at)
    if origin in (typing.Union, types.UnionType):
        return _built_union(arguments, data, at)
    if origin in (dict, Mapping) or (origin and issubclass(origin, Mapping)):
        _expect(isinstance(data, dict), "a table", data, at)
        return {
            _built(arguments[0], key, at): _built(arguments[1], value, f"{at}.{key}") for key, value in data.items()
        }
    if origin in (list, tuple) or (origin and issubclass(origin, Sequence)):
        _expect(isinstance(data, list), "a list", data, at)
        items = [_built(arguments[0], value, f"{at}[{index}]") for index, value in enumerate(data)]
        return items if origin is list else tuple(items)
    return _scalar(kind, data, at)


def _built_dataclass(kind: Any, data: Any, at: str) -> Any:
    _expect(isinstance(data, dict), "a table", data, at)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    for key in data.keys() - fields.keys():
        raise ValueError(f"{at or 'it'} has an unknown key {key!r}{did_you_mean(str(key), fields)}")
    for name in [name for name, field in fields.items() if _is_required(field) and name not in data]:
        raise ValueError(f"{at or 'it'} lacks the key {name!r}")
    hints = _hints(kind)
    values = {name: _built(hints[name], value, f"{at}.{name}".lstrip(".")) for name, value in data.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise ValueError(f"{at}: {error}" if at else str(error)) from None


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _built_union(kinds: Sequence[Any], data: Any, at: str) -> Any:
    tables = [kind for kind in kinds if dataclasses.is_dataclass(kind)]
    if isinstance(data, dict) and len(tables) == 1:
        return _built(tables[0], data, at)  # Its message says more than that nothing fits.
    for kind in kinds:
        with contextlib.suppress(ValueError):
            return _built(kind, data, at)
    names = " or ".join("null" if kind is type(None) else getattr(kind, "__name__", str(kind)) for kind in kinds)
    raise ValueError(f"{at or 'it'} is {data!r:.80}, not {names}")


def _scalar(kind: Any, data: Any, at: str) -> Any:
    if kind is Any or kind is object:
        return data
    if kind is float:
        number = type(data) in (int, float) and abs(data) < MAX_NUMBER
        _expect(number, "a number", data, at)
    elif kind is int:
        _expect(type(data) is int and abs(data) < MAX_NUMBER, "a whole number", data, at)
    elif kind is datetime.date:
        _expect(type(data) is datetime.date, "a date", data, at)
    else:
        _expect(type(data) is kind, {str: "text", bool: "true or false", type(None): "null"}.get(kind, kind), data, at)
    if kind is str:
        # JSON can hold half a character, which no file can.
        _expect(not any("\ud800" <= character <= "\udfff" for character in data), "text", data, at)
    return data


def check_date(text: str) -> None:
    """Raise ValueError unless `text` is an ISO date, ``2026-11-20``."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        raise ValueError(f"{text!r:.80} is not a date such as 2026-11-20")
    datetime.date.fromisoformat(text)


def _expect(holds: bool, wanted: object, data: object, at: str) -> None:
    if not holds:
        raise ValueError(f"{at or 'it'} is {data!r:.80}, not {wanted}")


def save_json(place: Path, data: object) -> bool:
    """Write `data` (plain, or dataclasses) as JSON that diffs well, and return whether the file changed."""
    return write_text(place, json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False, default=_plain) + "\n")


def _plain(data: Any) -> Any:
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        return {field.name: getattr(data, field.name) for field in dataclasses.fields(data)}
    raise TypeError(f"{data!r} has no form in JSON")


def write_text(place: Path, text: str) -> bool:
    """Write `text` to the file `place` and return whether it changed. The file is replaced whole or not at all."""
    return write_bytes(place, text.encode())


def write_bytes(place: Path, data: bytes) -> bool:
    """Write `data` to the file `place` and return whether it changed. The file is replaced whole or not at all."""
    if place.is_file() and place.read_bytes() == data:
        return False
    place.parent.mkdir(parents=True, exist_ok=True)
    candidate = place.with_suffix(".new")
    candidate.write_bytes(data)
    Path(candidate).replace(place)  # A path of Sphinx has another replace(), the one of str.
    return True
