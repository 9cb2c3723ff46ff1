"""Indexes: official images are an index of an image per platform, with an attestation for each.

A build on the classic image store can't make one, so the private engine writes them into its mirror.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import platform
from typing import Any, TypeAlias

from drydock.errors import EngineError

#: Accepted manifest types. Without them a registry converts the manifest, which changes its digest.
MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"
)
#: What JSON calls an object: a descriptor, a manifest, or a statement.
Object: TypeAlias = dict[str, Any]
_OCI = "application/vnd.oci.image."
_PREDICATE = "https://slsa.dev/provenance/v1"


def find_digest(mirror: str, name: str, tag: str) -> str:
    """Return the digest of the manifest that a tag names in the registry, or "" if it isn't there.

    :param mirror: ``host:port`` of the registry.
    """
    return _request(mirror, "HEAD", f"/v2/{name}/manifests/{tag}", {"Accept": MANIFESTS}, allowed=404)[1]


def push_index(mirror: str, name: str, tag: str) -> None:
    """Replace the image that a tag names by an index of it, of its attestation, and of an empty image.

    The empty one is for another platform. Nothing is replaced if the tag already names an index.

    :raises EngineError: the registry doesn't answer, or refuses a part.
    """
    content, _ = _request(mirror, "GET", f"/v2/{name}/manifests/{tag}", {"Accept": MANIFESTS})
    manifest = json.loads(content)
    if "manifests" in manifest:
        return
    here, other = ("amd64", "arm64") if platform.machine() == "x86_64" else ("arm64", "amd64")
    image = {**_describe(content, manifest["mediaType"]), "platform": {"architecture": here, "os": "linux"}}
    subject = {"name": f"pkg:docker/{name}@{tag}", "digest": {"sha256": image["digest"].partition(":")[2]}}
    statement = {"_type": "https://in-toto.io/Statement/v1", "subject": [subject], "predicateType": _PREDICATE}
    attestation = _push_manifest(mirror, name, "unknown", {**statement, "predicate": {}})
    attestation["annotations"] = {
        "vnd.docker.reference.digest": image["digest"],
        "vnd.docker.reference.type": "attestation-manifest",
    }
    images = [image, _push_manifest(mirror, name, other), attestation]
    _put_manifest(mirror, name, tag, {"schemaVersion": 2, "mediaType": f"{_OCI}index.v1+json", "manifests": images})


def _push_manifest(mirror: str, name: str, architecture: str, statement: Object | None = None) -> Object:
    """Push an image without files, or with a statement as its only layer, and return its descriptor."""
    layers = [_push_blob(mirror, name, statement, "application/vnd.in-toto+json")] if statement else []
    system = "unknown" if statement else "linux"
    root = {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}
    config = {"architecture": architecture, "os": system, "config": {}, "rootfs": root}
    for layer in layers:
        layer["annotations"] = {"in-toto.io/predicate-type": _PREDICATE}
    manifest: Object = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}manifest.v1+json",
        "config": _push_blob(mirror, name, config, f"{_OCI}config.v1+json"),
        "layers": layers,
    }
    descriptor = _describe(json.dumps(manifest).encode(), manifest["mediaType"])
    _put_manifest(mirror, name, descriptor["digest"], manifest)
    return {**descriptor, "platform": {"architecture": architecture, "os": system}}


def _describe(content: bytes, kind: str) -> Object:
    return {"mediaType": kind, "digest": f"sha256:{hashlib.sha256(content).hexdigest()}", "size": len(content)}


def _push_blob(mirror: str, name: str, value: Any, kind: str) -> Object:
    content = json.dumps(value).encode()
    descriptor = _describe(content, kind)
    _, address = _request(mirror, "POST", f"/v2/{name}/blobs/uploads/", {}, answer="Location")
    mark = "&" if "?" in address else "?"
    headers = {"Content-Type": "application/octet-stream"}
    _request(mirror, "PUT", f"{address}{mark}digest={descriptor['digest']}", headers, content)
    return descriptor


def _put_manifest(mirror: str, name: str, reference: str, manifest: Object) -> None:
    headers = {"Content-Type": manifest["mediaType"]}
    _request(mirror, "PUT", f"/v2/{name}/manifests/{reference}", headers, json.dumps(manifest).encode())


def _request(
    mirror: str,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes | None = None,
    *,
    answer: str = "Docker-Content-Digest",
    allowed: int = 0,
) -> tuple[bytes, str]:
    """Return the body and the header `answer` of the registry's response; both are empty for the status `allowed`."""
    connection = http.client.HTTPConnection(mirror, timeout=10)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read()
        if response.status == allowed:
            return b"", ""
        if response.status >= 300:
            raise EngineError(f"the local registry at {mirror} refuses {method} {path}: {response.status} {content!r}")
        return content, response.getheader(answer, "")
    except (OSError, http.client.HTTPException) as error:
        raise EngineError(f"the local registry at {mirror} doesn't answer: {error}") from error
    finally:
        connection.close()
