"""Claims of the example compose-dev-loop."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from drydock.engine import Engine
from drydock.fixtures import RUNS, until

FIRST = "Hello, world.\n"
#: What an edit changes the answer to, and what a further package changes it to.
EDITED = "Hello, reader.\n"
FURTHER = "HELLO, WORLD.\n"
#: How long a watcher may need on a busy machine.
DEADLINE = 60


@dataclass
class Stack:
    """A copy of the example as a project of its own, with some of its other Compose files laid over the first."""

    engine: Engine
    folder: Path
    project: str
    over: tuple[str, ...] = ()

    def __call__(self, *args: str) -> str:
        """Run ``docker compose ARGS`` and return what it printed."""
        return self.engine.run(*self.command, *args, timeout=300).stdout

    @property
    def command(self) -> list[str]:
        """The words before those of a command of Compose."""
        files = [f"--file={self.folder / name}" for name in ("compose.yaml", *self.over)]
        return ["compose", *files, "--project-name", self.project]

    def up(self, *options: str) -> None:
        """Start it in the background, and wait until it is healthy."""
        self("up", "--detach", "--wait", "--timeout", "0", *options)

    def found(self) -> dict:
        """Return what ``docker inspect`` says of the container."""
        return json.loads(self.engine.run("inspect", f"{self.project}-web-1").stdout)[0]

    def answer(self) -> str:
        """Return what the server says, or "" while there is none."""
        done = self.engine.run(*self.command, "port", "web", "8000", check=False)
        try:
            with urllib.request.urlopen(f"http://{done.stdout.strip()}/", timeout=5) as answer:
                return answer.read().decode()
        except (OSError, ValueError):
            return ""

    def until(self, words: str) -> None:
        """Wait until the server says `words`."""
        until(lambda: self.answer() == words, f"the answer {words!r}", DEADLINE)

    def log(self) -> str:
        """Return what the container has printed."""
        done = self.engine.run("logs", f"{self.project}-web-1")
        return done.stdout + done.stderr

    def inside(self) -> str:
        """Return the file that was edited, as the container has it."""
        return self("exec", "-T", "web", "cat", "/app/src/words.js")

    def packages(self) -> list[str]:
        """Return the packages that the container has."""
        return self("exec", "-T", "web", "ls", "/app/node_modules").split()

    def edit(self, old: str = "world", new: str = "reader") -> None:
        """Edit the source, in the way of an editor that writes a new file in the place of the old one."""
        place = self.folder / "src" / "words.js"
        place.with_suffix(".new").write_text(place.read_text().replace(old, new))
        place.with_suffix(".new").rename(place)

    def add_a_package(self) -> None:
        """Put another package on the list, without using it."""
        (self.folder / "package.json").write_text((self.folder / "next" / "package.json").read_text())

    def use_it(self) -> None:
        """Use that package."""
        (self.folder / "src" / "words.js").write_text((self.folder / "next" / "words.js").read_text())


@pytest.fixture(scope="module")
def stack_of(engine, example, prefix, tmp_path_factory) -> Callable[..., Stack]:
    """Make a copy of the example and name its project: ``stack_of("mount", "compose.mount.yaml")``."""
    return lambda name, *over: Stack(
        engine, example.copy_to(tmp_path_factory.mktemp(name)), f"{prefix}-{name}", tuple(over)
    )


def after_edit(stack: Stack, container: str) -> dict[str, str]:
    """Return a row of what an edit came to, as words of a grid."""
    return {
        "the file in the container": "new" if "reader" in stack.inside() else "old",
        "the answer": "new" if stack.answer() == EDITED else "old",
        "the container": "the same" if stack.found()["Id"] == container else "another",
    }


# Without a mount: the image has the source.


@pytest.fixture(scope="module")
def plain(stack_of) -> SimpleNamespace:
    """A stack that is edited, started again, and then built again."""
    stack = stack_of("plain")
    stack.up("--build")
    first = stack.found()
    seen = SimpleNamespace(
        stack=stack, first=stack.answer(), image=first["Image"], path=first["Path"], argv=first["Args"]
    )
    stack.edit()
    stack.up()
    seen.up, seen.up_image = after_edit(stack, first["Id"]), stack.found()["Image"]
    stack.up("--build")
    seen.build, seen.build_image = after_edit(stack, first["Id"]), stack.found()["Image"]
    stack("down", "--timeout", "0")
    return seen


def test_up_runs_old_code(plain):
    """After an edit, docker compose up keeps the image that was built and the container: the answer is the old one."""
    assert plain.first == FIRST
    assert plain.up_image == plain.image
    assert plain.up == {
        "the file in the container": "old",
        "the answer": "old",
        "the container": "the same",
    }


def test_up_build(plain):
    """With --build there is another image and another container, and the answer is the new one."""
    assert plain.build_image != plain.image
    assert plain.build == {
        "the file in the container": "new",
        "the answer": "new",
        "the container": "another",
    }


def test_target(docker, plain, build):
    """With target: dev, Compose builds that stage; a build without a target makes the last one, which is another."""
    shipped = json.loads(docker("inspect", build()).stdout)[0]["Config"]

    assert [plain.path, *plain.argv][-2:] == ["node", "dev.js"]
    assert (shipped["Entrypoint"], shipped.get("Cmd")) == (["node", "src/server.js"], None)


def test_shipped_says_production(docker, build):
    """The image to ship says NODE_ENV=production to what runs in it, the one to work in does not; the port both say."""
    show = ["image", "inspect", "--format", "{{json .Config}}"]
    said = [json.loads(docker(*show, image).stdout) for image in (build(), build(target="dev"))]

    assert ["NODE_ENV=production" in each["Env"] for each in said] == [True, False]
    assert [each["ExposedPorts"] for each in said] == [{"8000/tcp": {}}] * 2


def test_same_packages(docker, build):
    """The stage to work in and the stage to ship have the same packages."""
    packages = "fs.readdirSync('node_modules').filter(name => !name.startsWith('.')).join()"
    said = [
        docker("run", "--rm", "--entrypoint", "node", image, "-p", packages).stdout.strip()
        for image in (build(), build(target="dev"))
    ]

    assert said == ["greeting", "greeting"]


# The source as a mount.


@pytest.fixture(scope="module")
def mounted(stack_of) -> Iterator[Stack]:
    """A stack with the source as a mount."""
    stack = stack_of("mount", "compose.mount.yaml")
    stack.up("--build")
    yield stack
    stack("down", "--timeout", "0")


@pytest.fixture(scope="module")
def live(mounted) -> dict[str, str]:
    """What an edit comes to, with the source as a mount and a program that watches it."""
    container = mounted.found()["Id"]
    mounted.edit()
    mounted.until(EDITED)
    return after_edit(mounted, container)


@pytest.fixture(scope="module")
def still(stack_of) -> SimpleNamespace:
    """The same with a server that does not watch its files."""
    stack = stack_of("still", "compose.mount.yaml", "compose.still.yaml")
    stack.up("--build")
    container = stack.found()["Id"]
    stack.edit()
    seen = SimpleNamespace(row=after_edit(stack, container))
    stack("restart", "--timeout", "0")
    stack.until(EDITED)
    seen.restarted = after_edit(stack, container)
    stack("down", "--timeout", "0")
    return seen


def seconds_of_an_edit(stack: Stack, turn: Iterator[int]) -> float:
    """Edit the source once more, and return the seconds until the answer is the new one."""
    number = next(turn)
    began = time.monotonic()
    stack.edit(words_of(stack), f'"{number}"')
    stack.until(f"Hello, {number}.\n")
    return time.monotonic() - began


def words_of(stack: Stack) -> str:
    """Return whom the source greets, in quotes."""
    text = (stack.folder / "src" / "words.js").read_text()
    return text[text.index("greeting(") + len("greeting(") : text.rindex(")")]


def test_mount_is_live(live):
    """With the source as a mount and a program that watches it, an edit is in the answers of the same container."""
    assert live == {
        "the file in the container": "new",
        "the answer": "new",
        "the container": "the same",
    }


def test_mount_is_quick(mounted, live, measure, repeat):
    """A further edit, for which an editor replaces the file, is in the answers within a minute."""
    turn = iter(range(9))

    measure("mount", repeat(lambda: seconds_of_an_edit(mounted, turn)), "seconds", high=DEADLINE)


def test_mount_keeps_packages(mounted):
    """A mount of src alone leaves the image's packages where they are."""
    assert mounted.packages() == ["greeting"]


def test_mount_is_for_reading(mounted):
    """The server cannot change your source: the mount is read-only."""
    refused = mounted.engine.run(*mounted.command, "exec", "-T", "web", "touch", "/app/src/new", check=False)

    assert refused.returncode != 0
    assert "Read-only file system" in refused.stderr


def test_mount_needs_the_source(stack_of):
    """Without the source to mount, docker compose up fails, and makes no empty folder in its place."""
    stack = stack_of("gone", "compose.mount.yaml")
    stack("build")
    (stack.folder / "src").rename(stack.folder / "elsewhere")
    refused = stack.engine.run(*stack.command, "up", "--detach", "--no-build", check=False)
    stack("down", "--timeout", "0")

    assert refused.returncode != 0
    assert "bind source path does not exist" in refused.stderr
    assert not (stack.folder / "src").exists()


def test_a_mount_restarts_nothing(still):
    """A server that nobody watches for has the new file, and goes on to answer with the old one."""
    assert still.row == {
        "the file in the container": "new",
        "the answer": "old",
        "the container": "the same",
    }


def test_restart_reads_the_mount(still):
    """After docker compose restart, such a server answers with the edit."""
    assert still.restarted["the answer"] == "new"


# All of the folder as a mount.


def test_whole_folder_hides_packages(stack_of, docker):
    """A mount of the whole folder over /app hides the packages that the image has there."""
    stack = stack_of("whole", "compose.whole.yaml")
    stack("up", "--detach", "--build")
    until(lambda: "Cannot find package 'greeting'" in stack.log(), "the missing package", DEADLINE)
    image = stack.found()["Image"]
    listed = docker("run", "--rm", image, "-p", "fs.readdirSync('node_modules').join()").stdout
    stack("down", "--timeout", "0")

    assert "greeting" in listed


def volume(stack: Stack) -> str:
    """Return the name of the volume that holds the packages."""
    return next(m["Name"] for m in stack.found()["Mounts"] if m["Destination"] == "/app/node_modules")


@pytest.fixture(scope="module")
def trap(stack_of, docker) -> SimpleNamespace:
    """A stack with a volume for the packages that gets a further one."""
    stack = stack_of("volume", "compose.volume.yaml")
    stack.up("--build")
    seen = SimpleNamespace(first=stack.answer(), volumes=[volume(stack)])
    stack.add_a_package()
    stack.use_it()
    stack("up", "--detach", "--build", "--timeout", "0")
    until(lambda: "Cannot find package 'shout'" in stack.log(), "the missing package", DEADLINE)
    seen.stale = stack.packages()
    seen.image = docker("run", "--rm", stack.found()["Image"], "-p", "fs.readdirSync('node_modules').join()").stdout
    seen.volumes.append(volume(stack))
    stack.up("--renew-anon-volumes")
    seen.renewed, seen.answer = stack.packages(), stack.answer()
    seen.volumes.append(volume(stack))
    stack("down", "--volumes", "--timeout", "0")
    seen.left = [name for name in seen.volumes if not docker("volume", "rm", name, check=False).returncode]
    return seen


def test_volume_brings_packages_back(trap):
    """A volume without a name over node_modules is filled from the image, so that the packages are there again."""
    assert trap.first == FIRST


def test_volume_goes_stale(trap):
    """After up --build the new image has the new package, and the container has the volume of before, without it."""
    assert "shout" in trap.image
    assert trap.stale == ["greeting"]
    assert trap.volumes[1] == trap.volumes[0]


def test_renew(trap):
    """With --renew-anon-volumes the container gets a new volume, filled from the new image, with the package."""
    assert trap.volumes[2] != trap.volumes[0]
    assert trap.renewed == ["greeting", "shout"]
    assert trap.answer == FURTHER


def test_renew_leaves_the_old_one(trap):
    """The volume that --renew-anon-volumes replaced stays behind, even after docker compose down -v."""
    assert trap.left == [trap.volumes[0]]


# The command that is no command.


def test_command_goes_to_entrypoint(stack_of):
    """Without the target, command is handed to the ENTRYPOINT of the last stage: node runs the server, unwatched."""
    stack = stack_of("command", "compose.command.yaml")
    stack.up("--build")
    found, log = stack.found(), stack.log()
    stack("down", "--timeout", "0")

    assert [found["Path"], *found["Args"]][-4:] == ["node", "src/server.js", "node", "dev.js"]
    assert log == "listening [ 'node', 'dev.js' ]\n"


# docker compose watch.


@pytest.fixture(scope="module")
def runs(pytestconfig) -> int:
    """How often a timing is taken."""
    return RUNS if pytestconfig.getoption("--record") else 1


@contextlib.contextmanager
def watching(stack: Stack) -> Iterator[None]:
    """Have ``docker compose watch`` run, from the moment that it says so."""
    place = stack.folder / "watch.log"
    with place.open("w") as log:
        watch = subprocess.Popen(
            [stack.engine.docker, *stack.command, "watch"],
            env=stack.engine.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            until(lambda: "Watch enabled" in place.read_text(), "a watch that is enabled", 240)
            yield
        finally:
            watch.terminate()
            watch.wait(30)


@pytest.fixture(scope="module")
def watched(stack_of, runs) -> SimpleNamespace:
    """A stack that is edited while Compose watches, then afterwards."""
    stack = stack_of("watch")
    if stack.engine.facts["compose"].startswith("2.2"):
        pytest.skip("older Compose says otherwise that it watches")
    with watching(stack):
        stack.until(FIRST)
        container = stack.found()
        stack.edit()
        stack.until(EDITED)
        seen = SimpleNamespace(stack=stack, synced=after_edit(stack, container["Id"]))
        turn = iter(range(9))
        seen.seconds = [seconds_of_an_edit(stack, turn) for _ in range(runs)]
        stack.edit(words_of(stack), '"reader"')
        stack.until(EDITED)
        stack.add_a_package()
        until(lambda: rebuilt(stack, container), "another container", DEADLINE)
        stack.until(EDITED)
        seen.images = [container["Image"], stack.found()["Image"]]
        seen.packages = stack.packages()
        stack("exec", "-T", "web", "touch", "/app/src/made-inside")
        stack.use_it()
        stack.until(FURTHER)
        seen.came_back = (stack.folder / "src" / "made-inside").exists()
    stack.until(FURTHER)
    seen.ended = stack.answer()
    stack.up("--force-recreate")
    seen.recreated = stack.answer()
    stack("down", "--timeout", "0")
    return seen


def rebuilt(stack: Stack, before: dict) -> bool:
    """Say whether another container than `before` runs."""
    with contextlib.suppress(Exception):
        return stack.found()["Id"] != before["Id"] and stack.found()["State"]["Running"]
    return False


def test_watch_syncs(watched):
    """While docker compose watch runs, an edit is copied into the running container, and the answer is the new one."""
    assert watched.synced == {
        "the file in the container": "new",
        "the answer": "new",
        "the container": "the same",
    }


def test_watch_is_quick(watched, measure):
    """A further edit is copied as well, and is in the answers within a minute."""
    measure("watch", watched.seconds, "seconds", high=DEADLINE)


def test_watch_rebuilds(watched):
    """Another list of packages makes docker compose watch build another image, and run a container of that."""
    assert watched.images[0] != watched.images[1]
    assert watched.packages == ["greeting", "shout"]


def test_watch_copies_one_way(watched):
    """A file made in the container isn't on the host, even after a later edit: docker compose watch copies one way."""
    assert not watched.came_back


def test_watch_leaves_it_running(watched):
    """When docker compose watch ends, the container goes on."""
    assert watched.ended == FURTHER


def test_synced_is_not_built(watched):
    """What was copied is in the container and not in the image: a new container of that image answers without it."""
    assert watched.recreated == EDITED


def test_config_shows_watch(plain):
    """Docker compose config shows what is watched, and what follows."""
    rules = json.loads(plain.stack("config", "--format", "json"))["services"]["web"]["develop"]["watch"]

    assert [(Path(rule["path"]).name, rule["action"]) for rule in rules] == [
        ("src", "sync"),
        ("package.json", "rebuild"),
    ]


def test_what_an_edit_comes_to(plain, live, still, watched, table):
    """An edit arrives by a build, a mount, or a sync; with a mount alone, the answer stays the old one."""
    rows = {
        "`up`": plain.up,
        "`up --build`": plain.build,
        "a mount, and a program that watches": live,
        "a mount, and nobody who watches": still.row,
        "`docker compose watch`": watched.synced,
    }
    table("edit", "grid", [{"row": r, "column": c, "cell": v} for r, row in rows.items() for c, v in row.items()])

    assert [row["the file in the container"] for row in rows.values()] == ["old", "new", "new", "new", "new"]
    assert [row["the answer"] for row in rows.values()] == ["old", "new", "new", "old", "new"]
