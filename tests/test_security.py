"""What is shipped is safe to copy and safe to host: examples, site, workflows, requirements."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile

import pytest
import small_site
import yaml
from small_site import Site

from drydock import ROOT
from drydock.model import example as examples
from drydock.model.evidence import Claim, Measure, Replayed, Row, Table
from drydock.model.expectations import load_expectations
from drydock.model.recipes import is_compose_file, is_dockerfile
from drydock.model.versions import used_images
from drydock.tasks import bootstrap

EXAMPLES = examples.load_examples()
EVIL = '<script>alert("1")</script>'
#: Files that publish a port to everybody, because that is what they are about.
OPEN = {
    "network-modes/transcripts/host.console": "with --network host, -p is without effect, which is the point",
    "network-modes/transcripts/container.console": "with --network container, -p is refused, which is the point",
    "port-publishing/transcripts/addresses.console": "it compares 127.0.0.1 with every address",
    "port-publishing/transcripts/default-address.console": "it shows that the default is every address",
    "port-publishing/transcripts/rules.console": "it shows the rules that open a port to everybody",
    "port-publishing/transcripts/taken.console": "it shows that a port that is taken is refused",
}


class _Compose(yaml.SafeLoader):
    """Reads a Compose file; its tags, such as !reset, say how files are merged."""


_Compose.add_multi_constructor("!", lambda loader, tag, node: None if node.tag == "!reset" else _plain(loader, node))


def _plain(loader, node):
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode) else node.value


def services(example, name="compose.yaml"):
    """Return the services of a Compose file, by name."""
    known = yaml.load(example.read(name), _Compose) or {}
    return {service: fields or {} for service, fields in (known.get("services") or {}).items()}


# Examples


#: In a command that makes a container: an option that publishes a port, and which.
PUBLISHES = re.compile(
    r"\bdocker (?:container )?(?:run|create)\b(?:(?!\s&&|;|\|)[^\n])*?"
    r"""\s(?:-p|--publish)[ =]["']?([\w.$:]*\d(?:/\w+)?)["']?(?!\S)"""
)


@pytest.mark.parametrize("slug", EXAMPLES)
def test_ports_are_published_to_this_machine_only(slug):
    """A port is published on 127.0.0.1, in every Compose file and transcript, unless it is about the opposite."""
    example = EXAMPLES[slug]
    published = {}
    for name in example.files:
        if is_compose_file(name):
            ports = [port for fields in services(example, name).values() for port in fields.get("ports") or ()]
            published[f"{slug}/{name}"] = [
                port["host_ip"] + ":" if isinstance(port, dict) else str(port) for port in ports
            ]
        elif name.endswith((".console", "README.md")):
            published[f"{slug}/{name}"] = PUBLISHES.findall(example.read(name).replace("\\\n> ", ""))
    to_all = {name for name, ports in published.items() if not all(port.startswith("127.0.0.1:") for port in ports)}

    assert to_all == {name for name in OPEN if name.startswith(f"{slug}/")}


def _user(example, fields):
    """Return the user of a service: its own, or that of the image that it builds or takes from another service."""
    build = fields.get("build")
    other = re.fullmatch(r"\$\{COMPOSE_PROJECT_NAME\}-(\w+)", str(fields.get("image", "")))
    if not fields.get("user") and not build and other:
        return _user(example, services(example)[other[1]])
    build = build if isinstance(build, dict) else {"context": build or "."}
    file = posixpath.normpath(f"{build.get('context', '.')}/{build.get('dockerfile', 'Dockerfile')}")
    built = re.findall(r"^USER\s+(\S+)", example.read(file), re.MULTILINE) if "build" in fields else []
    return str(fields.get("user") or ["", *built][-1])


def _lacks(example, fields):
    """Yield what a service does without."""
    user = _user(example, fields)
    number = re.search(r"\d+", user)
    if not number or int(number[0]) == 0:
        yield "user"
    if fields.get("read_only") is not True:
        yield "read_only"
    if "ALL" not in (fields.get("cap_drop") or ()):
        yield "capabilities"
    if "no-new-privileges:true" not in (fields.get("security_opt") or ()) or fields.get("privileged"):
        yield "privileges"


@pytest.mark.parametrize("slug", EXAMPLES)
def test_services_do_without_what_they_do_not_need(slug):
    """A service is not root, cannot write, and has no capability; the exemptions have a reason."""
    example = EXAMPLES[slug]
    found = {
        f"{name} {service}": [*_lacks(example, fields)]
        for name in example.files
        if is_compose_file(name)
        for service, fields in services(example, name).items()
        # What is laid over another file says only what differs.
        if name == "compose.yaml" or {"image", "build"} & set(fields)
    }
    listed = load_expectations(slug).hardening

    assert {place: lacks for place, lacks in found.items() if lacks} == {
        place: [*exemption.lacks] for place, exemption in listed.items()
    }


def test_nothing_is_excused_that_is_not_there():
    """A file that may publish a port to everybody is one that there is."""
    assert all((ROOT / "examples" / name).is_file() for name in OPEN)


@pytest.mark.parametrize("slug", EXAMPLES)
def test_ports_and_bases_are_safe_to_copy(slug):
    """Ports are published on 127.0.0.1 and chosen by the engine; no image is called latest."""
    example = EXAMPLES[slug]
    compose = example.read("compose.yaml")
    dockerfiles = [example.read(name) for name in example.files if is_dockerfile(name)]
    published = re.findall(r'^\s*- "?([\d.:]*\d+(?:/tcp)?)"?\s*$', compose, re.MULTILINE)

    assert all(port.startswith("127.0.0.1::") for port in published), published
    assert not [place for place, image in used_images(example) if image.endswith(":latest")]
    assert not [text for text in dockerfiles if re.search(r"^#\s*syntax=(?!127\.0\.0\.1)", text, re.MULTILINE)]


@pytest.mark.parametrize("slug", EXAMPLES)
def test_a_zip_holds_the_examples_files_and_leads_nowhere_else(slug):
    """A zip unpacks into one folder of the example's name: no link, no absolute path, no way up."""
    with zipfile.ZipFile(io.BytesIO(EXAMPLES[slug].zip())) as archive:
        entries = archive.infolist()

    assert [entry.filename for entry in entries] == [f"{slug}/{name}" for name in EXAMPLES[slug].files]
    assert not [
        entry.filename for entry in entries if ".." in entry.filename.split("/") or entry.external_attr >> 28 != 8
    ]


# The site


def test_nothing_that_was_recorded_is_markup(tmp_path, monkeypatch):
    """Whatever a run printed, was called, measured or failed with, on whichever page, is text."""
    monkeypatch.setattr(small_site, "ENGINE", {name: value + EVIL for name, value in small_site.ENGINE.items()})
    site = Site(tmp_path)
    output = f"$ echo '{EVIL}'\n{EVIL}\n\\$ {EVIL}\n"
    site.example("greeting", {"Dockerfile": f"# {EVIL}\n", "transcripts/run.console": output, f"{EVIL[:8]}.txt": EVIL})
    site.record(
        "greeting",
        claims={"test_a": Claim(f"It `{EVIL}` {EVIL}.", "passed"), "test_b": Claim(EVIL, "skipped", EVIL)},
        transcripts={"run": Replayed(1, "skipped", EVIL)},
        measures={EVIL: Measure(1, "count", 0, 2), "size": Measure(1, "bytes", 0, 2)},
        tables={
            EVIL: Table("grid", [Row(row=EVIL, column=EVIL, cell=EVIL)]),
            "t": Table("sizes", [Row(image=EVIL, bytes=1)]),
        },
    )
    shown = [
        "{example} greeting/Dockerfile",
        "{transcript} greeting/run",
        f"{{picture}} greeting:{EVIL}",
        "{picture} greeting:t",
    ]
    shown += ["{examples}", "{claims}", "{totals}", "{census}", "{compatibility}"]
    site.page("all", "\n\n".join(f":::{each}\n:::" for each in shown) + "\n\nIt is {measured}`greeting:size`.")
    built = site.build()
    pages = {page.name: page.read_text() for page in built.out.rglob("*.html") if "_examples" not in page.parts}

    assert pages["all.html"].count("&lt;script&gt;") > 20
    assert pages["greeting.html"].count("&lt;script&gt;") > 10
    assert not [name for name, page in pages.items() if "<script>alert" in page or re.search(r'"[^"<>]*<script', page)]


# The repository


def _workflows():
    return {path.name: yaml.safe_load(path.read_text()) for path in (ROOT / ".github/workflows").glob("*.y*ml")}


@pytest.mark.parametrize("name", _workflows())
def test_a_workflow_may_do_little(name):
    """A workflow reads the repository; what a job may do beyond that is named by it; pull requests get no secret."""
    workflow = _workflows()[name]
    granted = {job: fields["permissions"] for job, fields in workflow["jobs"].items() if "permissions" in fields}

    assert workflow["permissions"] == {"contents": "read"}
    assert granted == ({"publish": {"pages": "write", "id-token": "write"}} if name == "pages.yml" else {})
    assert "pull_request_target" not in workflow[True]  # YAML reads "on" as a truth


@pytest.mark.parametrize("name", _workflows())
def test_a_workflow_runs_what_was_read(name):
    """Each action is pinned to a commit, the checkout keeps no token, and no line takes text from whoever asks."""
    steps = [step for job in _workflows()[name]["jobs"].values() for step in job["steps"]]

    assert not [step["uses"] for step in steps if "uses" in step and not re.search(r"@[0-9a-f]{40}$", step["uses"])]
    assert all(step["with"]["persist-credentials"] is False for step in steps if "checkout@" in step.get("uses", ""))
    assert not [
        step["run"]
        for step in steps
        if re.search(r"\$\{\{\s*(github\.(event|head_ref)|inputs|secrets)", step.get("run", ""))
    ]


def test_every_requirement_is_pinned_with_its_hashes():
    """Whatever is installed has one version, and the hash of each of its files; no session installs it otherwise."""
    lines = re.sub(r" \\\n\s*", " ", (ROOT / "requirements.txt").read_text()).splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    pinned = re.compile(r"[\w.-]+(?:\[[\w,-]+\])?==[\w.]+(?: ; [^-]+)?(?: --hash=sha256:[0-9a-f]{64})+")
    installs = re.findall(r"session\.install\(([^)]*)\)", (ROOT / "noxfile.py").read_text())

    assert len(pins) > 50
    assert not [line for line in pins if not pinned.fullmatch(line)]
    assert installs == ['"--require-hashes", "--requirement", "requirements.txt"']
    assert "--require-hashes" in (ROOT / ".readthedocs.yaml").read_text()
    assert all("==" in pin for pin in bootstrap._read_pins())
