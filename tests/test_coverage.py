"""The list of what the site covers."""

from __future__ import annotations

import pytest
import topics
from test_site import site
from topics import Topic

from drydock.errors import MalformedError

__all__ = ["site"]

GOOD = """
[S001]
topic = "A greeting is printed"
page = "guide.md#say-hello-to-bashs"
claims = ["greeting::test_greets"]

[S002]
topic = "Someone said so"
page = "guide.md#the-end"
source = "https://example.org/"

[later]
"how-to/more" = ["S003"]
"""


@pytest.fixture
def kept(site):
    """Write a page, a test and a list into a small repository, and return its top: ``kept(GOOD)``."""

    def call(text):
        (site.top / "tests/examples").mkdir(parents=True, exist_ok=True)
        (site.top / "tests/examples/test_greeting.py").write_text("def test_greets(): ...\ndef other(): ...\n")
        site.page("guide", "# Guide\n\n## Say hello to `bash`'s\n\n## The end\n")
        file = site.top / topics.FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return site.top

    return call


def test_the_site_covers_its_list(capsys):
    """Every topic of the list has a section that is there, and tests that are there or a source; none is left out."""
    status = topics.main()
    said = capsys.readouterr()
    print(said.out)

    assert said.err == ""
    assert status == 0
    assert len(said.out.splitlines()) > 150


def test_good(kept):
    """A list without fault is read as it is."""
    top = kept(GOOD)
    found = topics.load(top)

    assert list(topics.faults(top)) == []
    assert found.topics[0] == Topic(
        "S001", "A greeting is printed", "guide.md", "say-hello-to-bashs", ("greeting::test_greets",)
    )
    assert found.later == {"how-to/more": ("S003",)}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("guide.md#the-end", "gone.md#the-end", "no page docs/gone.md"),
        ("#the-end", "#the-ends", "guide.md has no section 'the-ends'"),
        ("::test_greets", "::other", "no test 'greeting::other'; there are: test_greets"),
        ("greeting::", "greetings::", "did you mean greeting?"),
        ('["S003"]', '["S002"]', "twice: S2"),
        ('["S003"]', '["S004"]', "missing: S3"),
    ],
)
def test_fault(kept, old, new, said):
    """What is not there is named with its line, and with what there is."""
    [fault] = list(topics.faults(kept(GOOD.replace(old, new))))

    assert str(topics.FILE) in fault
    assert said in fault


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('source = "https://example.org/"\n', ""),
        ('topic = "Someone said so"\n', ""),
        ("#the-end", ""),
        ("[S002]", "[one]"),
        ('source = "https://example.org/"', 'source = "https://example.org/"\nclaims = ["greeting::test_greets"]'),
        ("topic = ", "topics = "),
        ("[S002]", "[S002"),
    ],
)
def test_malformed(kept, old, new):
    """An entry that lacks something, or has too much, is refused with its place."""
    with pytest.raises(MalformedError, match=r"coverage\.toml:\d+: "):
        topics.load(kept(GOOD.replace(old, new, 1)))
