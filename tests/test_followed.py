"""Walkthroughs: how they are stored and shown. No engine."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest

from drydock.errors import MalformedError
from drydock.model import example as examples, walkthroughs
from drydock.model.walkthroughs import PageSteps, Walkthrough
from drydock.replay import walkthrough

RUN = "#% name hello\n$ echo hello\nhello\n#% name bye\n$ echo bye\nbye\n"
BLOCK = ":::{transcript} greeting/run\n:::"


def test_pages_that_have_an_order():
    """Tutorials, concepts and how-to guides are followed; reference pages aren't."""
    pages = ["tutorials/a", "how-to/b", "concepts/c", "concepts/myths", "concepts/myths/d", "reference/e", "index"]

    assert [page for page in pages if walkthroughs.has_order(page)] == pages[:4]


def test_a_site_says_what_its_pages_have_a_reader_type(site):
    """Each block with commands is listed with their lines in the transcript, in the order of the page."""
    site.example("greeting", {"Dockerfile": "FROM busybox:1.37\nUSER 10001\n", "transcripts/run.console": RUN})
    part = BLOCK.replace("\n:::", "\n:steps: bye\n:::")
    site.page("first", f":::{{example}} greeting/Dockerfile\n:::\n\n{part}\n\n{BLOCK}")
    built = site.build()
    [(page, typed)] = walkthroughs.load_steps(built.out).items()
    shown = [[step.command for step in each.steps(examples.load_examples(site.top)).steps] for each in typed]

    assert page == "first"
    assert typed == [PageSteps("greeting", "run", (5,)), PageSteps("greeting", "run", (2, 5))]
    assert shown == [["echo bye"], ["echo hello", "echo bye"]]


def test_a_folder_without_a_site(tmp_path):
    """Without a site, the message names the command that builds it."""
    with pytest.raises(MalformedError, match=r"no site was built there; run: nox -s docs"):
        walkthroughs.load_steps(tmp_path)


def test_results_survive_the_file(tmp_path):
    """Walkthroughs are loaded as they were saved, one per page, and any other content is refused."""
    one, two = Walkthrough(3, "docker-28.5", "2026-11-27", "ab"), Walkthrough(1, "e", "2026-11-26", "cd", ("swarm",))
    walkthrough.note_result("a", one, tmp_path, tmp_path)
    walkthrough.note_result("b", two, tmp_path, tmp_path)
    assert walkthroughs.load_walkthroughs(tmp_path) == {"a": one, "b": two}
    walkthrough.note_result("a", None, tmp_path, tmp_path)
    walkthrough.note_result("c", None, tmp_path, tmp_path)
    assert walkthroughs.load_walkthroughs(tmp_path) == {"b": two}

    good = dataclasses.asdict(one)
    odd = [
        {"steps": 0},
        {"steps": True},
        {"date": "x"},
        {"date": "2026-1-1"},
        {"engine": 5},
        {"lacking": [5]},
        {"more": 1},
    ]
    for wrong in ("{", "[]", *(json.dumps({"a": {**good, **each}}) for each in odd)):
        (tmp_path / walkthroughs.WALKTHROUGHS_FILE).write_text(wrong)
        with pytest.raises(MalformedError, match="delete it and run: nox -s follow"):
            walkthroughs.load_walkthroughs(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "same"),
    [
        ("transcripts/run.console", RUN.replace("name hello", "name greet"), True),
        ("transcripts/other.console", "$ true\n", True),
        ("transcripts/run.console", RUN.replace("\nbye", "\nby"), False),
        ("Dockerfile", "FROM busybox:1.36\nUSER 10001\n", False),
    ],
)
def test_a_change_that_a_reader_meets_ends_it(site, name, text, same):
    """A change of the shown steps or of their files outdates a walkthrough; a change of step names does not."""
    site.example("greeting", {"Dockerfile": "FROM busybox:1.37\nUSER 10001\n", "transcripts/run.console": RUN})
    typed = [PageSteps("greeting", "run", (2, 5))]
    before = walkthroughs.page_digest(typed, examples.load_examples(site.top))
    site.write(f"examples/greeting/{name}", text)

    assert (walkthroughs.page_digest(typed, examples.load_examples(site.top)) == before) == same


def test_the_site_says_which_pages_were_followed(site):
    """A page that was followed as it is says so, and the list counts it; one that has changed since is named there."""
    site.example("greeting", {"Dockerfile": "FROM busybox:1.37\nUSER 10001\n", "transcripts/run.console": RUN})
    for name in ("one", "two"):
        site.write(
            f"docs/tutorials/{name}.md", f"---\norphan: true\n---\n\n# Page {name}\n\n{BLOCK}\n\n:::{{claims}}\n:::\n"
        )
    site.page(
        "first", f":::{{example}} greeting/Dockerfile\n:::\n\n{BLOCK}\n\n:::{{followed}}\n:::\n\n:::{{claims}}\n:::"
    )
    built = site.build()
    assert built.warnings == []
    assert "<p>No page has been followed so yet" in built.text("first.html")

    typed = walkthroughs.load_steps(built.out)
    good = walkthroughs.page_digest(typed["tutorials/one"], examples.load_examples(site.top))
    results = {"tutorials/one": good, "tutorials/two": "another", "first": good, "tutorials/gone": good}
    walkthroughs.save_walkthroughs(
        {page: Walkthrough(2, "docker-28.5", "2026-11-27", digest) for page, digest in results.items()}, site.top
    )
    built = site.build()
    says = {page: re.findall("<p[^>]*>(Its .*?)</p>", built.text(f"{page}.html")) for page in ("first", *typed)}
    [listed] = re.findall("<p>(.*? pages were followed.*?)</p>", built.text("first.html"))
    [row] = re.findall('(?s)<table class="drydock-followed.*?<tbody>(.*?)</tbody>', built.text("first.html"))

    assert built.warnings == []
    assert [page for page, said in says.items() if said] == ["tutorials/one"]
    assert says["tutorials/one"][0].startswith("Its 2 commands were typed in order, in one terminal, on <code")
    assert listed == (
        "1 of 2 pages were followed, the last on 2026-11-27, with 2 commands in all. "
        "Not since their last change: Page two."
    )
    assert re.findall("<p>(.*?)</p>", row)[:2] == ["Page one", "2"]


def test_a_malformed_list_of_followed_pages_is_reported_once(site):
    """The site builds without walkthroughs, and reports the file with the command to run."""
    site.page("first", ":::{example} greeting/Dockerfile\n:::\n\n:::{followed}\n:::\n\n:::{claims}\n:::")
    site.write(str(walkthroughs.WALKTHROUGHS_FILE), "[]")
    built = site.build()

    assert built.warnings == [
        "evidence/reports/followed.json:1: WARNING: it is [], not a table; delete it and run: nox -s follow "
        "[example.malformed]"
    ]
    assert "<p>No page has been followed so yet" in built.text("first.html")
