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

A step that is expected and a step that was observed are one type, so `parse`, `matches`, `differences`, `merge` and
`render` are functions over it.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from drydock.errors import MalformedError, MissingError, did_you_mean

#: Placeholder -> what it stands for, as a regular expression without groups. Each is visible on the page. None is
#: open-ended: it is looked for at each place of a line, and that takes linear time only if no place takes long.
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
#: Seconds a step may take unless it says otherwise: a cold build that downloads packages fits.
LIMIT = 180.0

#: Lines of output that a report shows where none of them was expected.
SHOWN_LINES = 30

_TOKEN = re.compile(r"(?<!\\)<(" + "|".join(REDACTIONS) + r")>")
_ELISION = re.compile(r"(?<!\\)" + re.escape(ANY_TEXT))
#: A placeholder that stands for itself, because a command printed it.
_PRINTED = re.compile("(<(?:" + "|".join(REDACTIONS) + ")>|" + re.escape(ANY_TEXT) + ")")
_LITERAL = re.compile(r"\\" + _PRINTED.pattern)
_STATUS = re.compile(r"\[exit ([0-9]{1,3})\]")
_SECONDS = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)s")
_NEEDS = ("docker-hub", "docker-28", "containerd-store", "overlay2-store", "swarm", "amd64")
_ESCAPED = ("$ ", "> ", "#% ", "[exit ", "\\")


@dataclass(frozen=True)
class Directives:
    """What a step carries that the reader does not see. It changes when a step ends, never what it is.

    :ivar name: the step's name, by which a page shows it.
    :ivar limit: seconds until the step is ended as failed.
    :ivar retry: seconds in which the command is run again until it matches; 0 runs it once.
    :ivar until: run in the background, and go on once a line holds this text; None runs in the foreground.
    :ivar needs: what the engine must have, else the transcript is skipped with this as the reason.
    """

    name: str | None = None
    limit: float = LIMIT
    retry: float = 0.0
    until: str | None = None
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One command, its output, its exit status.

    :ivar command: what the shell was given, without prompts; may span lines.
    :ivar output: the lines it printed on stdout and stderr, in order.
    :ivar status: the exit status.
    :ivar line: 1-based line of the command in its transcript; not part of equality.
    """

    command: str
    output: tuple[str, ...] = ()
    status: int = 0
    directives: Directives = Directives()
    line: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True)
class Transcript:
    """The steps of one ``.console`` file, which run in order in one bash.

    :ivar place: the file as the reader knows it, for messages.
    """

    place: str
    steps: tuple[Step, ...]

    def pick(self, names: Sequence[str]) -> tuple[Step, ...]:
        """Return the steps called `names`, in the transcript's order; all of them when none is named.

        :raises MissingError: no step has such a name.
        """
        known = [step.directives.name for step in self.steps if step.directives.name]
        for name in names:
            if name not in known:
                raise MissingError(f"no step {name!r} in {self.place}{did_you_mean(name, known)}")
        return tuple(step for step in self.steps if not names or step.directives.name in names)


def parse_transcript(text: str, place: str) -> Transcript:
    """Return the transcript that `text` writes.

    :param place: the file's name for messages.
    :raises MalformedError: it is empty, has CRLF line ends or output before the first command, or a directive is
        unknown, wrong or stands before no command; the message names the line.
    """
    if "\r" in text:
        raise MalformedError(place, text[: text.index("\r")].count("\n") + 1, "a carriage return; save it with LF ends")
    steps: list[Step] = []
    pending: dict[str, str] = {}
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), start=1):
        if line.startswith("#% "):
            name, _, value = line[3:].strip().partition(" ")
            if name in pending:
                raise MalformedError(place, number, f"a second {name!r} for one step")
            pending[name] = value.strip()
            _directives(pending, place, number)
        elif line.startswith("$ "):
            steps.append(Step(line[2:], directives=_directives(pending, place, number), line=number))
            pending = {}
        elif pending:
            raise MalformedError(place, number, "a directive stands right above its command")
        elif not steps:
            raise MalformedError(place, number, "output before the first command; a command begins with '$ '")
        else:
            steps[-1] = _extended(steps[-1], line, place, number)
    if pending:
        raise MalformedError(place, text.count("\n"), "a directive at the end stands above no command")
    if not steps:
        raise MalformedError(place, 0, "no command; a command begins with '$ '")
    names = [step.directives.name for step in steps if step.directives.name]
    for step in steps:
        if names.count(step.directives.name or "") > 1:
            raise MalformedError(place, step.line, f"two steps are named {step.directives.name!r}")
    return Transcript(place, tuple(steps))


def _extended(step: Step, line: str, place: str, number: int) -> Step:
    if line.startswith("> ") or line == ">":
        if step.output or step.status:
            raise MalformedError(place, number, "a command goes on ('> ') before its output, not after")
        return dataclasses.replace(step, command=f"{step.command}\n{line[2:]}")
    if step.status:
        raise MalformedError(place, number, "output after the exit status")
    if line.startswith("[exit "):
        status = _STATUS.fullmatch(line)
        if status is None or not 0 < int(status[1]) < 256:
            raise MalformedError(place, number, "an exit status is '[exit N]' with N from 1 to 255")
        return dataclasses.replace(step, status=int(status[1]))
    return dataclasses.replace(step, output=(*step.output, line))


def _directives(pending: dict[str, str], place: str, number: int) -> Directives:
    known: dict[str, object] = {}
    for name, value in pending.items():
        seconds = _SECONDS.fullmatch(value)
        if name == "name" and re.fullmatch(r"[a-z][a-z0-9-]*", value):
            known["name"] = value
        elif name in ("limit", "retry") and seconds:
            known[name] = float(seconds[1])
        elif name == "until" and value:
            known["until"] = value
        elif name == "needs" and value and all(need in _NEEDS for need in value.split()):
            known["needs"] = tuple(value.split())
        else:
            raise MalformedError(place, number, _directive_problem(name, value))
    return Directives(**known)  # type: ignore[arg-type]


def _directive_problem(name: str, value: str) -> str:
    forms = {"name": "name words-with-hyphens", "limit": "limit 60s", "retry": "retry 10s", "until": "until TEXT"}
    forms["needs"] = f"needs {' '.join(_NEEDS)}"
    if name not in forms:
        return f"unknown directive {name!r}{did_you_mean(name, forms)}"
    return f"the directive {name!r} cannot be {value!r}; it is written '#% {forms[name]}'"


def render_transcript(transcript: Transcript) -> str:
    """Return the text of `transcript`; `parse` of it gives the transcript back."""
    return "".join(line + "\n" for step in transcript.steps for line in _rendered(step))


def _rendered(step: Step) -> Iterator[str]:
    default = Directives()
    for field in dataclasses.fields(Directives):
        value = getattr(step.directives, field.name)
        if value != getattr(default, field.name):
            text = (
                f"{value:.9g}s" if isinstance(value, float) else " ".join(value) if isinstance(value, tuple) else value
            )
            yield f"#% {field.name} {text}"
    first, *rest = step.command.split("\n")
    yield f"$ {first}"
    yield from (f"> {line}" for line in rest)
    yield from step.output
    if step.status:
        yield f"[exit {step.status}]"


def escape_line(line: str) -> str:
    """Return the line of a transcript that stands for the printed `line` and nothing else."""
    line = _PRINTED.sub(r"\\\1", line)
    return f"\\{line}" if line.startswith(_ESCAPED) or line in (ANY_LINES, ">") else line


def unescape_line(line: str) -> str:
    """Return what the reader sees for a `line` of expected output."""
    return _LITERAL.sub(r"\1", line.removeprefix("\\"))


def step_matches(expected: Step, observed: Step) -> bool:
    """Say whether `observed` is what `expected` asks for: the exit status, and the output by its patterns."""
    return expected.status == observed.status and lines_match(expected.output, observed.output)


def lines_match(expected: Sequence[str], observed: Sequence[str]) -> bool:
    """Say whether the patterns `expected` match all of the lines `observed`.

    Blocks between ``...`` are looked for from the left, each once: with wildcards of this kind, the leftmost place
    of a block is never a wrong choice, so there is nothing to go back to.
    """
    blocks = [list(block) for block in _split(expected)]
    if len(blocks) == 1:
        return len(expected) == len(observed) and _block_at(blocks[0], observed, 0)
    head, *middle, tail = blocks
    if len(head) + len(tail) > len(observed) or not _block_at(head, observed, 0):
        return False
    at, end = len(head), len(observed) - len(tail)
    for block in middle:
        while at + len(block) <= end and not _block_at(block, observed, at):
            at += 1
        at += len(block)
    return at <= end and _block_at(tail, observed, end)


def _split(expected: Sequence[str]) -> Iterator[list[str]]:
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
    """Say whether the pattern `expected` matches the whole line `observed` (both as the transcript writes them)."""
    if expected == observed:
        return True
    pieces = _pieces(expected)
    if len(pieces) == 1:
        return pieces[0].fullmatch(observed) is not None
    first = pieces[0].match(observed)
    if first is None:
        return False
    at = first.end()
    for piece in pieces[1:-1]:
        found = piece.search(observed, at)
        if found is None:
            return False
        at = found.end()
    return any(pieces[-1].fullmatch(observed, start) for start in range(at, len(observed) + 1))


@functools.lru_cache(maxsize=4096)
def _pieces(expected: str) -> tuple[re.Pattern[str], ...]:
    """Compile what stands between the ``[..]`` of a line. No piece holds an open-ended wildcard: time stays linear."""
    return tuple(re.compile(_piece(text)) for text in _ELISION.split(expected))


def _piece(text: str) -> str:
    parts = _TOKEN.split(text)
    return "".join(
        rf"(?:{REDACTIONS[part]}|\\?<{part}>)" if index % 2 else re.escape(part) for index, part in enumerate(parts)
    )


def describe_differences(expected: Step, observed: Step) -> list[str]:
    """Return a diff of what was expected (``-``) and what was observed (``+``); lines that match are context."""
    status = _status_line(expected), _status_line(observed)
    ends = [f"  {line}" for line in status[0]] if status[0] == status[1] else _difference(*status)
    return [*_output_differences(expected.output, observed.output), *ends]


def _output_differences(wanted: Sequence[str], got: Sequence[str]) -> list[str]:
    # Line by line, an elision may be given fewer lines than it has to take for all of them to match.
    if lines_match(wanted, got):
        return [f"  {line}" for line in wanted]
    lines: list[str] = []
    at_wanted = at_got = 0
    for in_wanted, in_got in [*_aligned(wanted, got), (len(wanted), len(got))]:
        lines += _difference(wanted[at_wanted:in_wanted], got[at_got:in_got])
        lines += [f"  {line}" for line in wanted[in_wanted : in_wanted + 1]]
        at_wanted, at_got = in_wanted + 1, in_got + 1
    return lines


def _difference(wanted: Sequence[str], got: Sequence[str]) -> list[str]:
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
    """Return the step to record: what was observed, with the elisions and redactions of `expected` that still hold.

    A step that matches is returned unchanged.
    """
    if step_matches(expected, observed):
        return expected
    output = merge_lines(expected.output, observed.output)
    return dataclasses.replace(expected, output=tuple(output), status=observed.status)


def merge_lines(expected: Sequence[str], observed: Sequence[str]) -> list[str]:
    """Return `observed` as a transcript writes it, keeping each pattern of `expected` that still matches."""
    if lines_match(expected, observed):
        return list(expected)
    merged: list[str] = []
    at_expected = at_observed = 0
    for in_expected, in_observed in [*_aligned(expected, observed), (len(expected), len(observed))]:
        merged += _gap(expected[at_expected:in_expected], observed[at_observed:in_observed])
        merged += expected[in_expected : in_expected + 1]
        at_expected, at_observed = in_expected + 1, in_observed + 1
    return merged


def _gap(expected: Sequence[str], observed: Sequence[str]) -> list[str]:
    """Merge a stretch in which no line matches: an elision keeps its place among as many lines as before."""
    fresh = [_redacted(line) for line in observed]
    if ANY_LINES not in expected:
        return fresh
    before, after = expected.index(ANY_LINES), list(reversed(expected)).index(ANY_LINES)
    after = min(after, max(0, len(fresh) - before))
    return [*fresh[:before], ANY_LINES, *fresh[len(fresh) - after :]]


def _aligned(expected: Sequence[str], observed: Sequence[str]) -> Iterable[tuple[int, int]]:
    """Return pairs of indexes of matching lines, in order and as many as there can be (longest common subsequence)."""
    width = len(observed) + 1
    best = [[0] * width for _ in range(len(expected) + 1)]
    same = [[want != ANY_LINES and line_matches(want, got) for got in observed] for want in expected]
    for i in reversed(range(len(expected))):
        for j in reversed(range(len(observed))):
            best[i][j] = best[i + 1][j + 1] + 1 if same[i][j] else max(best[i + 1][j], best[i][j + 1])
    i = j = 0
    while i < len(expected) and j < len(observed):
        if same[i][j] and best[i][j] == best[i + 1][j + 1] + 1:
            yield i, j
            i, j = i + 1, j + 1
        elif best[i + 1][j] >= best[i][j + 1]:
            i += 1
        else:
            j += 1


def _redacted(line: str) -> str:
    """Replace what is never the same in two runs: digests and long IDs. The rest is the author's choice."""
    return re.sub(r"\b[0-9a-f]{64}\b", "<id>", re.sub(REDACTIONS["digest"], "<digest>", line))


def observed_lines(text: str) -> tuple[str, ...]:
    """Return what a command printed as lines of a transcript, escaped.

    Carriage returns end a line as newlines do: a terminal would show the text after them in its place.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n") if text else []
    return tuple(escape_line(line) for line in lines)
