"""The prose of the repository's files: pages, READMEs, comments, docstrings, and messages, without code.

A passage is text with the line that it starts on. Code in it is replaced by ``CODE``, so that words on both sides of a
code span don't become neighbors.
"""

from __future__ import annotations

import ast
import functools
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser
from pygments.lexer import Lexer
from pygments.lexers import find_lexer_class_for_filename, get_lexer_by_name
from pygments.token import Comment, String

from drydock import ROOT

CODE = "\0"
PAGES, READMES, COMMENTS, CLAIMS, HARNESS = AREAS = ("pages", "READMEs", "examples' comments", "claims", "harness")
#: Folders of a checkout without Git that hold no sources.
_UNTRACKED = {".git", ".nox", "_build", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"}
#: Recorded by tests, compiled, or without comments.
_SKIPPED = re.compile(r"evidence/.*|LICENSE|.*requirements\.txt|.*\.(?:console|json|txt|png|svg|mod|crt|pem)")
#: Directives whose content is Markdown. Of the others only the caption is prose.
_CONTAINERS = ("rubric", "tab-", "grid", "container", "glossary", "note", "tip", "warning", "dropdown", "exercise")
#: Roles that show their text, which may be followed by a target: {term}`layers <layer>`.
_TEXT_ROLES = ("term", "ref", "doc")
#: Functions whose string arguments are messages, in tests, where most strings are data.
_MESSAGE_CALLS = {"fail", "skip", "xfail", "until", "needs", "only_docker", "print_status", "error"}
_MESSAGE_KEYWORDS = {"reason", "why", "help", "description"}
_ADDRESS = re.compile(r"https?://\S+")
_SPAN = re.compile(
    r"(`+)(?!`).+?(?<!`)\1(?!`)|:\w+:|https?://\S+|^\s*>>> .*$|^\s*(?:end)?region: .*$", re.DOTALL | re.MULTILINE
)
_LITERAL_BLOCK = re.compile(r"(?<=::\n)(?:[ \t]*\n)+([ \t]+)\S.*\n(?:(?:\1.*|[ \t]*)\n)*")
_QUOTES = re.compile(r"\b[rbfuRBFU]{1,2}(?=[\"'])|\"\"\"|'''|\"|(?<!\w)'|'(?!\w)|\\.")
_PURPOSES = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Assert, ast.Call)
_SENTENCE = re.compile(r"[A-Za-z']+ [a-z']+ [a-z']+")
_COMMENT_MARKS = re.compile(r"^\s*(?:#+|//+|--|/?\*+|<!--|;+)|\*/|-->", re.MULTILINE)
_FIELD = re.compile(r"\{[^{}]*\}")


class Passage(NamedTuple):
    """A piece of prose.

    :ivar area: one of :data:`AREAS`.
    :ivar line: 1-based line of its first character.
    :ivar text: its text, line breaks included.
    """

    area: str
    line: int
    text: str


def list_files(top: Path = ROOT) -> list[str]:
    """Return the paths of the files that are or will be in Git, relative to `top`; without Git, of all files."""
    if (top / ".git").exists() and shutil.which("git"):
        # Git refuses a checkout that belongs to another user.
        command = ["git", "-c", f"safe.directory={top}", "ls-files", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=top, check=True, capture_output=True, text=True).stdout.split("\n")
        return sorted({name for name in listed if (top / name).is_file()})
    paths = [path.relative_to(top) for path in top.rglob("*") if path.is_file()]
    return sorted(path.as_posix() for path in paths if not _UNTRACKED & set(path.parts))


def read_passages(name: str, text: str) -> list[Passage]:
    """Return the prose of a file; a file without prose has no passages.

    :param name: its path in the repository, which selects the syntax and the area.
    :param text: its content.
    """
    if _SKIPPED.fullmatch(name):
        return []
    area = _file_area(name)
    if name.endswith(".md"):
        return [Passage(area, *piece) for piece in _read_markdown(text)]
    if name.endswith(".py"):
        return list(_read_python(name, text, area))
    return [Passage(area, *piece) for piece in _read_comments(name, text)]


def _file_area(name: str) -> str:
    if name.endswith(".md"):
        return PAGES if name.startswith("docs/") else READMES
    if name.startswith(("examples/", "base-images/")):
        return COMMENTS
    return CLAIMS if name.startswith("tests/examples/") and name.endswith(".toml") else HARNESS


def _blank(match: re.Match[str]) -> str:
    """Return as many lines of code as the match has."""
    return CODE + "\n" * match[0].count("\n")


@functools.cache
def _markdown_parser() -> MarkdownIt:
    extensions = {"attrs_inline", "colon_fence", "deflist"}  # those of conf.py
    return create_md_parser(MdParserConfig(enable_extensions=extensions), RendererHTML)


def _read_markdown(text: str, first: int = 1) -> Iterator[tuple[int, str]]:
    for token in _markdown_parser().parse(text):
        line = first + (token.map or [0])[0]
        if token.type == "inline":
            yield line, "".join(map(_inline_text, token.children or []))
        elif token.type == "front_matter":
            # The description is what search engines show.
            yield from ((line, text) for text in re.findall(r"description\W+(.*)", token.content))
        elif token.type in ("fence", "colon_fence"):
            yield from _read_directive(token, line)


def _inline_text(token: Token) -> str:
    if token.type in ("softbreak", "hardbreak"):
        return "\n"
    if token.type == "image":
        return "".join(map(_inline_text, token.children or []))
    if token.type == "myst_role" and token.meta["name"] in _TEXT_ROLES:
        return re.sub(r"\s*<[^<>]*>$", "", token.content)
    if token.type == "text":
        return _ADDRESS.sub(CODE, token.content)
    return CODE if token.content else ""


def _read_directive(token: Token, line: int) -> Iterator[tuple[int, str]]:
    directive = re.match(r"\{([\w-]+)\}\s*(.*)", token.info.strip())
    if directive is None:
        return
    yield from ((line, text) for text in re.findall(r"^:(?:caption|alt): (.*)", token.content, re.MULTILINE))
    if directive[1].startswith(_CONTAINERS):
        yield line, directive[2]
        body = re.sub(r"\A(?::[\w-]+:.*\n)+", lambda options: "\n" * options[0].count("\n"), token.content)
        yield from _read_markdown(body, line + 1)


def _read_comments(name: str, text: str) -> Iterator[tuple[int, str]]:
    """Yield the comments of a file in any language but Python, and the sentences among the strings of TOML."""
    comments: list[tuple[int, str]] = []
    lexer, line = _find_lexer(name, text), 1
    if lexer.name == "Docker":  # it overlooks comments within RUN
        lines = enumerate(text.splitlines(), start=1)
        comments = [(number, _COMMENT_MARKS.sub(" ", row)) for number, row in lines if row.lstrip().startswith("#")]
        text = ""
    for kind, value in lexer.get_tokens(text):
        if kind in Comment and kind not in (Comment.Hashbang, Comment.Preproc):
            comments.append((line, _COMMENT_MARKS.sub(" ", value.rstrip("\n"))))
        elif kind in String and name.endswith(".toml") and len(value.split()) > 2:
            yield line, _SPAN.sub(_blank, _QUOTES.sub(" ", value))
        line += value.count("\n")
    yield from _join_lines(comments)


def _join_lines(comments: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield comments on consecutive lines as one text."""
    first, lines = 0, list[str]()
    for line, text in comments:
        if lines and line != first + len(lines):
            yield first, _SPAN.sub(_blank, "\n".join(lines))
            lines.clear()
        if not lines:
            first = line
        lines += text.split("\n")
    if lines:
        yield first, _SPAN.sub(_blank, "\n".join(lines))


def _find_lexer(name: str, text: str) -> Lexer:
    """Return what reads a file's comments; those of an unknown file start with ``#``, as in a shell."""
    file = Path(name).name
    if file.startswith("Dockerfile") and not file.endswith("ignore"):
        return _make_lexer("docker")
    interpreter = re.match(r"#!.*\b(python|node)", text)
    if interpreter:
        return _make_lexer({"python": "python", "node": "javascript"}[interpreter[1]])
    kind = find_lexer_class_for_filename(file)
    return _make_lexer(kind.aliases[0]) if kind and kind.aliases else _make_lexer("bash")


@functools.cache
def _make_lexer(alias: str) -> Lexer:
    return get_lexer_by_name(alias, stripnl=False, ensurenl=False)


def _read_python(name: str, text: str, area: str) -> Iterator[Passage]:
    """Yield docstrings, messages, and comments. A file with a syntax error has none: ruff reports it."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return
    source = text.encode()
    starts = [0, *(match.end() for match in re.finditer(b"\n", source))]
    docstring_area = CLAIMS if name.startswith("tests/examples/") else area
    strings, docstrings, messages = list[ast.expr](), dict[ast.AST, str](), set[ast.AST]()
    for node in _walk_strings(tree):
        if isinstance(node, ast.JoinedStr | ast.Constant):
            strings.append(node)
        elif isinstance(node, ast.Assert | ast.Call):
            messages.update(_message_nodes(node))
        elif isinstance(node.body[0], ast.Expr):
            claim = isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
            docstrings[node.body[0].value] = docstring_area if claim else area
    rest = bytearray(source)
    for node in strings:
        start, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        written = source[start:end].decode()
        rest[start:end] = re.sub(rb"[^\n]", b" ", source[start:end])
        if node in docstrings:
            plain = _LITERAL_BLOCK.sub(_blank, _QUOTES.sub(" ", written) + "\n")
            yield Passage(docstrings[node], node.lineno, _SPAN.sub(_blank, plain))
        elif (node in messages or name.startswith("drydock/")) and _SENTENCE.search(written):
            plain = _QUOTES.sub(" ", _FIELD.sub(_blank, written) if isinstance(node, ast.JoinedStr) else written)
            yield Passage(area, node.lineno, _SPAN.sub(_blank, plain))
    comments = enumerate(re.findall(r"^[^#\n]*#*(.*)", rest.decode(), re.MULTILINE), start=1)
    yield from (Passage(area, *piece) for piece in _join_lines([item for item in comments if item[1].strip()]))


def _walk_strings(tree: ast.Module) -> Iterator[Any]:
    """Yield the nodes of string literals, and those that say what a literal is for. An f-string is one literal."""
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            yield node
            continue
        if isinstance(node, _PURPOSES) and getattr(node, "body", True):
            yield node
        stack += ast.iter_child_nodes(node)


def _message_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of the messages of an assertion or call."""
    if isinstance(node, ast.Assert) and node.msg:
        yield node.msg
    elif isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        yield from node.args if name in _MESSAGE_CALLS else ()
        yield from (keyword.value for keyword in node.keywords if keyword.arg in _MESSAGE_KEYWORDS)
