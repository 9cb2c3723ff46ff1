"""An example's files, regions, digest, zip and copy."""

from __future__ import annotations

import io
import zipfile

import pytest

from drydock.errors import MalformedError, MissingError
from drydock.model import example as examples
from drydock.model.example import Example
from drydock.model.syntax import canonical_source


@pytest.fixture(name="hello")
def _hello(tmp_path):
    root = tmp_path / "examples" / "hello"
    (root / "transcripts").mkdir(parents=True)
    (root / "README.md").write_text("# Hello\n\nOne idea,\nin a paragraph.\n\nMore.\n")
    (root / "Dockerfile").write_text("FROM x\n# region: run\n  RUN a\n  RUN b\n# endregion: run\nCMD c\n")
    (root / "transcripts" / "first.console").write_text("$ true\n")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    return Example(root)


def test_title_and_idea_come_from_the_readme(hello):
    """The README's heading and first paragraph are what the site says of the example."""
    assert (hello.title, hello.idea) == ("Hello", "One idea, in a paragraph.")


def test_files_leave_litter_out(hello):
    """What editors and interpreters leave behind is not part of an example."""
    (hello.root / "__pycache__").mkdir()
    (hello.root / "__pycache__" / "a.pyc").write_bytes(b"")

    assert hello.files == ("Dockerfile", "README.md", "run.sh", "transcripts/first.console")
    assert hello.transcripts == ("first",)


def test_a_region_is_dedented_and_free_of_markers(hello):
    """A region shows its lines; the whole file shows all lines but the markers."""
    assert hello.shown("Dockerfile", "run") == "RUN a\nRUN b"
    assert hello.shown("Dockerfile") == "FROM x\n  RUN a\n  RUN b\nCMD c"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("# region: a\nx\n", 1, "never ends"),
        ("x\n# endregion: a\n", 2, "never began"),
        ("# region: a\n# endregion: a\n", 2, "is empty"),
        ("# region: a\nx\n# endregion: a\n# region: a\n", 4, "a second time"),
        ("x\n# region: Foo\n", 2, "a marker is written '# region: name'"),
        ("#region:foo\nx\n", 1, "a marker is written '# region: name'"),
        ("# REGION: foo\nx\n", 1, "a marker is written '# region: name'"),
        ("// region: a b\nx\n", 1, "a marker is written '# region: name'"),
        ("# region: a\nx\n# endregion\n", 3, "a marker is written '# region: name'"),
        ("# region: a\nx\n# end region: a\n", 3, "a marker is written '# region: name'"),
        ("<!-- endRegion: a -->\n", 1, "a marker is written '# region: name'"),
    ],
)
def test_wrong_region_markers_are_named_with_their_line(hello, text, line, problem):
    """A marker without its partner is an error at its line."""
    (hello.root / "Dockerfile").write_text(text)

    with pytest.raises(MalformedError, match=problem) as caught:
        hello.regions("Dockerfile")
    assert (caught.value.path, caught.value.line) == ("examples/hello/Dockerfile", line)


def test_a_word_is_no_marker(hello):
    """The word `region` in a comment or a command is text."""
    text = "# The region with the lowest price.\nREGION=eu-west-1 region: x\n# regions: a"
    (hello.root / "Dockerfile").write_text(text)

    assert hello.shown("Dockerfile") == text


@pytest.mark.parametrize(
    ("text", "readme"),
    [
        ("# A\r\n\r\nIts idea,\r\nin short.\r\n\r\nMore.\r\n", ("A", "Its idea, in short.")),
        ("#  A \n\n\nIts idea.\n \t\nMore.\n", ("A", "Its idea.")),
    ],
)
def test_line_ends_and_blank_lines_end_the_idea(hello, text, readme):
    """The idea is one paragraph, also in a README that an editor on Windows saved."""
    (hello.root / "README.md").write_bytes(text.encode())

    assert (hello.title, hello.idea) == readme


@pytest.mark.parametrize(
    "text", ["# \n\nIdea.\n", "# ", "#\n\nIdea.\n", "", "Idea.\n", "# A\n", "# A\n\n \n", "# A\x1b\n\nI.\n"]
)
def test_a_readme_without_title_or_idea_is_malformed(hello, text):
    """A README needs a heading with text, and a paragraph."""
    (hello.root / "README.md").write_text(text)

    with pytest.raises(MalformedError, match=r"^examples/hello/README\.md:1: "):
        assert hello.title


@pytest.mark.parametrize(
    "name",
    ["../secret", "/etc/passwd", "a/../../secret", "", "link", "loop", ".venv/a.sh", "a.pyc", "hidden", "./run.sh"],
)
def test_a_path_that_leaves_the_example_is_refused(hello, tmp_path, name):
    """Neither `..`, nor an absolute path, nor a link leads out of an example; litter is no part of it."""
    (tmp_path / "secret").write_text("x")
    (hello.root / "link").symlink_to(tmp_path / "secret")
    (hello.root / "loop").symlink_to("loop")
    (hello.root / ".venv").mkdir()
    (hello.root / ".venv/a.sh").write_text("x")
    (hello.root / "a.pyc").write_text("x")
    (hello.root / "hidden").symlink_to(".venv/a.sh")

    with pytest.raises(MissingError, match="no file"):
        hello.read(name)
    assert hello.files == ("Dockerfile", "README.md", "run.sh", "transcripts/first.console")


def test_a_linked_folder_is_no_example(hello, tmp_path):
    """A link to a folder elsewhere publishes nothing."""
    (tmp_path / "examples/leak").symlink_to(hello.root)

    with pytest.raises(MalformedError, match="examples/leak: a link"):
        examples.load_examples(tmp_path)


def test_a_link_within_the_example_is_a_file_of_it(hello):
    """A link to a file is one, and a link to a folder is none, which would have the same files twice."""
    (hello.root / "again").symlink_to("Dockerfile")
    (hello.root / "folder").symlink_to("transcripts")

    assert "again" in hello.files
    assert hello.read("again") == hello.read("Dockerfile")
    assert not [name for name in hello.files if name.startswith("folder")]


def test_unknown_names_come_with_the_near_ones(hello):
    """A missing file, region or transcript is answered with the names there are."""
    with pytest.raises(MissingError, match="did you mean Dockerfile"):
        hello.read("Dockerfil")
    with pytest.raises(MissingError, match="did you mean run"):
        hello.shown("Dockerfile", "rnu")
    with pytest.raises(MissingError, match="there are: first"):
        hello.transcript("second")


def test_text_that_is_not_utf8_is_named_with_its_line(hello):
    """A file that is not UTF-8 is refused with the line that is not."""
    (hello.root / "Dockerfile").write_bytes(b"FROM x\n\xff\n")

    with pytest.raises(MalformedError, match=r"examples/hello/Dockerfile:2: not UTF-8"):
        hello.read("Dockerfile")


def test_the_zip_is_the_same_bytes_every_time(hello, tmp_path):
    """Equal files give equal zips, whatever their times; the executable bit is kept."""
    copy = Example(hello.copy_to(tmp_path / "elsewhere"))

    assert copy.zip() == hello.zip()
    with zipfile.ZipFile(io.BytesIO(hello.zip())) as archive:
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in archive.infolist()}
    assert modes["hello/run.sh"] == 0o755
    assert modes["hello/Dockerfile"] == 0o644


TEST = """\
def test_runs(run):
    \"\"\"It prints `a`.

    With details.
    \"\"\"
    assert run("a", f"{1!r:>{2}}b" f"c") == ["a", None]
"""


@pytest.fixture(name="tested")
def _tested(hello):
    hello.test.parent.mkdir(parents=True)
    hello.test.write_text(TEST)
    return hello


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    assert", "    # A comment.\n\n    assert"),
        ('["a", None]', "[  # first\n        'a',\n        None,\n    ]"),
        ("    With details.", "  With\n  details.\n"),
        ('b" f"c"', 'bc"'),
        ("\n", "\r\n"),
        ('run("a",', '(run)("" "a",'),
    ],
)
def test_comments_and_formatting_of_the_test_leave_the_digest(tested, old, new):
    """What changes neither the run nor the sentence on the site makes no evidence stale."""
    before = tested.digest()
    tested.test.write_bytes(TEST.replace(old, new).encode())

    assert new in tested.test.read_bytes().decode()
    assert tested.digest() == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("prints `a`", "prints `b`"),
        ("test_runs", "test_ends"),
        ("None]", "...]"),
        ("None]", "{}]"),
        ('run("a"', 'run(b"a"'),
        ("==", "!="),
        ("!r", "!s"),
        ("{2}", "{3}"),
        ('b" f"c', 'b" f"d'),
        ('run("a", f', "run(f"),
        ("def test_runs(run)", "async def test_runs(run)"),
        ("def test_runs(run)", "@mark\ndef test_runs(run)"),
    ],
)
def test_code_and_sentences_of_the_test_change_the_digest(tested, old, new):
    """What changes the run or the sentence on the site makes evidence stale."""
    before = tested.digest()
    tested.test.write_text(TEST.replace(old, new))

    assert new in tested.test.read_text()
    assert tested.digest() != before


def test_every_python_reads_a_test_alike():
    """The text of a syntax tree is the same on each Python, whatever ``ast.dump`` prints there."""
    source = b'def f(a, *, b=1):\n    """It\n    is."""\n    return {**a}, f"x{b=}" f"{a:}" u"\\u00e9", -1j, ()\n'

    assert canonical_source(source).decode() == (
        "Module( body= [ FunctionDef( args= arguments( args= [ arg( arg= 'a' ) ] kw_defaults= [ int 1 ] kwonlyargs= "
        "[ arg( arg= 'b' ) ] ) body= [ str 'It is.' Return( value= Tuple( ctx= Load( ) elts= [ Dict( keys= [ None ] "
        "values= [ Name( ctx= Load( ) id= 'a' ) ] ) JoinedStr( values= [ str 'xb=' FormattedValue( conversion= 114 "
        "value= Name( ctx= Load( ) id= 'b' ) ) FormattedValue( conversion= -1 format_spec= JoinedStr( ) value= Name( "
        "ctx= Load( ) id= 'a' ) ) str '\\xe9' ] ) UnaryOp( op= USub( ) operand= complex 1j ) Tuple( ctx= Load( ) ) ] ) "
        ") ] name= 'f' ) ] )"
    )


@pytest.mark.parametrize("source", [b"def (", b"\0", b"\xff", b"(" * 1000, b"-" * 100_000 + b"1", b"0x" + b"f" * 9999])
def test_a_test_that_does_not_parse_has_a_digest(tested, source):
    """A test that doesn't parse counts with each of its bytes, and the site is built all the same."""
    tested.test.write_bytes(source)
    before = tested.digest()
    tested.test.write_bytes(source + b" # comment")

    assert tested.digest() != before


@pytest.mark.parametrize("change", ["content", "mode", "name", "test"])
def test_the_digest_speaks_of_content_mode_name_and_test(hello, change):
    """Any change that could change what a run proves changes the digest."""
    before = hello.digest()
    if change == "content":
        (hello.root / "Dockerfile").write_text("FROM y\n")
    elif change == "mode":
        (hello.root / "run.sh").chmod(0o644)
    elif change == "name":
        (hello.root / "run.sh").rename(hello.root / "walk.sh")
    else:
        hello.test.parent.mkdir(parents=True)
        hello.test.write_text("")

    assert hello.digest() != before


def test_a_digest_may_leave_out_the_readme(hello):
    """What a README says is no part of what runs; whoever asks for that leaves it out, and nothing else."""
    whole, run = hello.digest(), hello.digest(readme=False)
    (hello.root / "README.md").write_text("# Hello\n\nAnother idea.\n")

    assert hello.digest(readme=False) == run
    assert hello.digest() != whole
    (hello.root / "Dockerfile").write_text("FROM other\n")
    assert hello.digest(readme=False) != run


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("#% name a\n$ true\n#% limit 9s\n#% name b\n$ false\n[exit 1]\n", True),
        ("#% name\n#% limit 9s\n$ true\n$ false\n[exit 1]\n", False),
        ("$ true\n#% limit 8s\n$ false\n[exit 1]\n", False),
    ],
)
def test_the_digest_does_not_speak_of_names_of_steps(hello, text, same):
    """Naming a step, so that a page can show it, changes nothing that runs; another directive does."""
    place = hello.root / "transcripts/t.console"
    place.parent.mkdir(exist_ok=True)
    place.write_text("$ true\n#% limit 9s\n$ false\n[exit 1]\n")
    before = hello.digest()
    place.write_text(text)

    assert (hello.digest() == before) == same


def test_unknown_slugs_are_answered_with_the_known_ones(hello):
    """Picking an example that is not there lists those that are, nearest first."""
    with pytest.raises(MissingError, match="no example 'helo'; did you mean hello"):
        examples.pick_examples(["helo"], {"hello": hello})


def test_a_folder_that_is_no_slug_is_refused(tmp_path):
    """A folder under examples/ has a slug for a name."""
    (tmp_path / "examples" / "Not A Slug").mkdir(parents=True)

    with pytest.raises(MalformedError, match="a slug is lower-case words"):
        examples.load_examples(tmp_path)
