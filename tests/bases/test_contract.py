"""The properties of base images that examples rely on, for official images and for stand-ins."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from subprocess import CompletedProcess
from typing import Any

import pytest

from drydock.engine.client import Engine
from drydock.engine.private import stand_ins

Docker = Callable[..., CompletedProcess[str]]
Name = Callable[[str], str]

DEBIAN = "debian:trixie-slim"
BUSYBOX = "busybox:1.37"
PYTHON = "python:3.13-slim"
GOLANG = "golang:1.27"
NODE = "node:24-slim"
POSTGRES = "postgres:17"
REDIS = "redis:8"
NGINX = "nginx:1.30"
REGISTRY = "registry:3"
STATIC = "gcr.io/distroless/static-debian13:latest"
STATIC_NONROOT = "gcr.io/distroless/static-debian13:nonroot"

#: Seconds a first pull may take.
PULL = 600
#: Seconds for a server to be ready, and between two probes.
READY, PAUSE = 20.0, 0.05


def on(*references: str) -> pytest.MarkDecorator:
    """Run a test on each of these images; the tests of one image stay on one worker, which pulls it once."""
    cases = [pytest.param(each, id=each, marks=pytest.mark.xdist_group(f"base-{each}")) for each in references]
    return pytest.mark.parametrize("image", cases, indirect=True)


@pytest.fixture
def image(request: pytest.FixtureRequest, docker: Docker) -> str:
    """The reference of an image that the engine has."""
    reference: str = request.param
    if docker("image", "inspect", reference, check=False).returncode:
        docker("pull", "--quiet", reference, timeout=PULL)
    return reference


def settings(docker: Docker, image: str) -> Mapping[str, Any]:
    """Return the image's configuration."""
    return dict(json.loads(docker("image", "inspect", "--format", "{{json .Config}}", image).stdout))


def environment(docker: Docker, image: str) -> dict[str, str]:
    """Return the variables that the image sets."""
    return dict(entry.split("=", 1) for entry in settings(docker, image).get("Env") or [])


def run(docker: Docker, image: str, *command: str, options: tuple[str, ...] = (), text: str | None = None) -> str:
    """Run a command in a new container of `image`, without a network unless asked, and return what it printed."""
    network = () if "--network" in options else ("--network", "none")
    stdin = () if text is None else ("--interactive",)
    return docker("run", "--rm", *network, *stdin, *options, image, *command, input=text).stdout


def eventually(docker: Docker, container: str, probe: Callable[[], CompletedProcess[str]]) -> str:
    """Wait until `probe` succeeds and return what it printed; if it does not, show how it ended and the log."""
    deadline = time.monotonic() + READY
    while (done := probe()).returncode:
        if time.monotonic() > deadline:
            logs = docker("logs", "--tail", "20", container, check=False)
            pytest.fail(f"after {READY:g} s: {done.stdout}{done.stderr}\nlog: {logs.stdout}{logs.stderr}")
        time.sleep(PAUSE)
    return done.stdout


def missing(docker: Docker, image: str, *programs: str) -> list[str]:
    """Return those of `programs` that the image does not have."""
    script = 'for name in "$@"; do command -v "$name" >/dev/null || echo "$name"; done'
    return run(docker, image, "sh", "-c", script, "sh", *programs, options=("--entrypoint", "")).split()


# All


@on(*stand_ins.list_references())
def test_a_stand_in_says_what_it_is(docker: Docker, image: str) -> None:
    """A stand-in is labelled with what it stands for, its version and this recipe; an official image is not."""
    labels = settings(docker, image).get("Labels") or {}
    ours = {name: value for name, value in labels.items() if name.startswith(stand_ins.STAND_IN_LABEL)}
    if not ours:
        assert image in docker("image", "inspect", "--format", "{{json .RepoTags}}", image).stdout
        assert docker("image", "inspect", "--format", "{{len .RepoDigests}}", image).stdout.strip() != "0"
        return
    assert re.fullmatch(r"\d+(\.\d+)+", ours.pop(f"{stand_ins.STAND_IN_LABEL}.version"))
    recipe = {f"{stand_ins.STAND_IN_LABEL}.recipe": stand_ins.recipe_digest()}
    assert ours == {stand_ins.STAND_IN_LABEL: "true", f"{stand_ins.STAND_IN_LABEL}.for": image, **recipe}


def test_every_reference_is_tested() -> None:
    """The list of stand-ins and the images of this file are the same."""
    here = {DEBIAN, BUSYBOX, PYTHON, GOLANG, NODE, POSTGRES, REDIS, NGINX, REGISTRY, STATIC, STATIC_NONROOT}
    assert set(stand_ins.list_references()) == here


@on(DEBIAN, PYTHON)
def test_apt_leaves_nothing_behind(docker: Docker, image: str) -> None:
    """The image has no package lists, downloaded packages, or caches of apt; a release's signed file may be left."""
    places = ("/var/lib/apt/lists", "/var/cache/apt")
    condition = ("-type", "f", "-size", "+0", "!", "-name", "*InRelease")
    found = run(docker, image, "find", *places, *condition, options=("--entrypoint", ""))
    assert found == ""


@on(DEBIAN, PYTHON, NODE, NGINX, GOLANG, POSTGRES, REDIS, BUSYBOX)
def test_runs_as_root_unless_told(docker: Docker, image: str) -> None:
    """The image sets no user: without --user a command starts as root."""
    assert settings(docker, image).get("User", "") == ""


# Debian


@on(DEBIAN)
def test_debian_is_trixie(docker: Docker, image: str) -> None:
    """debian:trixie-slim is Debian 13."""
    assert 'VERSION_ID="13"' in run(docker, image, "cat", "/etc/os-release").splitlines()


@on(DEBIAN)
def test_debian_is_one_layer(docker: Docker, image: str) -> None:
    """debian:trixie-slim is a single layer, and starts bash."""
    assert docker("image", "inspect", "--format", "{{len .RootFS.Layers}}", image).stdout == "1\n"
    assert settings(docker, image)["Cmd"] == ["bash"]


@on(DEBIAN)
def test_debian_sh_is_dash(docker: Docker, image: str) -> None:
    """/bin/sh is dash, which stays the parent of what it runs."""
    assert run(docker, image, "readlink", "-f", "/bin/sh").rstrip().endswith("/dash")


@on(DEBIAN)
def test_debian_has_no_docs(docker: Docker, image: str) -> None:
    """Slim means: no manuals, no translations, and none of packages installed later."""
    assert run(docker, image, "find", "/usr/share/man", "-type", "f") == ""
    assert "path-exclude" in run(docker, image, "sh", "-c", "cat /etc/dpkg/dpkg.cfg.d/*")


@on(DEBIAN)
def test_debian_has_few_tools(docker: Docker, image: str) -> None:
    """There is useradd, but no adduser, curl, wget, ps, ping, ip or Python."""
    programs = ("adduser", "curl", "wget", "ps", "ping", "ip", "python3")
    assert missing(docker, image, "useradd", *programs) == list(programs)


@on(DEBIAN)
def test_debian_starts_no_service_on_install(docker: Docker, image: str) -> None:
    """A package that is installed must not start its service."""
    done = docker("run", "--rm", image, "/usr/sbin/policy-rc.d", check=False)
    assert done.returncode == 101


# busybox


@on(BUSYBOX)
def test_busybox_has_its_applets(docker: Docker, image: str) -> None:
    """sh, wget, httpd, nslookup, nc, vi, adduser and addgroup are there; /bin/sh is the default command."""
    assert missing(docker, image, "sh", "wget", "httpd", "nslookup", "nc", "vi", "adduser", "addgroup") == []
    assert settings(docker, image)["Cmd"] == ["sh"]


@on(BUSYBOX)
def test_busybox_adds_system_users(docker: Docker, image: str) -> None:
    """addgroup -S and adduser -S -D -H -u work without a question."""
    script = "addgroup -S -g 10001 app && adduser -S -D -H -u 10001 -G app app && id app"
    assert run(docker, image, "sh", "-c", script) == "uid=10001(app) gid=10001(app) groups=10001(app)\n"


@on(BUSYBOX)
def test_busybox_serves_and_fetches(docker: Docker, image: str) -> None:
    """Its httpd serves a file that its wget fetches."""
    script = "mkdir /w && echo hello >/w/index.html && httpd -h /w -p 8080 && wget -qO- http://127.0.0.1:8080/"
    assert run(docker, image, "sh", "-c", script) == "hello\n"


@on(BUSYBOX)
def test_busybox_resolves_names(docker: Docker, image: str, name: Name) -> None:
    """On a network of one's own it finds another container by its name."""
    network, server = name("net"), name("httpd")
    docker("network", "create", network)
    docker("run", "--detach", "--network", network, "--name", server, image, "httpd", "-f", "-h", "/etc", "-p", "80")
    command = ("run", "--rm", "--network", network, image, "wget", "-qO-", f"http://{server}/hostname")
    assert eventually(docker, server, lambda: docker(*command, check=False)).strip()


@on(BUSYBOX)
def test_busybox_has_tmp_for_all(docker: Docker, image: str) -> None:
    """/tmp is writable for every user."""
    assert run(docker, image, "stat", "-c", "%a", "/tmp", options=("--user", "10001")) == "1777\n"


# Python


@on(PYTHON)
def test_python_is_in_usr_local(docker: Docker, image: str) -> None:
    """`python` is Python 3.13 of /usr/local, and what pip installs goes to /usr/local/lib/python3.13/site-packages."""
    code = "import sys, sysconfig; print(sys.executable, sys.version_info[:2], sysconfig.get_path('purelib'))"
    expected = "/usr/local/bin/python (3, 13) /usr/local/lib/python3.13/site-packages\n"
    assert run(docker, image, "python", "-c", code) == expected


# A package of one module, built by hand: no network, no build backend.
WHEEL = """
import zipfile
with zipfile.ZipFile("tiny-1.0-py3-none-any.whl", "w") as wheel:
    wheel.writestr("tiny.py", "")
    wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n")
    wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr("tiny-1.0.dist-info/RECORD", "")
"""


@on(PYTHON)
def test_pip_installs_without_a_flag(docker: Docker, image: str) -> None:
    """`pip install` works as root with no virtual environment: the system doesn't own that Python."""
    show = "import tiny; print(tiny.__file__)"
    script = f'cd /tmp && python - && pip install -q --no-index ./tiny-*.whl && python -c "{show}"'
    assert run(docker, image, "sh", "-c", script, text=WHEEL) == "/usr/local/lib/python3.13/site-packages/tiny.py\n"


@on(PYTHON)
def test_python_makes_virtual_environments(docker: Docker, image: str) -> None:
    """`python -m venv` makes an environment with pip in it, whose python is the image's."""
    script = "python -m venv /v && /v/bin/pip --version && readlink -f /v/bin/python"
    pip, python = run(docker, image, "sh", "-c", script).splitlines()
    assert "from /v/lib/python3.13/site-packages/pip" in pip
    assert python == "/usr/local/bin/python3.13"


@on(PYTHON)
def test_python_has_its_modules(docker: Docker, image: str) -> None:
    """The modules that need a C library load: ssl, sqlite3, ctypes, bz2, lzma, zlib, readline, curses, uuid."""
    modules = "ssl, sqlite3, ctypes, bz2, lzma, zlib, readline, curses, uuid, asyncio, zoneinfo"
    run(docker, image, "python", "-c", f"import {modules}; zoneinfo.ZoneInfo('Europe/Paris')")


@on(PYTHON)
def test_python_trusts_authorities(docker: Docker, image: str) -> None:
    """Python's TLS has certificate authorities to trust."""
    code = "import ssl; store = ssl.SSLContext(); store.load_verify_locations(ssl.get_default_verify_paths().cafile or "
    code += "'/etc/ssl/certs/ca-certificates.crt'); print(store.cert_store_stats()['x509_ca'])"
    assert int(run(docker, image, "python", "-c", code)) > 50


@on(PYTHON)
def test_python_slim_has_few_tools(docker: Docker, image: str) -> None:
    """There is no curl, wget, adduser, ps, gcc or git."""
    programs = ("curl", "wget", "adduser", "ps", "gcc", "git")
    assert missing(docker, image, "useradd", "pip3", *programs) == list(programs)


@on(PYTHON)
def test_python_does_not_end_at_sigterm_as_pid_1(docker: Docker, image: str, name: Name) -> None:
    """Python as PID 1 without a handler ignores SIGTERM, and is killed."""
    container = name("pid1")
    docker("run", "--detach", "--name", container, image, "python", "-c", "import time; time.sleep(60)")
    docker("stop", "-t", "1", container)
    assert docker("inspect", "--format", "{{.State.ExitCode}}", container).stdout == "137\n"


# Go


@on(GOLANG)
def test_go_is_on_the_path(docker: Docker, image: str) -> None:
    """Go 1.27 is in /usr/local/go and on PATH, its workspace is /go, and it never fetches another toolchain."""
    assert run(docker, image, "go", "version").startswith("go version go1.27")
    assert run(docker, image, "go", "env", "GOROOT", "GOPATH", "GOTOOLCHAIN") == "/usr/local/go\n/go\nlocal\n"
    assert settings(docker, image)["WorkingDir"] == "/go"
    assert environment(docker, image)["PATH"].startswith("/go/bin:/usr/local/go/bin:")


# The smallest program that uses C: no part of the standard library has to be compiled but the runtime.
MAIN = 'package main\nimport "C"\nfunc main() { println("hello") }\n'


@on(GOLANG)
def test_go_builds_with_cgo(docker: Docker, image: str) -> None:
    """With its C compiler the default build of a program that uses C is linked to the C library."""
    script = "cat >m.go && go build -o /m m.go && /m && ldd /m"
    done = docker("run", "--rm", "--interactive", image, "sh", "-c", script, input=MAIN, timeout=180)
    assert done.stderr == "hello\n"
    assert "libc.so.6" in done.stdout


# Node


@on(NODE)
def test_node_is_on_bookworm(docker: Docker, image: str) -> None:
    """node:24-slim is Debian 12, which still has adduser."""
    assert 'VERSION_ID="12"' in run(docker, image, "cat", "/etc/os-release").splitlines()
    assert missing(docker, image, "adduser") == []


@on(NODE)
def test_node_has_its_user(docker: Docker, image: str) -> None:
    """User node has uid 1000 and a home of its own."""
    found = run(docker, image, "sh", "-c", "id -u; id -g; cd && pwd", options=("--user", "node"))
    assert found == "1000\n1000\n/home/node\n"


@on(NODE)
def test_node_runs_scripts_and_commands(docker: Docker, image: str) -> None:
    """An option or a file goes to node, a program runs as it is, and node becomes PID 1."""
    assert run(docker, image, "--version").startswith("v24.")
    assert run(docker, image, "-p", "process.pid") == "1\n"
    assert run(docker, image, "echo", "hello") == "hello\n"
    assert settings(docker, image)["Cmd"] == ["node"]


@on(NODE)
def test_npm_installs_local_packages(docker: Docker, image: str) -> None:
    """npm installs from a local folder, and --omit=dev leaves out what only development needs."""
    script = """
    mkdir -p dep dev && cd dep && npm init -y >/dev/null && cd ../dev && npm init -y >/dev/null && cd ..
    npm init -y >/dev/null && npm install ./dep >/dev/null && npm install --save-dev ./dev >/dev/null
    rm -r node_modules && npm ci --omit=dev >/dev/null && ls node_modules
    """
    options = ("--workdir", "/home/node", "--user", "node", "-e", "npm_config_offline=true")
    assert run(docker, image, "sh", "-euc", script, options=options) == "dep\n"


@on(NODE)
def test_node_slim_has_few_tools(docker: Docker, image: str) -> None:
    """There is no curl, wget, ps, python3 or gcc."""
    programs = ("curl", "wget", "ps", "python3", "gcc")
    assert missing(docker, image, "npx", *programs) == list(programs)


# PostgreSQL


#: Spares the disk what only a crash would need.
HASTY = ("-e", "POSTGRES_INITDB_ARGS=--no-sync")


def postgres(docker: Docker, image: str, container: str, *options: str, before: str = ":") -> None:
    """Start PostgreSQL, after the shell commands `before`, and wait until it answers over TCP.

    It does so only after its initialisation. Its password is "secret", unless the options say otherwise.
    """
    command = ("-c", f"{before}\nexec docker-entrypoint.sh postgres -c fsync=off")
    given = (*HASTY, "-e", "POSTGRES_PASSWORD=secret", *options)
    docker("run", "--detach", "--name", container, "--entrypoint", "sh", *given, image, *command)
    ready = ("exec", container, "pg_isready", "--quiet", "--host", "127.0.0.1")
    eventually(docker, container, lambda: docker(*ready, check=False))


def query(docker: Docker, container: str, sql: str, *options: str) -> str:
    """Return the bare result of a query."""
    psql = ("psql", "--no-align", "--tuples-only", "--quiet", "--username", "postgres")
    return docker("exec", container, *psql, *options, "-c", sql).stdout.strip()


@on(POSTGRES)
def test_postgres_wants_a_password(docker: Docker, image: str) -> None:
    """Without POSTGRES_PASSWORD an empty database is not initialised: exit 1, and the error names the variable."""
    done = docker("run", "--rm", image, check=False)
    assert done.returncode == 1
    assert "superuser password is not specified" in done.stderr
    assert "POSTGRES_PASSWORD" in done.stderr


@on(POSTGRES)
def test_postgres_makes_user_and_database(docker: Docker, image: str, name: Name) -> None:
    """POSTGRES_USER, POSTGRES_DB and POSTGRES_PASSWORD_FILE make a superuser and a database."""
    container = name("pg-user")
    names = ("-e", "POSTGRES_USER=ann", "-e", "POSTGRES_DB=shop")
    word = ("-e", "POSTGRES_PASSWORD=", "-e", "POSTGRES_PASSWORD_FILE=/tmp/word")
    postgres(docker, image, container, *names, *word, before="echo word >/tmp/word")
    sql = "select usename, usesuper, current_database() from pg_user"
    assert query(docker, container, sql, "--username", "ann", "shop") == "ann|t|shop"


@on(POSTGRES)
def test_postgres_checks_passwords_from_other_hosts(docker: Docker, image: str, name: Name) -> None:
    """It listens on every address, and asks other containers for the password."""
    network, container = name("pg-net"), name("pg-auth")
    docker("network", "create", network)
    postgres(docker, image, container, "--network", network)
    client = ("--network", network, "--entrypoint", "psql", "-e")
    arguments = ("--host", container, "--username", "postgres", "-Atc", "select 1")
    assert run(docker, image, *arguments, options=(*client, "PGPASSWORD=secret")) == "1\n"
    refused = docker("run", "--rm", *client, "PGPASSWORD=wrong", image, *arguments, check=False)
    assert "password authentication failed" in refused.stderr


@on(POSTGRES)
def test_postgres_runs_init_files_once(docker: Docker, image: str, name: Name) -> None:
    """*.sql and *.sh of /docker-entrypoint-initdb.d run in order of name, once; another start leaves the data alone."""
    container, volume = name("pg-init"), name("pg-data")
    before = """
    cd /docker-entrypoint-initdb.d
    echo 'create table visits (what text);' >1.sql
    echo 'psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "insert into visits values (1)"' >2.sh
    """
    for _ in range(2):
        postgres(docker, image, container, "-v", f"{volume}:/var/lib/postgresql/data", before=before)
        assert query(docker, container, "select count(*) from visits") == "1"
        logs = docker("logs", container)
        docker("rm", "--force", container)
    assert "Skipping initialization" in logs.stdout


@on(POSTGRES)
def test_postgres_is_deaf_while_it_initialises(docker: Docker, image: str, name: Name) -> None:
    """While the init files run, the server answers on its socket only: waiting for TCP waits for all of them."""
    container = name("pg-deaf")
    probe = "'pg_isready --host 127.0.0.1 || echo tcp-closed' 'pg_isready && echo socket-open'"
    postgres(docker, image, container, before=f"printf '%s\\n' {probe} >/docker-entrypoint-initdb.d/probe.sh")
    logs = docker("logs", container).stdout
    assert "tcp-closed" in logs
    assert "socket-open" in logs


@on(POSTGRES)
def test_postgres_is_not_root_and_stops_fast(docker: Docker, image: str, name: Name) -> None:
    """The server is PID 1 as user postgres, uid 999; SIGINT, its stop signal, ends it with a client connected."""
    container = name("pg-stop")
    postgres(docker, image, container)
    assert docker("exec", container, "stat", "-c", "%u %U", "/proc/1").stdout == "999 postgres\n"
    assert docker("exec", container, "cat", "/proc/1/comm").stdout == "postgres\n"
    docker("exec", "--detach", container, "psql", "-U", "postgres", "-c", "select pg_sleep(60)")
    docker("stop", container)
    assert docker("inspect", "--format", "{{.State.ExitCode}}", container).stdout == "0\n"
    assert settings(docker, image)["StopSignal"] == "SIGINT"


@on(POSTGRES)
def test_postgres_keeps_data_in_a_volume(docker: Docker, image: str) -> None:
    """PGDATA is /var/lib/postgresql/data, and a volume; the port is 5432."""
    assert environment(docker, image)["PGDATA"] == "/var/lib/postgresql/data"
    assert list(settings(docker, image)["Volumes"]) == ["/var/lib/postgresql/data"]
    assert list(settings(docker, image)["ExposedPorts"]) == ["5432/tcp"]


@on(POSTGRES)
def test_postgres_speaks_utf8(docker: Docker, image: str, name: Name) -> None:
    """A new database is in UTF-8 with the locale en_US.utf8."""
    container = name("pg-locale")
    postgres(docker, image, container)
    sql = "select distinct pg_encoding_to_char(encoding), datcollate from pg_database"
    assert query(docker, container, sql) == "UTF8|en_US.utf8"


# Redis


@on(REDIS)
def test_redis_answers_other_containers(docker: Docker, image: str, name: Name) -> None:
    """Without any setting another container can read and write: protected mode is off."""
    network, container = name("redis-net"), name("redis")
    docker("network", "create", network)
    docker("run", "--detach", "--name", container, "--network", network, image)
    client = ("run", "--rm", "--network", network, image, "redis-cli", "-e", "-h", container, "incr", "visits")
    assert eventually(docker, container, lambda: docker(*client, check=False)) == "1\n"


@on(REDIS)
def test_redis_is_not_root(docker: Docker, image: str, name: Name) -> None:
    """The server is PID 1 as user redis, uid 999, also when options are given; it works in /data, which is its own."""
    container = name("redis-user")
    docker("run", "--detach", "--name", container, image, "--appendonly", "yes")
    ping = ("exec", container, "redis-cli", "-e", "ping")
    eventually(docker, container, lambda: docker(*ping, check=False))
    assert docker("exec", container, "stat", "-c", "%u %U", "/proc/1", "/data").stdout == "999 redis\n" * 2
    assert docker("exec", container, "cat", "/proc/1/comm").stdout == "redis-server\n"
    assert docker("exec", container, "redis-cli", "config", "get", "appendonly").stdout == "appendonly\nyes\n"
    assert docker("exec", container, "redis-cli", "config", "get", "dir").stdout == "dir\n/data\n"


@on(REDIS)
def test_redis_saves_when_stopped(docker: Docker, image: str, name: Name) -> None:
    """SIGTERM makes it save to /data and exit 0, so that a volume there survives the container."""
    container, volume = name("redis-save"), name("redis-data")
    bump = ("exec", container, "redis-cli", "-e", "incr", "visits")
    for expected in ("1\n", "2\n"):
        docker("run", "--detach", "--name", container, "-v", f"{volume}:/data", image)
        assert eventually(docker, container, lambda: docker(*bump, check=False)) == expected
        docker("stop", container)
        assert docker("inspect", "--format", "{{.State.ExitCode}}", container).stdout == "0\n"
        docker("rm", container)


@on(REDIS)
def test_redis_leaves_no_volume(docker: Docker, image: str) -> None:
    """The image declares no volume: without -v the data goes with the container, and no anonymous volume is left."""
    assert not settings(docker, image).get("Volumes")
    assert settings(docker, image)["WorkingDir"] == "/data"


# nginx


def nginx(docker: Docker, image: str, container: str, *options: str) -> str:
    """Start nginx and return the page it serves first."""
    docker("run", "--detach", "--name", container, *options, image)
    fetch = ("exec", container, "curl", "-fsS", "http://127.0.0.1/")
    return eventually(docker, container, lambda: docker(*fetch, check=False))


@on(NGINX)
def test_nginx_serves_and_logs(docker: Docker, image: str, name: Name) -> None:
    """It serves its welcome page on port 80, and logs requests to stdout and errors to stderr."""
    container = name("nginx")
    assert "Welcome to nginx!" in nginx(docker, image, container)
    docker("exec", container, "curl", "-s", "http://127.0.0.1/nothing")
    logs = docker("logs", container)
    assert '"GET /nothing HTTP/1.1" 404' in logs.stdout
    assert "/usr/share/nginx/html/nothing" in logs.stderr


@on(NGINX)
def test_nginx_reads_conf_d_and_templates(docker: Docker, image: str, name: Name) -> None:
    """conf.d/default.conf is the site, and templates/*.template replace it with the environment's values filled in."""
    container = name("nginx-conf")
    server = "server { listen 80; location / { return 200 '${GREETING} $request_method'; } }"
    script = 'mkdir /etc/nginx/templates; echo "$0" >/etc/nginx/templates/default.conf.template'
    script += '; exec /docker-entrypoint.sh nginx -g "daemon off;"'
    options = ("--detach", "--name", container, "-e", "GREETING=hello", "--entrypoint", "sh")
    docker("run", *options, image, "-c", script, server)
    fetch = ("exec", container, "curl", "-fsS", "http://127.0.0.1/")
    assert eventually(docker, container, lambda: docker(*fetch, check=False)) == "hello GET"


@on(NGINX)
def test_nginx_stops_gracefully(docker: Docker, image: str, name: Name) -> None:
    """Its stop signal is SIGQUIT; the master is PID 1 as root, its workers run as user nginx, uid 101; it exits 0."""
    container = name("nginx-stop")
    nginx(docker, image, container)
    owners = "for at in /proc/[0-9]*; do grep -qs '^nginx' $at/comm && stat -c %u $at; done | sort -un"
    assert docker("exec", container, "sh", "-c", owners).stdout == "0\n101\n"
    docker("stop", container)
    assert docker("inspect", "--format", "{{.State.ExitCode}}", container).stdout == "0\n"
    assert settings(docker, image)["StopSignal"] == "SIGQUIT"
    assert list(settings(docker, image)["ExposedPorts"]) == ["80/tcp"]


@on(NGINX)
def test_nginx_runs_on_a_read_only_root(docker: Docker, image: str, name: Name) -> None:
    """With a read-only root it needs a tmpfs on /var/cache/nginx and /run, nothing else."""
    writable = ("--tmpfs", "/var/cache/nginx", "--tmpfs", "/run")
    assert "Welcome" in nginx(docker, image, name("nginx-ro"), "--read-only", *writable)


# registry


@on(REGISTRY)
def test_registry_answers(docker: Docker, image: str, name: Name) -> None:
    """It speaks the registry API on port 5000, reads `/etc/distribution/config.yml`, and has a data volume."""
    container = name("registry")
    docker("run", "--detach", "--name", container, image)
    fetch = ("exec", container, "wget", "-qO-", "http://127.0.0.1:5000/v2/_catalog")
    assert json.loads(eventually(docker, container, lambda: docker(*fetch, check=False))) == {"repositories": []}
    assert settings(docker, image)["Cmd"] == ["/etc/distribution/config.yml"]
    assert settings(docker, image)["Entrypoint"] == ["/entrypoint.sh"]
    assert list(settings(docker, image)["Volumes"]) == ["/var/lib/registry"]
    assert list(settings(docker, image)["ExposedPorts"]) == ["5000/tcp"]


@on(REGISTRY)
def test_registry_takes_a_push(docker: Docker, image: str, name: Name) -> None:
    """An image can be pushed to it, and it then serves a manifest under the digest that the push named."""
    container, reference = name("registry-push"), name("pushed")
    docker("run", "--detach", "--name", container, "-p", "127.0.0.1::5000", image)
    port = docker("port", container, "5000/tcp").stdout.strip().rpartition(":")[2]
    target = f"127.0.0.1:{port}/{reference}:1"
    docker("tag", image, target)
    try:
        pushed = eventually(docker, container, lambda: docker("push", target, check=False))
    finally:
        docker("image", "rm", target, check=False)
    digest = re.findall(r"sha256:[0-9a-f]{64}", pushed)[-1]
    accept = "Accept: application/vnd.docker.distribution.manifest.v2+json"
    address = f"http://127.0.0.1:5000/v2/{reference}/manifests/{digest}"
    docker("exec", container, "wget", "-qO-", "--header", accept, address)


@on(REGISTRY)
def test_registry_3_deletes(docker: Docker, image: str, name: Name) -> None:
    """Version 3 deletes a manifest when asked to: 405 is the answer of a registry that doesn't allow it."""
    container = name("registry-delete")
    docker("run", "--detach", "--name", container, image)
    ready = ("exec", container, "wget", "-qO-", "http://127.0.0.1:5000/v2/")
    eventually(docker, container, lambda: docker(*ready, check=False))
    request = f"DELETE /v2/absent/manifests/sha256:{'0' * 64} HTTP/1.0"
    client = ("run", "--rm", "--network", f"container:{container}", BUSYBOX, "sh", "-c")
    answer = docker(*client, f"printf '%s\\r\\n\\r\\n' '{request}' | nc -w 5 127.0.0.1 5000").stdout
    assert answer.splitlines()[0] == "HTTP/1.0 404 Not Found"


# distroless static


@on(STATIC, STATIC_NONROOT)
def test_distroless_has_no_shell(docker: Docker, image: str) -> None:
    """There is no shell and no program, and neither ENTRYPOINT nor CMD."""
    for program in ("/bin/sh", "/bin/ls", "/busybox/sh"):
        done = docker("run", "--rm", image, program, check=False)
        assert done.returncode == 127
        assert f"stat {program}: no such file or directory" in done.stderr
    assert not settings(docker, image).get("Entrypoint")
    assert not settings(docker, image).get("Cmd")


@on(STATIC, STATIC_NONROOT)
def test_distroless_has_what_static_programs_need(docker: Docker, image: str, name: Name) -> None:
    """passwd with nonroot 65532, certificate authorities, time zones, /etc/services and a /tmp for all."""
    container = name("static-files")
    docker("create", "--name", container, image, "none")
    assert "nonroot:x:65532:65532:" in content(docker, container, "/etc/passwd")
    assert "BEGIN CERTIFICATE" in content(docker, container, "/etc/ssl/certs/ca-certificates.crt")
    assert "TZif" in content(docker, container, "/usr/share/zoneinfo/Europe/Paris")
    assert "https" in content(docker, container, "/etc/services")
    assert "hosts:" in content(docker, container, "/etc/nsswitch.conf")
    assert environment(docker, image)["SSL_CERT_FILE"] == "/etc/ssl/certs/ca-certificates.crt"
    docker("cp", f"{container}:/tmp", "-")


@on(STATIC, STATIC_NONROOT)
def test_distroless_lists_its_packages(docker: Docker, image: str, name: Name) -> None:
    """Its system is "Distroless", status.d lists each of Debian's packages in it, and they are in several layers."""
    container = name("static-packages")
    docker("create", "--name", container, image, "none")
    assert 'PRETTY_NAME="Distroless"\n' in content(docker, container, "/etc/os-release")
    for package in ("base-files", "media-types", "netbase", "tzdata", "tzdata-legacy"):
        assert f"Package: {package}\n" in content(docker, container, f"/var/lib/dpkg/status.d/{package}")
        assert "usr/share/" in content(docker, container, f"/var/lib/dpkg/status.d/{package}.md5sums")
    assert int(docker("image", "inspect", "--format", "{{len .RootFS.Layers}}", image).stdout) > 5


def content(docker: Docker, container: str, path: str) -> str:
    """Return a file of a container that has no program to read it."""
    return docker("cp", "--follow-link", f"{container}:{path}", "-").stdout


@on(STATIC)
def test_distroless_latest_is_root(docker: Docker, image: str) -> None:
    """:latest runs as root."""
    assert settings(docker, image)["User"] in ("", "0")


@on(STATIC_NONROOT)
def test_distroless_nonroot_is_numeric(docker: Docker, image: str) -> None:
    """:nonroot runs as 65532, by number, in /home/nonroot."""
    assert settings(docker, image)["User"] == "65532"
    assert settings(docker, image)["WorkingDir"] == "/home/nonroot"


@on(NGINX)
def test_nginx_logs_its_configuration(docker: Docker, image: str, name: Name) -> None:
    """Before nginx starts, the entrypoint logs the scripts that it runs, and that the configuration is complete."""
    container = name("nginx-log")
    nginx(docker, image, container)
    logs = docker("logs", container).stdout
    scripts = re.findall(r"^/docker-entrypoint\.sh: Launching (\S+)$", logs, re.MULTILINE)
    assert "/docker-entrypoint.d/20-envsubst-on-templates.sh" in scripts
    assert "/docker-entrypoint.sh: Configuration complete; ready for start up\n" in logs


@on(POSTGRES)
def test_postgres_logs_what_it_runs(docker: Docker, image: str, name: Name) -> None:
    """The entrypoint logs that it runs an executable script, and that it sources another one."""
    container = name("pg-log")
    before = "cd /docker-entrypoint-initdb.d; for file in 1 2; do echo true >$file.sh; done; chmod +x 1.sh"
    postgres(docker, image, container, before=before)
    logs = docker("logs", container).stdout
    assert ": running /docker-entrypoint-initdb.d/1.sh\n" in logs
    assert ": sourcing /docker-entrypoint-initdb.d/2.sh\n" in logs


@on(*stand_ins.list_references())
def test_is_an_index(docker: Docker, engine: Engine, image: str) -> None:
    """The registry serves an index of images for two or more platforms; that of a stand-in has an attestation too."""
    [stand_in] = [each for each in stand_ins.list_stand_ins() if each.reference == image]
    served = f"{engine.mirror}/{stand_in.mirror_name}" if engine.mirror else image
    listed = json.loads(docker("buildx", "imagetools", "inspect", "--raw", served).stdout)
    platforms = {f"{each['platform']['os']}/{each['platform']['architecture']}" for each in listed["manifests"]}
    wanted = {"linux/amd64", "linux/arm64", *(["unknown/unknown"] if engine.mirror else [])}
    assert wanted <= platforms


@on(*stand_ins.list_references())
def test_size_is_of_its_kind(docker: Docker, image: str) -> None:
    """distroless static and busybox are a few MB, slim images a hundred or two, the Go image several hundred."""
    limits = {STATIC: 9, STATIC_NONROOT: 9, BUSYBOX: 10, DEBIAN: 130, PYTHON: 200, GOLANG: 1500, REGISTRY: 150}
    size = int(docker("image", "inspect", "--format", "{{.Size}}", image).stdout)
    assert size < limits.get(image, 700) * 1_000_000
