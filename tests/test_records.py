"""Records: made from what a step printed, cleaned, checked, and read for pages."""

from __future__ import annotations

import socket

import pytest

from drydock import ROOT, host
from drydock.model import records
from drydock.model.example import Example
from drydock.model.records import PrintedLine, make_record, printed_lines
from drydock.replay import privacy


def unchanged(text):
    """Clean nothing."""
    return text


@pytest.mark.parametrize(
    ("expected", "observed", "record"),
    [
        (["a"], ["a"], None),
        ([r"\<id>"], [r"\<id>"], None),
        (["<n> files"], ["7 files"], ("7 files",)),
        (["..."], [], ()),
        ([" Container a Started"], [" Container a  Started "], None),
        ([" Container a <n>"], [" Container a   7"], (" Container a 7",)),
        ([" Container a Up"], [" Container a Up"] * 2, None),
        (["..."], [" Container a Up"] * 2, (" Container a Up",)),
        (["a", "...", "z"], ["a", "b\x07", "z"], ("a", "b", "z")),
        (["..."], [str(n) for n in range(25)], tuple(map(str, range(25)))),
        (["..."], [str(n) for n in range(26)], (*map(str, range(12)), 2, *map(str, range(14, 26)))),
        (["a", "..."], ["a", "x" * 6001], ("a", 1)),
        (["..."], ["x" * 300] * 24, (*["x" * 300] * 5, 14, *["x" * 300] * 5)),
    ],
)
def test_a_record_is_made(expected, observed, record):
    """A step has a record if it printed something else than its pattern; of what `...` covers, it has both ends."""
    assert make_record(expected, observed, unchanged) == record


@pytest.mark.parametrize(
    ("expected", "record", "printed"),
    [
        (["<n> of [..], <n>"], ("7 of a b, 12",), [PrintedLine("7 of a b, 12", ((0, 1), (5, 8), (10, 12)))]),
        (["[..]a"], (r"\$ \<id>a",), [PrintedLine("$ <id>a", ((0, 6),))]),
        (["a [..]"], ("a ",), [PrintedLine("a ")]),
        (
            ["a", "...", "z"],
            ("a", "b", 3, "c", "z"),
            [
                PrintedLine("a"),
                PrintedLine("b", elided=1),
                PrintedLine("[lines left out here: 3]", elided=1, lines=3),
                PrintedLine("c", elided=1),
                PrintedLine("z"),
            ],
        ),
        ([" Container a Up"], (" Container a Up", " Container a Up"), [PrintedLine(" Container a Up")] * 2),
        (["..."], ("b", " Image a Built"), [PrintedLine("b", elided=0), PrintedLine(" Image a Built", elided=0)]),
    ],
)
def test_a_record_is_read(expected, record, printed):
    """What a placeholder matched is marked, and what `...` covers is known, in the text as a reader sees it."""
    assert printed_lines(expected, record) == printed


@pytest.mark.parametrize(
    ("expected", "record", "problem"),
    [
        (["<n>"], ("a",), "doesn't match the step's patterns"),
        (["a", "..."], ("b", 3), "doesn't match the step's patterns"),
        (["[..]", "[..]"], (2,), "leaves out lines which the transcript has"),
        (["[..]"], ("-----BEGIN RSA PRIVATE KEY-----",), "a secret"),
        (["..."], ("token ghp_" + "a1" * 18,), "a secret"),
    ],
)
def test_a_wrong_record_is_refused(expected, record, problem):
    """A record that its pattern doesn't match, or with a secret in what the pattern leaves open, is refused."""
    with pytest.raises(ValueError, match=problem):
        printed_lines(expected, record)


def test_what_the_author_wrote_is_no_secret():
    """A secret is refused only in text that the pattern leaves open: what the transcript has is the author's choice."""
    key = "-----BEGIN PRIVATE KEY-----"

    assert printed_lines([key, "<n>"], (key, "7"))[0] == PrintedLine(key)


@pytest.mark.parametrize(
    ("record", "problem"),
    [((0,), "leaves out 0 lines"), ((10**7,), "leaves out"), (("x" * (records.LIMIT + 1),), "let the command print")],
)
def test_an_odd_record_is_refused(record, problem):
    """The size of a record is limited, and so is the number of lines that it leaves out."""
    with pytest.raises(ValueError, match=problem):
        records.check_record(record)


@pytest.fixture
def clean(tmp_path, monkeypatch):
    """Return the function that cleans what an example with a secret printed on a host with a name and a user."""
    monkeypatch.setattr(socket, "gethostname", lambda: "buildbox7")
    monkeypatch.setattr(privacy, "_address", lambda: "10.4.5.6")
    monkeypatch.setenv("LOGNAME", "jdoe")
    monkeypatch.setenv("HOME", "/home/jdoe")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("PUBLISH_TOKEN", "value-of-a-variable")
    root = tmp_path / "examples/greeting"
    root.mkdir(parents=True)
    (root / "token.txt").write_text("value-of-a-file\n")
    (root / "app.env").write_text("DB_PASSWORD=value-of-a-setting\nCOLOR=blue-as-the-sky\n")
    return privacy.find_private(Example(root), tmp_path / "copy")


def test_what_is_private_gets_stand_ins(clean, tmp_path):
    """Paths, names, and the address of the host, and a swarm's join token, are replaced; other text stays."""
    lines = [
        f"{tmp_path}/copy/greeting/compose.yaml, {tmp_path}/copy/home/.docker, {ROOT}/examples, /home/jdoe/x",
        "buildbox7 jdoe 10.4.5.6:2377, SWMTKN-1-2dlmss-13gl1c",
        f"{host.cache_folder()}/engine/data-docker-29.7/containers",
        "Get:4 http://mirror.buildbox.invalid/debian trixie/main, https://index.invalid/simple/",
        "buildbox77 jdoes 10.4.5.67 blue-as-the-sky",
    ]

    assert [clean(line) for line in lines] == [
        "/home/you/greeting/compose.yaml, /home/you/.docker, /home/you/drydock/examples, /home/you/x",
        "your-host you 192.0.2.10:2377, SWMTKN-1-example",
        "/var/lib/docker/containers",
        "Get:4 http://mirror.example/debian trixie/main, https://mirror.example/simple/",
        lines[4],
    ]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("value-of-a-file", "token.txt"),
        ("value-of-a-setting", "DB_PASSWORD in app.env"),
        ("value-of-a-variable", "PUBLISH_TOKEN"),
    ],
)
def test_a_secret_is_refused(clean, value, name):
    """The value of a secret file, or of a secret variable of the example or of the host, is refused with its name."""
    with pytest.raises(ValueError, match=f"it prints the value of {name}; write that out in the transcript"):
        make_record(["..."], [f"is {value}"], clean)


def test_only_open_text_is_cleaned(clean):
    """What the transcript writes out stays, and a placeholder still matches what is in its place."""
    assert make_record(["jdoe at <ip>"], ["jdoe at 10.4.5.6"], clean) == ("jdoe at 192.0.2.10",)
    with pytest.raises(ValueError, match="doesn't match"):
        make_record(["<n>"], ["10"], lambda text: "ten")


def test_a_page_shows_the_ends_of_what_is_elided():
    """Of many lines that `...` covers, the first and the last ones are shown, and the number of the others."""
    lines = printed_lines(["begin", "...", "end"], ("begin", *"abcdefgh", 40, "i", "end"))
    short = records.shorten_elided(lines)

    assert [line.text for line in short] == [
        "begin",
        "a",
        "b",
        "c",
        "[lines left out here: 4]",
        "h",
        "[lines left out here: 40]",
        "i",
        "end",
    ]
    assert sum(line.lines for line in short) == sum(line.lines for line in lines)
    assert records.shorten_elided(lines[:5]) == lines[:5]
