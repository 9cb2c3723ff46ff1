"""Claims of the example postgres-data."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from drydock.engine import Engine
from drydock.fixtures import until

DATA = "/var/lib/postgresql/data"
FIRST_NOTE = "made by /docker-entrypoint-initdb.d/20-first-note.sh"
#: How many rows are added before a backup.
MANY = 1000


@dataclass
class Stack:
    """A copy of the example as a project of its own."""

    engine: Engine
    folder: Path
    project: str
    over: tuple[str, ...] = ()

    def __call__(self, *args: str, check: bool = True, text: str | None = None):
        """Run ``docker compose ARGS``."""
        files = [f"--file={self.folder / name}" for name in ("compose.yaml", *self.over)]
        command = ["compose", *files, "--project-name", self.project]
        return self.engine.run(*command, *args, check=check, text=text, timeout=300)

    def up(self, *options: str) -> None:
        """Start it, and wait until it is healthy."""
        self("up", "--detach", "--wait", *options)

    def exec(self, *words: str, check: bool = True, text: str | None = None):
        """Run a command in the container of the database."""
        return self("exec", "-T", "db", *words, check=check, text=text)

    def sql(self, text: str) -> str:
        """Have the database run SQL, over its socket, and return what it answers."""
        return self.exec("psql", "--username", "app", "-v", "ON_ERROR_STOP=1", "-tAqc", text).stdout.strip()

    def log(self) -> str:
        """Return what the container has printed."""
        done = self.engine.run("logs", f"{self.project}-db-1")
        return done.stdout + done.stderr

    def found(self) -> dict:
        """Return what ``docker inspect`` says of the container."""
        return json.loads(self.engine.run("inspect", f"{self.project}-db-1").stdout)[0]

    def write_password(self, password: str) -> None:
        """Write the file that the password is in."""
        place = self.folder / "db-password.txt"
        place.write_text(password)
        place.chmod(0o644)

    def let_in(self, password: str):
        """Ask over the network, with a password."""
        words = ["--host", "db", "--username", "app", "-tAc", "SELECT 1"]
        return self("exec", "-T", "--env", f"PGPASSWORD={password}", "db", "psql", *words, check=False)


@pytest.fixture(scope="module")
def stack_of(engine, example, prefix, tmp_path_factory) -> Callable[..., Stack]:
    """Make a copy of the example, with a password, and name its project."""

    def call(name: str, *over: str) -> Stack:
        stack = Stack(engine, example.copy_to(tmp_path_factory.mktemp(name)), f"{prefix}-{name}", over)
        stack.write_password("first")
        return stack

    return call


@pytest.fixture(scope="module")
def stack(stack_of) -> Stack:
    """The stack that most claims share."""
    stack = stack_of("stack")
    stack.up()
    return stack


@pytest.fixture(scope="module")
def first(stack) -> SimpleNamespace:
    """What the database said and had as it was made."""
    return SimpleNamespace(log=stack.log(), notes=stack.sql("SELECT * FROM notes"))


@pytest.fixture(scope="module")
def later(stack, first) -> SimpleNamespace:
    """The same after it was taken down and made again, with another script and another password."""
    stack.sql("INSERT INTO notes VALUES ('by hand')")
    (stack.folder / "init" / "30-tags.sql").write_text("CREATE TABLE tags (word text);\n")
    stack.write_password("second")
    stack("down")
    stack.up()
    return SimpleNamespace(
        log=stack.log(),
        notes=stack.sql("SELECT * FROM notes"),
        tags=stack.sql("SELECT to_regclass('tags') IS NOT NULL"),
        second=stack.let_in("second"),
        first=stack.let_in("first"),
    )


def test_survives_down(first, later):
    """What was written is there after docker compose down and up."""
    assert first.notes == FIRST_NOTE
    assert later.notes.splitlines() == [FIRST_NOTE, "by hand"]


def test_init_scripts(first):
    """On an empty volume, the scripts in the folder are run in the order of their names, SQL and shell alike."""
    running = [line.split(".d/")[1] for line in first.log.splitlines() if ": running " in line]

    assert running == ["10-notes.sql", "20-first-note.sh"]


def test_init_scripts_run_once(later):
    """A script that is added later is not run, and the log says that it was skipped."""
    assert later.tags == "f"
    assert "Skipping initialization" in later.log
    assert "30-tags.sql" not in later.log


def test_password_stays(later):
    """Another password in the file has no effect on a database that exists: it goes on to let in the first alone."""
    assert later.first.returncode == 0
    assert later.second.returncode != 0
    assert 'password authentication failed for user "app"' in later.second.stderr


def test_alter_role(stack, later):
    """ALTER ROLE changes the password, and keeps the data."""
    stack.sql("ALTER ROLE app PASSWORD 'second'")
    said = [stack.let_in(password).returncode == 0 for password in ("first", "second")]
    kept = stack.sql("SELECT * FROM notes")

    assert said == [False, True]
    assert kept == later.notes


def test_socket_asks_for_none(stack):
    """Over its socket the database asks psql for no password; over the network it does."""
    socket = stack.exec("psql", "--no-password", "--username", "app", "-c", "SELECT 1", check=False)
    network = stack.exec("psql", "--no-password", "--host", "db", "--username", "app", "-c", "SELECT 1", check=False)

    assert socket.returncode == 0
    assert network.returncode != 0
    assert "no password supplied" in network.stderr


def test_kill(stack, docker):
    """After a kill, what was committed is there: at its next start the database recovers by itself."""
    stack.sql("INSERT INTO notes VALUES ('before the kill')")
    docker("kill", f"{stack.project}-db-1")
    stack.up()

    assert "before the kill" in stack.sql("SELECT * FROM notes")
    assert "database system was not properly shut down; automatic recovery in progress" in stack.log()


def test_image_with_scripts(docker, build, name):
    """Scripts that are in the image are run as mounted ones are, also where the container is not started by root."""
    run = ["run", "--detach", "--name", name("db"), "--env", "POSTGRES_USER=app", "--env", "POSTGRES_PASSWORD=first"]
    docker(*run, build())

    def notes() -> str:
        ask = ["psql", "--host", "127.0.0.1", "--username", "app", "-tAc", "SELECT * FROM notes"]
        return docker("exec", name("db"), *ask, check=False).stdout.strip()

    assert until(notes, "the notes", 60) == FIRST_NOTE
    assert docker("exec", name("db"), "id", "-u").stdout == "999\n"


# A script that fails.


@pytest.fixture(scope="module")
def broken(stack_of) -> SimpleNamespace:
    """A stack with a script that fails, and what becomes of it at the second try."""
    stack = stack_of("broken", "compose.broken.yaml")
    first = stack("up", "--detach", "--wait", check=False)
    seen = SimpleNamespace(first=first.returncode, log=stack.log(), exit=stack.found()["State"]["ExitCode"])
    stack.up()
    seen.second, seen.notes = stack.found()["State"]["Health"]["Status"], stack.sql("SELECT count(*) FROM notes")
    seen.skipped = "Skipping initialization" in stack.log()
    stack("down", "--volumes", "--timeout", "5")
    return seen


def test_a_script_that_fails(broken):
    """When a script fails, the container ends with an error, and its log names the script and the line."""
    assert broken.first != 0
    assert broken.exit != 0
    assert '20-typo.sql:1: ERROR:  relation "ntoes" does not exist' in broken.log


def test_half_made(broken):
    """After that, the next start takes the half-made database for a good one: it is healthy, and runs no script."""
    assert broken.second == "healthy"
    assert broken.skipped
    assert broken.notes == "0"


# Backups.


@pytest.fixture(scope="module")
def full(stack_of) -> Stack:
    """A stack with something to lose."""
    stack = stack_of("full")
    stack.up()
    stack.sql(f"INSERT INTO notes SELECT 'note ' || n FROM generate_series(1, {MANY}) n")
    return stack


@pytest.fixture(scope="module")
def rows(full) -> str:
    """All that is in its table."""
    return full.sql("COPY notes TO STDOUT")


def test_dump(full, rows, stack_of):
    """A dump restores every row into a new database, and with --clean it replaces the tables that are there already."""
    words = ["pg_dump", "--username", "app", "--format", "custom", "--file", "/tmp/notes.dump", "app"]
    full.exec(*words)
    full.engine.run("cp", f"{full.project}-db-1:/tmp/notes.dump", str(full.folder))
    other = stack_of("other")
    other.up()
    before = other.sql("COPY notes TO STDOUT")
    other.engine.run("cp", str(full.folder / "notes.dump"), f"{other.project}-db-1:/tmp/notes.dump")
    restore = ["pg_restore", "--username", "app", "--dbname", "app", "--exit-on-error"]
    other.exec(*restore, "--clean", "--if-exists", "/tmp/notes.dump")
    again = other.exec(*restore, "/tmp/notes.dump", check=False)
    after = other.sql("COPY notes TO STDOUT")
    other("down", "--volumes", "--timeout", "5")

    assert before == FIRST_NOTE
    assert after == rows
    assert len(after.splitlines()) == MANY + 1
    assert again.returncode != 0
    assert 'relation "notes" already exists' in again.stderr


def test_dump_is_of_one_moment(full):
    """A dump has what was committed when it began, and nothing of a transaction that is still open."""
    begin = "BEGIN; INSERT INTO notes VALUES ('not committed'); SELECT pg_sleep(60)"
    full("exec", "--detach", "db", "psql", "--username", "app", "--command", begin)
    asked = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'BEGIN; INSERT%' AND wait_event = 'PgSleep'"
    until(lambda: full.sql(asked) == "1", "an open transaction")
    dump = full.exec("pg_dump", "--username", "app", "--data-only", "app").stdout
    full.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; INSERT%'")

    assert f"note {MANY}" in dump
    assert "not committed" not in dump


@pytest.fixture(scope="module")
def copied(full, rows, docker, prefix) -> SimpleNamespace:
    """A copy of the files of a stopped database, in a volume of its own, and a database that runs on it."""
    full("stop")
    source, target, busybox = f"{full.project}_data", f"{prefix}-copy", "busybox:1.37"
    found = full.found()
    seen = SimpleNamespace(exit=found["State"]["ExitCode"], log=full.log(), volume=target)
    seen.grace = found["Config"].get("StopTimeout")
    copy = "tar -C /a -c . | tar -C /b -x"
    both = ["run", "--rm", "--volume", f"{source}:/a:ro", "--volume", f"{target}:/b", busybox, "sh", "-c"]
    docker(*both, copy)
    listed = "cd $0; find . -exec stat -c '%n %F %a %u:%g %s' {} +; find . -type f -exec sha256sum {} +"
    seen.files = [docker(*both, listed, place).stdout for place in ("/a", "/b")]
    docker("run", "--detach", "--name", target, "--volume", f"{target}:{DATA}", "postgres:17")
    ask = ["psql", "--username", "app", "-tAqc", "COPY notes TO STDOUT"]
    seen.rows = until(lambda: docker("exec", target, *ask, check=False).stdout.strip(), "the rows")
    docker("rm", "--force", "--volumes", target)
    full.up()
    return seen


def test_copy_is_equal(copied):
    """The copy of a stopped database's files is equal to the last byte, with the same owners and modes."""
    assert sorted(copied.files[0].splitlines()) == sorted(copied.files[1].splitlines())
    assert len(copied.files[0].splitlines()) > 1000


def test_copy_runs(copied, rows):
    """A database of the same version runs on the copy, asks for no password to start, and has every row."""
    assert copied.rows == rows


def test_stop_is_clean(copied):
    """Docker compose stop gives the database a minute and ends it properly: it says so, and exits with 0."""
    assert copied.grace == 60
    assert copied.exit == 0
    assert "database system is shut down" in copied.log


def test_local(full, docker):
    """A volume is the engine's own: its driver is local, and so is its scope."""
    [found] = json.loads(docker("volume", "inspect", f"{full.project}_data").stdout)

    assert (found["Driver"], found["Scope"]) == ("local", "local")


# Another version, another place.


def test_other_major(copied, docker):
    """Files of another major version are refused: the container ends, and its log names both versions."""
    docker(
        "run", "--rm", "--volume", f"{copied.volume}:/data", "busybox:1.37", "sh", "-c", "echo 16 > /data/PG_VERSION"
    )
    done = docker("run", "--rm", "--volume", f"{copied.volume}:{DATA}", "postgres:17", check=False)

    assert done.returncode != 0
    assert "database files are incompatible with server" in done.stderr
    assert "initialized by PostgreSQL version 16, which is not compatible with this version 17" in done.stderr


@pytest.fixture(scope="module")
def parent(stack_of, docker) -> SimpleNamespace:
    """A stack whose volume is mounted one folder too high."""
    stack = stack_of("parent", "compose.parent.yaml")
    stack.up()
    stack.sql("INSERT INTO notes VALUES ('by hand')")
    mounts = {each["Destination"]: each["Name"] for each in stack.found()["Mounts"] if each["Type"] == "volume"}
    named = f"{stack.project}_data"
    inside = docker(
        "run", "--rm", "--volume", f"{named}:/data:ro", "busybox:1.37", "find", "/data", "-type", "f"
    ).stdout
    seen = SimpleNamespace(mounts=mounts, named=named, inside=inside)
    stack("down")
    stack.up()
    seen.notes = stack.sql("SELECT * FROM notes")
    stack("down", "--volumes", "--timeout", "5")
    seen.left = docker("volume", "rm", mounts[DATA], check=False).returncode == 0
    return seen


def test_one_folder_too_high(parent):
    """With postgres:17 and a volume at /var/lib/postgresql, the files go to a second volume, which has no name."""
    assert parent.mounts["/var/lib/postgresql"] == parent.named
    assert re.fullmatch("[0-9a-f]{64}", parent.mounts[DATA])
    assert parent.inside == ""


def test_lost_with_down(parent):
    """After docker compose down and up, that database is a new one: the volume with what was written is left behind."""
    assert parent.notes == FIRST_NOTE
    assert parent.left
