"""Careless and hostile input to a build: it is shown as text, or refused where it stands; no build crashes."""

from __future__ import annotations

import os
import shutil

import pytest

from drydock.model.example import Example

SCRIPT = "<script>alert(1)</script>"


def test_a_title_is_text(own_settings):
    """HTML in the title of a README is text on every page, in the navigation, and in the head."""
    own_settings.example("greeting", {"README.md": f"# T {SCRIPT} *a* [b](javascript:c) {{raw}}`d` e_f_\n\nIdea.\n"})
    own_settings.page(
        "first", ":::{example} greeting/Dockerfile\n:::\n\n:::{examples}\n:::\n\n{doc}`examples/greeting`"
    )
    built = own_settings.build()

    assert built.warnings == []
    for page in built.out.rglob("*.html"):
        assert SCRIPT not in page.read_text(encoding="utf-8"), page
    html = built.text("examples/greeting.html")
    assert "T &lt;script&gt;alert(1)&lt;/script&gt; *a* b {raw}" in html
    assert "e_f_" in html


def test_a_title_with_code_stays_code(site):
    """Code in the title of a README is code on its page."""
    site.example("greeting", {"README.md": "# The `<id>` of \\ it\n\nIdea.\n"})

    assert "<h1>The <code" in site.build().text("examples/greeting.html")


@pytest.mark.parametrize("name", [b"b\xe9.txt", b"a\n```\n```{raw} html\n<b>x</b>\n```\n"])
def test_a_file_name_that_cannot_be_shown(site, name):
    """A file name that is not UTF-8, or has line ends, is refused, and its example with it."""
    (site.top / "examples/other").mkdir()
    (site.top / "examples/other/README.md").write_text("# Other\n\nIdea.\n")
    descriptor = os.open(os.fsencode(site.top / "examples/other") + b"/" + name.replace(b"/", b"-"), os.O_CREAT)
    os.close(descriptor)
    [warning] = site.build().warnings

    assert warning.startswith("examples/other:1: WARNING: the file name '")
    assert warning.endswith("can't be shown on a page; rename the file [example.malformed]")


@pytest.mark.parametrize("name", ["greeting", "index"])
def test_an_author_keeps_a_page(site, name):
    """A page that an author wrote where one is to be generated is kept, and reported."""
    site.write(f"docs/examples/{name}.md", "# Mine\n\nText.\n")
    warnings = site.build().warnings

    assert (site.top / f"docs/examples/{name}.md").read_text() == "# Mine\n\nText.\n"
    assert (
        f"docs/examples/{name}.md:1: WARNING: a generated page needs this name; rename or remove this file "
        "[example.malformed]"
    ) in warnings


def test_the_folder_of_generated_pages_is_a_file(site):
    """A file where the folder of the generated pages belongs is reported."""
    site.write("docs/examples", "mine")

    assert any(
        text.startswith("docs/examples:1: WARNING: generated pages need a folder here")
        for text in site.build().warnings
    )


def test_another_page_is_no_text(site):
    """A page that is not UTF-8 is reported with its line and left out; the others are built."""
    site.write("docs/examples/extra.md", b"fine\n\xff")
    built = site.build()

    [warning] = [line for line in built.warnings if "extra" in line]
    assert warning.startswith("docs/examples/extra.md:2: WARNING: not UTF-8")
    assert (built.out / "examples/greeting.html").is_file()
    assert not (built.out / "examples/extra.html").exists()


def test_a_linked_test_is_not_published(site):
    """A test that is a link is not published: it could lead to any file."""
    secret = site.write("secret.txt", "password")
    (site.top / "tests/examples").mkdir(parents=True)
    (site.top / "tests/examples/test_greeting.py").symlink_to(secret)
    site.record("greeting")
    built = site.build()

    assert built.warnings == [
        "tests/examples/test_greeting.py:1: WARNING: a link, which could lead anywhere, is not published; "
        "copy the test here [example.malformed]"
    ]
    assert not (built.out / "_examples/_tests").exists()
    assert "test_greeting.py" not in built.text("examples/greeting.html")


@pytest.mark.parametrize(
    "body",
    [
        "<code>a\nb</code>",
        "<samp>a</samp>",
        "<KBD class='x'>a</kbd>",
        "<tt>a</tt>",
        "<xmp>a</xmp>",
        "<div>\n<textarea>a</textarea>\n</div>",
        '<div style="white-space: pre">a</div>',
        "```{describe} docker run x\n```",
        "```{object} docker run x\n```",
        "```{option} --rm\n```",
        "```{confval} x\n```",
        "```{envvar} X\n```",
        "```{py:function} run()\n```",
        "```{eval-rst}\n| a\n| b\n```",
        "```{eval-rst}\n--rm  removes it\n```",
        "```{productionlist} a: b\n```",
    ],
)
def test_what_looks_like_code_is_a_block(site, body):
    """What is shown as code is a block that no example owns, whichever markup it has."""
    site.page("loose", body)
    built = site.build("text")

    assert [text for text in built.warnings if text.endswith("[example.unbound]")] == built.warnings != []
    assert built.census["unbound"] == len(built.warnings)


@pytest.mark.parametrize("body", ["<!-- <pre> -->", "<present>a</present>", "<kbd-like>a</kbd-like>", "<b>a</b>"])
def test_other_html_is_no_block(site, body):
    """HTML that shows no code is no block."""
    site.page("sound", body)

    assert site.build("text").warnings == []


@pytest.mark.parametrize("character", ["\f", "\u2028", "\0", "\x85"])
def test_odd_characters_never_break_a_block(site, character):
    """A character that ends a line elsewhere is refused, or stays within its line of a folded transcript."""
    lines = "".join(f"line{character}{number}\n" for number in range(60))
    site.example("greeting", {"transcripts/long.console": f"$ cat lines\n{lines}$ true\n"})
    site.page("long", ":::{transcript} greeting/long\n:::")
    built = site.build()
    html = built.text("long.html")

    assert built.warnings or html.count('class="drydock-rest"') == 1
    assert html.count("<pre>") == html.count("</pre>")
    assert html.count('<span class="go">') == 60 * (not built.warnings)


def test_an_unknown_lexer_is_located(site):
    """A lexer that there is not is reported where the directive stands."""
    site.page("wrong", ":::{example} greeting/Dockerfile\n:lexer: yamll\n:::")

    [warning] = site.build().warnings
    assert warning.startswith("docs/wrong.md:3: WARNING: no lexer 'yamll'; did you mean yaml?")


def test_a_measure_is_located(site):
    """A measure that there is not is reported at its line, further down in its paragraph."""
    site.page("wrong", "One line.\nAnd {measured}`greeting:one` here.\nAnd {measured}`greeting:two` there.")

    assert [text.partition(" WARNING")[0] for text in site.build().warnings] == ["docs/wrong.md:4:", "docs/wrong.md:5:"]


def test_a_bad_folder_changes_nothing_else(site):
    """A folder that is no example is reported alone, in a first build and in a later one."""
    site.build()
    (site.top / "examples/Bad").mkdir()
    later = site.build().warnings
    shutil.rmtree(site.top / "_build")

    assert len(later) == 1
    assert site.build().warnings == later


def test_a_digest_is_computed_again_only_for_changed_files(site, monkeypatch):
    """A build with the same files takes the digests of the one before, and a changed file has its own computed."""
    computed = []
    digest = Example.digest
    monkeypatch.setattr(Example, "digest", lambda example, **given: computed.append(example.slug) or digest(example))
    site.build()
    first = list(computed)
    site.build()
    second = computed[len(first) :]
    _same_size(site)
    site.build()

    assert (first, second, computed[len(first) :]) == (["greeting"], [], ["greeting"])


def _new_file(site):
    site.write("examples/greeting/app.py", "pass\n")


def _new_test(site):
    site.write("tests/examples/test_greeting.py", "def test_x(): pass\n")


def _new_mode(site):
    (site.top / "examples/greeting/Dockerfile").chmod(0o755)


def _same_size(site):
    file = site.top / "examples/greeting/Dockerfile"
    file.write_text(file.read_text().replace("FROM", "from"))


@pytest.mark.parametrize("change", [_new_file, _new_test, _new_mode, _same_size])
def test_a_page_follows_its_example(site, change):
    """A page stops saying that an example was run when a file or test is added, or a text or mode changes."""
    assert "<summary>Docker 28.5" in site.build().text("first.html")
    change(site)

    assert "changed since it was run" in site.build().text("first.html")
