"""Claims of the example prune-safely. All that it makes wears a label of its own, and each prune takes only that."""

from __future__ import annotations

import json
import re

import pytest

KEY = "com.example.task"


@pytest.fixture
def label(name):
    """A label of this test alone."""
    return f"{KEY}={name('label')}"


@pytest.fixture
def prune(docker, label):
    """Prune what wears the label: ``prune("image", "--all")``."""
    return lambda kind, *options: docker(kind, "prune", "--force", *options, "--filter", f"label={label}").stdout


@pytest.fixture
def image(docker, folder, name, label):
    """Build an image that wears the label, and return its ID: ``image("tag", note="other")``."""

    def call(suffix, note="first"):
        (folder / "note").write_text(f"{note}\n")
        docker("build", "--label", label, "--tag", name(suffix), str(folder))
        return of(docker, name(suffix), "{{.Id}}")

    return call


@pytest.fixture
def alive(docker, name, label):
    """Return the names of all that wears the label: ``{"container c1", "image <id>", ...}``."""

    def call():
        mine = ["--filter", f"label={label}", "--format"]
        found = {f"container {line}" for line in docker("ps", "--all", *mine, "{{.Names}}").stdout.split()}
        found |= {f"network {line}" for line in docker("network", "ls", *mine, "{{.Name}}").stdout.split()}
        found |= {f"volume {line}" for line in docker("volume", "ls", *mine, "{{.Name}}").stdout.split()}
        images = docker("images", "--all", "--no-trunc", *mine, "{{.ID}}").stdout.split()
        return found | {f"image {line}" for line in images}

    return call


def of(docker, thing, form):
    """Return what docker inspect says of it."""
    return docker("inspect", "--format", form, thing).stdout.strip()


def exists(docker, kind, key):
    """Say whether the engine has it."""
    return docker(kind, "inspect", key, check=False).returncode == 0


# What each takes.


def test_what_each_takes(docker, image, untagged, prune, alive, name, label, table):
    """Each prune removes unused objects of one kind; --all adds images with a tag and volumes with a name."""
    mine = ["--label", label]
    rows = {"running container": f"container {name('up')}", "ended container": f"container {name('ended')}"}
    used = image("used", "used")
    docker("network", "create", *mine, name("busy"))
    docker("network", "create", *mine, name("idle"))
    docker("volume", "create", *mine, name("used"))
    docker("volume", "create", *mine, name("named"))
    docker("run", "--detach", "--init", *mine, "--name", name("up"), "--network", name("busy"), used, "sleep", "600")
    ended = ["--name", name("ended"), "--network", name("idle"), "--volume", f"{name('used')}:/data"]
    docker("run", *mine, *ended, used)
    rows |= {
        "image of a container": f"image {used}",
        "image with a tag": f"image {image('tagged', 'tagged')}",
        "image without a tag": f"image {untagged('untagged')}",
        "network of a running container": f"network {name('busy')}",
        "network of an ended container": f"network {name('idle')}",
        "volume of a container": f"volume {name('used')}",
        "volume with a name": f"volume {name('named')}",
        "volume without a name": f"volume {docker('volume', 'create', *mine).stdout.strip()}",
    }
    assert set(rows.values()) <= alive()
    columns = [
        ("image", ""),
        ("image", "--all"),
        ("volume", ""),
        ("volume", "--all"),
        ("network", ""),
        ("container", ""),
    ]
    took = {}
    for kind, option in columns:
        if option:
            # What the column before has taken, made anew.
            anew = untagged("anew") if kind == "image" else docker("volume", "create", *mine).stdout.strip()
            rows["image without a tag" if kind == "image" else "volume without a name"] = f"{kind} {anew}"
        before = alive()
        prune(kind, *([option] if option else []))
        gone = before - alive()
        took[f"`{kind} prune{' ' + option if option else ''}`"] = {row for row, key in rows.items() if key in gone}
    table(
        "takes",
        "grid",
        [
            {"row": row, "column": column, "cell": "removed" if row in gone else "kept"}
            for row in rows
            for column, gone in took.items()
        ],
    )

    assert list(took.values()) == [
        {"image without a tag"},
        {"image without a tag", "image with a tag"},
        {"volume without a name"},
        {"volume without a name", "volume with a name"},
        {"network of an ended container"},
        {"ended container"},
    ]


@pytest.fixture
def untagged(docker, folder, label):
    """Build an image without a tag, and return its ID: ``untagged("note")``."""

    def call(note):
        (folder / "note").write_text(f"{note}\n")
        return docker("build", "--quiet", "--label", label, str(folder)).stdout.strip()

    return call


# Images.


def test_rebuild_deletes_the_old_image(docker, image, name):
    """A build that takes over an image's only tag deletes that image, even if a container uses it."""
    old = image("a", "old")
    docker("run", "--name", name("c"), old)
    new = image("a", "new")
    used = of(docker, name("c"), "{{.Image}}")
    deleted = not exists(docker, "image", old)
    docker("rm", name("c"))

    assert used == old
    assert deleted
    assert exists(docker, "image", new)


def test_container_outlives_its_image(docker, image, name):
    """A container whose image lost its tag to a rebuild still starts."""
    image("a", "old")
    docker("create", "--name", name("c"), name("a"))
    image("a", "new")

    assert docker("start", "--attach", name("c")).stdout == "old\n"


def test_moved_tag_leaves_dangling(docker, image, name):
    """An image whose only tag docker tag moves to another image stays, without a tag."""
    old = image("a", "old")
    image("b", "new")
    docker("tag", name("b"), name("a"))

    assert json.loads(of(docker, old, "{{json .RepoTags}}")) == []


def test_dangling(image, untagged, prune, docker):
    """docker image prune removes an image without a tag, and leaves one with a tag."""
    without, tagged = untagged("without"), image("a", "tagged")
    prune("image")

    assert not exists(docker, "image", without)
    assert exists(docker, "image", tagged)


def test_listed_with_all(docker, image, untagged, label):
    """docker images --all lists an image without a tag, and --filter dangling=true lists only that one."""
    without, tagged = untagged("without"), image("a", "tagged")
    mine = ["images", "--all", "--no-trunc", "--filter", f"label={label}", "--format", "{{.ID}}"]

    assert set(docker(*mine).stdout.split()) == {without, tagged}
    assert docker(*mine, "--filter", "dangling=true").stdout.split() == [without]


def test_dangling_in_use(docker, untagged, prune, name):
    """docker image prune spares an image without a tag while a container uses it, even a stopped one."""
    without = untagged("without")
    docker("run", "--name", name("c"), without)
    prune("image")
    spared = exists(docker, "image", without)
    docker("rm", name("c"))
    prune("image")

    assert spared
    assert not exists(docker, "image", without)


def test_untagged_only(docker, image, name):
    """Of an image with two names docker rmi removes the one that it is given, and deletes nothing."""
    key = image("a")
    docker("tag", name("a"), name("b"))
    said = docker("rmi", name("b")).stdout

    assert "Untagged:" in said
    assert "Deleted:" not in said
    assert of(docker, name("a"), "{{.Id}}") == key


def test_in_use(docker, image, name, only_docker):
    """docker rmi refuses an image that a container is of, and names the container."""
    only_docker("Podman says it in other words")
    image("a")
    docker("run", "--name", name("c"), name("a"))
    refused = docker("rmi", name("a"), check=False)

    assert refused.returncode == 1
    assert "conflict: unable to" in refused.stderr
    assert of(docker, name("c"), "{{.Id}}")[:12] in refused.stderr
    assert exists(docker, "image", name("a"))


def test_cache_stays(docker, image, prune, name, folder, label):
    """docker image prune leaves the build cache: a rebuild of the removed image takes the COPY step from the cache."""
    image("a", f"cached {name('x')}")
    prune("image", "--all")
    gone = not exists(docker, "image", name("a"))
    built = docker("build", "--progress=plain", "--label", label, "--tag", name("a"), str(folder))

    assert gone
    assert re.search(r"^(#\d+) \[2/2\] COPY note /note\n\1 CACHED$", built.stderr + built.stdout, re.MULTILINE)


# Containers, and what they leave.


def test_container_prune(docker, image, prune, name, alive):
    """docker container prune removes containers that have ended or were never started, and none that runs."""
    key = image("a")
    docker("run", "--name", name("ended"), key)
    docker("create", "--name", name("created"), key)
    docker("run", "--detach", "--init", "--name", name("up"), key, "sleep", "600")
    prune("container")

    assert {each for each in alive() if each.startswith("container")} == {f"container {name('up')}"}


def test_prune_loses_writes(docker, image, prune, name):
    """A container's log and files go with it: after docker container prune there is nothing to read, copy, or start."""
    docker("run", "--name", name("c"), image("a"))
    log = docker("logs", name("c")).stdout
    prune("container")

    assert log == "first\n"
    for command in (["logs", name("c")], ["cp", f"{name('c')}:/note", "-"], ["start", name("c")]):
        assert "No such container" in docker(*command, check=False).stderr


def test_container_prune_leaves_volumes(docker, image, prune, name):
    """docker container prune leaves a container's volume without a name behind."""
    docker("run", "--name", name("c"), "--volume", "/data", image("a"))
    volume = of(docker, name("c"), "{{range .Mounts}}{{.Name}}{{end}}")
    prune("container")
    left = exists(docker, "volume", volume)
    docker("volume", "rm", volume)

    assert left


def test_label_is_inherited(docker, image, name, label, alive):
    """A container has its image's labels too, so a filter by label finds both."""
    built = image("a")
    docker("run", "--name", name("c"), built)
    key, value = label.split("=")

    assert json.loads(of(docker, name("c"), "{{json .Config.Labels}}"))[key] == value
    assert alive() == {f"container {name('c')}", f"image {built}"}


# Volumes and networks.


def test_volume_in_use(docker, image, prune, name, label):
    """A volume that an ended container mounts is in use, for docker volume prune --all as well."""
    docker("volume", "create", "--label", label, name("v"))
    docker("run", "--name", name("c"), "--volume", f"{name('v')}:/data", image("a"))
    prune("volume", "--all")
    used = exists(docker, "volume", name("v"))
    docker("rm", name("c"))
    prune("volume", "--all")

    assert used
    assert not exists(docker, "volume", name("v"))


def test_network_of_an_ended_container(docker, image, prune, name, label, only_docker):
    """For docker network prune an ended container uses no network; afterwards that container cannot be started."""
    only_docker("which networks are in use, and what is said of a missing one, is the engine's own")
    docker("network", "create", "--label", label, name("n"))
    docker("run", "--name", name("c"), "--network", name("n"), image("a"))
    prune("network")
    refused = docker("start", name("c"), check=False)

    assert not exists(docker, "network", name("n"))
    assert refused.returncode == 1
    assert re.search(r"network \S+ not found", refused.stderr)


# Filters.


def test_label_spares_others(docker, prune, name, label):
    """With --filter label= a prune of volumes removes one with that label and value, not with another value or none."""
    docker("volume", "create", "--label", f"{KEY}=other", name("other"))
    docker("volume", "create", name("plain"))
    docker("volume", "create", "--label", label, name("mine"))
    prune("volume", "--all")

    assert not exists(docker, "volume", name("mine"))
    assert exists(docker, "volume", name("other"))
    assert exists(docker, "volume", name("plain"))


def test_until_spares_the_young(docker, image, prune, name):
    """With --filter until=24h a prune spares what was made in the last 24 hours."""
    docker("run", "--name", name("c"), image("a"))
    said = prune("container", "--filter", "until=24h")

    assert "Deleted" not in said
    assert exists(docker, "container", name("c"))


def test_no_until_for_volumes(docker, prune, only_docker):
    """For volumes there is no such filter, and the prune is refused."""
    only_docker("by what a prune of volumes can filter is the engine's own")
    with pytest.raises(Exception, match="until"):
        prune("volume", "--filter", "until=24h")


# The whole disk.


def test_df(docker):
    """docker system df counts images, containers, volumes and the build cache, each with what could be freed."""
    lines = docker("system", "df", "--format", "{{.Type}}|{{.Reclaimable}}").stdout.splitlines()

    assert [line.split("|")[0] for line in lines] == ["Images", "Containers", "Local Volumes", "Build Cache"]
    assert all(line.split("|")[1] for line in lines)


def test_compose_project(docker, folder, prefix):
    """docker compose down keeps volumes and images, and Compose's label of the project finds them for a prune."""
    project = f"{prefix}-stack"
    compose = ["compose", "--project-directory", str(folder), "--project-name", project]
    mine = ["--force", "--filter", f"label=com.docker.compose.project={project}"]
    docker(*compose, "up", "--build", "--exit-code-from", "note", timeout=300)
    docker(*compose, "down")
    kept = [exists(docker, "volume", f"{project}_data"), exists(docker, "image", f"{project}-note")]
    docker("volume", "prune", "--all", *mine)
    docker("image", "prune", "--all", *mine)
    left = [exists(docker, "volume", f"{project}_data"), exists(docker, "image", f"{project}-note")]

    assert kept == [True, True]
    assert left == [False, False]
