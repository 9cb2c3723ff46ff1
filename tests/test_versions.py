"""Versions: the file of permitted images, and the check of the examples against it."""

from __future__ import annotations

import dataclasses
import datetime

import pytest
from bs4 import BeautifulSoup

from drydock.errors import MalformedError
from drydock.model import evidence, example as examples, recipes, versions
from drydock.model.versions import Base, Program, Versions

TODAY = datetime.date(2026, 11, 21)
ENDS = TODAY + datetime.timedelta(days=versions.NOTICE_DAYS)
GOOD = """
[[base]]
image = "debian:trixie-slim"
release = "Debian 13"
ends = 2028-08-09
note = "then `LTS`"
source = "https://example.org/debian"
checked = 2026-08-21

[[base]]
image = "redis:8"
release = "Redis 8"
source = "https://example.org/redis"
checked = 2026-08-21

[[program]]
name = "Docker"
version = "29.7.2"
source = "https://example.org/docker"
checked = 2026-08-21
"""


def held(site, dockerfile, ends=None, compose=""):
    """Return problems and notices of an example with this Dockerfile, if debian:trixie-slim ends on the day `ends`."""
    example = site.example("greeting", {"Dockerfile": dockerfile, "compose.yaml": compose})
    source = {"source": "https://example.org", "checked": TODAY}
    listed = Versions((Base("debian:trixie-slim", "Debian 13", ends, **source),), (Program("Docker", "29", **source),))
    return versions.check_versions(listed, [example], TODAY)


@pytest.mark.parametrize(
    ("days", "wrong", "soon"),
    [(1, 0, 0), (0, 0, 1), (-versions.NOTICE_DAYS, 0, 1), (-versions.NOTICE_DAYS - 1, 1, 0)],
)
def test_the_end_is_announced_before_it_comes(site, days, wrong, soon):
    """The end of support is announced ahead; on its last day an image is still permitted, later not."""
    found = held(site, "FROM debian:trixie-slim\n", ENDS + datetime.timedelta(days=days))

    assert tuple(map(len, found)) == (wrong, soon)


@pytest.mark.parametrize(("days", "expired", "aging"), [(60, 0, 0), (61, 0, 1), (120, 0, 1), (121, 1, 0)])
def test_rows_expire(days, expired, aging):
    """A row is announced after 60 days without a check, and has expired after 120; the day itself still counts."""
    checked = {"source": "https://example.org", "checked": TODAY}
    old = {"source": "https://example.org/releases", "checked": TODAY - datetime.timedelta(days=days)}
    listed = Versions((Base("debian:trixie-slim", "Debian 13", None, **checked),), (Program("Docker", "29", **old),))
    found = versions.check_ages(listed, TODAY)

    assert tuple(map(len, found)) == (expired, aging)
    for message in [*found[0], *found[1]]:
        assert message == (
            f"docs/reference/versions.toml: Docker: last checked {days} days ago, on {old['checked']}. Compare the row "
            "with https://example.org/releases, correct it, and set `checked` to the day on which you did"
        )


def test_an_image_that_is_not_listed_is_named_with_its_place(site):
    """An unknown image is reported with file and line, and similar names."""
    [wrong], soon = held(site, "# why\nFROM debian:trixie-slin AS build\n")

    assert soon == []
    assert wrong.startswith("examples/greeting/Dockerfile:2: debian:trixie-slin is not in docs/reference/versions.toml")
    assert "did you mean debian:trixie-slim?" in wrong


def test_stages_scratch_and_own_images_are_no_bases(site):
    """Stages, scratch and the example's images need no entry; an image in a Compose file does."""
    dockerfile = "FROM --platform=$BUILDPLATFORM debian:trixie-slim AS build\nFROM build\nFROM scratch\nFROM $BASE\n"

    assert held(site, dockerfile, compose="services:\n  a:\n    image: greeting-a:1\n") == ([], [])
    assert len(held(site, dockerfile, compose="services:\n  a:\n    image: 'redis:7'  # why\n")[0]) == 1


@pytest.mark.parametrize(
    ("dockerfile", "places"),
    [
        ("FROM \\\n  a:1\n", [(1, "a:1")]),
        ("  from --platform=linux/amd64 a:1 as one\nFROM ONE\n", [(1, "a:1")]),
        ("FROM a:1\nCOPY --chown=1 --from=b:2 /x /x\nCOPY --from=0 /x /x\n", [(1, "a:1"), (2, "b:2")]),
        ("FROM a:1 AS one\nCOPY --from=one /x /x\nCOPY --from=notes /x /x\n", [(1, "a:1")]),
        ("FROM a:1\nRUN --mount=type=bind,from=b:2,target=/b true\n", [(1, "a:1"), (2, "b:2")]),
        ("FROM a:1\nRUN --mount=from=x/b,target=/b true\n", [(1, "a:1"), (2, "x/b")]),
        ("FROM a:1\nRUN <<EOF\nFROM b:2\nEOF\n# FROM c:3\n", [(1, "a:1")]),
        ("FROM\nFROM $BASE\n", []),
    ],
)
def test_images_of_a_dockerfile(dockerfile, places):
    """Images come from FROM, COPY --from and RUN --mount; stages, variables, heredocs and comments are none."""
    assert list(recipes.dockerfile_images(dockerfile)) == places


@pytest.mark.parametrize(
    ("compose", "places"),
    [
        ("x-a: &a\n  image: a:1\nservices:\n  b: *a\n  c: {image: 'b:2'}\n", [(2, "a:1"), (5, "b:2")]),
        ("services:\n  a:\n    # image: a:1\n    command: |\n      image: b:2\n", []),
        ("services:\n  a: !override\n    image: ${X}\n  b:\n    image:\n      c:3\n", [(6, "c:3")]),
        ("", []),
        ("a: &a [*a]\n", []),
    ],
)
def test_images_of_a_compose_file(compose, places):
    """Images are the values of the key `image`, once each; comments, texts and variables are none."""
    assert list(recipes.compose_images(compose, "compose.yaml")) == places


def test_a_compose_file_that_is_not_yaml(site):
    """A Compose file that isn't YAML is refused with file and line."""
    with pytest.raises(MalformedError, match=r"^examples/greeting/compose\.yaml:2: not YAML: "):
        held(site, "FROM debian:trixie-slim\n", compose="a: b\nc: ]\n")


def test_all_examples_use_what_is_listed():
    """Every base image of every example is in the file, with a source."""
    listed = versions.load_versions()
    wrong, _ = versions.check_versions(listed, examples.load_examples().values(), datetime.date.min)

    assert wrong == []
    assert all(base.source.startswith("https://") for base in listed.bases.values())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[base]", "1: Expected"),
        ("", "it lacks the key 'base'"),
        ('[[base]]\nimage = "a"\n', "it lacks the key 'program'"),
        ("base = []\nprogram = []\n", "at least one .* and one"),
        (GOOD.replace("2028-08-09", '"soon"'), r"base\[0\].ends is 'soon', not date or null"),
        (GOOD.replace("redis:8", "debian:trixie-slim"), "debian:trixie-slim is listed twice"),
        (GOOD + 2 * '[[engine]]\nkey = "a"\norigin = "b"\nrole = "c"\n', "a is listed twice"),
        (GOOD.replace("https://example.org/redis", "javascript:x"), r"base\[1\]: the source 'javascript:x' is not an"),
        (GOOD.replace("https://example.org/docker", "http://x"), r"program\[0\]: the source 'http://x' is not an"),
    ],
)
def test_malformed(tmp_path, text, problem):
    """A file of another form is refused; the message has the place."""
    (tmp_path / "docs/reference").mkdir(parents=True)
    (tmp_path / versions.VERSIONS_FILE).write_text(text)

    with pytest.raises(MalformedError, match=rf"^docs/reference/versions\.toml:.*{problem}"):
        versions.load_versions(tmp_path)


def test_page(site):
    """The tables link to the sources and to the examples that use an image; an unknown table is reported."""
    site.write(versions.VERSIONS_FILE, GOOD)
    site.page("shown", ":::{versions} bases\n:::\n\n:::{versions} programs\n:::\n\n:::{versions} base\n:::")
    built = site.build()
    html = built.text("shown.html")

    [warning] = built.warnings
    assert "no versions of 'base'; did you mean bases?" in warning
    assert 'href="https://example.org/debian"' in html
    assert "2028-08-09; then" in html
    assert 'href="examples/greeting.html"' in html
    assert "no example yet" in html
    assert "29.7.2" in html


def test_engines(site):
    """An engine has the facts of its newest current run; one without a run has none; an unlisted one is shown, too."""
    listed = """
[[engine]]
key = "docker-29.7-containerd"
origin = "a `FOLDER`"
role = "new"

[[engine]]
key = "docker-26.1"
origin = "Debian"
role = "old"
"""
    site.write(versions.VERSIONS_FILE, GOOD + listed)
    site.record("greeting")
    recorded = evidence.load_evidence("greeting", site.top)
    run = recorded.runs[evidence.DEFAULT_ENGINE]
    facts = {**run.engine, "version": "29.7.2", "store": "containerd", "compose": "5.6.1", "buildx": "0.36.1"}
    runs = {
        "docker-26.1": dataclasses.replace(run, digest="0" * 64),
        "docker-29.7-containerd": dataclasses.replace(run, engine={**facts, "cgroup": "2"}, date="2026-11-28"),
        "docker-30.0": dataclasses.replace(run, engine={**run.engine, "version": "30.0.0"}),
    }
    evidence.save_evidence(dataclasses.replace(recorded, runs=runs), site.top)
    site.page("shown", ":::{versions} engines\n:::\n\n:::{example} greeting/Dockerfile\n:::")
    table = BeautifulSoup(site.build().text("shown.html"), "html.parser").table
    rows = [[cell.get_text() for cell in row.find_all("td")] for row in table.tbody.find_all("tr")]

    assert rows[:2] == [
        ["Docker 29.7.2 (containerd store)", "5.6.1; 0.36.1", "2", "1 of 1; 2026-11-28", "a FOLDER", "new"],
        ["docker-26.1", "", "", "0 of 1", "Debian", "old"],
    ]
    assert [rows[2][0], rows[2][4], len(rows)] == ["Docker 30.0.0", "not started by Drydock", 3]
