"""What proves a page and the site: claims, totals, and what transcripts leave open."""

from __future__ import annotations

import dataclasses
import re

import pytest

from drydock.model import evidence
from drydock.model.evidence import DEFAULT_ENGINE, Claim, Replayed
from drydock.model.transcript import parse_transcript
from drydock.site.checks.census import Slack, count_slack

BLOCK = ":::{example} greeting/Dockerfile\n:::"
TESTS = """\
def test_greets(docker, build):
    docker("run", build())


def test_bows(build):
    build("Dockerfile")


def test_whispers(build):
    build("Dockerfile.quiet")


def test_stops(docker, build):
    docker("run", build())
    docker("stop", "greeting")
"""
CLAIMS = {
    "test_greets": Claim("It `greets` <you>.", "passed"),
    "test_bows": Claim("It bows.", "skipped", "it has no back"),
    "test_whispers": Claim("It whispers.", "passed"),
    "test_stops": Claim("It stops.", "passed"),
}


@pytest.fixture
def claimed(site):
    """Return a site whose example has two claims, one of them skipped, on two engines."""
    site.write("examples/greeting/Dockerfile.quiet", "FROM debian:trixie-slim\n")
    site.write("tests/examples/test_greeting.py", TESTS)
    site.record("greeting", claims=CLAIMS)
    known = evidence.load_evidence("greeting", site.top)
    run = known.runs[DEFAULT_ENGINE]
    older = dataclasses.replace(run, engine={**run.engine, "version": "26.1.5"}, date="2026-11-19")
    evidence.save_evidence(dataclasses.replace(known, runs={**known.runs, "docker-26.1": older}), site.top)
    return site


def test_a_page_lists_the_claims_that_it_proves(claimed):
    """A page lists claims whose tests run its files and commands, and no other; a skipped one does not count."""
    claimed.page("first", f"{BLOCK}\n\n:::{{transcript}} greeting/run\n:::\n\n:::{{claims}}\n:::")
    built = claimed.build()
    html = built.text("first.html")

    assert built.warnings == []
    assert "Tests prove 1 claim with the commands and files on this page." in html
    assert "<summary>greeting: 1 of 2 on Docker 28.5.2, 1 of 2 on Docker 26.1.5</summary>" in html
    assert re.search(r"<details.*it has no back.*It .*greets.* &lt;you&gt;\..*</details>", html, re.DOTALL)
    assert "It whispers." not in html
    assert "It stops." not in html
    assert '"claim"' in built.text("drydock-search.js")
    assert '"bow"' not in built.text("drydock-search.js")  # a search is to find what tells of it


def test_claims_of_an_example_that_changed_are_not_shown(claimed):
    """Evidence of other files proves nothing on the page."""
    claimed.page("first", f"{BLOCK}\n\n:::{{claims}}\n:::")
    claimed.write("examples/greeting/more", "new\n")
    html = claimed.build().text("first.html")

    assert "Tests prove" not in html
    assert "drydock-rests" not in html


def test_evidence_of_a_claim_that_no_test_has(site):
    """Evidence that names a claim which the example's test does not have is stale, and says what to run."""
    site.write("tests/examples/test_greeting.py", "def test_a():\n    pass\n")
    site.record("greeting", claims={"test_a": CLAIMS["test_greets"], "test_gone": CLAIMS["test_greets"]})
    [warning] = site.build("text").warnings

    assert warning.startswith(
        "evidence/runs/greeting.json:1: WARNING: it names claims that no test has: test_gone; run: "
    )
    assert warning.endswith("nox -s record -- greeting [example.stale]")


def test_evidence_of_a_transcript_that_the_example_lacks(site):
    """Evidence that names another transcript is stale."""
    site.record("greeting", transcripts={"run": Replayed(2, "passed"), "gone": Replayed(2, "passed")})
    [warning] = site.build("text").warnings

    assert "greeting.json:1: WARNING: it names transcripts that the example lacks: gone; run: nox -s record" in warning


def test_evidence_of_failures(site):
    """A recorded failure is no proof: it is reported, and says what to run."""
    claims = {"test_a": Claim("It greets.", "failed")}
    site.record("greeting", claims=claims, transcripts={"run": Replayed(2, "failed")})
    [warning] = site.build("text").warnings

    assert "greeting.json:1: WARNING: it records failures: run, test_a; run: nox -s record -- greeting" in warning


def test_evidence_of_an_example_that_is_gone(site):
    """Evidence that belongs to no example is reported by its file."""
    site.write("evidence/runs/greetin.json", "{}")
    [warning] = site.build("text").warnings

    assert warning.startswith(
        "evidence/runs/greetin.json:1: WARNING: evidence of an example that there is not; did you mean"
    )
    assert warning.endswith("delete the file [example.orphan]")


def test_the_source_of_the_test_is_published(claimed):
    """An example's page links to the test that asserts its claims, where the builder publishes files."""
    claimed.write("tests/examples/test_greeting.py", "def test_a():\n    pass\n")
    built = claimed.build()
    [target] = re.findall(r'href="([^"]*test_greeting\.py)"', built.text("examples/greeting.html"))

    assert (built.out / "examples" / target).read_text() == "def test_a():\n    pass\n"
    assert "tests/examples/test_greeting.py" in claimed.build("text").text("examples/greeting.txt")


def test_totals(claimed):
    """The totals count what the whole site shows and what was upheld, on whatever page they stand."""
    claimed.page("first", f"{BLOCK}\n\n:::{{totals}}\n:::")
    built = claimed.build()
    found = re.search(r'<ul class="drydock-totals.*?</ul>', built.text("first.html"), re.DOTALL)
    assert found
    said = [re.sub(r"<[^>]*>", "", each) for each in re.findall(r"<li>.*?</li>", found[0], re.DOTALL)]

    assert [each.partition(" ")[0] for each in said] == [str(built.census["blocks"]), "2", "3", "2", "2026-11-20"]
    assert 'title="Docker 28.5.2, Docker 26.1.5"' in found[0]


def test_totals_without_evidence(site):
    """Where nothing was recorded, or what was is broken, the totals say so in numbers; the checks say why."""
    site.page("first", f"{BLOCK}\n\n:::{{totals}}\n:::")
    site.write("evidence/runs/greeting.json", "{")
    built = site.build()

    assert "<strong>0</strong> claims" in built.text("first.html")
    assert any("Expecting property name" in warning for warning in built.warnings)


def test_slack_is_counted():
    """What transcripts leave open is counted: lines, places, placeholders, second tries."""
    text = "$ a\nexact\n...\nsome <id> and <id> [..]\n#% retry 5s\n$ b\n\\...\n<port>\n"

    assert count_slack(parse_transcript(text, "t").steps) == Slack(2, 4, 2, 1, {"<id>": 2, "[..]": 1, "<port>": 1}, 1)


def test_a_step_that_no_page_shows_is_hidden(site):
    """A step that runs and is not shown would be counted; the example's own page shows all."""
    site.page("proof", ":::{census}\n:::")
    built = site.build()

    assert built.census["hidden"] == 0
    assert built.census["slack"]["steps"] == 2
    assert re.search(r"Steps that run and are not shown.*?<p>0</p>", built.text("proof.html"), re.DOTALL)
