"""Highlighting: which lexer a file takes, and one for transcripts."""

# Pygments has no types.
# mypy: disable-error-code="import-untyped, misc"

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache, partial
from pathlib import PurePosixPath
from typing import ClassVar, Final

from pygments.filter import Filter
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer, do_insertions
from pygments.lexers import find_lexer_class_by_name, get_lexer_for_filename
from pygments.lexers.shell import BashLexer
from pygments.token import STANDARD_TYPES, Generic, Name, Punctuation, Text, Whitespace, _TokenType
from pygments.util import ClassNotFound
from sphinx.application import Sphinx
from sphinx.highlighting import PygmentsBridge

from drydock.errors import MissingError, did_you_mean

#: Stands before a line of output that would read as a prompt or a status. It has no width, and HTML does not get it.
SHIELD = "\N{WORD JOINER}"
#: Where a file's name says less, or something else, than Pygments takes it to say; and what most files are, for
#: Pygments looks through hundreds of lexers.
BY_SUFFIX = {".console": "console", ".sql": "sql", ".txt": "text", ".conf": "nginx", ".env": "bash", ".html": "html"}
BY_SUFFIX |= {".py": "python", ".go": "go", ".yaml": "yaml", ".json": "json", ".toml": "toml", ".sh": "bash"}
BY_SUFFIX |= {".mod": "text", ".sum": "text", ".js": "javascript", ".c": "c", ".jq": "text", ".yml": "yaml"}
#: Registered with Sphinx: it looks up any other language again for each block, and leaves its tokens as they are.
LANGUAGES: Final = ("docker", "yaml", *sorted({*BY_SUFFIX.values()} - {"console", "docker", "yaml"}), "js")
#: Token types that both Pygments styles of the theme leave unstyled.
UNSTYLED: Final = frozenset({Whitespace, Punctuation, Name, Name.Other})

_BASH = BashLexer()

Tokens = Iterator[tuple[int, _TokenType, str]]


def guess_lexer(path: str, text: str) -> str:
    """Return the lexer for the file `path` with the content `text`; ``text`` when nothing is known of it."""
    name = PurePosixPath(path).name
    if name.startswith("Dockerfile") or name.endswith(".Dockerfile"):
        return "docker"
    shebang = re.match(r"#!.*\b(bash|sh|python|node)", text)
    if shebang:
        return {"python": "python", "node": "js"}.get(shebang[1], "bash")
    suffix = PurePosixPath(name).suffix
    if suffix in BY_SUFFIX or not suffix:
        return BY_SUFFIX.get(suffix, "text")
    try:
        return str(get_lexer_for_filename(name).aliases[0])
    except ClassNotFound:
        return "text"


def check_lexer(name: str) -> str:
    """Return `name`, if a lexer has it.

    :raises MissingError: none has.
    """
    try:
        if name != "console":
            find_lexer_class_by_name(name)
    except ClassNotFound:
        raise MissingError(f"no lexer {name!r}{did_you_mean(name, {*BY_SUFFIX.values(), *LANGUAGES})}") from None
    return name


class ConsoleLexer(Lexer):
    """Tells commands from output by the two prompts of a transcript, so that copying yields the commands only.

    Pygments' own takes any line of output that begins with ``#`` for a command, and there BuildKit begins its lines.
    """

    name = "Transcript"
    aliases: ClassVar[list[str]] = ["console"]

    def get_tokens_unprocessed(self, text: str) -> Tokens:
        """Return the tokens of `text`, without the shields."""
        command: list[str] = []
        for line in re.findall(r"[^\n]*\n", text):
            if command and not line.startswith("> "):
                yield from _command_tokens(command)
                command = []
            if line.startswith("$ ") or command:
                command.append(line)
            else:
                status = re.fullmatch(r"\[exit \d+\]\n", line)
                yield 0, Generic.Error if status else Generic.Output, line.removeprefix(SHIELD)
        yield from _command_tokens(command)


def _command_tokens(lines: list[str]) -> Tokens:
    code, prompts = "", []
    for line in lines:
        prompts.append((len(code), [(0, Generic.Prompt, line[:2])]))
        code += line[2:]
    yield from do_insertions(prompts, _BASH.get_tokens_unprocessed(code))


class UnstyledFilter(Filter):
    """Turns unstyled tokens into text, so that no mark is put around them: most marks of a page are such."""

    def filter(self, lexer: Lexer, stream: Iterable[tuple[_TokenType, str]]) -> Iterator[tuple[_TokenType, str]]:
        """Return the tokens."""
        return ((_visible_type(kind), text) for kind, text in stream)


@cache
def _visible_type(kind: _TokenType) -> _TokenType:
    """Return the type that decides about the style. A type that only one lexer has looks like its parent."""
    while kind not in STANDARD_TYPES:
        kind = kind.parent
    return Text if kind in UNSTYLED else kind


def shield_line(line: str) -> str:
    """Return a line of output so that the lexer does not read it as anything else."""
    return f"{SHIELD}{line}" if line.startswith(("$ ", "> ", "[exit ")) else line


def setup(app: Sphinx) -> None:
    """Register the lexers, and keep the formatters: making one reads the whole style, for each block again."""
    PygmentsBridge.html_formatter = staticmethod(cache(HtmlFormatter))
    for name, lexer in {
        "console": ConsoleLexer,
        **{name: find_lexer_class_by_name(name) for name in LANGUAGES},
    }.items():
        app.add_lexer(name, partial(lexer, filters=[UnstyledFilter()]))  # type: ignore[arg-type]  # called, no more
