"""The list of the topics that the site covers."""

from __future__ import annotations

import pytest
import topics
from topics import Topic

from drydock.errors import MalformedError

GOOD = """
[topics.S001]
topic = "A greeting is printed"
page = "guide.md#say-hello-to-bashs"
claims = ["greeting::test_greets"]

[topics.S002]
topic = "Someone said so"
page = "guide.md#the-end"
source = "https://example.org/"

[later]
"how-to/more" = ["S003"]
"""


@pytest.fixture
def written(site):
    """Write a page, a test and a list into a small repository, and return its top: ``written(GOOD)``."""

    def call(text):
        (site.top / "tests/examples").mkdir(parents=True, exist_ok=True)
        (site.top / "tests/examples/test_greeting.py").write_text("def test_greets(): ...\ndef other(): ...\n")
        site.page("guide", "# Guide\n\n## Say hello to `bash`'s\n\n## The end\n")
        file = site.top / topics.FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return site.top

    return call


def test_every_topic_is_proven():
    """Every topic of the list has a section, and tests or a source; no number is missing."""
    assert list(topics.find_faults()) == []
    assert len(topics.load_topics().topics) > 150


def test_good(written):
    """A list without a fault is read as it is."""
    top = written(GOOD)
    topic_list = topics.load_topics(top)

    assert list(topics.find_faults(top)) == []
    assert topic_list.topics["S001"] == Topic(
        "A greeting is printed", "guide.md#say-hello-to-bashs", ("greeting::test_greets",)
    )
    assert topic_list.later == {"how-to/more": ("S003",)}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("guide.md#the-end", "gone.md#the-end", "no page docs/gone.md"),
        ("#the-end", "#the-ends", "guide.md has no section 'the-ends'"),
        ("::test_greets", "::other", "no test 'greeting::other'; there are: test_greets"),
        ("greeting::", "greetings::", "did you mean greeting?"),
        ('["S003"]', '["S002"]', "twice: S2"),
        ('["S003"]', '["S004"]', "missing: S3"),
        (GOOD, "[topics]\n", "no topics"),
    ],
)
def test_fault(written, old, new, message):
    """A page, section, or test that does not exist is named, with the nearest that do; so is a wrong number."""
    [fault] = list(topics.find_faults(written(GOOD.replace(old, new))))

    assert str(topics.FILE) in fault
    assert message in fault


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('source = "https://example.org/"\n', "", "topics.S002: needs either claims or a source"),
        ('topic = "Someone said so"\n', "", "topics.S002 lacks the key 'topic'"),
        ("#the-end", "", "topics.S002: needs a topic, and a page below docs/"),
        ("guide.md#the-end", "../README.md#drydock", "topics.S002: needs a topic, and a page below docs/"),
        ("topics.S002", "topics.one", "'one' is not a topic's number"),
        ('source = "', 'claims = ["greeting::test_greets"]\nsource = "', "needs either claims or a source"),
        ("topic = ", "topics = ", "unknown key 'topics'; did you mean topic?"),
        ("[topics.S002]", "[topics.S002", ":7: "),
        (GOOD, "[", "(at end of document)"),
        (GOOD, "", "lacks the key 'topics'"),
    ],
)
def test_malformed(written, old, new, message):
    """A malformed entry is refused by its number, and a malformed file by its line."""
    with pytest.raises(MalformedError) as refused:
        topics.load_topics(written(GOOD.replace(old, new, 1)))

    assert str(refused.value).startswith("tests/topics.toml:")
    assert message in str(refused.value)
