"""The topics that the site covers: each with its section, and the claims or the source that prove it."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from drydock import ROOT, store
from drydock.errors import did_you_mean
from drydock.model import example as examples
from drydock.model.example import Example

#: The list, in the repository.
FILE = Path("tests/topics.toml")
_NUMBER = re.compile(r"[A-Z][0-9]{1,4}")


@dataclass(frozen=True)
class Topic:
    """An entry of the list.

    :ivar topic: the statement, in one clause.
    :ivar page: the page below docs/ and the anchor of a heading on it, such as ``concepts/layers.md#order``.
    :ivar claims: the tests that prove it, each as ``slug::test``.
    :ivar source: the address of the proof, for a topic without claims.
    """

    topic: str
    page: str
    claims: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        """Check the address of the section, and that there is one kind of proof."""
        if not self.topic or not re.fullmatch(r"(?:[\w-]+/)*[\w-]+\.md#.+", self.page):
            raise ValueError("needs a topic, and a page below docs/ as page.md#section")
        if bool(self.claims) == bool(self.source):
            raise ValueError("needs either claims or a source")


@dataclass(frozen=True)
class TopicList:
    """The list.

    :ivar topics: number -> topic. A number is a letter, which names the kind of topic, and digits.
    :ivar later: page to be written, or the reason why there is none -> numbers.
    """

    topics: dict[str, Topic]
    later: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the numbers."""
        for number in self.every_number:
            if not _NUMBER.fullmatch(number):
                raise ValueError(f"{number!r} is not a topic's number, such as S001")

    @property
    def every_number(self) -> list[str]:
        """The numbers of all topics."""
        return [*self.topics, *(number for numbers in self.later.values() for number in numbers)]


def load_topics(top: Path = ROOT) -> TopicList:
    """Return the list of the repository `top`.

    :raises MalformedError: the file can't be read or an entry is malformed; the message names the entry.
    """
    return store.load_toml(TopicList, top / FILE, FILE)


def find_faults(top: Path = ROOT) -> Iterator[str]:
    """Yield the faults of the list: a missing page, section, or test; a number used twice or left out; no topic at all.

    :raises MalformedError: see :func:`load_topics`.
    """
    topic_list = load_topics(top)
    if not topic_list.topics:
        yield f"{FILE}: no topics"
    known = examples.load_examples(top)
    tests = {slug: _test_names(example) for slug, example in known.items()}
    for number, topic in topic_list.topics.items():
        at = f"{FILE}: [topics.{number}]"
        name, _, section = topic.page.partition("#")
        page = top / "docs" / name
        if not page.is_file():
            yield f"{at} no page docs/{name}"
            continue
        sections = _heading_anchors(page.read_text(encoding="utf-8"))
        if section not in sections:
            yield f"{at} {name} has no section {section!r}{did_you_mean(section, sections)}"
        for claim in topic.claims:
            slug, _, test = claim.partition("::")
            if test not in tests.get(slug, ()):
                hint = did_you_mean(test, tests[slug]) if slug in tests else did_you_mean(slug, known)
                yield f"{at} no test {claim!r}{hint}"
    yield from _number_faults(topic_list.every_number)


def _test_names(example: Example) -> set[str]:
    if not example.test.is_file():
        return set()
    tree = ast.parse(example.test.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def _heading_anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as MyST and GitHub make them."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _number_faults(numbers: list[str]) -> Iterator[str]:
    """Yield the numbers that stand twice, or are left out between 1 and the last of their letter."""
    for letter in sorted({number[0] for number in numbers}):
        counts = Counter(int(number[1:]) for number in numbers if number[0] == letter)
        twice = sorted(number for number, count in counts.items() if count > 1)
        missing = sorted(set(range(1, max(counts))) - set(counts))
        for fault, faulty in (("twice", twice), ("missing", missing)):
            if faulty:
                yield f"{FILE}: {fault}: {', '.join(f'{letter}{number}' for number in faulty)}"
