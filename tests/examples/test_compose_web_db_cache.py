"""Claims of the example compose-web-db-cache."""

from __future__ import annotations

import json
import socket
import urllib.request
from datetime import datetime
from functools import partial
from types import SimpleNamespace

import pytest

PASSWORD = "a-password-of-this-test"


def _write_password(folder, password=PASSWORD):
    place = folder / "db-password.txt"
    place.write_text(f"{password}\n")
    place.chmod(0o644)


def _get(address, path=""):
    with urllib.request.urlopen(f"http://{address}/{path}", timeout=10) as answer:
        return SimpleNamespace(status=answer.status, **json.load(answer))


@pytest.fixture(scope="module")
def docker_compose_file(folder):
    """The example's Compose file, in its copy, with the password file that its reader makes."""
    _write_password(folder)
    return str(folder / "compose.yaml")


@pytest.fixture(scope="module")
def compose(docker, folder, docker_compose_project_name):
    """Run ``docker compose ARGS`` on the stack that all claims share."""
    return _compose(docker, folder, docker_compose_project_name)


def _compose(docker, folder, project):
    def call(*args, check=True):
        return docker("compose", "--project-directory", str(folder), "--project-name", project, *args, check=check)

    return call


@pytest.fixture(scope="module")
def stack(docker, docker_services, docker_compose_project_name):
    """What ``docker inspect`` says of the stack's containers, by service, as soon as all are healthy."""
    names = [f"{docker_compose_project_name}-{service}-1" for service in ("web", "db", "cache")]
    return dict(zip(("web", "db", "cache"), json.loads(docker("inspect", *names).stdout), strict=True))


@pytest.fixture(scope="module")
def page(compose, stack):
    """Get a path of the running stack's page: ``page("health")``."""
    return lambda path="": _get(compose("port", "web", "8000").stdout.strip(), path)


def _first_healthy(container):
    probes = container["State"]["Health"]["Log"]
    return min(datetime.fromisoformat(probe["End"]) for probe in probes if probe["ExitCode"] == 0)


def _started(container):
    return datetime.fromisoformat(container["State"]["StartedAt"])


def test_is_healthy(page):
    """The stack comes up, and web answers that both the database and the cache answer it."""
    health = page("health")

    assert health.status == 200
    assert (health.database, health.cache) == ("ok", "ok")


def test_starts_when_ready(stack):
    """Compose starts web only when the health checks of db and cache have succeeded."""
    assert _started(stack["web"]) > _first_healthy(stack["db"])
    assert _started(stack["web"]) > _first_healthy(stack["cache"])


def test_first_start(docker, folder, name, measure, repeat):
    """A first start, with an empty database, waits for the database, and ends with all three healthy."""
    compose = _compose(docker, folder, name("first"))

    def start():
        compose("up", "--detach", "--wait")
        web, db = json.loads(docker("inspect", *(f"{name('first')}-{service}-1" for service in ("web", "db"))).stdout)
        compose("down", "--volumes", "--timeout", "0", "--rmi", "local")
        created = datetime.fromisoformat(db["Created"])
        return (_started(web) - _started(db)).total_seconds(), (_first_healthy(web) - created).total_seconds()

    gates, starts = zip(*repeat(start), strict=True)
    measure("gate", gates, "seconds", low=0.1, high=60)
    measure("start-to-healthy", starts, "seconds", low=0.5, high=90)


def test_cache_answers_second(page, compose):
    """The first greeting is read from the database; the next ones come from the cache, until it forgets."""
    compose("exec", "cache", "redis-cli", "del", "greeting")
    sources = [page().greeting_from for _ in range(3)]
    compose("exec", "cache", "redis-cli", "del", "greeting")

    assert sources == ["database", "cache", "cache"]
    assert page().greeting_from == "database"


def test_cache_forgets_by_itself(page, compose, stack):
    """Redis keeps the greeting for a minute at most; it saves nothing, and has no place to save to."""
    page()
    left = int(compose("exec", "cache", "redis-cli", "ttl", "greeting").stdout)
    saves = compose("exec", "cache", "redis-cli", "config", "get", "save").stdout.split()

    assert 0 < left <= 60
    assert saves == ["save"]
    assert not stack["cache"]["Mounts"]
    assert stack["cache"]["HostConfig"]["ReadonlyRootfs"]


def test_counts_in_the_database(page, compose):
    """The visits are rows in Postgres: what the page says is what psql counts."""
    before = page().visits
    after = page().visits
    counted = compose("exec", "db", "psql", "--username", "app", "-tAc", "SELECT count(*) FROM visits").stdout

    assert after == before + 1
    assert int(counted) == after


def test_versions(compose, stack):
    """The database is Postgres 17, and the cache is Redis 8."""
    assert compose("exec", "db", "postgres", "--version").stdout.startswith("postgres (PostgreSQL) 17.")
    assert "v=8." in compose("exec", "cache", "redis-server", "--version").stdout


def test_only_web_is_published(stack):
    """Only web has a published port, on this machine alone; db and cache have none."""
    ports = {service: found["NetworkSettings"]["Ports"] for service, found in stack.items()}

    assert [each["HostIp"] for each in ports["web"]["8000/tcp"]] == ["127.0.0.1"]
    assert not any(ports["db"].values())
    assert not any(ports["cache"].values())


def test_services_are_host_names(compose, stack):
    """Web reaches db and cache by the names of their services, at ports that nobody published."""
    reach = "import socket; [socket.create_connection(a, 3) for a in [('db', 5432), ('cache', 6379)]]"
    asked = compose("exec", "web", "getent", "hosts", "db").stdout.split()
    [network] = stack["db"]["NetworkSettings"]["Networks"].values()

    assert compose("exec", "web", "python", "-c", reach, check=False).returncode == 0
    assert asked[0] == network["IPAddress"]


def test_password_is_not_in_inspect(stack, compose):
    """Docker inspect shows the password nowhere: web and db read it from a file, which cache does not have."""
    read = {s: compose("exec", s, "cat", "/run/secrets/db-password", check=False).stdout.strip() for s in stack}

    assert PASSWORD not in json.dumps(stack)
    assert "POSTGRES_PASSWORD_FILE=/run/secrets/db-password" in stack["db"]["Config"]["Env"]
    assert read == {"web": PASSWORD, "db": PASSWORD, "cache": ""}


def test_password_is_asked_for(compose, stack):
    """Over the network, the database refuses a wrong password."""
    connect = "import psycopg; psycopg.connect(host='db', user='app', password='wrong')"
    refused = compose("exec", "web", "python", "-c", connect, check=False)

    assert refused.returncode != 0
    assert 'password authentication failed for user "app"' in refused.stderr


def test_web_is_confined(compose, stack):
    """Web runs as user 10001, can gain no capability, and can write to /tmp while its root file system is read-only."""
    status = compose("exec", "web", "grep", "-E", "^(Uid|CapBnd|NoNewPrivs)", "/proc/1/status").stdout.split()
    compose("exec", "web", "touch", "/tmp/here")
    elsewhere = compose("exec", "web", "touch", "/var/tmp/here", check=False)

    assert status[:2] == ["Uid:", "10001"]
    assert status[-4:] == ["CapBnd:", "0000000000000000", "NoNewPrivs:", "1"]
    assert "Read-only file system" in elsewhere.stderr
    assert stack["web"]["HostConfig"]["ReadonlyRootfs"]


def test_logs_name_their_service(compose, stack):
    """Without a name, docker compose logs shows all services, each line behind the name of its container."""
    logs = compose("logs", "--no-color").stdout.splitlines()

    # Compose 2.26 has the terminal erase each line before it.
    assert {line.partition("|")[0].strip().removeprefix("\x1b[2K") for line in logs} == {"web-1", "db-1", "cache-1"}


def test_database_may_come_back(docker, compose, page, stack):
    """After a restart of db alone, web answers again without a restart of its own."""
    compose("restart", "db")
    compose("up", "--detach", "--wait", "--no-recreate")
    [web] = json.loads(docker("inspect", stack["web"]["Id"]).stdout)

    assert page("health").status == 200
    assert web["State"]["StartedAt"] == stack["web"]["State"]["StartedAt"]


def test_exec_needs_a_running_container(docker, compose, stack):
    """On a stopped service docker compose exec fails; docker compose run makes a container for one command."""
    compose("stop", "web")
    failed = compose("exec", "web", "flask", "visits", check=False)
    once = compose("run", "--rm", "web", "flask", "visits")
    compose("up", "--detach", "--wait", "--no-recreate")

    assert failed.returncode == 1
    assert 'service "web" is not running' in failed.stderr
    assert once.stdout.endswith(" visits\n")


def test_refuses_without_a_password(docker, name):
    """Postgres without a password does not start: its container exits with status 1 and says why."""
    done = docker("run", "--rm", "--name", name("refuse"), "postgres:17", check=False, timeout=300)

    assert done.returncode == 1
    assert "Database is uninitialized and superuser password is not specified" in done.stderr


@pytest.fixture(scope="module")
def life(docker, example, prefix, tmp_path_factory):
    """A stack's life in its own project: the page's answers, and what was left, after each thing done to it."""
    project = f"{prefix}-life"
    folder = example.copy_to(tmp_path_factory.mktemp("life"))
    compose = _compose(docker, folder, project)

    def up(*options):
        compose("up", "--detach", "--wait", *options)
        return _get(compose("port", "web", "8000").stdout.strip())

    def left(kind, *options):
        label = f"label=com.docker.compose.project={project}"
        return docker(kind, "ls", *options, "--quiet", "--filter", label).stdout.split()

    def everything():
        return {"containers": left("container", "--all"), "networks": left("network"), "volumes": left("volume")}

    _write_password(folder)
    seen = SimpleNamespace(first=up(), recreated=up("--force-recreate"))
    with (folder / "init.sql").open("a") as script:
        script.write("UPDATE greeting SET words = 'Ahoy.';\n")
    _write_password(folder, "another")
    compose("down")
    seen.after_down = everything()
    seen.with_another_password = compose("run", "--rm", "web", "flask", "visits", check=False)
    _write_password(folder)
    seen.kept = up()
    compose("down", "--volumes")
    seen.after_down_volumes = everything()
    seen.forgotten = up()
    return seen


def test_survives_new_containers(life):
    """The count goes on when docker compose up --force-recreate replaces all containers."""
    assert (life.first.visits, life.recreated.visits) == (1, 2)


def test_down_keeps_the_volume(life, prefix):
    """Docker compose down removes containers and network and leaves the volume: at the next up the count goes on."""
    assert life.after_down == {"containers": [], "networks": [], "volumes": [f"{prefix}-life_db-data"]}
    assert life.kept.visits == 3


def test_down_volumes_forgets(life):
    """With --volumes, docker compose down removes the volume as well: at the next up the count begins at 1."""
    assert life.after_down_volumes == {"containers": [], "networks": [], "volumes": []}
    assert life.forgotten.visits == 1


def test_cache_does_not_survive(life):
    """A new container of the cache is empty: the greeting comes from the database again."""
    assert {life.recreated.greeting_from, life.kept.greeting_from} == {"database"}


def test_init_script_runs_once(life):
    """A changed init.sql has no effect on a volume that holds a database; on an empty one it runs."""
    assert life.first.greeting == life.kept.greeting == "Welcome aboard."
    assert life.forgotten.greeting == "Ahoy."


def test_first_password_stays(life):
    """A changed password file has no effect on a volume that holds a database: the new password is refused."""
    assert life.with_another_password.returncode == 1
    assert 'password authentication failed for user "app"' in life.with_another_password.stderr


# For the pictures.

LISTENS = {"web": 8000, "db": 5432, "cache": 6379}
ASK = 'getent hosts "$0" > /dev/null && echo resolves; exec 3<> "/dev/tcp/$0/$1" && echo connects'


def _probe(run, source, network, target):
    said = run("timeout", "5", "bash", "-c", ASK, target, str(LISTENS[target])).stdout.split()
    return _pair(source, network, target, target, resolves="resolves" in said, connects="connects" in said)


def _pair(source, network, target, alias, **found):
    pair = {"from": source, "to": target, "network": network, "alias": alias, "port": LISTENS[target], "published": ""}
    return pair | {"resolves": None, "connects": None} | found


def _from_here(target, compose):
    address = compose("port", target, str(LISTENS[target]), check=False).stdout.strip()
    host, _, port = address.rpartition(":")
    if not host:
        return _pair("this machine", "", target, "")
    with socket.create_connection((host, int(port)), 5):
        return _pair("this machine", "", target, "", published=host, connects=True)


@pytest.fixture
def probes(docker, compose, stack, name):
    """Have each service ask for each other one, then this machine, then a container that is not in the project."""
    [network] = {key.rpartition("_")[2] for found in stack.values() for key in found["NetworkSettings"]["Networks"]}
    elsewhere = ["run", "--rm", "--name", name("elsewhere"), "--network", "bridge", stack["web"]["Image"]]
    rows = [_from_here(target, compose) for target in LISTENS]
    for source in LISTENS:
        inside = partial(compose, "exec", "-T", source, check=False)
        rows += [_probe(inside, source, network, target) for target in LISTENS if target != source]
    return rows + [_probe(partial(docker, *elsewhere, check=False), "elsewhere", "bridge", t) for t in LISTENS]


def test_who_reaches_whom(probes, table):
    """By name, all three reach each other, and a container elsewhere reaches none; web's published port answers."""
    table("network", "network", probes)
    reached = [(row["from"], row["to"]) for row in probes if row["connects"]]
    resolved = [(row["from"], row["to"]) for row in probes if row["resolves"]]
    inside = [(source, target) for source in LISTENS for target in LISTENS if source != target]

    assert resolved == inside
    assert reached == [("this machine", "web"), *inside]
