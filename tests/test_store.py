"""Small files: loaded as dataclasses, every value checked, saved whole."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field

import pytest

from drydock import store
from drydock.errors import MalformedError


@dataclass(frozen=True)
class Part:
    """A part of a whole."""

    name: str
    weight: float = 1.0

    def __post_init__(self):
        """Refuse a part without a name."""
        if not self.name:
            raise ValueError("a part without a name")


@dataclass(frozen=True)
class Whole:
    """What a file holds."""

    parts: tuple[Part, ...]
    by_name: dict[str, int] = field(default_factory=dict)
    day: datetime.date | None = None
    closed: bool = False


def test_what_was_saved_is_loaded(tmp_path):
    """Saving says whether the file changed; loading gives equal data."""
    whole = Whole((Part("a", 2), Part("ü")), {"b": 3}, closed=True)

    assert store.save_json(tmp_path / "new" / "whole.json", whole)
    assert not store.save_json(tmp_path / "new" / "whole.json", whole)
    assert store.load_json(Whole, tmp_path / "new" / "whole.json", "whole.json") == whole
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["whole.json"]


def test_toml_has_dates(tmp_path):
    """A date of TOML is a date."""
    (tmp_path / "whole.toml").write_text("parts = []\nday = 2026-11-28\n")

    assert store.load_toml(Whole, tmp_path / "whole.toml", "w").day == datetime.date(2026, 11, 28)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"parts": [], "by_nam": {}}', "w.json: it has an unknown key 'by_nam'; did you mean by_name?"),
        ("{}", "w.json: it lacks the key 'parts'"),
        ('{"parts": {}}', "w.json: parts is {}, not a list"),
        ('{"parts": [{"name": 5}]}', r"w.json: parts\[0\].name is 5, not text"),
        ('{"parts": [{"name": ""}]}', r"w.json: parts\[0\]: a part without a name"),
        ('{"parts": [{"name": "\\ud800"}]}', r"parts\[0\].name is .*, not text"),
        ('{"parts": [{"name": "a", "weight": 1e999}]}', r"parts\[0\].weight is inf, not a number"),
        ('{"parts": [{"name": "a", "weight": NaN}]}', r"parts\[0\].weight is nan, not a number"),
        ('{"parts": [{"name": "a", "weight": 1%s}]}' % ("0" * 400), r"parts\[0\].weight is 10+, not a number"),
        ('{"parts": [{"name": "a", "weight": true}]}', r"parts\[0\].weight is True, not a number"),
        ('{"parts": [], "by_name": {"a": 1.5}}', "by_name.a is 1.5, not a whole number"),
        ('{"parts": [], "by_name": {"a": 1e400}}', "by_name.a is inf, not a whole number"),
        ('{"parts": [], "closed": 1}', "closed is 1, not true or false"),
        ('{"parts": [], "day": "yesterday"}', "day is 'yesterday', not date or null"),
        ("[]", r"it is \[\], not a table"),
        ("[" * 100_000, "nested too deeply"),
        ('{\n"parts": oops}', "w.json:2: Expecting value"),
        ('{\n"parts": "\xff"}', "w.json:2: not UTF-8"),
        ("1" * 5000, "w.json"),
    ],
)
def test_anything_else_is_malformed(tmp_path, text, message):
    """The message says where in which file, and what is expected there."""
    (tmp_path / "w.json").write_bytes(text.encode("latin-1"))

    with pytest.raises(MalformedError, match=message):
        store.load_json(Whole, tmp_path / "w.json", "w.json", "delete it")


def test_toml_has_its_line(tmp_path):
    """A mistake in TOML is reported at its line."""
    (tmp_path / "w.toml").write_text("parts = []\n\nday =\n")

    with pytest.raises(MalformedError, match=r"w\.toml:3: "):
        store.load_toml(Whole, tmp_path / "w.toml", "w.toml")


def test_no_file_is_malformed(tmp_path):
    """A file that can't be read is named."""
    with pytest.raises(MalformedError, match=r"none\.json: cannot be read"):
        store.load_json(Whole, tmp_path / "none.json", "none.json")


def test_an_unreadable_file_has_its_remedy(tmp_path):
    """A file that isn't text, or a folder in its place, is refused with the remedy as well."""
    (tmp_path / "w.json").write_bytes(b"\xff")
    (tmp_path / "folder.json").mkdir()

    for name in ("w.json", "folder.json"):
        with pytest.raises(MalformedError, match=r"; delete it$"):
            store.load_json(Whole, tmp_path / name, name, "delete it")


@pytest.mark.parametrize("text", ["yesterday", "2026-02-30", "20261120", "2026-W47-5", "2026-11-20T10:00"])
def test_a_date_has_one_form(text):
    """Only the form that is written is accepted."""
    with pytest.raises(ValueError, match=r"date|day is out of range"):
        store.check_date(text)
    store.check_date("2026-11-20")
