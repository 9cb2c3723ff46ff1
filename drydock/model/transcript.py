r"""A transcript: a ``.console`` file of commands and what they printed.

The format, in whole::

    #% name build                   a directive for the step below; the reader does not see it
    $ docker build -t hello .       a command ...
    >   --build-arg A=1             ... that goes on
    ...                             any lines, or none
    #8 naming to [..] done          any text within a line
    $ docker run -d hello
    <id>                            a redaction: text that differs by nature, of a known form
    $ false
    [exit 1]                        the exit status, when it is not 0

An output line that would read as something else (it begins with ``$ ``, ``> ``, ``#% ``, ``[exit ``, ``\`` or is
``...``) is written with a leading ``\``; so is a placeholder that the command printed, ``\<id>`` or ``\[..]``.

Compose's progress lines (`` Container NAME STATE``, and the same for networks, volumes, images, and services) differ
from version to version. So runs of blanks in them compare as one, a line that comes again needs no second line here,
and `` Image NAME Building`` or ``Built`` and `` Container NAME-run-ID Creating`` or ``Created`` count only if the step
has such a line.

A step that is expected and a step that was observed are one type, so parsing, matching, comparing, merging and
rendering are functions over it.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from drydock.errors import MalformedError, MissingError, did_you_mean
from drydock.model.characters import check_characters

#: Placeholder -> regular expression without groups. Pages show the placeholders. No expression is open-ended, because a
#: search tries it at each position of a line.
REDACTIONS = {
    "id": r"[0-9a-f]{64}|[0-9a-f]{12}",
    "digest": r"sha256:[0-9a-f]{64}",
    "duration": r"(?:\d{1,20}(?:\.\d{1,20})?(?:ns|us|µs|ms|s|m|h)){1,6}"
    r"|(?:\d{1,20}|About an?|Less than a) (?:second|minute|hour)s?",
    "port": r"\d{2,5}",
    "date": r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,20})?)?(?:Z| ?[+-]\d\d:?\d\d)?(?: UTC)?",
    "ip": r"\d{1,3}(?:\.\d{1,3}){3}|(?=[0-9a-f:]{0,38}:)[0-9a-f:]{2,39}",
    "size": r"\d{1,20}(?:\.\d{1,20})?\s?(?:[kKMGT]i?)?B",
    "version": r"v?\d{1,20}\.\d[\w.+~-]{0,80}",
    "n": r"\d{1,20}",
}
ANY_LINES = "..."
ANY_TEXT = "[..]"
#: Default timeout of a step in seconds: enough for a build without cache that downloads packages.
LIMIT = 180.0

#: Maximum lines of unexpected output in a report.
SHOWN_LINES = 30

_TOKEN = re.compile(r"(?<!\\)<(" + "|".join(REDACTIONS) + r")>")
_ELISION = re.compile(r"(?<!\\)" + re.escape(ANY_TEXT))
#: A placeholder that a command printed, and that is escaped.
_PRINTED = re.compile("(<(?:" + "|".join(REDACTIONS) + ")>|" + re.escape(ANY_TEXT) + ")")
_LITERAL = re.compile(r"\\" + _PRINTED.pattern)
_STATUS = re.compile(r"\[exit ([0-9]{1,3})\]")
_SECONDS = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)s")
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_NEEDS = ("docker-hub", "docker-28", "containerd-store", "overlay2-store", "swarm", "amd64")
_PROGRESS = re.compile(r" (?:Container|Network|Volume|Image|Service|Config|Secret) .+")
#: Progress that Compose 5 prints, and older versions don't.
_CHATTER = re.compile(r" Image \S+ (?:Building|Built)| Container (?=\S*-run-)\S+ (?:Creating|Created)")
_ESCAPED = ("$ ", "> ", "#% ", "[exit ", "\\")


@dataclass(frozen=True)
class Directives:
    """Settings of a step that readers don't see. They change when a step ends, but not its command or output.

    :ivar name: the step's name, for pages.
    :ivar limit: timeout in seconds.
    :ivar retry: seconds in which the command runs again until it matches; 0 runs it once.
    :ivar until: run in the background, and start the next step once a line contains this text; None runs the step in
        the foreground.
    :ivar needs: features that the engine must have; otherwise the transcript is skipped, with these as the reason.
    """

    name: str | None = None
    limit: float = LIMIT
    retry: float = 0.0
    until: str | None = None
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One command, its output, its exit status.

    :ivar command: the command without prompts; may span lines.
    :ivar output: the lines it printed on stdout and stderr, in order.
    :ivar status: the exit status.
    :ivar line: 1-based line of the command in its transcript; not part of equality.
    """

    command: str
    output: tuple[str, ...] = ()
    status: int = 0
    directives: Directives = Directives()
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Transcript:
    """The steps of one ``.console`` file, which run in order in one bash.

    :ivar place: the file as the reader knows it, for messages.
    """

    place: str
    steps: tuple[Step, ...]

    def pick(self, names: Sequence[str]) -> tuple[Step, ...]:
        """Return the steps called `names`, in the transcript's order; all of them when none is named.

        :raises MissingError: no step has such a name, or it is named twice.
        """
        step_names = [step.directives.name for step in self.steps if step.directives.name]
        for index, name in enumerate(names):
            if name not in step_names:
                raise MissingError(f"no step {name!r} in {self.place}{did_you_mean(name, step_names)}")
            if name in names[:index]:
                raise MissingError(f"the step {name!r} is named twice")
        return tuple(step for step in self.steps if not names or step.directives.name in names)


def parse_transcript(text: str, shown: str) -> Transcript:
    """Return the transcript that `text` writes.

    :param shown: the file's name for messages.
    :raises MalformedError: it has no command, CRLF line ends, a character that can't be shown, or output before the
        first command; or a directive is unknown, wrong or not right above a command. The message names the line.
    """
    if "\r" in text:
        raise MalformedError(shown, text[: text.index("\r")].count("\n") + 1, "a carriage return; save it with LF ends")
    check_characters(text, shown)
    parser = _Parser()
    number = 0
    try:
        for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), start=1):
            parser.read_line(line, number)
        parser.expect_no_directives("a directive at the end stands above no command")
    except ValueError as error:
        raise MalformedError(shown, number, str(error)) from None
    if not parser.steps:
        raise MalformedError(shown, 0, "no command; a command begins with '$ '")
    return Transcript(shown, tuple(step.finish() for step in parser.steps))


@dataclass
class _OpenStep:
    """A step whose lines are being read. Lists keep reading linear."""

    command: list[str]
    line: int
    directives: Directives
    output: list[str] = field(default_factory=list)
    status: int = 0

    def read_line(self, line: str) -> None:
        if line.startswith("> ") or line == ">":
            if self.output or self.status:
                raise ValueError("a command goes on ('> ') before its output, not after")
            self.command.append(line[2:])
        elif self.status:
            raise ValueError("output after the exit status")
        elif line.startswith("[exit "):
            status = _STATUS.fullmatch(line)
            if status is None or not 0 < int(status[1]) < 256:
                raise ValueError("an exit status is '[exit N]' with N from 1 to 255")
            self.status = int(status[1])
        else:
            self.output.append(line)

    def finish(self) -> Step:
        return Step("\n".join(self.command), tuple(self.output), self.status, self.directives, self.line)


class _Parser:
    """Reads a transcript line by line. ValueError says what is wrong with the line."""

    def __init__(self) -> None:
        self.steps: list[_OpenStep] = []
        self._directives: dict[str, Any] = {}
        self._names: set[str] = set()

    def read_line(self, line: str, number: int) -> None:
        if line.startswith("#% "):
            self._read_directive(line[3:])
        elif line.startswith("$ "):
            self._open_step(line[2:], number)
        else:
            self.expect_no_directives("a directive stands right above its command")
            if not self.steps:
                raise ValueError("output before the first command; a command begins with '$ '")
            self.steps[-1].read_line(line)

    def expect_no_directives(self, problem: str) -> None:
        if self._directives:
            raise ValueError(problem)

    def _open_step(self, command: str, number: int) -> None:
        if not command.strip():
            raise ValueError("'$ ' without a command")
        directives = Directives(**self._directives)
        if directives.name in self._names:
            raise ValueError(f"two steps are named {directives.name!r}")
        if directives.name:
            self._names.add(directives.name)
        self._directives = {}
        self.steps.append(_OpenStep([command], number, directives))

    def _read_directive(self, text: str) -> None:
        name, _, value = text.strip().partition(" ")
        if name in self._directives:
            raise ValueError(f"a second {name!r} for one step")
        self._directives[name] = _directive_value(name, value.strip())


def _directive_value(name: str, value: str) -> object:
    seconds = _SECONDS.fullmatch(value)
    if name in ("limit", "retry") and seconds:
        return float(seconds[1])
    if name == "needs" and value and set(value.split()) <= set(_NEEDS):
        return tuple(value.split())
    if (name == "name" and _NAME.fullmatch(value)) or (name == "until" and value):
        return value
    forms = {"name": "name words-with-hyphens", "limit": "limit 60s", "retry": "retry 10s", "until": "until TEXT"}
    forms["needs"] = f"needs {' '.join(_NEEDS)}"
    if name not in forms:
        raise ValueError(f"unknown directive {name!r}{did_you_mean(name, forms)}")
    raise ValueError(f"the directive {name!r} cannot be {value!r}; it is written '#% {forms[name]}'")


def render_transcript(transcript: Transcript) -> str:
    """Return the text of `transcript`; `parse` of it gives the transcript back."""
    return "".join(line + "\n" for step in transcript.steps for line in _render_step(step))


def _render_step(step: Step) -> Iterator[str]:
    defaults = dataclasses.asdict(Directives())
    for name, value in dataclasses.asdict(step.directives).items():
        if value != defaults[name]:
            seconds, words = isinstance(value, float), isinstance(value, tuple)
            yield f"#% {name} " + (f"{value:.9g}s" if seconds else " ".join(value) if words else value)
    first, *rest = step.command.split("\n")
    yield f"$ {first}"
    yield from (f"> {line}" for line in rest)
    yield from step.output
    if step.status:
        yield f"[exit {step.status}]"


def escape_line(line: str) -> str:
    """Return `line` as a transcript writes it, so that it matches nothing else."""
    line = _PRINTED.sub(r"\\\1", line)
    return f"\\{line}" if line.startswith(_ESCAPED) or line in (ANY_LINES, ">") else line


def unescape_line(line: str) -> str:
    """Return a `line` of a transcript's output as readers see it."""
    return _LITERAL.sub(r"\1", line.removeprefix("\\"))


def step_matches(expected: Step, observed: Step) -> bool:
    """Return whether `observed` has the exit status of `expected`, and output that its patterns match."""
    return expected.status == observed.status and lines_match(expected.output, observed.output)


def lines_match(expected: Sequence[str], observed: Sequence[str]) -> bool:
    """Return whether the patterns `expected` match `observed`; repeats of Compose's progress don't count."""
    return align_lines(expected, observed) is not None


def align_lines(expected: Sequence[str], observed: Sequence[str]) -> list[int] | None:
    """Return for each line `observed` the index of the pattern that it matches, or None if they don't match.

    :returns: -1 for a line of Compose's progress that doesn't count.
    """
    wanted, got = [trim_line(line) for line in expected], [trim_line(line) for line in observed]
    columns, rows = [*range(len(wanted))], _counted_rows(wanted, got)
    for _ in range(2):
        matched = _match_patterns([wanted[column] for column in columns], [got[row] for row in rows])
        if matched is not None:
            indexes = dict(zip(rows, (columns[index] for index in matched), strict=True))
            return [indexes.get(row, -1) for row in range(len(got))]
        columns, rows = _first_rows(wanted, columns), _first_rows(got, rows)
    return None


def _trim_progress(expected: Sequence[str], observed: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return both with single blanks in progress lines; without `observed` chatter if `expected` has none."""
    wanted, got = [trim_line(line) for line in expected], [trim_line(line) for line in observed]
    return wanted, [got[row] for row in _counted_rows(wanted, got)]


def _counted_rows(wanted: Sequence[str], got: Sequence[str]) -> list[int]:
    """Return the indexes of the lines of `got`, without chatter if `wanted` has none."""
    chatty = any(_CHATTER.fullmatch(line) for line in wanted)
    return [row for row, line in enumerate(got) if chatty or not _CHATTER.fullmatch(line)]


def trim_line(line: str) -> str:
    """Return `line` with single blanks, if it is one of Compose's progress."""
    return re.sub(" {2,}", " ", line).rstrip(" ") if _PROGRESS.fullmatch(line) else line


def drop_repeats(lines: Sequence[str]) -> list[str]:
    """Return `lines` without lines of Compose's progress that came before."""
    return [lines[row] for row in _first_rows(lines, range(len(lines)))]


def _first_rows(lines: Sequence[str], rows: Sequence[int]) -> list[int]:
    """Drop progress lines that came before. A pattern isn't dropped: it can stand for another line each time."""
    first = {lines[row]: row for row in reversed(rows)}
    return [row for row in rows if first[lines[row]] == row or not _is_plain_progress(lines[row])]


def _is_plain_progress(line: str) -> bool:
    return bool(_PROGRESS.fullmatch(line)) and not is_open(line)


def is_open(line: str) -> bool:
    """Return whether the pattern `line` matches more than one text."""
    return line == ANY_LINES or bool(_TOKEN.search(line) or _ELISION.search(line))


def _match_patterns(expected: Sequence[str], observed: Sequence[str]) -> list[int] | None:
    """Return for each line `observed` the index of the pattern in `expected` that it matches, or None.

    Blocks between ``...`` are searched from the left, without backtracking: with these wildcards, the leftmost match of
    a block is never a wrong choice.
    """
    blocks = list(_split_blocks(expected))
    if len(blocks) == 1:
        whole = len(expected) == len(observed) and _block_at(blocks[0], observed, 0)
        return [*range(len(expected))] if whole else None
    head, *middle, tail = blocks
    if len(head) + len(tail) > len(observed) or not _block_at(head, observed, 0):
        return None
    starts, at, end = [0], len(head), len(observed) - len(tail)
    for block in middle:
        while at + len(block) <= end and not _block_at(block, observed, at):
            at += 1
        starts.append(at)
        at += len(block)
    if at > end or not _block_at(tail, observed, end):
        return None
    indexes: list[int] = []
    index = 0
    for block, start in zip(blocks, [*starts, end], strict=True):
        indexes += [index - 1] * (start - len(indexes))  # what the `...` before the block covers
        indexes += range(index, index + len(block))
        index += len(block) + 1
    return indexes


def _split_blocks(expected: Sequence[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for line in expected:
        if line == ANY_LINES:
            yield block
            block = []
        else:
            block.append(line)
    yield block


def _block_at(block: Sequence[str], observed: Sequence[str], at: int) -> bool:
    return all(line_matches(want, got) for want, got in zip(block, observed[at : at + len(block)], strict=True))


def line_matches(expected: str, observed: str) -> bool:
    """Return whether the pattern `expected` matches the whole line `observed`, both escaped as in a transcript."""
    return expected == observed or _match_pieces(expected, observed) is not None


def open_spans(expected: str, observed: str) -> list[tuple[int, int]]:
    """Return the parts of the line `observed` that placeholders of the pattern `expected`, which matches it, cover."""
    pieces = _match_pieces(trim_line(expected), observed) if expected != observed else None
    if pieces is None:
        return []
    spans = [piece.span(group) for piece in pieces for group in range(1, len(piece.groups()) + 1)]
    spans += [(piece.end(), following.start()) for piece, following in itertools.pairwise(pieces)]
    return sorted(span for span in spans if span[0] < span[1])


def _match_pieces(expected: str, observed: str) -> list[re.Match[str]] | None:
    """Return the matches of the text between the ``[..]`` of a line, from its start to its end."""
    first, *rest = _compile_pieces(expected)
    if not rest:
        whole = first.fullmatch(observed)
        return [whole] if whole else None
    matches = [first.match(observed)]
    for piece in rest[:-1]:
        if matches[-1] is None:
            return None
        matches.append(piece.search(observed, matches[-1].end()))
    if matches[-1] is not None:
        starts = range(matches[-1].end(), len(observed) + 1)
        matches.append(next(filter(None, (rest[-1].fullmatch(observed, start) for start in starts)), None))
    return [match for match in matches if match] if matches[-1] is not None else None


@functools.lru_cache(maxsize=4096)
def _compile_pieces(expected: str) -> tuple[re.Pattern[str], ...]:
    """Compile the text between the ``[..]`` of a line. Without open-ended wildcards in it, time stays linear."""
    return tuple(re.compile(_compile_piece(text)) for text in _ELISION.split(expected))


def _compile_piece(text: str) -> str:
    parts = _TOKEN.split(text)
    return "".join(
        rf"({REDACTIONS[part]}|\\?<{part}>)" if index % 2 else re.escape(part) for index, part in enumerate(parts)
    )


def describe_differences(expected: Step, observed: Step) -> list[str]:
    """Return a diff of expected (``-``) and observed lines (``+``), with matching lines as context."""
    status = _status_line(expected), _status_line(observed)
    ends = [f"  {line}" for line in status[0]] if status[0] == status[1] else _describe_gap(*status)
    return [*_output_differences(expected.output, observed.output), *ends]


def _output_differences(wanted: Sequence[str], got: Sequence[str]) -> list[str]:
    # Line by line, an elision may be given fewer lines than it has to take for all of them to match.
    if lines_match(wanted, got):
        return [f"  {line}" for line in wanted]
    wanted, got = map(drop_repeats, _trim_progress(wanted, got))
    lines: list[str] = []
    at_wanted = at_got = 0
    for in_wanted, in_got in [*_matching_pairs(wanted, got), (len(wanted), len(got))]:
        lines += _describe_gap(wanted[at_wanted:in_wanted], got[at_got:in_got])
        lines += [f"  {line}" for line in wanted[in_wanted : in_wanted + 1]]
        at_wanted, at_got = in_wanted + 1, in_got + 1
    return lines


def _describe_gap(wanted: Sequence[str], got: Sequence[str]) -> list[str]:
    """Return the diff of a stretch in which no line matches; lines that an elision stands for are no difference."""
    missing = [line for line in wanted if line != ANY_LINES]
    if not missing and ANY_LINES in wanted:
        return [f"  {ANY_LINES}"]
    shown = got[-SHOWN_LINES:]
    left_out = [f"+ ({len(got) - len(shown)} more lines)"] if len(shown) < len(got) else []
    return [*(f"- {line}" for line in wanted), *left_out, *(f"+ {line}" for line in shown)]


def _status_line(step: Step) -> list[str]:
    return [f"[exit {step.status}]"] if step.status else []


def merge_step(expected: Step, observed: Step) -> Step:
    """Return the step to record: `observed`, with those elisions and redactions of `expected` that still match.

    If all of it matches, return `expected`.
    """
    if step_matches(expected, observed):
        return expected
    output = merge_lines(expected.output, observed.output)
    return dataclasses.replace(expected, output=tuple(output), status=observed.status)


def merge_lines(expected: Sequence[str], observed: Sequence[str]) -> list[str]:
    """Return `observed` as a transcript writes it, keeping each pattern of `expected` that still matches."""
    if lines_match(expected, observed):
        return list(expected)
    expected, observed = map(drop_repeats, _trim_progress(expected, observed))
    merged: list[str] = []
    at_expected = at_observed = 0
    for in_expected, in_observed in [*_matching_pairs(expected, observed), (len(expected), len(observed))]:
        merged += _merge_gap(expected[at_expected:in_expected], observed[at_observed:in_observed])
        merged += expected[in_expected : in_expected + 1]
        at_expected, at_observed = in_expected + 1, in_observed + 1
    return merged


def _merge_gap(expected: Sequence[str], observed: Sequence[str]) -> list[str]:
    """Merge a stretch in which no line matches: an elision keeps its place among as many lines as before."""
    lines = [_redact_ids(line) for line in observed]
    if ANY_LINES not in expected:
        return lines
    before, after = expected.index(ANY_LINES), list(reversed(expected)).index(ANY_LINES)
    after = min(after, max(0, len(lines) - before))
    return [*lines[:before], ANY_LINES, *lines[len(lines) - after :]]


def _matching_pairs(expected: Sequence[str], observed: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield pairs of indexes of matching lines, in order and as many as possible (longest common subsequence)."""
    same = [[want != ANY_LINES and line_matches(want, got) for got in observed] for want in expected]
    longest = _longest_below(same, len(observed))
    i = j = 0
    while i < len(expected) and j < len(observed):
        if same[i][j] and longest[i][j] == longest[i + 1][j + 1] + 1:
            yield i, j
            i, j = i + 1, j + 1
        elif longest[i + 1][j] >= longest[i][j + 1]:
            i += 1
        else:
            j += 1


def _longest_below(same: Sequence[Sequence[bool]], width: int) -> list[list[int]]:
    """Return for each pair of indexes the length of the longest common subsequence from there on."""
    longest = [[0] * (width + 1) for _ in range(len(same) + 1)]
    for i in reversed(range(len(same))):
        for j in reversed(range(width)):
            longest[i][j] = longest[i + 1][j + 1] + 1 if same[i][j] else max(longest[i + 1][j], longest[i][j + 1])
    return longest


def _redact_ids(line: str) -> str:
    """Redact digests and long IDs, which differ in each run. The rest is the author's choice."""
    return re.sub(r"\b[0-9a-f]{64}\b", "<id>", re.sub(REDACTIONS["digest"], "<digest>", line))


def observed_lines(text: str) -> tuple[str, ...]:
    """Return a command's output as lines of a transcript, escaped. Carriage returns end a line as well."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n") if text else []
    return tuple(escape_line(line) for line in lines)
