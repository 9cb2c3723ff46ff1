"""What the site covers: each topic, the section that tells it, and the claims or the source that prove it.

``python -m drydock.coverage`` prints the list; a test holds every line of it to the pages and to the tests.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from drydock import ROOT
from drydock.errors import MalformedError, did_you_mean
from drydock.model import example as examples
from drydock.model.example import Example

#: The list, in the repository.
FILE = Path("docs/about/coverage.toml")
_ID = re.compile(r"[A-Z][0-9]{1,6}")


@dataclass(frozen=True)
class Topic:
    """One line of the list.

    :ivar number: a letter and a number that stay: S for a statement, P for a question that people ask, M for a myth.
    :ivar says: what is true about it, in one clause.
    :ivar page: the page below docs/, such as ``concepts/layers.md``.
    :ivar section: the heading's anchor on that page.
    :ivar claims: the tests that prove it, each as ``slug::test``.
    :ivar source: where no test can prove it, the address of who says so; else "".
    """

    number: str
    says: str
    page: str
    section: str
    claims: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True)
class Coverage:
    """The list.

    :ivar later: the topics that wait for a page that is not written yet, by that page.
    """

    topics: tuple[Topic, ...]
    later: Mapping[str, tuple[str, ...]]


def load(top: Path = ROOT) -> Coverage:
    """Return the list of the repository `top`.

    :raises MalformedError: it is not what this module expects; the message names the entry.
    """
    try:
        known = tomllib.loads((top / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise MalformedError(str(top / FILE), 1, str(error)) from None
    later = known.pop("later", {})
    waiting = later.values() if isinstance(later, dict) else [None]
    if not all(_strings(numbers) and all(map(_ID.fullmatch, numbers)) for numbers in waiting):
        raise MalformedError(str(top / FILE), _line(top, "later"), "[later] needs a list of topics for each page")
    return Coverage(
        tuple(_topic(top, number, fields) for number, fields in known.items()),
        {page: tuple(numbers) for page, numbers in later.items()},
    )


def _strings(found: object) -> TypeGuard[list[str]]:
    return isinstance(found, list) and all(isinstance(each, str) for each in found)


def _topic(top: Path, number: str, found: object) -> Topic:
    fields = found if isinstance(found, dict) else {}
    words = {"topic", "page", "claims", "source"}
    page, _, section = str(fields.get("page", "")).partition("#")
    proofs = [name for name in ("claims", "source") if fields.get(name)]
    whole = fields.get("topic") and section and len(proofs) == 1 and _strings(fields.get("claims", []))
    if not (_ID.fullmatch(number) and fields.keys() <= words and whole):
        said = f"[{number}] needs a topic, a page as page.md#section, and either claims or a source"
        raise MalformedError(str(top / FILE), _line(top, number), said)
    claims = tuple(fields.get("claims", ()))
    return Topic(number, str(fields["topic"]), page, section, claims, str(fields.get("source", "")))


def _line(top: Path, number: str) -> int:
    lines = (top / FILE).read_text(encoding="utf-8").splitlines()
    return next((at for at, line in enumerate(lines, 1) if line.startswith(f"[{number}]")), 1)


def faults(top: Path = ROOT) -> Iterator[str]:
    """Yield what is wrong with the list: a page, a section or a test that is not there, a number left out or twice.

    :raises MalformedError: see :func:`load`.
    """
    found = load(top)
    known = examples.load_examples(top)
    tests = {slug: _tests(each) for slug, each in known.items()}
    anchors: dict[str, set[str]] = {}
    for topic in found.topics:
        where = f"{FILE}:{_line(top, topic.number)}: [{topic.number}]"
        page = top / "docs" / topic.page
        if not page.is_file():
            yield f"{where} no page docs/{topic.page}"
            continue
        sections = anchors.setdefault(topic.page, _anchors(page.read_text(encoding="utf-8")))
        if topic.section not in sections:
            yield f"{where} {topic.page} has no section {topic.section!r}{did_you_mean(topic.section, sections)}"
        for claim in topic.claims:
            slug, _, test = claim.partition("::")
            if test not in tests.get(slug, ()):
                hint = did_you_mean(test, tests[slug]) if slug in tests else did_you_mean(slug, known)
                yield f"{where} no test {claim!r}{hint}"
    yield from _left_out(found)


def _tests(example: Example) -> set[str]:
    if not example.test.is_file():
        return set()
    tree = ast.parse(example.test.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def _anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as MyST and GitHub make them."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _left_out(found: Coverage) -> Iterator[str]:
    every = [topic.number for topic in found.topics] + [number for each in found.later.values() for number in each]
    for letter in sorted({number[0] for number in every}):
        mine = sorted(int(number[1:]) for number in every if number[0] == letter)
        twice = sorted({number for number in mine if mine.count(number) > 1})
        missing = sorted(set(range(1, mine[-1] + 1)) - set(mine))
        for what, numbers in (("twice", twice), ("missing", missing)):
            if numbers:
                yield f"{FILE}: {what}: {', '.join(f'{letter}{number}' for number in numbers)}"


def listing(topics: Iterable[Topic]) -> Iterator[str]:
    """Yield a line per topic: its number, where it is told, what proves it."""
    for topic in topics:
        proof = ", ".join(topic.claims) or topic.source
        yield f"{topic.number} {topic.page}#{topic.section} {proof}"


def main() -> int:
    """Print the list and its faults; return 1 if there are any."""
    found = load()
    print(*listing(found.topics), sep="\n")
    for page, numbers in found.later.items():
        print(f"later, with {page}: {', '.join(numbers)}")
    wrong = list(faults())
    for fault in wrong:
        print(fault, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
