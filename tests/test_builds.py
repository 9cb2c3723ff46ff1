"""Logs of builds."""

from __future__ import annotations

import pytest

from drydock.builds import Step, ran, steps

BUILDKIT = """\
#0 building with "default" instance using docker driver

#1 [internal] load build definition from Dockerfile
#1 transferring dockerfile: 120B done
#1 DONE 0.0s

#4 [1/4] FROM docker.io/library/debian:trixie-slim
#4 CACHED

#10 [build 10/10] RUN last
#10 DONE 0.1s

#5 [build 2/10] WORKDIR /app
#5 CACHED

#6 [build  3/10] RUN echo "[1/2] FROM a log" && false
#6 0.123 #5 [2/4] RUN not a step
#6 DONE 0.3s

#7 [stage-1 2/3] COPY --from=build /app /app
#7 CANCELED

#8 exporting to image
#8 DONE 0.0s
"""


def test_buildkit():
    """Of BuildKit's log the steps are kept, by stage and in order, whichever of them ended first."""
    assert steps(BUILDKIT) == [
        Step("build 2/10", "WORKDIR /app", cached=True),
        Step("build 3/10", 'RUN echo "[1/2] FROM a log" && false'),
        Step("build 10/10", "RUN last"),
        Step("stage-1 2/3", "COPY --from=build /app /app"),
    ]


def test_podman():
    """Of Podman's log the steps are kept that BuildKit has too."""
    assert steps("[1/2] STEP 3/3: RUN one\n--> 45\n[2/2] STEP 2/2: COPY a b\n--> Using cache 89ab\n") == [
        Step("1 3/3", "RUN one"),
        Step("2 2/2", "COPY a b", cached=True),
    ]


@pytest.mark.parametrize("log", ["", "nothing\n", "#\n#1\n#1 CACHED\n--> Using cache 12\n"])
def test_no_step(log):
    """A log without steps has none."""
    assert steps(log) == []


def test_ran():
    """What ran is what had no result from before."""
    assert ran(BUILDKIT) == ['RUN echo "[1/2] FROM a log" && false', "RUN last", "COPY --from=build /app /app"]
    assert ran("") == []
