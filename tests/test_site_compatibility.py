"""The table of examples by engines."""

from __future__ import annotations

import dataclasses

from bs4 import BeautifulSoup

from drydock.model import evidence
from drydock.model.evidence import DEFAULT_ENGINE, Claim, Replayed
from drydock.site.results.compatibility import FEW

PAGE = ":::{compatibility}\n:::\n\n:::{example} greeting/Dockerfile\n:::"


def _second_engine(site, **changes):
    """Record the example on a second engine, and show the table."""
    site.record("greeting", claims={"a": Claim("It holds.", "passed"), "b": Claim("It `greets`.", "passed")})
    known = evidence.load_evidence("greeting", site.top)
    run = known.runs[DEFAULT_ENGINE]
    podman = {**run.engine, "name": "Podman", "version": "5.4.2"}
    runs = {**known.runs, "podman-5.4": dataclasses.replace(run, engine=podman, **changes)}
    evidence.save_evidence(dataclasses.replace(known, runs=runs), site.top)
    site.page("first", PAGE)
    return site.build()


def test_claims_are_counted_by_engine(site):
    """Each engine has a column with the claims and transcripts that it upheld, and a sum."""
    skipped = {"a": Claim("It holds.", "passed"), "b": Claim("It `greets`.", "skipped", "it has <no> voice")}
    built = _second_engine(site, claims=skipped)
    html = built.text("first.html")

    assert built.warnings == []
    assert "2 of 2 claims, 1 of 1 transcripts" in html
    assert "1 of 2 claims, 1 of 1 transcripts" in html
    assert html.index("Docker 28.5.2") < html.index("Podman 5.4.2")


def test_what_an_engine_does_not_uphold_is_listed_by_its_reason(site):
    """A section for the engine names each reason, as text, and below it the example with claims and transcripts."""
    claims = {"a": Claim("It holds.", "passed"), "b": Claim("It `greets`.", "skipped", "it has <no> voice")}
    replayed = {"run": Replayed(0, "skipped", "needs swarm"), "more": Replayed(0, "skipped", "it has <no> voice")}
    built = _second_engine(site, claims=claims, transcripts=replayed)
    found = BeautifulSoup(built.text("first.html"), "html.parser").select_one("section.drydock-gaps")

    assert built.warnings == []
    assert found.h2.text.startswith("Not upheld on Podman 5.4.2")
    assert [each.text for each in found.find_all("p", recursive=False)] == [
        "It upholds 1 of 2 claims, 0 of 2 transcripts.",
        "It has <no> voice:",
        "Needs swarm:",
    ]
    assert [each.text.strip() for each in found.select("li")] == [
        "greeting: It greets. Transcripts: more.",
        "greeting: Transcripts: run.",
    ]
    assert found.li.a["href"] == "examples/greeting.html"
    assert "Not upheld on Docker" not in built.text("first.html")


def test_many_of_one_reason_are_counted(site):
    """Where one reason is behind many claims of an example, their number is told; its own page has the sentences."""
    claims = {f"c{number}": Claim(f"It does {number}.", "skipped", "it is mute") for number in range(FEW + 1)}
    built = _second_engine(site, claims=claims)

    assert "greeting: 4 claims." in built.text("first.md").replace("[greeting](examples/greeting.md)", "greeting")
    assert "It does 3." in built.text("examples/greeting.html")


def test_a_run_of_other_files_is_not_counted(site):
    """A run on another engine that is older than the example's files says nothing about them."""
    html = _second_engine(site, digest="0" * 64).text("first.html")

    assert "not verified since the last change" in html
    assert html.count("2 of 2 claims") == 2  # the example's row and the sum, both on the default engine
