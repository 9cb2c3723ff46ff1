"""Pages show what a step printed in the run that they show. No engine."""

from __future__ import annotations

import re

import pytest

from drydock.model.evidence import Replayed

STEPS = """\
$ docker run -d greeting
<id>
$ docker build .
#0 begin
...
#9 done in <duration>
$ echo 7 of 9
<n> of [..]
$ true
"""
RECORDS = {
    "1": ("0123456789ab",),
    "2": ("#0 begin", "#1 <b>", 40, "#2 & c", "#9 done in 0.3s"),
    "3": ("7 of 9",),
}


@pytest.fixture
def steps(site):
    """Return a site with a page that shows a transcript, and the function that writes its records and builds it."""
    site.example("greeting", {"transcripts/steps.console": STEPS})
    site.page("first", ":::{transcript} greeting/steps\n:::")

    def build(records, builder="html"):
        replayed = {"run": Replayed(2, "passed", records={"1": ()}), "steps": Replayed(4, "passed", records=records)}
        site.record("greeting", transcripts=replayed)
        return site.build(builder)

    return build


def test_a_page_shows_the_record(steps):
    """What differs in each run is marked, what `...` covers is folded with its number of lines, no pattern shows."""
    built = steps(RECORDS)
    html = built.text("first.html")
    fold = html[html.index("drydock-fold") : html.index("#9 done")]

    assert built.warnings == []
    assert '<span class="go"><u title="differs each time">0123456789ab</u></span>\n' in html
    assert '<u title="differs each time">7</u> of <u title="differs each time">9</u></span>\n' in html
    assert 'data-more="42 more lines"' in fold
    assert '<span class="go">#1 &lt;b&gt;</span>\n<span class="go">[lines left out here: 40]</span>\n' in fold
    assert html.count("What is underlined differs each time.") == 1
    assert "&lt;id&gt;" not in html
    assert (built.census["placeholders"], built.census["elided"]) == (0, 0)


def test_the_record_is_in_each_format(steps):
    """The page as Markdown and as text has the record, without marks; the search has its words, apart from IDs."""
    built = steps(RECORDS)

    index = built.text("drydock-search.js")

    assert "#0 begin\n#1 <b>\n[lines left out here: 40]\n#2 & c\n#9 done in 0.3s\n$ echo 7 of 9" in built.text(
        "first.md"
    )
    assert '"begin"' in index
    assert "0123456789ab" not in index
    assert "   $ docker run -d greeting\n   0123456789ab\n" in steps(RECORDS, "text").text("first.txt")


def test_a_mark_leaves_the_text(steps):
    """Without markup, a block with marks has the text of the record: that is what the copy button copies."""
    html = steps(RECORDS).text("first.html")
    block = html[html.index("<pre>") : html.index("</pre>")]

    assert re.sub(r"<[^>]*>", "", block).startswith(
        "$ docker run -d greeting\n0123456789ab\n$ docker build .\n#0 begin"
    )


def test_without_records_a_page_shows_patterns(site):
    """Evidence from before there were records is no mistake: the page shows patterns, and the census counts them."""
    site.example("greeting", {"transcripts/steps.console": STEPS})
    site.page("first", ":::{transcript} greeting/steps\n:::")
    built = site.build()

    assert built.warnings == []
    assert "&lt;id&gt;\n" in re.sub(r"</?span[^>]*>", "", built.text("first.html"))
    assert (built.census["placeholders"], built.census["elided"]) == (8, 3)  # on the example's own page as well


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        (RECORDS | {"3": ("7 files",)}, "step 3 (line 7): a record that doesn't match the step's patterns"),
        (RECORDS | {"3": ("7 of AKIA0123456789ABCDEF",)}, "step 3 (line 7): a record with a secret"),
        ({"1": RECORDS["1"], "2": RECORDS["2"]}, "no record in evidence/runs/greeting.json: Docker 28.5.2, transcript"),
        ({}, "step 1 (line 1); run: nox -s record -- greeting"),
    ],
)
def test_a_wrong_record_is_reported(steps, records, problem):
    """A record that is wrong, has a secret, or is missing although others are there, is reported at the block."""
    warning, *others = [line for line in steps(records).warnings if "docs/first.md:3" in line]

    assert others == []
    assert problem in warning
    assert "evidence/runs/greeting.json" in warning
    assert "nox -s record -- greeting" in warning


def test_records_of_other_files_are_not_shown(steps, site):
    """Once the example has changed, its page shows the patterns, and a warning says that the evidence is stale."""
    steps(RECORDS)
    site.write("examples/greeting/transcripts/steps.console", STEPS.replace("begin", "start"))
    built = site.build()

    assert "0123456789ab" not in built.text("first.html")
    assert any("[example.stale]" in warning for warning in built.warnings)


def test_a_skipped_transcript_has_no_record(steps, site):
    """An engine that can't run a transcript has no record of it: the page shows the patterns, without a warning."""
    steps(RECORDS)
    skipped = Replayed(0, "skipped", "needs overlay2-store")
    site.record("greeting", transcripts={"run": Replayed(2, "passed", records={"1": ()}), "steps": skipped})
    built = site.build()

    assert built.warnings == []
    assert "0123456789ab" not in built.text("first.html")
