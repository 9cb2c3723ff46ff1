"""Time: whatever is matched or split takes time in proportion to its length, on input made to take long."""

from __future__ import annotations

import importlib
import pkgutil
import re
import time

import pytest
import topics

import drydock
from drydock import builds, layers
from drydock.engine.cli_help import read_help
from drydock.model import transcript
from drydock.model.commands import Command, CommandSet, Program
from drydock.model.regions import parse_regions
from drydock.replay import shell
from drydock.site.render.inline import to_text

#: Letters of the shorter input; the longer one has four times as many.
LENGTH = 1500
#: Seconds of the processor's time that say nothing: the longer input of what takes quadratic time takes far more.
NOTHING = 0.03
#: How much longer the longer input may take. In proportion it is 4, squared 16; a busy machine adds to both.
GROWTH = 9

#: What is repeated, behind each start and before each end: what the expressions look for, in part.
PARTS = [
    *(
        "a",
        "1",
        " ",
        "/",
        "-",
        ".",
        ":",
        "=",
        "`",
        "[",
        "]",
        "(",
        "$(",
        '"',
        "'",
        "\\",
        "<",
        "#",
        "\n",
        "\t",
        "f0",
        "\x1b[",
    ),
    *(
        '""',
        "''",
        "a ",
        "A=1 ",
        'A="" ',
        "a=b=c ",
        "1.",
        "1m",
        "1:",
        ":a",
        "[a](",
        "`a``",
        "- ",
        " 1",
        "1/1 ",
        "<n>",
        "[..]",
    ),
    *("1 second ", "-t", "\x1b[1;", "FROM a ", "a-", "#1 [", "\n\n", "Usage: ", "sha256:", "-->", "..."),
]
STARTS = [
    *(
        "",
        "# region: a",
        "#1 [",
        "FROM ",
        "FROM a",
        "FROM --platform=",
        "  image: ",
        "RUN |1 ",
        "docker",
        "A=",
        "time",
        "#!",
    ),
    *("[exit ", "[", "`", "<", "v1.", "sha256:", "    --", "  a", "a-t", '"', "$(", "-d 127.0.0.1/32 ! -i lo "),
]
ENDS = ["", "\n!"]
#: What may stand before what is read as a whole.
OPENINGS = ["", '"', "$(", "["]


def _attacks(length, starts):
    """Yield texts of about this length, alike in all but that for each length."""
    for start in starts:
        for part in PARTS:
            for end in ENDS:
                yield start + part * (length // len(part)) + end


def _seconds(ask, text):
    began = time.thread_time()
    ask(text)
    return time.thread_time() - began


def _slow(ask, starts):
    """Return the inputs for which `ask` takes more than its share: each is tried again before it is blamed."""
    found = []
    for short, long in zip(_attacks(LENGTH, starts), _attacks(4 * LENGTH, starts), strict=True):
        # The short one first: what takes exponential time would never end on the long one.
        if _seconds(ask, short) > NOTHING and min(_seconds(ask, short) for _ in range(2)) > 1:
            found.append(short[:40])
        elif _seconds(ask, long) > NOTHING:
            before, after = (min(_seconds(ask, text) for _ in range(3)) for text in (short, long))
            if after > max(NOTHING, GROWTH * before):
                found.append(f"{short[:40]!r}: {before:.3f} s, {after:.3f} s")
    return found


def _expressions():
    """Return every regular expression that a module of Drydock has by a name."""
    found = {}
    for module in pkgutil.walk_packages(drydock.__path__, "drydock."):
        if not module.name.endswith("__main__"):
            known = vars(importlib.import_module(module.name))
            found |= {f"{module.name}.{name}": value for name, value in known.items() if isinstance(value, re.Pattern)}
    return found


@pytest.mark.parametrize("name", _expressions())
def test_an_expression_takes_linear_time(name):
    """A regular expression takes time in proportion to what it is given, wherever it is looked for."""
    expression = _expressions()[name]
    assert not _slow(lambda text: (expression.match(text), expression.fullmatch(text)), STARTS)


@pytest.mark.parametrize("token", transcript.REDACTIONS)
def test_a_placeholder_takes_linear_time(token):
    """A placeholder between elisions takes time in proportion to the line that it is looked for in."""
    assert not _slow(lambda text: transcript.line_matches(f"[..]<{token}>[..]<{token}>!!", text), [""])


COMMANDS = CommandSet("e", {"docker": Program({}, {"": Command(), "ps": Command({"-a": True})})})
READERS = {
    "sentence": to_text,
    "instruction": layers.plain_instruction,
    "inline command": lambda text: COMMANDS.problem(f"docker ps {text}"),
    "log of a build": builds.steps,
    "help": lambda text: read_help(text, "docker"),
    "anchors": topics._heading_anchors,
    "output": lambda text: transcript.observed_lines(shell._CONTROL_SEQUENCE.sub("", text)),
    "transcript": lambda text: transcript.parse_transcript(f"$ a\n{text}", "t"),
    "record": lambda text: transcript.merge_lines(["...", "<id>"], [transcript._redact_ids(text)]),
    "regions": lambda text: parse_regions(text.split("\n"), "x"),
}


@pytest.mark.parametrize("name", READERS)
def test_reading_takes_linear_time(name):
    """What reads a page, a log or an output takes time in proportion to it, refused or not."""

    def ask(text):
        try:
            READERS[name](text)
        except drydock.errors.DrydockError:
            return

    assert not _slow(ask, OPENINGS)


@pytest.mark.parametrize("line", ["output\n", "> a\n", "#% name n{}\n$ a\n", "$ a\n"])
def test_a_long_transcript_takes_linear_time(line):
    """A transcript of ten times as many lines takes about ten times as long, whatever they are."""
    few, many = (
        "$ a\n" + "".join(line.replace("{}", str(number)) for number in range(count)) for count in (3_000, 30_000)
    )
    before, after = (
        min(_seconds(lambda text: transcript.parse_transcript(text, "t"), text) for _ in range(3))
        for text in (few, many)
    )

    assert after < 30 * before


def test_environments_do_not_explode():
    """An inline command behind many assignments is read at once: each quotation is one only in one way."""
    text = "A=" + '""' * 40 + "!"
    assert _seconds(COMMANDS.problem, text) < 1
    assert _seconds(layers.plain_instruction, "RUN |1 " + "a=b=c " * 40 + "!") < 1
