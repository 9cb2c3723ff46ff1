"""The indexes of the local registry, with a registry in this process. Needs no engine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from drydock.engine.private import indexes
from drydock.errors import EngineError

IMAGE = b'{"mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": []}'


class Registry(BaseHTTPRequestHandler):
    """A registry with one repository: what is put somewhere can be had there, and a blob by its digest."""

    content: ClassVar[dict[str, bytes]] = {}
    refuses = ""

    def do_GET(self) -> None:  # the names that http.server calls
        """Answer with what was put there."""
        self._answer(200 if self.path in self.content else 404, self.content.get(self.path, b""))

    def do_HEAD(self) -> None:
        """Answer with its headers."""
        self.do_GET()

    def do_POST(self) -> None:
        """Begin an upload."""
        self._answer(202)

    def do_PUT(self) -> None:
        """Keep what is sent, if its digest is the one that it is put under."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        digest = f"sha256:{sha256(body).hexdigest()}"
        place, _, named = self.path.partition("?digest=")
        if self.refuses in self.path or (named or digest) != digest:
            self._answer(400)
            return
        self.content[f"/v2/tool/blobs/{digest}" if named else place] = body
        self._answer(201)

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Location", "/v2/tool/blobs/uploads/1")
        self.send_header("Docker-Content-Digest", f"sha256:{sha256(body).hexdigest()}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a registry that has the image tool:1."""
    monkeypatch.setattr(Registry, "content", {"/v2/tool/manifests/1": IMAGE})
    monkeypatch.setattr(Registry, "refuses", "nothing")
    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_an_image_becomes_an_index(mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tag names an index of the image, an empty one for another platform, and the image's attestation."""
    monkeypatch.setattr(indexes.platform, "machine", lambda: "x86_64")
    indexes.push_index(mirror, "tool", "1")
    content = Registry.content
    image, empty, attestation = json.loads(content["/v2/tool/manifests/1"])["manifests"]
    digest = f"sha256:{sha256(IMAGE).hexdigest()}"
    assert (image["digest"], image["size"]) == (digest, len(IMAGE))
    assert [each["platform"]["architecture"] for each in (image, empty, attestation)] == ["amd64", "arm64", "unknown"]
    assert attestation["annotations"]["vnd.docker.reference.digest"] == digest
    parts = [json.loads(content[f"/v2/tool/manifests/{each['digest']}"]) for each in (empty, attestation)]
    assert [len(part["layers"]) for part in parts] == [0, 1]
    for part in parts:
        for blob in (part["config"], *part["layers"]):
            assert len(content[f"/v2/tool/blobs/{blob['digest']}"]) == blob["size"]


def test_an_index_stays(mirror: str) -> None:
    """A second call changes nothing, and the same image always becomes the same index."""
    indexes.push_index(mirror, "tool", "1")
    once = dict(Registry.content)
    indexes.push_index(mirror, "tool", "1")
    assert once == Registry.content
    Registry.content["/v2/tool/manifests/1"] = IMAGE
    indexes.push_index(mirror, "tool", "1")
    assert once == Registry.content


def test_a_refusal_is_an_error(mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the registry refuses is named, and the tag keeps the image."""
    monkeypatch.setattr(Registry, "refuses", "manifests")
    with pytest.raises(EngineError, match=r"refuses PUT /v2/tool/manifests/sha256:\w+: 400"):
        indexes.push_index(mirror, "tool", "1")
    assert Registry.content["/v2/tool/manifests/1"] == IMAGE


def test_an_absent_tag_has_no_digest(mirror: str) -> None:
    """The digest of a tag that isn't there is empty; that of another is the registry's."""
    assert indexes.find_digest(mirror, "tool", "2") == ""
    assert indexes.find_digest(mirror, "tool", "1") == f"sha256:{sha256(IMAGE).hexdigest()}"
