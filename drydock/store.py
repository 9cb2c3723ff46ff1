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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from drydock.errors import MalformedError, did_you_mean

Built = TypeVar("Built")
#: Upper bound of numbers: nothing measured comes near it, and neither infinity nor NaN is below it.
MAX_NUMBER = 1e18
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


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


class _MisfitError(ValueError):
    """Data that doesn't fit, with the path to it in its file."""

    def __init__(self, problem: str, path: str = "") -> None:
        self.problem, self.path = problem, path
        # A dataclass's own message stands by itself.
        super().__init__(f"{path.removeprefix('.') or 'it'}{problem}" if path or problem[0] != ":" else problem[2:])


def build(kind: type[Built], data: object, at: str = "") -> Built:
    """Return plain data (dicts, lists, scalars) as `kind`, which may be a dataclass or, say, ``dict[str, Score]``.

    Checks every value against its annotation. A dataclass checks what goes beyond types in ``__post_init__``.

    :param at: where `data` stands in its file, for messages.
    :raises ValueError: the data doesn't fit; the message says where.
    """
    return typing.cast(Built, _build_part(_builder(typing.cast(Any, kind)), data, at))


@functools.cache
def _builder(kind: Any) -> Callable[[Any], Any]:
    """Return the function that checks data and returns it as `kind`."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass_builder(kind)
    if origin in (typing.Union, types.UnionType):
        return functools.partial(_build_union, arguments)
    if origin in (dict, Mapping) or (origin and issubclass(origin, Mapping)):
        return functools.partial(_build_dict, *map(_builder, arguments))
    if origin in (list, tuple) or (origin and issubclass(origin, Sequence)):
        return functools.partial(_build_list, list if origin is list else tuple, _builder(arguments[0]))
    return functools.partial(_build_scalar, kind)


def _build_dict(build_key: Callable[[Any], Any], build_value: Callable[[Any], Any], data: Any) -> dict[Any, Any]:
    _expect(isinstance(data, dict), "a table", data)
    return {build_key(key): _build_part(build_value, value, f".{key}") for key, value in data.items()}


def _build_list(kind: type, build_item: Callable[[Any], Any], data: Any) -> Any:
    _expect(isinstance(data, list), "a list", data)
    try:
        return kind(map(build_item, data))
    except _MisfitError:  # find its place; most lists have none, and are long
        return kind(_build_part(build_item, item, f"[{index}]") for index, item in enumerate(data))


def _build_part(builder: Callable[[Any], Any], data: Any, path: str) -> Any:
    try:
        return builder(data)
    except _MisfitError as error:
        raise _MisfitError(error.problem, f"{path}{error.path}") from None


def _dataclass_builder(kind: Any) -> Callable[[Any], Any]:
    fields = [field for field in dataclasses.fields(kind) if field.init]
    hints = typing.get_type_hints(kind)
    builders = {field.name: _builder(hints[field.name]) for field in fields}
    optional = {field.name for field in fields if field.default is not field.default_factory}  # one isn't MISSING
    required = [name for name in builders if name not in optional]

    def build_fields(data: Any) -> Any:
        _expect(isinstance(data, dict), "a table", data)
        for key in data.keys() - builders.keys():
            raise _MisfitError(f" has an unknown key {key!r}{did_you_mean(str(key), builders)}")
        missing = [name for name in required if name not in data]
        if missing:
            raise _MisfitError(f" lacks the key {missing[0]!r}")
        values = {name: _build_part(builders[name], value, f".{name}") for name, value in data.items()}
        try:
            return kind(**values)
        except _MisfitError:
            raise
        except ValueError as error:
            raise _MisfitError(f": {error}") from None

    return build_fields


def _build_union(kinds: Sequence[Any], data: Any) -> Any:
    tables = [kind for kind in kinds if dataclasses.is_dataclass(kind)]
    if isinstance(data, dict) and len(tables) == 1:
        return _builder(typing.cast(Any, tables[0]))(data)  # Its message says more than that nothing fits.
    for kind in kinds:
        with contextlib.suppress(ValueError):
            return _builder(kind)(data)
    names = " or ".join("null" if kind is type(None) else getattr(kind, "__name__", str(kind)) for kind in kinds)
    return _expect(False, names, data)


def _build_scalar(kind: Any, data: Any) -> Any:
    if kind is str:
        # JSON can hold half a character, which no file can.
        _expect(type(data) is str and (data.isascii() or not _HALF_CHARACTER.search(data)), "text", data)
    elif kind is float:
        _expect(type(data) in (int, float) and abs(data) < MAX_NUMBER, "a number", data)
    elif kind is int:
        _expect(type(data) is int and abs(data) < MAX_NUMBER, "a whole number", data)
    elif kind not in (Any, object):
        names = {bool: "true or false", type(None): "null", datetime.date: "a date"}
        _expect(type(data) is kind, names.get(kind, kind.__name__), data)
    return data


def _expect(holds: bool, wanted: str, data: object) -> None:
    if not holds:
        raise _MisfitError(f" is {data!r:.80}, not {wanted}")


def check_date(text: str) -> None:
    """Raise ValueError unless `text` is an ISO date, ``2026-11-20``."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        raise ValueError(f"{text!r:.80} is not a date such as 2026-11-20")
    datetime.date.fromisoformat(text)


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
