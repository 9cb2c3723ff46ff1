"""The Sphinx extension, on small sites that are built in-process: no engine, no network."""

from __future__ import annotations

import re
import shutil
import zipfile
from types import SimpleNamespace

import pytest
from small_site import DOCKERFILE

from drydock.model.evidence import Claim, Measure, Replayed
from drydock.site import pages
from drydock.site.blocks.lexer import guess_lexer
from drydock.site.pages import Page
from drydock.site.render import units


def test_sound_site_has_no_warnings(site):
    """A site whose blocks all come from examples with evidence builds without a warning."""
    assert site.build().warnings == []


# Blocks


def test_file_is_shown_without_markers(site):
    """A file is shown whole, without region markers, highlighted by its name, with its evidence."""
    html = site.build().text("first.html")

    assert "highlight-docker" in html
    assert "region" not in html
    assert "<summary>Docker 28.5<span> · overlay2 image store · stand-ins</span></summary>" in html
    assert (
        "<p>Last run: Docker 28.5.2 on 2026-11-20, overlay2 image store, stand-ins for Docker Hub&#39;s images.</p>"
        in html
    )


def test_block_links_to_page_file_and_zip(site):
    """A block links to its example's page, the raw file and the zip, also from a page in a folder."""
    site.write("docs/deeper/below.md", "---\norphan: true\n---\n\n# Below\n\n:::{example} greeting/Dockerfile\n:::\n")
    built = site.build()
    html = built.text("deeper/below.html")

    assert 'href="../examples/greeting.html"' in html
    assert 'href="../_examples/greeting/Dockerfile"' in html
    assert re.search(r'<a[^>]*download[^>]*href="../_examples/greeting.zip"', html)
    assert (built.out / "_examples/greeting/Dockerfile").read_text() == DOCKERFILE
    assert zipfile.ZipFile(built.out / "_examples/greeting.zip").testzip() is None


def test_region_is_shown_alone(site):
    """A region is shown alone and named in the caption."""
    site.page("part", ":::{example} greeting/Dockerfile\n:region: user\n:::")
    built = site.build("text")

    assert "Dockerfile · user" in built.text("part.txt")
    assert "USER 10001" in built.text("part.txt")
    assert "FROM" not in built.text("part.txt")


def test_lexer_option_wins(site):
    """The option :lexer: wins over the guess."""
    site.page("odd", ":::{example} greeting/Dockerfile\n:lexer: text\n:::")

    assert "highlight-text" in site.build().text("odd.html")


@pytest.mark.parametrize(
    ("name", "text", "lexer"),
    [
        ("Dockerfile.typo", "", "docker"),
        ("app/main.py", "", "python"),
        ("compose.yaml", "", "yaml"),
        ("main.go", "", "go"),
        ("seed.sql", "", "sql"),
        ("run.sh", "", "bash"),
        ("pyproject.toml", "", "toml"),
        ("requirements.txt", "", "text"),
        (".dockerignore", "", "text"),
        ("greet", "#!/bin/sh\necho", "bash"),
        ("serve", "#!/usr/bin/env python3\n", "python"),
        ("LICENSE", "", "text"),
    ],
)
def test_lexer_is_guessed(name, text, lexer):
    """The lexer is guessed from the file's name, then from its first line."""
    assert guess_lexer(name, text) == lexer


def test_steps_are_shown_as_written(site):
    """A transcript shows prompts, output unescaped, redactions and the exit status, without its directives."""
    site.page("all", "```{transcript} greeting/run\n```")
    shown = site.build("text").text("all.txt").replace("\N{WORD JOINER}", "")

    assert (
        "   $ docker build -t greeting .\n   ...\n   $ docker run --rm \\\n   >   greeting\n"
        "   <script>alert(1)</script>\n   $ not a command\n   [exit 3]\n"
    ) in shown
    assert "#%" not in shown


def test_steps_are_picked(site):
    """The option :steps: picks steps by name, in the transcript's order."""
    site.page("some", ":::{transcript} greeting/run\n:steps: run\n:::")
    shown = site.build("text").text("some.txt")

    assert "docker run" in shown
    assert "docker build" not in shown


def test_output_is_text_and_told_from_commands(site):
    """Markup that a command printed is text, and output that looks like a prompt is not marked up as one."""
    site.page("all", ":::{transcript} greeting/run\n:::")
    html = site.build().text("all.html")

    assert "<script>alert" not in html
    assert '<span class="go">&lt;script&gt;alert(1)&lt;/script&gt;</span>' in html
    assert '<span class="go">$ not a command</span>' in html
    assert html.count('class="gp"') == 3
    assert '<span class="gr">[exit 3]</span>' in html


def test_skipped_transcript_says_so(site):
    """A transcript that the last run skipped does not claim to have been run."""
    site.record("greeting", transcripts={"run": Replayed(2, "skipped", "needs Docker Hub")})
    site.page("all", ":::{transcript} greeting/run\n:::")

    assert "<summary>skipped on Docker 28.5.2</summary><p>needs Docker Hub." in site.build().text("all.html")


def test_other_builders_publish_nothing(site):
    """A builder without a folder of HTML gets the blocks, and no links to files that it does not have."""
    built = site.build("text")

    assert built.warnings == []
    assert not (built.out / "_examples").exists()
    assert "zip" not in built.text("first.txt")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (
            ":::{example} greetings/Dockerfile\n:::",
            "no example 'greetings'; did you mean greeting? there are: greeting",
        ),
        (
            ":::{example} greeting/Dockerfil\n:::",
            "no file 'Dockerfil' in the example greeting; did you mean Dockerfile?",
        ),
        (":::{example} greeting/Dockerfile\n:region: users\n:::", "no region 'users' in examples/greeting/Dockerfile"),
        (":::{transcript} greeting/runs\n:::", "no transcript 'runs' in the example greeting; did you mean run?"),
        (":::{transcript} greeting/run\n:steps: build, rum\n:::", "no step 'rum' in examples/greeting/transcripts/run"),
        (":::{example} greeting/../../conf.py\n:::", "no file '../../conf.py' in the example greeting"),
        (":::{example} ../conf.py\n:::", "no example '..'"),
        (":::{example} /etc/passwd\n:::", "'/etc/passwd' names nothing in an example"),
        (":::{example} greeting//etc/passwd\n:::", "no file '/etc/passwd' in the example greeting"),
        (":::{example} greeting/out\n:::", "no file 'out' in the example greeting"),
        (":::{example} greeting/.venv/evil.sh\n:::", "no file '.venv/evil.sh' in the example greeting"),
        (":::{transcript} greeting/run\n:steps: run, run\n:::", "the step 'run' is named twice"),
        (":::{example} greeting\n:::", "'greeting' names nothing in an example; write slug/name"),
        (":::{example-page} nothing\n:::", "no example 'nothing'"),
        ("weighs {measured}`greeting:weight`", "no measure 'weight' in evidence/runs/greeting.json"),
        ("weighs {measured}`weight`", "no example 'weight'"),
    ],
)
def test_missing_is_located(site, body, problem):
    """A name that stands for nothing is reported where it stands, and leaves nothing on the page."""
    (site.top / "examples/greeting/out").symlink_to(site.top / "conf.py")
    site.write("examples/greeting/.venv/evil.sh", "evil\n")
    site.page("wrong", body)
    [warning] = site.build("text").warnings

    assert warning.startswith(f"docs/wrong.md:3: WARNING: {problem}")
    assert warning.endswith("[example.missing]")


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        (b"$ true\r\n", ":1", "a carriage return"),
        (b"", ":1", "no command"),
        (b"$ true\n\xff\n", ":2", "not UTF-8"),
        (b"#% nap 3s\n$ true\n", ":1", "unknown directive 'nap'"),
    ],
)
def test_malformed_transcript(site, text, place, problem):
    """A transcript that does not parse is reported at its line, though no page shows it, and at the page that does."""
    site.example("greeting", {"transcripts/bad.console": text})
    [unseen] = site.build("text").warnings
    site.page("bad", ":::{transcript} greeting/bad\n:::")
    both = site.build("text").warnings

    assert unseen.startswith(f"examples/greeting/transcripts/bad.console{place}: WARNING: {problem}")
    assert unseen.endswith("[example.malformed]")
    assert both[0].startswith("docs/bad.md:3: WARNING: examples/greeting/transcripts/bad.console")
    assert both[1] == unseen


@pytest.mark.parametrize("steps", ["", " ", ",", "build,", ",build", "build,,run"])
def test_malformed_steps(site, steps):
    """A list of steps that lacks a name is reported at its line."""
    site.page("wrong", f":::{{transcript}} greeting/run\n:steps:{steps and ' ' + steps}\n:::")
    [warning] = site.build("text").warnings

    assert warning.startswith("docs/wrong.md:4: WARNING: 'transcript': Invalid option value for 'steps'")
    assert "write names with commas between them" in warning


@pytest.mark.parametrize(
    ("name", "text", "place", "problem"),
    [
        ("fake.console", "$ docker run evil\n", ":1", "no test replays it; move it to transcripts/"),
        ("transcripts/more/fake.console", "$ true\n", ":1", "no test replays it; move it to transcripts/"),
        ("app.py", "pass\nb = '\x1b[31m'\n", ":2", "U+001B (a control character) can't be shown"),
        ("app.py", "pass\nb = '\u202e'\n", ":2", "U+202E (RIGHT-TO-LEFT OVERRIDE) can't be shown"),
        ("app.py", "#region:a\n", ":1", "a marker is written '# region: name'"),
    ],
)
def test_file_that_cannot_be_shown(site, name, text, place, problem):
    """A file that a page can't show honestly is reported, though no page shows it, and at the page that does."""
    site.example("greeting", {name: text})
    [unseen] = site.build("text").warnings
    site.page("bad", f":::{{example}} greeting/{name}\n:::")
    both = site.build("text").warnings

    assert unseen.startswith(f"examples/greeting/{name}{place}: WARNING: {problem}")
    assert both[0].startswith(f"docs/bad.md:3: WARNING: examples/greeting/{name}")
    assert both[1] == unseen


def test_empty_file_is_no_fault_until_shown(site):
    """A file without a line may be part of an example; a page that asks to show it is told so."""
    site.example("greeting", {"__init__.py": "", "NUL": "a\0b"})
    assert site.build("text").warnings == []

    site.page("empty", ":::{example} greeting/__init__.py\n:::")
    [warning] = site.build("text").warnings
    assert warning.startswith("docs/empty.md:3: WARNING: examples/greeting/__init__.py: is empty")


def test_linked_example_is_not_published(site, tmp_path_factory):
    """A link in the place of an example is reported, and nothing that it leads to is published."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "README.md").write_text("# Secret\n\nOf someone else.\n")
    (site.top / "examples/leak").symlink_to(elsewhere)
    built = site.build()

    assert any(text.startswith("examples/leak:1: WARNING: a link;") for text in built.warnings)
    assert not [path for path in built.out.rglob("*") if path.is_file() and b"Of someone else" in path.read_bytes()]


def test_malformed_region(site):
    """A region that never ends is reported at the line where it begins."""
    site.example("greeting", {"app.py": "\n# region: open\npass\n"})
    [warning] = site.build("text").warnings

    assert warning == "examples/greeting/app.py:2: WARNING: region open never ends [example.malformed]"


def test_malformed_readme(site):
    """A README without a heading is reported, and its example's page is named by the slug."""
    site.example("greeting", {"README.md": "hello\n"})
    warnings = site.build("text").warnings

    assert any(
        re.match(r"examples/greeting/README\.md:1: WARNING: .*\[example\.malformed\]", text) for text in warnings
    )
    assert (site.top / "docs/examples/greeting.md").read_text().count("# greeting\n") == 1


def test_missing_readme(site):
    """An example without a README is reported."""
    (site.top / "examples/greeting/README.md").unlink()
    site.record("greeting")

    assert any(
        text.startswith("examples/greeting/README.md:1: WARNING: no file 'README.md'")
        for text in site.build("text").warnings
    )


def test_malformed_slug(site):
    """A folder under examples/ whose name is not a slug is reported."""
    site.write("examples/01_Bad/README.md", "# Bad\n\nIdea.\n")

    assert "examples/01_Bad:1: WARNING: a slug is lower-case words joined by hyphens [example.malformed]" in (
        site.build("text").warnings
    )


def test_malformed_evidence(site):
    """Evidence that does not parse is reported at its file, with what to run."""
    site.write("evidence/runs/greeting.json", "{")

    assert any(
        re.match(
            r"evidence/runs/greeting\.json:1: WARNING: Expecting .*nox -s record -- greeting \[example\.malf", text
        )
        for text in site.build("text").warnings
    )


def test_binary_file_is_no_fault_until_shown(site):
    """A file that is not text is offered for download only; a page that asks to show it is told so."""
    site.example("greeting", {"logo.png": b"\x89PNG\xff"})
    assert site.build("text").warnings == []

    site.page("logo", ":::{example} greeting/logo.png\n:::")
    [warning] = site.build("text").warnings
    assert warning.startswith("docs/logo.md:3: WARNING: examples/greeting/logo.png:1: not UTF-8")


@pytest.mark.parametrize(
    "body",
    [
        "```bash\ndocker ps\n```",
        "```\nplain\n```",
        "    docker ps",
        "```{code-block} console\n$ docker ps\n```",
        "```{literalinclude} ../conf.py\n```",
        "```{parsed-literal}\n*docker* ps\n```",
        "```{eval-rst}\n>>> 1\n1\n```",
        "<pre>docker ps</pre>",
        "- item\n\n  ```\n  nested\n  ```",
    ],
)
def test_unbound_block(site, body):
    """A block that no example owns is reported at its line, whichever way it got on the page, and counted."""
    site.page("loose", body)
    built = site.build("text")
    [warning] = built.warnings

    # MyST does not tell a parsed literal its line.
    assert re.match(r"docs/loose\.md:[1345]: WARNING: a block that no example owns.*\[example\.unbound\]", warning)
    assert built.census["unbound"] == 1
    assert "1 blocks have no owner: 75 %" in built.said


def test_orphan(site):
    """An example that only its own page and the index show is reported."""
    site.example("forgotten", {"Dockerfile": "FROM scratch\n"})

    assert site.build("text").warnings == [
        "examples/forgotten/README.md:1: WARNING: no page shows the example forgotten; show a block of it on a "
        "page, or delete it [example.orphan]"
    ]


def test_stale(site):
    """Evidence that speaks of other files is reported once, in each build, and the block does not claim to be run."""
    site.write("examples/greeting/Dockerfile", "FROM scratch\n")
    [warning] = site.build().warnings
    again = site.build()

    assert warning == (
        "evidence/runs/greeting.json:1: WARNING: the example changed since 2026-11-20, when it was last run; "
        "run: nox -s record -- greeting [example.stale]"
    )
    assert again.warnings == [warning]
    assert "<summary>Docker" not in again.text("first.html")


def test_stale_test(site):
    """Evidence is stale, too, when the example's test changed."""
    site.write("tests/examples/test_greeting.py", '"""Changed."""\n')

    assert [text.partition(":")[0] for text in site.build("text").warnings] == ["evidence/runs/greeting.json"]


def test_unproven_transcript(site):
    """Evidence that lacks a transcript is reported, and the transcript's block does not claim to have been run."""
    site.record("greeting", transcripts={})
    site.page("all", ":::{transcript} greeting/run\n:::")
    built = site.build()

    [warning] = built.warnings
    assert "no evidence of the transcripts run; run: nox -s record -- greeting [example.stale]" in warning
    assert "not run yet" in built.text("all.html")


def test_never_recorded(site):
    """An example without evidence is reported."""
    (site.top / "evidence/runs/greeting.json").unlink()
    [warning] = site.build("text").warnings

    assert warning.startswith(
        "evidence/runs/greeting.json:1: WARNING: no evidence on docker-28.5-containerd; run: nox -s record"
    )


def test_floor(site):
    """Fewer blocks than the floor kept in git is a warning that says how many went missing."""
    site.write("evidence/reports/floor.json", '{"blocks": 5, "commands": 2, "claims": 99}')

    assert site.build("text").warnings == [
        "evidence/reports/floor.json:1: WARNING: "
        "3 blocks, but evidence/reports/floor.json has 5: find out which are missing; "
        "if you removed them on purpose, run: nox -s docs -- floor [example.unbound]"
    ]


def test_malformed_floor(site):
    """A floor that is not counts by name is reported."""
    site.write("evidence/reports/floor.json", "[]")
    [warning] = site.build("text").warnings

    assert warning.startswith(
        "evidence/reports/floor.json:1: WARNING: it is [], not a table; run: git restore evidence/reports/floor.json"
    )


# Census, measures, generated pages


def test_census(site):
    """The census counts every block by kind, and is printed, written and shown; a later build shows it anew."""
    site.page("proof", ":::{census}\n:::")
    built = site.build()
    site.page("first", ":::{transcript} greeting/run\n:::\n\n:::{example} greeting/Dockerfile\n:region: user\n:::")
    later = site.build()

    assert built.census == {
        "pages": 5, "examples": 1, "blocks": 3, "written": 1, "files": 2, "regions": 0, "transcripts": 1,
        "commands": 2, "unbound": 0, "hidden": 0, "skipped": 0, "placeholders": 0, "elided": 1,
        "slack": {"steps": 2, "lines": 2, "exact": 2, "elided": 1, "open": {}, "retried": 0},
    }  # fmt: skip
    assert "every block is owned by an example: 100 %" in built.said
    assert (later.census["blocks"], later.census["regions"], later.census["commands"]) == (4, 1, 4)
    assert later.read == ["first"]
    assert re.search(r"Blocks +\| 4 ", site.build("text").text("proof.txt"))
    assert "<p>4</p>" in later.text("proof.html")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (78_100_000, "bytes", "78.1 MB"),
        (999, "bytes", "999 B"),
        (999_600, "bytes", "1 MB"),
        (1_234_000_000, "bytes", "1.23 GB"),
        (0.43, "seconds", "0.4 s"),
        (0.0123, "seconds", "0.01 s"),
        (2.64, "seconds", "2.6 s"),
        (31.4, "seconds", "31 s"),
        (12.4, "ratio", "12×"),
        (2.04, "ratio", "2×"),
        (2.6, "ratio", "2.6×"),
        (8, "count", "8"),
        (4687, "count", "4,687"),
    ],
)
def test_units(value, unit, text):
    """A measure is rounded to what it is good for, and its unit does not part from it."""
    assert units.format_measure(Measure(value, unit, 0)) == text.replace(" ", "\N{NO-BREAK SPACE}")


def test_measured(site):
    """The role shows a measure with its engine and date as a tooltip, and in plain text without."""
    site.record("greeting", measures={"weight": Measure(78_100_000, "bytes", 0)})
    site.page("number", "It weighs {measured}`greeting:weight`.")

    html = site.build().text("number.html")
    assert re.search(r'<abbr[^>]*title="measured on Docker 28.5.2 on 2026-11-20[^>]*>78.1\xa0MB</abbr>', html)
    assert "It weighs 78.1\xa0MB." in site.build("text").text("number.txt")


def test_own_page(site):
    """An example's own page has its idea, zip, files, transcripts, claims by engine, and measures."""
    site.example("greeting", {"__init__.py": ""})
    claims = {
        "a": Claim("The process is user `10001`, says --user.", "passed"),
        "b": Claim("It is <b>small</b>.", "skipped", "no <i>scale</i>"),
    }
    site.record("greeting", claims=claims, measures={"layers": Measure(8, "count", 8)})
    built = site.build()
    html = re.sub(r"\s+", " ", built.text("examples/greeting.html"))

    assert built.warnings == []
    for text in (
        "<h1>The greeting", "Download greeting.zip", "✓ upheld", "skipped: no &lt;i&gt;scale&lt;/i&gt;",
        "It is &lt;b&gt;small&lt;/b&gt;.",
        'href="../_examples/greeting/README.md"', 'id="transcripts"', ">8</abbr>", "Docker 28.5.2 · 2026-11-20",
    ):  # fmt: skip
        assert text in html
    assert html.count("drydock-block") == 2
    links = re.findall(r'drydock-name"><a[^>]*href="([^"]*)"', html)
    assert links == ["../_examples/greeting/Dockerfile", "../_examples/greeting/transcripts/run.console"]


def test_list_of_examples(site):
    """The list has every example's title, idea and proof, and follows when one comes or goes."""
    site.page("overview", ":::{examples}\n:::")
    before = site.build().text("overview.html")
    site.example("second", {"Dockerfile": "FROM scratch\n"})
    after = site.build().text("overview.html")
    shutil.rmtree(site.top / "examples/second")
    gone = site.build()

    assert "The greeting" in before
    assert "0 claims upheld" in before
    assert "The second" not in before
    assert "The second" in after
    assert "The second" not in gone.text("overview.html")
    assert not (site.top / "docs/examples/second.md").exists()
    assert not (gone.out / "_examples/second.zip").exists()


def test_site_without_examples(site):
    """A site without any example builds."""
    shutil.rmtree(site.top / "examples")
    shutil.rmtree(site.top / "evidence")
    site.page("first", "No block.")
    built = site.build()

    assert built.warnings == []
    assert built.census["blocks"] == 0


def test_generated_pages_are_written_once(site):
    """A second build leaves the generated pages alone, reads no page and writes none."""
    site.build()
    page = site.top / "docs/examples/greeting.md"
    before = page.stat().st_mtime_ns
    again = site.build()

    assert page.read_text().startswith("% Generated by drydock.site")
    assert page.stat().st_mtime_ns == before
    assert (again.read, again.written) == ([], [])


# Builds in parts, in parallel, twice


def test_changed_example_rebuilds_its_pages(site):
    """A changed example is read again on the pages that show it and the list of examples, and on no other."""
    site.example("second", {"Dockerfile": "FROM scratch\n"})
    site.page("other", ":::{example} second/Dockerfile\n:::")
    site.build()
    site.write("examples/greeting/Dockerfile", "FROM scratch\nUSER 7\n")
    site.record("greeting")
    built = site.build()

    assert built.read == ["examples/greeting", "examples/index", "first"]
    assert built.warnings == []
    assert "USER" in built.text("first.html")


def test_new_file_rebuilds_the_own_page(site):
    """A file that comes is shown on its example's own page, before it is recorded."""
    site.build()
    site.write("examples/greeting/app.py", "pass\n")

    assert "app.py" in site.build().text("examples/greeting.html")


def test_faulty_page_warns_in_each_build(site):
    """A page with a mistake is read again until it is mended, though the page itself did not change."""
    site.page("wrong", ":::{example} greeting/later\n:::")
    first, second = site.build("text").warnings, site.build("text").warnings
    site.example("greeting", {"later": "now\n"})
    third = site.build("text")

    assert first == second != []
    assert third.warnings == []
    assert "now" in third.text("wrong.txt")


def test_unbound_block_warns_in_each_build(site):
    """A block that no example owns is reported in a build that would not read its page anew."""
    site.page("loose", "    docker ps")
    first, second = site.build("text").warnings, site.build("text").warnings

    assert first == second != []


def test_removed_page_leaves_the_census(site):
    """A page that is gone is no longer counted."""
    site.page("gone", ":::{transcript} greeting/run\n:::")
    before = site.build("text").census["blocks"]
    (site.top / "docs/gone.md").unlink()
    site.page("first", ":::{example} greeting/Dockerfile\n:::")

    assert site.build("text").census["blocks"] == before - 1


def test_parallel_build_is_the_same(site):
    """A parallel build gives the census, warnings and pages of a serial one."""
    for index in range(8):
        site.page(f"page{index}", ":::{transcript} greeting/run\n:::\n\n    loose\n")
    serial = site.build()
    shutil.move(site.top / "_build", site.top / "serial")
    parallel = site.build(parallel=3)

    assert len(serial.warnings) == 8
    assert sorted(parallel.warnings) == sorted(serial.warnings)
    assert parallel.census == serial.census
    assert parallel.text("page3.html") == (site.top / "serial/html/page3.html").read_text(encoding="utf-8")


def test_merge_takes_what_was_read():
    """Of a parallel reader's pages, those it read are taken, and the others are left as they are."""
    env, other = SimpleNamespace(), SimpleNamespace()
    pages.all_pages(env).update(mine=Page(unbound=1))
    pages.all_pages(other).update(mine=Page(), theirs=Page(unbound=2))
    pages.merge_pages(None, env, ["theirs"], other)

    assert pages.all_pages(env) == {"mine": Page(unbound=1), "theirs": Page(unbound=2)}


def test_zip_is_reproducible(site):
    """Two builds give a zip of equal bytes."""
    first = (site.build().out / "_examples/greeting.zip").read_bytes()
    shutil.rmtree(site.top / "_build")

    assert (site.build().out / "_examples/greeting.zip").read_bytes() == first


def test_settings_of_the_repository(own_settings):
    """The repository's own conf.py builds a site without a warning, on a theme that asks no third party."""
    built = own_settings.build()
    html = built.text("first.html")

    assert built.warnings == []
    assert not re.search(r'<(script|link|img)[^>]*(src|href)="(https?:)?//', html)
    assert "drydock.css" in html


#: A page with tabs, a measure, a term, claims, and a link that only a network could check.
EVERYTHING = """\
Its {term}`image` weighs {measured}`greeting:weight`; see [elsewhere](https://elsewhere.invalid).

::::{tab-set}
:::{tab-item} One
Its `idea`.
:::
::::

:::{transcript} greeting/run
:::

:::{glossary}
image
  Files in layers.
:::

:::{claims}
:::
"""
BUILDERS = ("dirhtml", "singlehtml", "text", "xml", "pseudoxml", "json", "pickle", "gettext", "linkcheck", "man")
BUILDERS += ("texinfo", "latex", "epub", "changes", "dummy")


@pytest.mark.parametrize("builder", BUILDERS)
def test_each_builder_builds(own_settings, builder):
    """Each of Sphinx's builders builds a page with tabs, blocks, a term, a measure, and claims without a warning."""
    offline = 'linkcheck_ignore = [".*"]\nepub_copyright = author\n'
    own_settings.write("conf.py", (own_settings.top / "conf.py").read_text(encoding="utf-8") + offline)
    claims = {"test_id": Claim("It runs as `10001`.", "passed")}
    own_settings.record("greeting", claims=claims, measures={"weight": Measure(78_100_000, "bytes", 0)})
    own_settings.page("first", EVERYTHING)

    assert own_settings.build(builder).warnings == []


def test_text_has_what_html_has(own_settings):
    """A format other than HTML shows captions, claims and the tables of an example's page as text."""
    test = 'def test_id(docker, build):\n    docker("run", build())\n'
    own_settings.write("tests/examples/test_greeting.py", test)
    own_settings.record("greeting", claims={"test_id": Claim("It runs as `10001`.", "passed")})
    own_settings.page("first", ":::{transcript} greeting/run\n:::\n\n:::{claims}\n:::")
    built = own_settings.build("text")

    assert "Docker 28.5 · overlay2 image store · stand-ins" in built.text("first.txt")
    assert "- It runs as `10001`." in built.text("first.txt")
    assert "| It runs as `10001`. | ✓ upheld |" in built.text("examples/greeting.txt")
