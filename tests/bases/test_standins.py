"""How the stand-ins are listed, and when they are built again. Needs no engine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from drydock.engine.client import Engine
from drydock.engine.private import stand_ins
from drydock.errors import EngineError, MalformedError

DIGEST = "sha256:" + "0" * 64
#: A reference that no mirror of Docker Hub serves.
UNMIRRORED = "gcr.io/distroless/static-debian13:nonroot"


class Registry(BaseHTTPRequestHandler):
    """A registry that has every manifest but those of the paths in `missing`."""

    missing: tuple[str, ...] = ()

    def do_HEAD(self) -> None:  # the name that http.server calls
        """Answer a question for a manifest."""
        self.send_response(404 if any(part in self.path for part in self.missing) else 200)
        self.send_header("Docker-Content-Digest", DIGEST)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a registry."""
    monkeypatch.setattr(Registry, "missing", ())
    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def stamped(folder: Path, recipe: str) -> Path:
    """Return the stamp of a complete build."""
    stamp = folder / "stand-ins.json"
    digests = dict.fromkeys(stand_ins.list_references(), DIGEST)
    stamp.write_text(json.dumps({"recipe": recipe, "digests": digests}), encoding="utf-8")
    return stamp


@pytest.mark.parametrize(
    ("version", "upstream"),
    [("5:8.0.2-3+deb13u3", "8.0.2"), ("2.8.3+ds1-2+b8", "2.8.3"), ("17.12-0+deb13u1", "17.12"), ("13.7", "13.7")],
)
def test_upstream_version(version: str, upstream: str) -> None:
    """Epoch, repacking and Debian's revision are no part of the upstream version."""
    assert stand_ins.upstream_version(version) == upstream


def test_each_stand_in_is_listed_once() -> None:
    """References and targets are unique, and each has one source of its version."""
    images = stand_ins.list_stand_ins()
    assert len({image.reference for image in images}) == len({image.target for image in images}) == len(images)
    assert all(bool(image.package) != bool(image.version) for image in images)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{,", r"docker-bake\.json:1: "),
        ("{}", r"docker-bake\.json: it has no variable\.STAND_INS\.default"),
        ('{"variable": {"STAND_INS": []}}', r"docker-bake\.json: it has no variable"),
        ('{"variable": {"STAND_INS": {"default": [{"target": 1}]}}}', r"default\[0\] lacks the key 'reference'"),
    ],
)
def test_a_broken_list_is_located(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    """A fault in docker-bake.json is an error with the file's name, and not before the list is needed."""
    (tmp_path / "docker-bake.json").write_text(text, encoding="utf-8")
    monkeypatch.setattr(stand_ins, "RECIPE", tmp_path)
    stand_ins.list_stand_ins.cache_clear()
    try:
        with pytest.raises(MalformedError, match=message):
            stand_ins.list_stand_ins()
    finally:
        stand_ins.list_stand_ins.cache_clear()


def test_every_target_is_a_stage() -> None:
    """The Dockerfile has a stage for each."""
    stages = (stand_ins.RECIPE / "Dockerfile").read_text(encoding="utf-8")
    assert [image.target for image in stand_ins.list_stand_ins() if f" AS {image.target}\n" not in stages] == []


def test_digest_depends_on_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another name or another byte of any file, or of the authorities, is another recipe."""
    monkeypatch.setattr(stand_ins, "RECIPE", tmp_path / "recipe")
    monkeypatch.setattr(stand_ins, "AUTHORITIES", tmp_path / "authorities.crt")
    (tmp_path / "recipe/deep").mkdir(parents=True)
    seen = {stand_ins.recipe_digest()}
    for name, content in [("a", "1"), ("a", "2"), ("b", "2"), ("deep/a", "2"), ("../authorities.crt", "2")]:
        (tmp_path / "recipe" / name).write_text(content, encoding="utf-8")
        seen.add(stand_ins.recipe_digest())
    assert len(seen) == 6


def test_complete_when_the_registry_has_all(mirror: str, tmp_path: Path) -> None:
    """With the stamp of this recipe and every manifest in place there is nothing to do."""
    assert stand_ins._is_complete(mirror, stamped(tmp_path, "abc"), "abc")


def test_incomplete_without_stamp(mirror: str, tmp_path: Path) -> None:
    """A build that was cut off left no stamp."""
    assert not stand_ins._is_complete(mirror, tmp_path / "stand-ins.json", "abc")


def test_incomplete_for_another_recipe(mirror: str, tmp_path: Path) -> None:
    """A stamp of another recipe does not count."""
    assert not stand_ins._is_complete(mirror, stamped(tmp_path, "abc"), "abd")


def test_incomplete_when_the_registry_lost_one(mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that was emptied in part does not count."""
    monkeypatch.setattr(Registry, "missing", ("library/redis",))
    assert not stand_ins._is_complete(mirror, stamped(tmp_path, "abc"), "abc")


def test_a_build_needs_mmdebstrap(mirror: str, tmp_path: Path) -> None:
    """Without mmdebstrap the error says what to install, and no stamp is left."""
    with pytest.raises(EngineError, match="install mmdebstrap"):
        stand_ins.ensure_stand_ins(Engine({"PATH": str(tmp_path)}, True, mirror), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_command_shows_its_end(tmp_path: Path) -> None:
    """The error has the command and the last lines that it printed, and no more."""
    with pytest.raises(EngineError, match="failed, exit 3") as caught:
        stand_ins._run_command(["sh", "-c", "seq 100; exit 3"], {"PATH": "/usr/bin:/bin"}, tmp_path)
    assert "\n100" in str(caught.value)
    assert "\n70\n" not in str(caught.value)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """A private engine whose client notes its arguments in a file, and lists two tags as those of stand-ins."""
    client = tmp_path / "docker"
    client.write_text(
        f'#!/bin/sh\necho "$@" >>{tmp_path}/log\n[ "$2" != ls ] || printf \'redis:8\\n{UNMIRRORED}\\n\'\n',
        encoding="utf-8",
    )
    client.chmod(0o755)
    return Engine({"PATH": f"{tmp_path}:/usr/bin:/bin"}, True, "127.0.0.1:5000")


def test_older_stand_ins_are_replaced(engine: Engine, tmp_path: Path) -> None:
    """The tags that the engine has move to the new images, and the tags of the push are removed."""
    stand_ins._retag_images(engine)
    _, *tagged, removed = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert sorted(tagged) == [
        f"tag 127.0.0.1:5000/{UNMIRRORED} {UNMIRRORED}",
        "tag 127.0.0.1:5000/library/redis:8 redis:8",
    ]
    assert removed.startswith("image rm 127.0.0.1:5000/")
    assert removed.count("127.0.0.1:5000/") == len(stand_ins.list_stand_ins())


def test_what_no_mirror_serves_is_pulled(engine: Engine, tmp_path: Path) -> None:
    """A stand-in outside Docker Hub is pulled and tagged, unless the engine has that of this recipe."""
    stand_ins._tag_unmirrored(engine, "abc")
    listed, *commands = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    absent = [ref for ref in stand_ins.list_references() if "/" in ref and ref != UNMIRRORED]
    assert f"label={stand_ins.STAND_IN_LABEL}.recipe=abc" in listed
    assert absent
    assert commands == [
        command.format(f"127.0.0.1:5000/{ref}", ref)
        for ref in absent
        for command in ("pull --quiet {0}", "tag {0} {1}", "image rm {0}")
    ]
