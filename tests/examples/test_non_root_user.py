"""Claims of the example non-root-user."""

from __future__ import annotations

import pytest

#: What Dockerfile.owners makes: its path, and how the page calls the way it was made.
WAYS = {
    "/workdir-before": "`WORKDIR` above `USER`",
    "/workdir-after": "`WORKDIR` below `USER`",
    "/tmp/run-after": "`RUN mkdir` below `USER`",
    "/copy-before": "`COPY` above `USER`",
    "/copy-after": "`COPY` below `USER`",
    "/copy-chmod": "`COPY --chmod=666`",
    "/copy-chown": "`COPY --chown=10001:10001`",
    "/copy-both": "`COPY` with `--chown`, `--chmod=640`",
}


@pytest.fixture
def run(docker, build):
    """Run a shell line in a container of its own: ``run("id", "--user", "0")``."""

    def call(line, *options, dockerfile="Dockerfile"):
        return docker("run", "--rm", *options, build(dockerfile), "sh", "-c", line, check=False)

    return call


def test_runs_as_the_number(run):
    """The program runs as user and group 10001, of which /etc/passwd knows nothing."""
    done = run("note && cat /data/notes && ! grep 10001 /etc/passwd")

    assert done.returncode == 0
    assert done.stdout == "noted by 10001:10001\nhello\n"


def test_root_is_the_default(docker):
    """An image that names no user runs as root."""
    assert docker("run", "--rm", "debian:trixie-slim", "id", "-u").stdout == "0\n"
    assert docker("image", "inspect", "--format", "{{.Config.User}}", "debian:trixie-slim").stdout == "\n"


def test_group_of_a_lone_number(run):
    """A number that /etc/passwd does not know comes with root's group, unless a group is given too."""
    assert [run("id -g", "--user", user).stdout for user in ("10001", "10001:10001")] == ["0\n", "10001\n"]


def test_nobody_is_shared(run, name):
    """nobody is 65534 in Debian's and in BusyBox's image: as nobody, one container rewrites what the other wrote."""
    mount = ("-v", f"{name('data')}:/data")
    run("touch /data/notes && chown -R 65534:65534 /data", *mount, "--user", "0")
    first = run("echo mine > /data/notes && id -u", *mount, "--user", "nobody")
    second = run("echo theirs > /data/notes && id -u", *mount, "--user", "nobody", dockerfile="Dockerfile.busybox")

    assert (first.stdout, second.stdout) == ("65534\n", "65534\n")
    assert run("cat /data/notes", *mount).stdout == "theirs\n"


def test_cannot_rewrite_the_program(run):
    """User 10001 can run the program, but not rewrite it; root can."""
    rewrite = "echo 'exit 0' > /usr/local/bin/note"
    refused, allowed = run(rewrite), run(rewrite, "--user", "0")

    assert "Permission denied" in refused.stderr
    assert allowed.returncode == 0


def test_capabilities(run):
    """In a container root holds effective capabilities, and user 10001 holds none."""
    line = "grep CapEff /proc/self/status | cut -f 2"
    root, user = (int(run(line, "--user", user).stdout, 16) for user in ("0", "10001"))

    assert root > 0
    assert user == 0


def test_copy_ownership(run):
    """COPY gives files to root, even below USER; --chown and --chmod say otherwise."""
    copies = "stat -c %u:%g /copy-after; stat -c '%u:%g %a' /copy-chmod /copy-both"
    seen = run(copies, dockerfile="Dockerfile.owners").stdout

    assert seen.splitlines() == ["0:0", "0:0 666", "10001:10001 640"]


def test_who_owns_what(run, table, only_docker):
    """What WORKDIR makes belongs to root if it stands above USER, and to the user if it stands below."""
    ask = "for path in " + " ".join(WAYS) + "; do stat -c '%u:%g %a' $path; test -{} $path; echo $?; done"
    mine = run(ask.format("w"), dockerfile="Dockerfile.owners").stdout.splitlines()
    other = run(ask.format("r"), "--user", "10002:10002", dockerfile="Dockerfile.owners").stdout.splitlines()
    seen = {
        path: (*mine[at * 2].split(), *(lines[at * 2 + 1] for lines in (mine, other))) for at, path in enumerate(WAYS)
    }
    assert seen["/workdir-before"] == ("0:0", "755", "1", "0")
    only_docker("Podman's builder gives what WORKDIR makes to root, wherever it stands")
    columns = ("owner", "mode", "10001 can write", "10002 can read")
    answers = {"0": "yes", "1": "no"}
    cells = {(path, c): answers.get(cell, cell) for path in WAYS for c, cell in zip(columns, seen[path], strict=True)}
    table("owners", "grid", [{"row": WAYS[p], "column": c, "cell": cell} for (p, c), cell in cells.items()])

    assert seen["/workdir-after"] == ("10001:10001", "755", "0", "0")


def test_workdir_before_user(run):
    """In a WORKDIR from above USER the program cannot write, unless the directory is given to the user."""
    refused, allowed = run("note", dockerfile="Dockerfile.workdir"), run("note")

    assert refused.returncode == 2
    assert "cannot create notes: Permission denied" in refused.stderr
    assert allowed.returncode == 0


def test_volume_takes_over_the_owner(run, name):
    """A new volume takes over the owner of the image's directory."""
    owners = [
        run("stat -c %u:%g /data", "-v", f"{name(dockerfile.lower())}:/data", dockerfile=dockerfile).stdout
        for dockerfile in ("Dockerfile", "Dockerfile.workdir")
    ]

    assert owners == ["10001:10001\n", "0:0\n"]


def test_volume_keeps_the_owner(run, name):
    """A volume that already belongs to root stays so under a mended image, until root gives it away."""
    mount = ("-v", f"{name('data')}:/data")
    run("note", *mount, "--user", "0:0", dockerfile="Dockerfile.workdir")
    refused = run("note", *mount)
    run("chown -R 10001:10001 /data", *mount, "--user", "0")

    assert "Permission denied" in refused.stderr
    assert run("note", *mount).returncode == 0


def test_empty_volume(run, name, only_docker):
    """A volume that is still empty takes over the owner of the next image's directory, too."""
    mount = ("-v", f"{name('data')}:/data")
    first = run("stat -c %u /data", *mount, dockerfile="Dockerfile.workdir").stdout
    assert first == "0\n"
    only_docker("Podman fills a volume, and gives it an owner, only once")
    assert run("stat -c %u /data", *mount).stdout == "10001\n"


def test_adduser_is_not_there(docker, folder):
    """On debian:trixie-slim there is no adduser and no addgroup: such a build fails with exit code 127."""
    build = ("build", "--no-cache", "--build-arg", "BASE=debian:trixie-slim", str(folder), "--file")
    for dockerfile, command in {"adduser": "adduser", "busybox": "addgroup"}.items():
        failed = docker(*build, str(folder / f"Dockerfile.{dockerfile}"), check=False)
        assert failed.returncode != 0
        assert f"{command}: not found" in failed.stdout + failed.stderr
        assert "127" in failed.stdout + failed.stderr


def test_a_name_for_the_number(run):
    """useradd on Debian and adduser -S on BusyBox give user 10001 the name app."""
    for dockerfile in ("Dockerfile.useradd", "Dockerfile.busybox"):
        assert run("whoami; id -u; id -g", dockerfile=dockerfile).stdout == "app\n10001\n10001\n"


def test_compose(docker, folder, prefix):
    """Compose's service writes to its volume, and not to /tmp: its root filesystem is read-only."""
    compose = ["compose", "--project-directory", str(folder), "--project-name", f"{prefix}-compose"]
    run = [*compose, "run", "--rm", "note"]
    noted = docker(*run, timeout=300).stdout
    refused = docker(*run, "sh", "-c", "echo x > /tmp/x", check=False)

    assert noted.endswith("noted by 10001:10001\n")
    assert "Read-only file system" in refused.stderr + refused.stdout
