"""Any file where the site and the harness read one: it is what its format wants, or malformed, and nothing else."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import html
import json
import re

import pytest
import topics
from hypothesis import example, given, settings, strategies as st

from drydock import builds
from drydock.errors import MalformedError, MissingError
from drydock.model import commands, evidence, exercises, expectations, known_failures, versions
from drydock.model.commands import Command, CommandSet, Program
from drydock.model.evidence import DEFAULT_ENGINE, Claim, Evidence, Measure, Replayed, Run, Table
from drydock.model.example import Example
from drydock.site.blocks.directives import _split_names
from drydock.site.blocks.lexer import ConsoleLexer
from drydock.site.examples.page import MARKS
from drydock.site.render import units
from drydock.site.render.inline import InlineText, to_html, to_text
from drydock.site.render.tables import TableData

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
#: What JSON and TOML have in common; and in JSON, what has no end, or is no character.
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), text),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(text, inner, max_size=3)),
    max_leaves=5,
)
odd = st.sampled_from([float("nan"), float("inf"), 10**400, -1, 1e300, "\ud800", "<script>", [], {}, 5, True, ""])


def _places(document, at=()):
    """Yield the path of each value in a document."""
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in inner:
        yield (*at, key)
        yield from _places(value, (*at, key))


@st.composite
def changed(draw, document, other=values):
    """Draw the document with one to three of its values changed or gone, or another document altogether."""
    fresh = copy.deepcopy(document)
    for _ in range(draw(st.integers(0, 3))):
        places = list(_places(fresh))
        if not places:
            break
        *above, key = draw(st.sampled_from(places))
        inner = fresh
        for each in above:
            inner = inner[each]
        if draw(st.booleans()):
            inner[key] = draw(other)
        else:
            del inner[key]
    return draw(other) if draw(st.integers(0, 9)) == 0 else fresh


@pytest.fixture(scope="module")
def top(tmp_path_factory):
    """Return a repository of nothing."""
    found = tmp_path_factory.mktemp("top")
    folders = ("evidence/runs", "evidence/commands", "docs/about", "docs/reference", "tests/examples")
    for folder in (*folders, "examples/hello/transcripts"):
        (found / folder).mkdir(parents=True)
    return found


def _write(place, data):
    place.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))


# Evidence


RUN = Run(
    digest="d",
    date="2026-11-20",
    engine={"name": "Docker", "version": "28.5.2"},
    claims={"test_a": Claim("It `holds`.", "passed"), "test_b": Claim("It bows.", "skipped", "no back")},
    transcripts={"first": Replayed(3, "passed")},
    measures={"size": Measure(10, "bytes", 0, 20), "start": Measure.of([2.0, 2.1, 2.2], "seconds", 0, 60)},
    tables={
        "sizes": Table("sizes", [{"image": "a", "bytes": 1}]),
        "grid": Table("grid", [{"row": "a", "column": "b", "cell": "c"}]),
    },
)
DOCUMENT = json.loads(json.dumps(evidence._to_plain(Evidence("hello", {DEFAULT_ENGINE: RUN}))))


def _with(name, field, value):
    """Return the evidence with another value in a field of the first claim, measure or transcript."""
    fresh = copy.deepcopy(DOCUMENT)
    next(iter(fresh["engines"][DEFAULT_ENGINE][name].values()))[field] = value
    return json.dumps(fresh)


@given(found=st.one_of(changed(DOCUMENT), changed(DOCUMENT, odd)).map(json.dumps))
@example(found=_with("claims", "sentence", None))
@example(found=_with("claims", "sentence", "\ud800"))
@example(found=_with("claims", "outcome", "perhaps"))
@example(found=_with("transcripts", "steps", "3"))
@example(found=_with("measures", "value", 10**400))
@example(found=_with("measures", "value", float("nan")))
def test_any_json_is_evidence_or_malformed(top, found):
    """What is read as evidence can be shown, written, and read again; all else is refused."""
    _write(evidence.evidence_file("hello", top), found)
    try:
        read = evidence.load_evidence("hello", top)
    except MalformedError:
        return
    for run in read.runs.values():
        assert all(map(units.format_measure, run.measures.values()))
        assert {claim.outcome for claim in run.claims.values()} <= MARKS.keys()
        assert all(to_html(text) == to_html(str(text)) for c in run.claims.values() for text in (c.sentence, c.reason))
    evidence.save_evidence(read, top)
    assert evidence.load_evidence("hello", top) == read
    for key, run in read.runs.items():
        assert evidence.with_run(read, key, dataclasses.replace(run, date="2027-01-01")) == read


@pytest.mark.parametrize(
    "found", [b"", b"\xff", b"[" * 100_000, b'{"schema":' * 100_000, b"1" * 5000, b"\xef\xbb\xbf{}"]
)
@pytest.mark.parametrize("load", ["evidence", "commands"])
def test_odd_bytes_are_malformed(top, load, found):
    """Bytes that are no JSON, or JSON without a bottom, are refused as any other file is."""
    _write(evidence.evidence_file("hello", top) if load == "evidence" else commands.commands_file("hello", top), found)

    with pytest.raises(MalformedError):
        (evidence.load_evidence if load == "evidence" else commands.load_commands)("hello", top)


KNOWN = CommandSet(
    "hello", {"docker": Program({"docker": "28"}, {"": Command(), "ps": Command({"--all": False, "-a": False})})}
)
COMMANDS = {"schema": 1, **dataclasses.asdict(KNOWN)}


@given(found=changed(COMMANDS).map(json.dumps))
def test_any_json_is_commands_or_malformed(top, found):
    """What is read as an engine's commands can judge a command; all else is refused."""
    _write(commands.commands_file("hello", top), found)
    try:
        read = commands.load_commands("hello", top)
    except MalformedError:
        return
    assert isinstance(read.problem("docker ps --all x"), str)


WORDS = [
    "docker",
    "podman",
    "ps",
    "--all",
    "-a",
    "-",
    "--",
    "$(docker ps)",
    "'",
    '"',
    "\\",
    "|",
    "&&",
    "\n",
    "A=1",
    "<id>",
]


@given(st.one_of(text, st.lists(st.one_of(st.sampled_from(WORDS), text), max_size=8).map(" ".join)))
def test_any_inline_code_is_judged(found):
    """Of any inline code it is said whether it is a command that an engine knows."""
    assert isinstance(KNOWN.problem(found), str)
    assert isinstance(KNOWN.problem(f"docker ps {found}"), str)


# TOML


def _toml(value):
    """Return a value as TOML writes it; it has no null."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(str(key))} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(letter):08x}" for letter in value) + '"'
    return json.dumps(value).replace("null", "1979-05-27").replace("e+", "e")


def _whole(document):
    return "".join(f"{_toml(str(key))} = {_toml(value)}\n" for key, value in document.items())


tables = st.dictionaries(text, values, max_size=3)
TOPICS = {
    "topics": {
        "S1": {"topic": "a", "page": "a.md#b", "claims": ["hello::test_a"]},
        "S2": {"topic": "b", "page": "c.md#d", "source": "https://example.com"},
    },
    "later": {"e.md": ["S3", "S4"]},
}
FAILURES = {
    "podman-5.4": {"It is another": ["test_c"]},
    "api < 1.44 and cgroup = 2": {"It has none": ["test_a"], "Nor this": ["test_b"]},
}
EXPECTATIONS = {
    "exercise": {"page": "a/b", "path": "c", "old": "d", "new": "e", "task": "f", "claims": ["test_a"]},
    "hardening": {"compose.yaml web": {"lacks": ["user"], "why": "b"}},
    "mutants": [{"path": "a", "old": "b", "new": "c"}],
    "equivalent": {"a": "b"},
    "known_failures": FAILURES,
    "flaky": FAILURES,
}
VERSIONS = {
    "base": [{"image": "a:1", "release": "A", "source": "x", "checked": None}],
    "program": [{"name": "d", "version": "1", "source": "x", "checked": None, "note": "n"}],
}


@given(found=st.one_of(changed(TOPICS, tables), changed(TOPICS, tables.map(lambda table: {"later": table}))))
@example(found={"topics": {}, "later": {"e.md": ["S"]}})
@example(found={"topics": {"S1": {"topic": "a", "page": "a.md#b", "claims": "c"}}})
def test_any_toml_is_topics_or_malformed(top, found):
    """A list of topics can be compared with the pages; any other file is refused."""
    _write(top / topics.FILE, _whole(found))
    try:
        faults = list(topics.find_faults(top))
    except MalformedError:
        return
    assert all(isinstance(fault, str) for fault in faults)


@given(found=changed(EXPECTATIONS, tables))
def test_any_toml_is_expectations_or_malformed(top, found):
    """Each known failure that is read has a test and a reason, and each exercise a fault; all else is refused."""
    _write(top / expectations.expectations_file("hello"), _whole(found))
    try:
        failures = list(known_failures.all_failures(top))
        read = exercises.load_exercises(top)
    except MalformedError:
        return
    assert all(isinstance(text, str) for failure in failures for text in failure[:3])
    assert all(exercise.claims and exercise.old != exercise.new for exercise in read.values())


@given(found=changed(VERSIONS, tables))
@example(found={"base": ["a"], "program": []})
def test_any_toml_is_versions_or_malformed(top, found):
    """What is read as the list of versions can be held against a day; all else is refused."""
    _write(top / versions.VERSIONS_FILE, _whole(found))
    try:
        read = versions.load_versions(top)
    except MalformedError:
        return
    assert all(base.image == image for image, base in read.bases.items())


@pytest.mark.parametrize(
    "load", [topics.load_topics, versions.load_versions, lambda top: list(known_failures.all_failures(top))]
)
@pytest.mark.parametrize(
    "found", [b"\xff", b"a = " + b"[" * 100_000, b"a = 1\na = 2\n", b"later = 3\n", b"a\n", b"S1 = 1\n"]
)
def test_odd_toml_is_malformed(top, load, found):
    """Bytes that are no TOML, or TOML without a bottom, are refused as any other file is."""
    for file in (topics.FILE, expectations.expectations_file("hello"), versions.VERSIONS_FILE):
        _write(top / file, found)

    with pytest.raises(MalformedError):
        load(top)


# An example's files


REGIONS = [
    "# region: a",
    "# endregion: a",
    "// region: b",
    "<!-- region: b -->",
    "# endregion: b",
    "  x",
    "y",
    "\x0c",
    "",
    "# region:a",
]


@given(found=st.one_of(st.lists(st.one_of(st.sampled_from(REGIONS), text), max_size=10).map("\n".join), text))
@example(found="a\x0cb\x85c\n")
def test_any_text_has_regions_or_is_malformed(top, found):
    """Each region is of lines of its file and holds no marker; a file that has none is shown as it is."""
    hello = Example(top / "examples" / "hello")
    _write(hello.root / "Dockerfile", found)
    lines = found.replace("\r\n", "\n").split("\n")
    try:
        regions = hello.regions("Dockerfile")
    except MalformedError as error:
        regions, fault = {}, error
    else:
        fault = None
    assert fault is None or 1 <= fault.line <= len(lines)
    for name, region in regions.items():
        assert re.fullmatch(r"[a-z][a-z0-9-]*", name)
        assert {line.strip() for line in region.split("\n")} <= {line.strip() for line in lines}
        assert not [line for line in region.split("\n") if re.search(r"[#/;]\s*(end)?region: \w+$", line.strip())]
    if found.strip() and not (regions or fault):
        assert hello.shown("Dockerfile") == "\n".join(lines).strip("\n")


NAMES = ["Dockerfile", "\0", "a" * 300, "/", "..", ".", "transcripts", "a\x00b", "~", "//etc"]


@given(found=st.one_of(st.text(max_size=20), st.lists(st.sampled_from(NAMES), max_size=4).map("/".join)))
@example(found="a\0b")
@example(found="a" * 300)
def test_any_name_is_a_file_or_missing(top, found):
    """Any name that a page may ask an example for is one of its files, or missing."""
    hello = Example(top / "examples" / "hello")
    _write(hello.root / "Dockerfile", "# region: a\nx\n# endregion: a\n")
    for ask in (hello.path, hello.read, lambda name: hello.shown("Dockerfile", name), hello.transcript):
        try:
            ask(found)
        except MissingError:
            continue
        assert ask in (hello.path, hello.read) or found in ("a", "")
    with contextlib.suppress(ValueError):
        assert all(name == name.strip() and name for name in _split_names(found))


BUILD = [
    "#1 [1/2] RUN a",
    "#2 [stage 2/10] COPY b",
    "#1 CACHED",
    "#2 DONE 0.1s",
    "STEP 1/2: RUN a",
    "--> Using cache x",
]
BUILD += [
    "[1/2] STEP 2/3: ADD c",
    "#3 [a1/5] RUN d",
    "#4 [x/y 1/2] RUN e",
    f"#5 [{'9' * 5000}/1] RUN f",
    "#6 [ 1/1] RUN",
]


@given(st.one_of(text, st.lists(st.one_of(st.sampled_from(BUILD), text), max_size=8).map("\n".join)))
@example("#1 [a1/5] RUN b")
@example(f"#1 [{'9' * 5000}/1] RUN b")
def test_any_log_has_steps(found):
    """Of any log the steps are those that it names, each once."""
    steps = builds.steps(found)

    assert all(step.step.split(" ")[0] in builds.STEPS and step.step in found for step in steps)
    assert len(builds.ran(found)) <= len(steps) <= len(found.splitlines())


# What the site shows


sentences = st.lists(
    st.one_of(text, st.sampled_from(["`", "``", "[a](b)", "[", "](", ")", "<script>", "&", '"'])), max_size=10
)


@given(sentences.map("".join))
def test_any_sentence_is_text(found):
    """No sentence becomes markup of its own: what a browser reads of it is its text, with code in ticks."""
    for shown in (
        to_html(found),
        InlineText(found, found, "kind").html(),
        TableData((found,), ((InlineText(found),),), "kind").html(None, "page"),
    ):
        bare = re.sub(r'</?(?:code|abbr|span|table|thead|tbody|tr|th|td|p|div)(?: [a-z]+="[^"<>]*")*>', "", shown)
        assert not re.search(r"[<>]", bare)
    bare = re.sub(r"</?code[^>]*>", "", to_html(found))
    assert html.unescape(bare).split() == to_text(found).split()


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))
def test_a_sentence_without_marks_is_itself(found):
    """Words without ticks and brackets are shown as they are."""
    words = re.sub(r"[`\[]", "", found)

    assert to_text(words) == words


@given(
    st.lists(st.one_of(st.sampled_from(["$ a", "> b", ">", "[exit 1]", "\u2060$ x", "'"]), text), max_size=8).map(
        "\n".join
    )
)
def test_any_transcript_is_highlighted(found):
    """Highlighting changes no letter of a block, but for the shields."""
    tokens = "".join(value for _, _, value in ConsoleLexer().get_tokens_unprocessed(found + "\n"))

    assert tokens == re.sub(r"(?m)^\u2060", "", found + "\n")


@given(st.floats(-1e17, 1e17) | st.integers(-(10**17), 10**17), st.sampled_from(evidence.UNITS))
def test_any_measure_is_shown(value, unit):
    """Any number that a measure may be is shown in one line."""
    assert len(units.format_measure(Measure(value, unit, 0)).splitlines()) == 1


option = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=20)
asked = st.tuples(
    st.sampled_from(
        ["example greeting/Dockerfile", "example", "transcript greeting/run", "picture greeting", "claims", "totals"]
    ),
    option,
    st.sampled_from(["region", "steps", "lexer", "caption", "nmae"]),
    option,
)


@settings(max_examples=4)
@given(wanted=st.lists(asked, min_size=5, max_size=10))
def test_any_directive_is_shown_or_warned_of(wanted, tmp_path_factory):
    """Whatever an author gives a directive, the build ends, and says of each mistake where it is."""
    from small_site import Site

    site = Site(tmp_path_factory.mktemp("site"))
    blocks = [
        f":::{{{name.split(' ')[0]}}} {name.partition(' ')[2]}{more}\n:{key}: {value}\n:::"
        for name, more, key, value in wanted
    ]
    site.page("odd", "\n\n".join(blocks))
    built = site.build("text")

    assert not [line for line in built.warnings if "Traceback" in line or "exception" in line.lower()]
