"""Copy parity: what the button of a block puts on the clipboard is what a terminal accepts, and all of it."""

from __future__ import annotations

import subprocess

import pytest
from browsing import Site
from playwright.sync_api import Browser

from drydock.model.transcript import Step, parse_transcript

#: Logs each word that a command is given, in the place of every program that a transcript calls.
STUB = """
PATH=/nowhere
told() { local words; printf -v words '%q ' "$@"; printf '%s\\n' "$words" >>"$LOG"; }
docker() { told docker "$@"; }
command_not_found_handle() { told "$@"; }
"""

#: Chooses the tab that a block is in, and opens what it is folded in: only what is seen can be clicked.
CHOSEN = """(block) => {
  const dropdown = block.closest("details");
  if (dropdown) dropdown.open = true;
  const label = block.closest(".sd-tab-content")?.previousElementSibling;
  if (label) label.control.checked = true;
}"""


@pytest.fixture(scope="module")
def reader(browser: Browser, site: Site):
    """A page of somebody who lets the site write to the clipboard."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    yield context.new_page()
    context.close()


def test_copy_parity(page_path, reader, site, tmp_path, record_property):
    """The button of each transcript copies its commands, folded ones too, and bash reads what the harness runs."""
    reader.goto(f"{site.url}/{page_path}")
    blocks = reader.locator(".drydock-transcript")
    for index in range(blocks.count()):
        block = blocks.nth(index)
        block.evaluate(CHOSEN)
        link = block.locator(".drydock-name a").last.get_attribute("href")
        shown = block.locator("pre").text_content()
        block.locator("button.copybtn").click()
        copied = reader.evaluate("() => navigator.clipboard.readText()")
        commands = [step.command for step in _steps(site, link, shown)]

        assert copied.rstrip("\n") == "\n".join(commands), f"{link} on {page_path}"
        pasted, run = _words([copied], tmp_path), _words(commands, tmp_path)
        assert pasted == run, f"{link} on {page_path}"
    record_property("blocks copied", blocks.count())


def _steps(site: Site, link: str, shown: str) -> list[Step]:
    """Return the steps that a block shows, of the transcript that its caption links to; other lines are output."""
    published = site.folder / "_examples" / link.rpartition("_examples/")[2]
    waiting = list(parse_transcript(published.read_text(encoding="utf-8"), link).steps)
    lines = shown.split("\n")
    steps = []
    while lines:
        step = next((step for step in waiting if lines[: len(_prompt(step))] == _prompt(step)), None)
        assert step or steps, f"{link} begins with what is not in the transcript: {lines[0]!r}"
        if step:
            steps.append(step)
            waiting = waiting[waiting.index(step) + 1 :]
        lines = lines[len(_prompt(step)) if step else 1 :]
    return steps


def _prompt(step: Step) -> list[str]:
    first, *others = step.command.split("\n")
    return [f"$ {first}", *(f"> {line}" for line in others)]


def _words(commands: list[str], folder) -> list[str]:
    """Return what bash gives to each program, when it reads these commands one after the other."""
    log = folder / "log"
    log.write_text("", encoding="utf-8")
    for number, command in enumerate(commands):
        (folder / f"{number}.sh").write_text(f"{command}\n", encoding="utf-8")
    sourced = "\n".join(f". {folder}/{number}.sh" for number in range(len(commands)))
    script = f"{STUB}cd {folder}\n{sourced}\n"
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env={"LOG": str(log), "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert "syntax error" not in done.stderr, done.stderr
    # The programs of a pipe start at one time, and log in any order.
    return sorted(log.read_text(encoding="utf-8").splitlines())
