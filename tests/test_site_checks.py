"""Malformed files of the project and blocks that are left out: each is a located warning, and none ends the build."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("evidence/reports/followed.json", "[]", "it is [], not a table"),
        ("evidence/reports/floor.json", '{"blocks": 1e999}', "blocks is inf, not a whole number"),
        ("evidence/reports/floor.json", "[" * 100_000, "nested too deeply"),
        ("tests/examples/test_greeting.py", b"# \n\xff", "not UTF-8"),
    ],
    ids=["followed", "floor-infinite", "floor-nested", "test"],
)
def test_a_malformed_file_is_a_located_warning(site, path, content, message):
    """A list where a table belongs, infinity, endless nesting, and a foreign encoding are reported at their file."""
    site.page("first", ":::{example} greeting/Dockerfile\n:::\n\n:::{claims}\n:::\n\n:::{followed}\n:::")
    site.write(path, content)
    site.record("greeting")
    warnings = site.build().warnings

    assert warnings
    assert all(warning.startswith(f"{path}:") for warning in warnings), warnings
    assert message in warnings[0]


def test_a_block_that_only_leaves_out_is_not_shown(site):
    """An example whose only block no build shows is an orphan, and its block isn't counted."""
    before = site.build().census["written"]
    site.page("first", "````{only} never\n:::{example} greeting/Dockerfile\n:::\n````")
    built = site.build()

    assert before == 1
    assert built.census["written"] == 0
    assert any("no page shows the example greeting" in warning for warning in built.warnings)


def test_a_block_that_only_shows_counts(site):
    """A condition that holds in this build leaves nothing out."""
    site.page("first", "````{only} html\n:::{example} greeting/Dockerfile\n:::\n````")
    built = site.build()

    assert built.warnings == []
    assert built.census["written"] == 1


def test_tests_are_counted(site):
    """A page has the number of test functions in a file or a folder; a path without tests is reported."""
    site.write("tests/fuzz/test_a.py", "def test_a():\n    def test_inner(): ...\n\n\ndef test_b(): ...\n")
    site.write("tests/fuzz/deep/test_c.py", "def test_c(): ...\n# \u00e9\n")
    site.page("first", "All {tests}`tests/fuzz`, of these {tests}`tests/fuzz/test_a.py`, and {tests}`tests/none`.")
    built = site.build()

    assert "All 3, of these 2, and 0." in built.text("first.html")
    assert [line for line in built.warnings if "first" in line] == [
        "docs/first.md:3: WARNING: no tests in 'tests/none' [example.missing]"
    ]
