"""The floor: counts that were reached before."""

from __future__ import annotations

import pytest

from drydock.errors import MalformedError
from drydock.model.floor import FLOOR_FILE, Floor, load_floor, set_floor


def test_a_bound_is_set_by_its_kind(tmp_path):
    """Setting one bound leaves the others; without a file, nothing is too few."""
    assert load_floor(tmp_path) == Floor()
    assert set_floor(tmp_path, blocks=5, claims=2) is True
    assert set_floor(tmp_path, blocks=7) is True
    assert set_floor(tmp_path, blocks=7) is False
    assert load_floor(tmp_path) == Floor(blocks=7, claims=2)


def test_what_is_below_the_floor_has_a_remedy():
    """Each count below its bound has a message; a count at its bound or above has none."""
    assert Floor(blocks=5, claims=2, transcripts=2).find_shortfalls({"blocks": 3, "claims": 2, "transcripts": 1}) == [
        "3 blocks, but evidence/reports/floor.json has 5: find out which are missing; "
        "if you removed them on purpose, run: nox -s docs -- floor",
        "1 transcripts, but evidence/reports/floor.json has 2: find out which are missing; "
        "if you removed them on purpose, run: nox -s record",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "it is .., not a table"),
        ('{"blocks": 1e999}', "blocks is inf, not a whole number"),
        ('{"blocks": "5"}', "blocks is '5', not a whole number"),
        ('{"blocks": -1}', "a count is negative"),
        ('{"block": 5}', "did you mean blocks"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_malformed_floor_says_what_to_run(tmp_path, text, problem):
    """A file without such counts is refused, with the command that restores it."""
    (tmp_path / FLOOR_FILE).parent.mkdir(parents=True)
    (tmp_path / FLOOR_FILE).write_text(text)

    with pytest.raises(MalformedError, match=problem) as caught:
        load_floor(tmp_path)
    assert str(caught.value).endswith("run: git restore evidence/reports/floor.json")
