"""What the engine's own checks say of the examples' Dockerfiles and Compose files, without building anything."""

from __future__ import annotations

import subprocess

import pytest

from drydock.model import example as examples

EXAMPLES = examples.load_examples()


@pytest.fixture(name="check")
def _check(engine):
    """Run ``docker ARGUMENTS``; return its exit status, and its output with the name of the checked file."""

    def call(file, *arguments):
        command = [engine.docker, *arguments]
        checked = subprocess.run(
            command, env=engine.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
        )
        return checked.returncode, f"{file}: docker {' '.join(arguments)}\n{checked.stdout}{checked.stderr}".strip()

    return call


@pytest.mark.parametrize("slug", EXAMPLES)
def test_dockerfile_passes_build_checks(slug, check, only_docker):
    """BuildKit's checks find nothing in the Dockerfile."""
    only_docker("Podman builds without BuildKit, which has the checks")
    status, report = check(f"examples/{slug}/Dockerfile", "build", "--check", "--quiet", str(EXAMPLES[slug].root))

    assert status == 0, report


@pytest.mark.parametrize("slug", EXAMPLES)
def test_compose_file_is_valid(slug, check):
    """Compose accepts the Compose file, and has no warning about it."""
    file = f"examples/{slug}/compose.yaml"
    folder = f"--project-directory={EXAMPLES[slug].root}"
    status, report = check(file, "compose", folder, "config", "--quiet")

    assert status == 0, report
    assert report == f"{file}: docker compose {folder} config --quiet", report
