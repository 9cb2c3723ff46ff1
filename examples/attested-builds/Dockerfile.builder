FROM debian:trixie-slim
# The lists of packages go in the same step, so that no layer keeps them.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates docker-buildx docker-cli docker.io \
 && rm -rf /var/lib/apt/lists/*
COPY daemon.json /etc/docker/
# A daemon of Docker is root. What it builds need not be.
# hadolint ignore=DL3002
USER 0
CMD ["dockerd"]
