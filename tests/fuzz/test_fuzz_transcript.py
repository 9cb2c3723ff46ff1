"""Any text as a transcript, and any output: parse, match, merge, render."""

from __future__ import annotations

import json
import operator
import re

import pytest
from hypothesis import example, given, strategies as st

from drydock.errors import MalformedError
from drydock.model.transcript import (
    ANY_LINES,
    REDACTIONS,
    Step,
    Transcript,
    describe_differences,
    merge_step,
    observed_lines,
    parse_transcript,
    render_transcript,
    step_matches,
    unescape_line,
)
from drydock.site.blocks.code import shown_lines

#: What means something in a transcript.
SIGNS = [
    *(" Container a ", " Container a  ", " Image a Built", " Container a-run-1 Created", " Image a Building "),
    "$ ",
    "> ",
    "#% ",
    "#% name ",
    "#% limit ",
    "#% retry ",
    "#% until ",
    "#% needs ",
    "[exit ",
    "\\",
    "...",
    "[..]",
]
LINES = [
    *("$ docker ps", ">", "> -a", "...", "[exit 1]", "[exit 0]", "a [..] <n>", "\\$ a", "", "<id>"),
    *("#% name a", "#% limit 60s", "#% retry 5s", "#% until x", "#% needs swarm amd64"),
]
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
#: What a page can show: the parser refuses all else.
visible = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"]), max_size=30)
pieces = st.one_of(
    visible,
    st.sampled_from(["\t", "\r", "\r\n"]),
    st.sampled_from([*SIGNS, *(f"<{name}>" for name in REDACTIONS), "\\<n>", "\n", "0" * 12]),
)
lines = st.one_of(st.sampled_from(LINES), st.builds(operator.add, st.sampled_from(SIGNS), text), text)
files = st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.lists(lines, max_size=12).map("\n".join))
printed = st.lists(pieces, max_size=8).map("".join)
patterns = st.lists(
    st.one_of(st.sampled_from([ANY_LINES, "a [..]", "<n>", "[..]"]), printed.map(lambda text: text.replace("\n", " "))),
    max_size=6,
)


@given(files)
@example("$ a\n[exit \u0663]\n")
def test_any_text_is_a_transcript_or_malformed(found):
    """What does not parse is refused with a line that there is; what does comes back the same from what it renders."""
    try:
        read = parse_transcript(found, "p")
    except MalformedError as error:
        fault = error
    else:
        fault = None
    if fault:
        assert 0 <= fault.line <= found.count("\n") + 1
        return
    assert parse_transcript(render_transcript(read), "p") == read
    assert render_transcript(parse_transcript(render_transcript(read), "p")) == render_transcript(read)


@given(st.from_regex(r"\A#% (limit|retry) \d{1,400}(\.\d{1,20})?s\n\$ a\n\Z"))
@example("#% limit 123456789s\n$ a\n")
@example("#% limit 0.00001s\n$ a\n")
@example(f"#% limit {'9' * 400}s\n$ a\n")
def test_any_limit_is_written_as_it_was_read(found):
    """No number of seconds is read that would be written in another form, however large or small."""
    try:
        read = parse_transcript(found, "p")
    except MalformedError:
        return
    assert parse_transcript(render_transcript(read), "p") == read


@given(printed)
def test_what_was_printed_is_what_a_reader_sees(found):
    """Any output survives being written and read, and the reader sees each of its lines."""
    step = Step("x", observed_lines(found))

    assert parse_transcript(render_transcript(Transcript("p", (step,))), "p").steps == (step,)
    assert "\n".join(map(unescape_line, step.output)) == re.sub(r"\r\n?", "\n", found).removesuffix("\n")
    assert [line.lstrip("\u2060") for line in shown_lines(step)[1:]] == [
        line.lstrip("\u2060") for line in map(unescape_line, step.output)
    ]


@given(printed)
def test_output_matches_itself(found):
    """Any output matches the transcript that was recorded from it; a record of what matches changes nothing."""
    observed = Step("x", observed_lines(found))
    recorded = merge_step(Step("x"), observed)

    assert step_matches(observed, observed)
    assert merge_step(observed, observed) is observed
    assert step_matches(recorded, observed)
    assert merge_step(recorded, observed) is recorded


@given(patterns, printed, st.integers(0, 255))
@example(["...", "[..]"], "\r0", 0)
def test_a_record_holds(pattern, found, status):
    """Whatever stood there before, what is recorded matches its output; a diff shows something where it does not."""
    expected, observed = Step("x", tuple(pattern)), Step("x", observed_lines(found), status)
    recorded = merge_step(expected, observed)

    assert step_matches(recorded, observed)
    assert (recorded is expected) is step_matches(expected, observed)
    assert all(line.startswith("  ") for line in describe_differences(recorded, observed))
    assert all(line.startswith("  ") for line in describe_differences(expected, observed)) is step_matches(
        expected, observed
    )


scalars = st.one_of(
    st.sampled_from([*(f"<{name}>" for name in REDACTIONS), "[..]", "..."]),
    st.sampled_from(["a" * 64, "b" * 64, "c" * 12, "80", "3s", "1.2.3", "5MB", "10.0.0.1", "2026-11-20", 5, 5.0, True]),
    text,
)
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(text, inner, max_size=3)),
    max_leaves=6,
)


def _same(document):
    """Return what a record may not tell apart: IDs are the same, as it writes them and as a command does."""
    return re.sub(r"(?:sha256:)?\b(?:[0-9a-f]{64}|[0-9a-f]{12})\b|<id>|<digest>", "#", json.dumps(document))


def _output(document):
    return Step("x", observed_lines(json.dumps(document, indent=1, ensure_ascii=False)))


@given(documents, documents)
def test_a_record_is_matched_by_no_other_document(first, second):
    """A record of one document is matched by another one only if they differ in nothing but IDs."""
    if step_matches(merge_step(Step("x"), _output(first)), _output(second)):
        assert _same(first) == _same(second)


@given(st.data(), documents)
def test_a_changed_value_is_no_match(data, document):
    """Of two documents that differ in one value the record of one does not match the other."""
    key, first, second = data.draw(st.tuples(text, scalars, scalars))
    if _same(first) != _same(second):
        recorded = merge_step(Step("x"), _output({"in": document, key: first}))
        assert not step_matches(recorded, _output({"in": document, key: second}))


@pytest.mark.parametrize("token", [*(f"<{name}>" for name in REDACTIONS), "[..]"])
def test_a_printed_placeholder_is_text(token):
    """A command that prints what looks like a placeholder is recorded as having printed that, and nothing else."""
    recorded = merge_step(Step("x"), Step("x", observed_lines(f"use {token} here\n")))

    assert recorded.output == (f"use \\{token} here",)
    assert unescape_line(recorded.output[0]) == f"use {token} here"
    assert not step_matches(recorded, Step("x", observed_lines("use 8080 here\n")))
