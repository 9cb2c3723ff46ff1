"""The transcript format: parse, match, merge, render."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, strategies as st

from drydock.errors import MalformedError, MissingError
from drydock.model import transcript
from drydock.model.transcript import Directives, Step, Transcript, merge_step, parse_transcript, render_transcript

WHOLE = """\
#% name build
#% limit 300s
$ docker build \\
>   -t hello .
...
#8 done
$ false
[exit 1]
#% retry 5s
$ curl http://127.0.0.1:$port/
{"visits": <n>}
"""

lines = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"]), max_size=40)
names = st.one_of(st.none(), st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True))
steps = st.builds(
    Step,
    command=lines.map("a{}".format),
    output=st.lists(lines.map(transcript.escape_line), max_size=5).map(tuple),
    status=st.integers(0, 255),
    directives=st.builds(Directives, limit=st.integers(1, 999).map(float), until=st.sampled_from([None, "ready at"])),
)


def test_parses_every_part_of_the_format():
    """Commands that go on, output, exit status and directives come out as written."""
    build, false, probe = parse_transcript(WHOLE, "x.console").steps

    assert build == Step("docker build \\\n  -t hello .", ("...", "#8 done"), directives=Directives("build", 300.0))
    assert false == Step("false", status=1)
    assert probe.directives.retry == 5.0
    assert [step.line for step in (build, false, probe)] == [3, 7, 10]


def test_render_is_the_inverse_of_parse():
    """What was parsed renders to the text it came from."""
    assert render_transcript(parse_transcript(WHOLE, "x.console")) == WHOLE


@given(st.lists(steps, min_size=1, max_size=4))
def test_parse_is_the_inverse_of_render(found):
    """Any steps survive being written and read."""
    written = Transcript("p", tuple(found))

    assert parse_transcript(render_transcript(written), "p") == written


@given(steps)
def test_a_step_matches_itself(step):
    """Whatever a command printed matches the transcript that was recorded from it, and recording changes nothing."""
    assert transcript.step_matches(step, step)
    assert merge_step(step, step) is step


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", 0, "no command"),
        ("hello\n", 1, "output before the first command"),
        ("$ a\r\n", 1, "a carriage return"),
        ("$ a\nb\r\n", 2, "a carriage return"),
        ("#% nmae x\n$ a\n", 1, "unknown directive 'nmae'; did you mean name?"),
        ("$ a\n#% limit 3\n$ b\n", 2, "it is written '#% limit 60s'"),
        ("#% name a\n#% name b\n$ c\n", 2, "a second 'name'"),
        ("#% name a\n$ b\n#% name a\n$ c\n", 4, "two steps are named 'a'"),
        ("$ a\n#% name x\n", 2, "stands above no command"),
        ("$ a\n#% name x", 2, "stands above no command"),
        ("$ a\n$ \n", 2, "without a command"),
        ("$ a\n$  \t\n> b\n", 2, "without a command"),
        ("$ a\nb\x1b[31m\n", 2, "U+001B (a control character)"),
        ("$ a\0b\n", 1, "U+0000"),
        ("$ rm \u202ea\n", 1, "U+202E (RIGHT-TO-LEFT OVERRIDE)"),
        ("$ a\n\x0c\n", 2, "U+000C"),
        ("$ a\n\u2028\n", 2, "U+2028"),
        ("$ a\u200b\n", 1, "U+200B (ZERO WIDTH SPACE)"),
        ("#% name x\nout\n$ a\n", 2, "right above its command"),
        ("$ a\n[exit 0]\n", 2, "from 1 to 255"),
        ("$ a\n[exit 256]\n", 2, "from 1 to 255"),
        ("$ a\n[exit 1]\nmore\n", 3, "output after the exit status"),
        ("$ a\nout\n> b\n", 3, "before its output"),
        ("#% needs windows\n$ a\n", 1, "cannot be 'windows'"),
    ],
)
def test_a_malformed_transcript_is_named_with_its_line(text, line, problem):
    """What does not parse is refused with file, line, and what would be right."""
    with pytest.raises(MalformedError) as caught:
        parse_transcript(text, "t.console")

    assert (caught.value.path, caught.value.line) == ("t.console", line)
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    ("expected", "observed", "same"),
    [
        ("plain", "plain", True),
        ("plain", "plains", False),
        ("a [..] c", "a b b c", True),
        ("a [..] c", "a b b d", False),
        ("[..]x[..]x[..]", "axbxc", True),
        ("[..]x[..]x[..]", "axbc", False),
        ("<id>", "0123456789ab", True),
        ("<id>", "0" * 64, True),
        ("<id>", "0" * 13, False),
        ("<id>", "<id>", True),
        ("at <ip>:<port>", "at 172.17.0.2:8000", True),
        ("Up <duration>", "Up Less than a second", True),
        ("Up <duration>", "Up 3 minutes", True),
        ("<duration>", "1m2.5s", True),
        ("<size>", "78.1MB", True),
        ("<version>", "28.5.2+dfsg4", True),
        ("<date>", "2026-11-20T10:00:00.123Z", True),
        ("<other>", "<other>", True),
        ("<other>", "x", False),
        ("a.c", "abc", False),
    ],
)
def test_lines_match_by_their_patterns(expected, observed, same):
    """Elisions and redactions stand for what they name and nothing else; the rest is literal."""
    assert transcript.line_matches(expected, observed) is same


@pytest.mark.parametrize(
    ("expected", "observed", "same"),
    [
        (["..."], [], True),
        (["a", "..."], ["a"], True),
        (["a", "...", "b"], ["a", "x", "b"], True),
        (["a", "...", "b"], ["a", "b", "x"], False),
        (["...", "b", "..."], ["a", "b", "c"], True),
        (["...", "b", "...", "b"], ["b"], False),
        (["...", "b", "c", "..."], ["b", "b", "c"], True),
        (["a"], ["a", "b"], False),
        ([], ["a"], False),
    ],
)
def test_dots_alone_stand_for_any_lines(expected, observed, same):
    """A line of three dots matches any number of lines, also none."""
    assert transcript.lines_match(expected, observed) is same


COMPOSE_2 = (" Container a-db-1  Healthy", " Network a_default  Removed")


@pytest.mark.parametrize(
    ("expected", "observed", "same"),
    [
        (COMPOSE_2, COMPOSE_2, True),
        (COMPOSE_2, (" Container a-db-1 Healthy ", " Network a_default Removed "), True),
        ((" Container a-db-1 Healthy ",), COMPOSE_2[:1], True),
        ((" Volume a-[..]  Removed",), (" Volume a-data Removed ",), True),
        (COMPOSE_2, (" Container a-db-1 Unhealthy ", " Network a_default Removed "), False),
        (COMPOSE_2, (" Container a-db-2 Healthy ", " Network a_default Removed "), False),
        # A line that comes again.
        (COMPOSE_2, (" Container a-db-1 Healthy ", " Network a_default Removed ", " Container a-db-1 Healthy "), True),
        ((*COMPOSE_2, COMPOSE_2[0]), COMPOSE_2, True),
        (("...", COMPOSE_2[0]), (*COMPOSE_2, COMPOSE_2[0]), True),
        ((" Container a [..]", " Container a [..]"), (" Container a  Started", " Container a  Healthy"), True),
        (("a", "b"), ("a", "b", "a"), False),
        # What only Compose 5 prints.
        (("hi",), (" Container a-run-0123456789ab Creating ", " Container a-run-0123456789ab Created ", "hi"), True),
        (("hi",), (" Image a Building ", "hi", " Image a Built "), True),
        ((" Image a Built",), (" Image a Building ", " Image a Built "), False),
        (("...", " Image a Built"), (" Image a Building ", " Image a Built "), True),
        ((" Image a Built",), (), False),
        (("hi",), (" Image a Pulling ", "hi"), False),
        (("hi",), (" Container a-db-1 Created ", "hi"), False),
        # Only Compose's lines are compared like this.
        (("a  b",), ("a b",), False),
        ((" Contain a  b",), (" Contain a b",), False),
        (("Container a  b",), ("Container a b",), False),
    ],
)
def test_progress_of_compose_matches_across_versions(expected, observed, same):
    """Blanks and repeats in Compose's progress don't count, nor what only Compose 5 prints; names and states do."""
    assert transcript.lines_match(expected, observed) is same
    shown = transcript.describe_differences(Step("x", tuple(expected)), Step("x", tuple(observed)))
    assert all(line.startswith("  ") for line in shown) is same
    recorded = transcript.merge_lines(expected, observed)
    assert (recorded == list(expected)) is same
    assert transcript.lines_match(recorded, observed)


def test_an_output_that_looks_like_format_is_escaped():
    """A printed line that would read as a command or an elision is written so that it does not."""
    printed = "$ not a command\n...\n[exit 1]\n\\x\n"
    step = Step("cat x", transcript.observed_lines(printed))

    assert parse_transcript(render_transcript(Transcript("p", (step,))), "p").steps == (step,)
    assert "\n".join(map(transcript.unescape_line, step.output)) + "\n" == printed


def test_recording_keeps_what_still_holds():
    """A record changes the line that changed, and keeps elisions and redactions around it."""
    expected = Step("x", ("start <id>", "...", "size [..]", "old", "end in <duration>"))
    observed = Step("x", ("start 0123456789ab", "1", "2", "size 3", "new", "end in 2s"))

    assert merge_step(expected, observed).output == ("start <id>", "...", "size [..]", "new", "end in <duration>")


def test_recording_does_not_swallow_a_change_next_to_an_elision():
    """A line beside an elision that changed is recorded anew, not elided."""
    expected = Step("x", ("...", "#8 naming to a done"))
    observed = Step("x", ("1", "2", "#8 naming to b done"))

    assert merge_step(expected, observed).output == ("...", "#8 naming to b done")


def test_recording_redacts_what_is_never_the_same_twice():
    """Digests and long IDs are written as redactions."""
    observed = Step("x", ("sha256:" + "a" * 64, "b" * 64))

    assert merge_step(Step("x"), observed).output == ("<digest>", "<id>")


def test_a_report_shows_what_was_printed_instead():
    """Beside an elision whose neighbour did not come, the report shows the lines that came."""
    expected = Step("x", ("a <n>", "...", "#7 done", "..."))
    observed = Step("x", ("a 1", "b", "#8 done"), 1)

    assert transcript.describe_differences(expected, observed) == [
        "  a <n>",
        *("- ...", "- #7 done", "- ..."),
        *("+ b", "+ #8 done", "+ [exit 1]"),
    ]


def test_a_missing_step_is_named_with_the_near_ones():
    """A page that asks for a step that is not there learns which ones are."""
    with pytest.raises(MissingError, match="did you mean build"):
        parse_transcript(WHOLE, "x.console").pick(["biuld"])


@pytest.mark.parametrize(("names", "problem"), [(["a", "a"], "'a' is named twice"), (["a", "b"], "no step 'b'")])
def test_a_page_names_steps_once(names, problem):
    """A page that names a step twice is told so."""
    with pytest.raises(MissingError, match=problem):
        parse_transcript("#% name a\n$ true\n", "x.console").pick(names)


def test_matching_takes_linear_time():
    """A pattern full of elisions does not make the time explode."""
    began = time.perf_counter()
    transcript.line_matches("[..]a" * 30 + "b", "a" * 20_000)
    transcript.lines_match(["...", "a"] * 50 + ["b"], ["a"] * 5_000)
    transcript.lines_match([" Container a"] * 50, [" Container a" + " " * 20_000 + "b"] * 50)
    transcript.lines_match(["x"], [" Image " + "-run-" * 20_000, " Container " + "-run-" * 20_000])

    assert time.perf_counter() - began < 5
