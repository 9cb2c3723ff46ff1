"""Claims of the example bind-mount."""

from __future__ import annotations

import json
import os
import urllib.request

import pytest

from drydock.fixtures import until


@pytest.fixture
def place(docker, prefix, build, tmp_path):
    """A folder of this test's own on the host, with a page in it. What containers left in it is removed by root."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("first")
    yield tmp_path
    docker("run", "--rm", "--user", "0", "-v", f"{tmp_path}:/place", build(), "sh", "-c", "rm -rf /place/*")


@pytest.fixture
def run(docker, build):
    """Run a command in a container of its own: ``run("touch", "/out/a", mount="/tmp/out:/out", user="0")``."""

    def call(*command, mount, check=False, **options):
        more = [word for option, value in options.items() for word in (f"--{option}", value)]
        return docker("run", "--rm", "--volume", mount, *more, build(), *command, check=check)

    return call


@pytest.fixture
def server(docker, build, name):
    """Start the web server with mounts, and return its container's name."""

    def call(*options):
        docker("run", "--detach", "--name", name("web"), "-p", "127.0.0.1::8000", *options, build())
        return name("web")

    return call


@pytest.fixture
def page(docker):
    """Return the page that the container serves, as soon as it does."""

    def read(address):
        try:
            with urllib.request.urlopen(f"http://{address}/", timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            return ""

    def call(container):
        address = docker("port", container, "8000").stdout.split()[0]
        return until(lambda: read(address), "a page")

    return call


def inside(docker, container):
    """Return the page as a process in the container reads it."""
    return docker("exec", container, "cat", "/site/index.html").stdout


# One folder, two sides.


def test_live(server, page, place):
    """An edit on the host is in the next answer of the running container."""
    web = server("-v", f"{place}/site:/site:ro")
    before = page(web)
    (place / "site" / "index.html").write_text("second")

    assert (before, page(web)) == ("first", "second")


def test_other_way(run, place):
    """A file that a container creates in the folder is on the host."""
    run("sh", "-c", "echo made > /site/made", mount=f"{place}/site:/site", user="0", check=True)

    assert (place / "site" / "made").read_text() == "made\n"


def test_outlives_rm_v(docker, server, place):
    """docker rm -v removes the container and leaves the folder as it is."""
    docker("rm", "--force", "-v", server("-v", f"{place}/site:/site"))

    assert (place / "site" / "index.html").read_text() == "first"


def test_container_can_delete(run, place):
    """Root in a container can delete a file in the folder, which is then gone on the host too."""
    run("rm", "/site/index.html", mount=f"{place}/site:/site", user="0", check=True)

    assert [*(place / "site").iterdir()] == []


def test_read_only(run, place):
    """Mounted with :ro, not even root in the container can delete a file."""
    done = run("rm", "/site/index.html", mount=f"{place}/site:/site:ro", user="0")

    assert done.returncode == 1
    assert "Read-only file system" in done.stderr
    assert (place / "site" / "index.html").exists()


def test_hides(docker, build, run, place):
    """The folder hides what the image has in its place; the image still has it."""
    (place / "empty").mkdir()

    assert run("ls", "-A", "/site", mount=f"{place}/empty:/site").stdout == ""
    assert docker("run", "--rm", build(), "ls", "-A", "/site").stdout == "index.html\n"


def test_not_filled(run, place):
    """An empty folder is not filled from the image."""
    (place / "empty").mkdir()
    run("true", mount=f"{place}/empty:/site", check=True)

    assert [*(place / "empty").iterdir()] == []


# One file.


def test_one_file_follows_writes(docker, server, place):
    """What is written into a mounted file is seen by the container."""
    web = server("-v", f"{place}/site/index.html:/site/index.html:ro")
    (place / "site" / "index.html").write_text("second")

    assert inside(docker, web) == "second"


def test_one_file_is_not_replaced(docker, server, place):
    """When a mounted file is replaced by another of its name, the container goes on to see the old one."""
    web = server("-v", f"{place}/site/index.html:/site/index.html:ro")
    (place / "new").write_text("second")
    (place / "new").rename(place / "site" / "index.html")

    assert (place / "site" / "index.html").read_text() == "second"
    assert inside(docker, web) == "first"
    assert docker("exec", web, "stat", "-c", "%h", "/site/index.html").stdout == "0\n"


def test_restart_mounts_anew(docker, server, place):
    """A restart mounts the file that has the name by then."""
    web = server("-v", f"{place}/site/index.html:/site/index.html:ro")
    (place / "new").write_text("second")
    (place / "new").rename(place / "site" / "index.html")
    docker("restart", "-t", "0", web)

    assert inside(docker, web) == "second"


def test_folder_follows_replacement(docker, server, place):
    """When the folder is mounted, the container sees the replaced file."""
    web = server("-v", f"{place}/site:/site:ro")
    (place / "new").write_text("second")
    (place / "new").rename(place / "site" / "index.html")

    assert inside(docker, web) == "second"


# A path that is not there.


def test_missing_is_made(run, place):
    """-v makes a missing path: an empty directory, and root owns it."""
    done = run("ls", "-A", "/site", mount=f"{place}/stie:/site")

    assert (done.returncode, done.stdout) == (0, "")
    assert (place / "stie").is_dir()
    assert (place / "stie").stat().st_uid == 0


def test_missing_is_refused(docker, build, place):
    """--mount refuses a missing path and makes nothing."""
    done = docker("run", "--rm", "--mount", f"type=bind,src={place}/stie,dst=/site", build(), "ls", check=False)

    assert done.returncode != 0
    assert not (place / "stie").exists()


def test_missing_file_is_a_directory(run, place, only_docker):
    """-v for a file that is missing makes a directory of that name, which cannot be mounted on a file."""
    only_docker("Podman's runtime says it in other words")
    done = run("true", mount=f"{place}/index.html:/site/index.html")

    assert done.returncode == 125
    assert "Are you trying to mount a directory onto a file" in done.stderr
    assert (place / "index.html").is_dir()


def test_name_is_a_volume(docker, server, name, tmp_path, monkeypatch):
    """Without a slash or a dot in front, -v takes a name for a volume's, even if there is a folder of that name."""
    (tmp_path / name("site")).mkdir()
    monkeypatch.chdir(tmp_path)
    web = server("-v", f"{name('site')}:/site")
    [found] = json.loads(docker("inspect", web).stdout)

    assert [(mount["Type"], mount["Name"]) for mount in found["Mounts"]] == [("volume", name("site"))]


# Whose files they are.


def test_owner_is_the_containers_user(run, place):
    """A file that a container makes belongs on the host to the user ID of the process that made it."""
    (place / "out").mkdir()
    (place / "out").chmod(0o777)
    run("touch", "/out/by-image", mount=f"{place}/out:/out", check=True)
    run("touch", "/out/by-root", mount=f"{place}/out:/out", user="0", check=True)
    owners = {file.name: file.stat().st_uid for file in (place / "out").iterdir()}

    assert owners == {"by-image": 10001, "by-root": 0}


def test_denied(run, place):
    """The image's user cannot write to a folder that belongs to another user ID."""
    (place / "out").mkdir(mode=0o755)
    done = run("touch", "/out/by-image", mount=f"{place}/out:/out")

    assert done.returncode == 1
    assert "Permission denied" in done.stderr


def test_own_user(run, place):
    """With --user and your own IDs, the files are yours."""
    (place / "out").mkdir(mode=0o755)
    me = f"{os.getuid()}:{os.getgid()}"
    run("touch", "/out/by-me", mount=f"{place}/out:/out", user=me, check=True)

    assert (place / "out" / "by-me").stat().st_uid == os.getuid()


# Compose.


@pytest.fixture
def compose(docker, folder, name):
    """Run ``docker compose ARGS`` on a stack of this test's own, in the copy of the example."""

    def call(*args, check=True):
        options = ["--project-directory", str(folder), "--project-name", name("stack")]
        return docker("compose", *options, *args, check=check, timeout=300)

    return call


def test_compose_serves_the_folder(compose, folder):
    """Compose serves the folder beside its file, and docker compose down -v leaves it as it is."""
    compose("up", "--detach", "--build", "--wait")
    (folder / "site" / "index.html").write_text("edited")
    with urllib.request.urlopen(f"http://{compose('port', 'web', '8000').stdout.strip()}/", timeout=10) as answer:
        served = answer.read().decode()
    compose("down", "--volumes")

    assert served == "edited"
    assert (folder / "site" / "index.html").read_text() == "edited"


def test_compose_mounts_read_only(compose):
    """Mounted read_only by Compose, not even root in the container can write into the folder."""
    compose("up", "--detach", "--build", "--wait")
    done = compose("exec", "--user", "0", "web", "touch", "/site/new", check=False)

    assert "Read-only file system" in done.stderr


def test_compose_stops_at_once(compose, docker):
    """With init, the server hears the request to stop, and ends by it: its status is 143, and not 137."""
    compose("up", "--detach", "--build", "--wait")
    container = compose("ps", "--quiet", "web").stdout.strip()
    compose("stop")

    assert docker("inspect", "--format", "{{.State.ExitCode}}", container).stdout.strip() == "143"


def test_compose_refuses_a_missing_folder(compose, folder):
    """With create_host_path off, Compose refuses to start without the folder, and makes none."""
    compose("build")
    (folder / "site").rename(folder / "elsewhere")
    done = compose("up", "--detach", check=False)
    made = (folder / "site").exists()
    (folder / "elsewhere").rename(folder / "site")

    assert done.returncode != 0
    assert not made
