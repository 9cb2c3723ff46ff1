"""Pages that are followed on a real engine: what passes, what is reported, and that nothing is left."""

from __future__ import annotations

import pytest
import runs

from drydock.errors import ReplayError
from drydock.model.example import Example
from drydock.model.walkthroughs import PageSteps
from drydock.replay import walkthrough


@pytest.fixture(name="page")
def _page(engine, tmp_path, slug):
    """Follow blocks of two examples: the transcripts' texts, and (example, lines) for each block of the page."""

    def page(first, second, *blocks):
        known = {}
        for number, text in enumerate((first, second)):
            root = tmp_path / "examples" / f"{slug}-{number}"
            (root / "transcripts").mkdir(parents=True)
            (root / "transcripts" / "t.console").write_text(text.replace("SLUG", root.name))
            known[root.name] = Example(root)
        typed = [PageSteps(f"{slug}-{number}", "t", lines) for number, lines in blocks]
        return walkthrough.follow_page(typed, known, engine, tmp_path / "a reader", tmp_path / "locks")

    return page


STARTED = f"$ docker run -d --name SLUG-web {runs.IMAGE} sleep 60\n<id>\n$ docker rm -f SLUG-web\nSLUG-web\n"


def test_a_page_is_typed_in_one_terminal(page, engine, slug):
    """Variables and edits carry over, each example has a folder of its own, and nothing runs but what is shown."""
    first = '$ N=1; echo "$N" > note\n$ echo unseen >> note\n$ cat note; pwd | grep -o "[^/]*$"\n1\n...\n'
    second = '$ echo "$N"; ls\n1\ntranscripts\n'
    result = page(first, second, (0, (1,)), (1, (1,)), (0, (3,)))

    assert (result.steps, result.engine) == (3, engine.key)
    assert runs.made(engine, slug) == []


def test_what_a_page_does_not_show_is_missed(page, engine, slug):
    """A step that needs one that the page does not show fails, by its place in the transcript, and all is removed."""
    with pytest.raises(ReplayError, match=rf"examples/{slug}-0/transcripts/t.console:3: the output differs"):
        page(STARTED, STARTED, (1, (1,)), (0, (3,)))
    assert runs.made(engine, slug) == []


def test_a_page_that_leaves_something_fails(page, engine, slug):
    """A page that starts a container and does not show what removes it fails by the container's name."""
    with pytest.raises(ReplayError, match=rf"the page leaves container {slug}-0-web"):
        page(STARTED, STARTED, (0, (1,)), (1, (1, 3)))
    assert runs.made(engine, slug) == []


def test_a_page_says_what_it_left_out(page, engine):
    """A block that needs what the engine has not is not typed, and what it needs is kept."""
    if engine.facts["name"] == "Podman":
        pytest.skip("no transcript is followed on Podman")
    absent = "containerd" if engine.facts["store"] != "containerd" else "overlay2"
    result = page("$ true\n", f"#% needs {absent}-store\n$ false\n", (0, (1,)), (1, (2,)))

    assert (result.steps, result.lacking) == (1, (f"{absent}-store",))
