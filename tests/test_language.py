"""The check of words to avoid: what is read as prose, what is a use, and the backlog."""

from __future__ import annotations

import language
import prose
import pytest

from drydock.errors import MalformedError

RULES = """\
[rules.again]
words = ['anew', 'once more']
write = '"again"'

[rules.switch]
words = ['switch']
write = '"bridge"'
areas = ["pages"]
"""


@pytest.fixture
def repository(tmp_path):
    """Return a function that writes a file of a repository, which has the rules above and no backlog."""

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return tmp_path

    write(str(language.FILE), RULES)
    return write


def uses(top):
    """Return the uses in a repository, each as its file, line, and text."""
    return [use[1:] for use in language.find_uses(language.load_language(top), top).uses]


def run(top, *arguments):
    """Run the command, and return its exit status."""
    return language.main(arguments, top)


@pytest.mark.parametrize(
    ("name", "text", "area", "lines"),
    [
        ("docs/a.md", "# Begin anew\n\nIt begins\nanew, and **once\nmore**.\n", prose.PAGES, [1, 4, 4]),
        ("docs/a.md", "| a |\n| --- |\n| anew |\n\n- anew\n\n> anew\n", prose.PAGES, [3, 5, 7]),
        ("docs/a.md", "---\nmyst:\n  html_meta:\n    description: anew\n---\n", prose.PAGES, [1]),
        ("docs/a.md", "See [anew](x.md), {term}`anew <anew>`, and ![anew](x.svg).\n", prose.PAGES, [1, 1, 1]),
        ("docs/a.md", ":::{picture} a:b\n:caption: begins anew\n:::\n", prose.PAGES, [1]),
        (
            "docs/a.md",
            "::::{tab-set}\n:::{tab-item} anew\n:sync: anew\n\nBegin\nanew.\n:::\n::::\n",
            prose.PAGES,
            [2, 6],
        ),
        ("docs/a.md", ":::{glossary}\nanew\n  It begins anew.\n:::\n", prose.PAGES, [2, 3]),
        ("README.md", "Begin anew.\n", prose.READMES, [1]),
        ("examples/a/README.md", "Begin anew.\n", prose.READMES, [1]),
        (
            "examples/a/Dockerfile.bad",
            "# Begin\n# anew.\nFROM a\nRUN a && \\\n    # anew\n    b\n",
            prose.COMMENTS,
            [2, 5],
        ),
        ("examples/a/compose.yaml", "services: # anew\n  web: {image: a}\n# once\n# more\n", prose.COMMENTS, [1, 3]),
        ("examples/a/serve", "#!/bin/sh\n# anew\necho '# x'\n", prose.COMMENTS, [2]),
        ("examples/a/look", "#!/usr/bin/env python3\n# anew\n", prose.COMMENTS, [2]),
        ("examples/a/main.go", "package main // anew\n/* Begins\n   anew */\n", prose.COMMENTS, [1, 3]),
        ("examples/a/server.js", "// anew\nstart();\n", prose.COMMENTS, [1]),
        ("examples/a/a.sql", "-- anew\nSELECT 1;\n", prose.COMMENTS, [1]),
        ("examples/a/index.html", "<!-- anew -->\n<p>x</p>\n", prose.COMMENTS, [1]),
        ("examples/a/.dockerignore", "# anew\n*.md\n", prose.COMMENTS, [1]),
        ("examples/a/app.py", '"""Begins\n\nanew."""\nx = 1  # anew\n', prose.COMMENTS, [3, 4]),
        ("tests/examples/a.toml", 'a = { why = "it begins anew" }\n', prose.CLAIMS, [1]),
        ("tests/examples/test_a.py", 'def test_a():\n    """It begins anew."""\n', prose.CLAIMS, [2]),
        ("tests/examples/test_a.py", 'def start():\n    """It begins anew."""\n', prose.HARNESS, [2]),
        (
            "tests/test_a.py",
            "assert x, f'{a} is to begin anew'\npytest.skip('it begins anew')\n",
            prose.HARNESS,
            [1, 2],
        ),
        ("tests/test_a.py", "# Begin\n# anew.\nx = '#'  # anew\n", prose.HARNESS, [2, 3]),
        ("drydock/a.py", "raise ValueError(f'{a} begins ' 'anew')\n", prose.HARNESS, [1]),
        ("drydock/a.css", "/* anew */\n", prose.HARNESS, [1]),
    ],
)
def test_prose_is_read(repository, name, text, area, lines):
    """Each kind of prose is read, with its area, and a use is reported with its line."""
    top = repository(name, text)

    assert [(file, line) for file, line, _ in uses(top)] == [(name, line) for line in lines]
    assert language.find_uses(language.load_language(top), top).hits[area] == len(lines)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("docs/a.md", "Run `anew`, ``once more``, or {measured}`anew:anew`. `once` more, once `x` more.\n"),
        ("docs/a.md", "    anew\n\n```console\n$ anew\n```\n\n[x](anew.md) <https://anew.example>\n"),
        ("docs/a.md", ":::{transcript} anew/anew\n:steps: anew\n:::\n\n% anew\n\n<b title='anew'></b>\n"),
        ("docs/a.md", "renewanew, anewer, and an\new\n"),
        ("examples/a/Dockerfile", "# region: anew\nRUN echo anew\n# endregion: anew\n# `anew`\n"),
        ("examples/a/compose.yaml", "services: {anew: {command: 'echo # anew'}}\n"),
        ("examples/a/transcripts/a.console", "$ anew\nanew\n"),
        ("examples/a/data.json", '{"why": "it begins anew"}\n'),
        ("tests/examples/a.toml", "once = 'anew'\n"),
        ("tests/test_a.py", "text = 'it begins anew'\ncheck('it begins anew')\n"),
        ("tests/test_a.py", 'def f():\n    """See ``anew``, and::\n\n        anew\n\n    >>> anew\n    """\n'),
        ("drydock/a.py", "anew = find('anew', f'it begins {anew}')\n"),
        ("drydock/broken.py", "def (: # anew\n"),
        ("drydock/page.css", "a { content: 'anew' }\n"),
    ],
)
def test_code_is_no_prose(repository, name, text):
    """Code, names, addresses, options, and parts of words are no uses."""
    assert uses(repository(name, text)) == []


def test_a_rule_applies_in_its_areas(repository):
    """A rule with areas is checked there only."""
    repository("README.md", "A switch.\n")

    assert uses(repository("docs/a.md", "A switch.\n")) == [("docs/a.md", 1, "switch")]


def test_patterns_match_whole_words(repository):
    """A space in words matches a line break, ``^`` the start of a sentence, and a capital letter only itself."""
    top = repository("tests/language.toml", "[rules.a]\nwords = ['^What is', 'told Docker', 'of own']\nwrite = 'x'\n")
    text = (
        "What is it? And what\nis it; What is it. What\nis it. It Told docker, told\nDocker, OF\nOWN, so-of own-ly.\n"
    )
    repository("docs/a.md", text)

    assert uses(top) == [
        ("docs/a.md", 1, "What is"),
        ("docs/a.md", 2, "What is"),
        ("docs/a.md", 3, "told Docker"),
        ("docs/a.md", 4, "OF OWN"),
        ("docs/a.md", 5, "of own"),
    ]


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ("[rules.a]\nwords = ['a']\n", "rules.a"),
        ("[rules.a]\nwords = []\nwrite = 'b'\n", "rules.a: needs words"),
        ("[rules.a]\nwords = ['(a']\nwrite = 'b'\n", "rules.a: has a wrong regular expression"),
        ("[rules.a]\nwords = ['(a)']\nwrite = 'b'\n", "rules.a: has a group"),
        (
            "[rules.a]\nwords = ['a']\nwrite = 'b'\nareas = ['page']\n",
            "rules.a: needs words, write, and areas out of pages",
        ),
        (f"{RULES}[[allow]]\nrule = 'again'\ntext = 'anew'\n", "allow[0]"),
        (f"{RULES}[[allow]]\nrule = 'again'\ntext = 'anew'\nwhy = ' '\n", "why it is right"),
        (f"{RULES}[[allow]]\nrule = 'agan'\ntext = 'anew'\nwhy = 'b'\n", "no rule 'agan'; did you mean again"),
    ],
)
def test_malformed_rule(repository, rules, problem, capsys):
    """A malformed rule, and an exemption without a reason or of an unknown rule, are named."""
    top = repository("tests/language.toml", rules)

    assert run(top, "check") == 1
    assert f"{language.FILE}: " in capsys.readouterr().out
    with pytest.raises(MalformedError) as caught:
        language.load_language(top)
    assert problem in str(caught.value)


def test_an_exempt_use_is_right(repository):
    """An exemption holds for the uses within its text, in its file if it names one."""
    exemption = "[[allow]]\nrule = 'again'\ntext = 'the name anew'\nfile = 'docs/a.md'\nwhy = 'a name'\n"
    repository("tests/language.toml", RULES + exemption)
    repository("docs/b.md", "the name anew\n")

    assert uses(repository("docs/a.md", "the name\nanew, anew\n")) == [
        ("docs/a.md", 2, "anew"),
        ("docs/b.md", 1, "anew"),
    ]


@pytest.mark.parametrize(("backlog", "status"), [("", 1), ("docs/a.md again 1\n", 1), ("docs/a.md again 2\n", 0)])
def test_more_uses_than_the_backlog_fail(repository, backlog, status, capsys):
    """A file with more uses of a rule than the backlog fails: each is shown with its place, word, and replacement."""
    repository(str(language.BACKLOG), backlog)
    top = repository("docs/a.md", "Begin anew.\n\nAnd once\nmore.\n")

    assert run(top, "check") == status
    shown = capsys.readouterr().out
    assert ("docs/a.md:1: 'anew': write \"again\" (rule again" in shown) == bool(status)
    assert ("docs/a.md:3: 'once more': write \"again\" (rule again" in shown) == bool(status)
    assert ("2 in this file, 1 in tests/language-backlog.txt" in shown) == (backlog == "docs/a.md again 1\n")
    assert ("CONTRIBUTING.md" in shown) == bool(status)
    assert "per 1,000 words: pages 400.0, READMEs 0.0" in shown


@pytest.mark.parametrize("entry", ["docs/a.md again 2", "docs/gone.md again 1", "docs/a.md switch 1"])
def test_fewer_uses_are_a_notice(repository, entry, capsys):
    """Fewer uses than the backlog, or a missing file, are a notice with the command, and fail the weekly run."""
    repository(str(language.BACKLOG), f"{entry}\ndocs/a.md again 1\n" if "again 2" not in entry else f"{entry}\n")
    top = repository("docs/a.md", "Begin anew.\n")

    assert (run(top, "check"), run(top, "check", "--weekly")) == (0, 1)
    before, after = capsys.readouterr().out.split("per 1,000")[:2]
    assert f"notice: {language.BACKLOG}: 1 numbers are too high, such as {entry}, of which" in before
    assert f"drydock: {language.BACKLOG}: 1 numbers are too high" in after
    assert "run: nox -s lint -- language shrink" in before


def test_an_exemption_that_nothing_needs_is_a_notice(repository, capsys):
    """An exemption without a use is a notice, and fails the weekly run."""
    top = repository("tests/language.toml", f"{RULES}[[allow]]\nrule = 'again'\ntext = 'anew'\nwhy = 'a name'\n")

    assert (run(top, "check"), run(top, "check", "--weekly")) == (0, 1)
    assert "notice: tests/language.toml: nothing needs the exemption of 'anew' from again" in capsys.readouterr().out


def test_the_backlog_only_shrinks(repository):
    """`shrink` lowers numbers and drops what is gone; it raises none and adds none. Of two lines the smaller holds."""
    lines = [
        "docs/b.md again 1",
        "docs/a.md again 5",
        "docs/a.md again 3",
        "docs/gone.md again 2",
        "docs/c.md switch 2",
    ]
    repository(str(language.BACKLOG), "".join(f"{line}\n" for line in lines))
    repository("docs/a.md", "Anew, anew, anew, anew.\n")
    repository("docs/b.md", "Anew, anew. A switch.\n")
    top = repository("docs/c.md", "A switch.\n")

    assert run(top, "shrink") == 0
    assert (top / language.BACKLOG).read_text() == "docs/a.md again 3\ndocs/b.md again 1\ndocs/c.md switch 1\n"


def test_a_new_rule_is_adopted(repository):
    """`adopt` writes the uses of one rule into the backlog, and leaves the others."""
    repository(str(language.BACKLOG), "docs/a.md again 1\ndocs/b.md switch 1\n")
    top = repository("docs/a.md", "Anew, anew. A switch.\n")

    assert run(top, "adopt", "switch") == 0
    assert (top / language.BACKLOG).read_text() == "docs/a.md again 1\ndocs/a.md switch 1\n"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("docs/a.md again", "isn't a file, a rule, and a number"),
        ("docs/a.md again 0", "isn't a file, a rule, and a number"),
        ("docs/a.md agan 1", "no rule 'agan'; did you mean again"),
    ],
)
def test_malformed_backlog(repository, line, problem, capsys):
    """A malformed line, or an unknown rule, is an error with the line."""
    top = repository(str(language.BACKLOG), f"docs/a.md switch 1\n{line}\n")

    assert run(top, "check") == 1
    shown = capsys.readouterr().out
    assert f"{language.BACKLOG}:2: " in shown
    assert problem in shown


def test_uses_are_listed(repository, capsys):
    """A file or folder lists its uses, those of the backlog too; without arguments there is a table."""
    repository(str(language.BACKLOG), "docs/a/b.md again 1\n")
    top = repository("docs/a/b.md", "Anew.\n")
    for argument in ("docs/a/b.md", "docs/a/"):
        assert run(top, argument) == 0
        assert capsys.readouterr().out == "docs/a/b.md:1: 'Anew': write \"again\" (rule again)\n"

    assert run(top) == 0
    assert "pages                      1      1            1000.0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["docs/b.md"], "no file 'docs/b.md'; did you mean docs/a.md?"),
        (["adopt", "agan"], "no rule 'agan'; did you mean"),
    ],
)
def test_unknown_names(repository, arguments, message, capsys):
    """An unknown file or rule is named with the nearest one."""
    assert run(repository("docs/a.md", "Anew.\n"), *arguments) == 1
    assert message in capsys.readouterr().out


def test_the_lists_of_the_repository_are_well_formed():
    """The rules of this repository can be read, and each line of its backlog has a rule."""
    rules = language.load_language()

    assert {rule for _, rule in language.read_backlog(rules)} <= set(rules.rules)
    assert rules.patterns[prose.PAGES][0].search("It begins anew.")
