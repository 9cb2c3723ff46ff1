# Variations of the stand-ins, for `nox -s examples -- --vary-bases`. Each is changed in ways in which the official image
# differs from its stand-in, so what breaks on them rests on an accident of the stand-in. docker-bake.hcl builds them under
# the official names. Those that the official images don't differ in stay: one layer of debian and busybox, users, ports.

# hadolint global ignore=DL3006,DL3008,DL3067,DL4006
# DL3006, DL3008: the base and the packages have no versions, as in Dockerfile. DL3067: one layer means that all is copied. DL4006:
# a pipe here only cuts off what seq prints.

# Another number of files and packages, and other sizes. One layer, as in the official image.
FROM stand-in AS debian-files
RUN --mount=type=bind,source=lists,target=/var/lib/apt/lists,rw \
    DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends netbase \
    && seq 99999999 | head -c 9000000 >/usr/share/base-files/variation
FROM scratch AS debian
COPY --from=debian-files / /
CMD ["bash"]

# Another size.
FROM stand-in AS busybox-files
RUN seq 99999999 | head -c 3000000 >/lib/variation
FROM scratch AS busybox
COPY --from=busybox-files / /
CMD ["sh"]

# Another patch release, more variables, and more layers.
FROM stand-in AS python
ENV GPG_KEY=0000000000000000000000000000000000000000 \
    PYTHON_VERSION=3.13.99 \
    PYTHON_SHA256=0000000000000000000000000000000000000000000000000000000000000000
RUN mkdir -p /usr/local/include/python3.13 && seq 99999999 | head -c 2000000 >/usr/local/include/python3.13/variation
RUN ln -s pip3 /usr/local/bin/pip-variation

# More tools, as in the full image, and another size.
FROM stand-in AS golang
RUN --mount=type=bind,source=lists,target=/var/lib/apt/lists,rw \
    DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends gnupg mercurial subversion
RUN seq 99999999 | head -c 90000000 >/usr/local/go/variation

# Yarn, and more layers.
FROM stand-in AS node
ENV YARN_VERSION=1.22.22
RUN ln -s ../lib/node_modules/corepack/dist/yarn.js /usr/local/bin/yarn
RUN mkdir -p /usr/local/include/node && seq 99999999 | head -c 9000000 >/usr/local/include/node/variation

# More variables and tools, and clients that start more slowly: there each is a program that starts the one of the cluster.
FROM stand-in AS postgres
ENV GOSU_VERSION=1.19
RUN --mount=type=bind,source=lists,target=/var/lib/apt/lists,rw \
    DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends less xz-utils zstd
# hadolint ignore=SC2016
RUN for name in psql pg_isready; do \
        printf '#!/bin/sh\nsleep 0.05\nexec /usr/lib/postgresql/17/bin/%s "$@"\n' "$name" >/usr/local/bin/"$name" \
        && chmod +x /usr/local/bin/"$name"; \
    done
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/17/bin

# Modules: more lines at the start, which takes longer.
FROM stand-in AS redis
RUN sed -i 's|^    echo .Starting Redis Server.$|&\n    sleep 0.2; seq 20 \| sed "s/.*/1:M * <module> variation &/"|' \
    /usr/local/bin/docker-entrypoint.sh
ENV REDIS_DOWNLOAD_URL=variation
RUN mkdir -p /usr/local/lib/redis/modules && seq 99999999 | head -c 20000000 >/usr/local/lib/redis/modules/variation

# More variables, a label, and lines of one more script of the entrypoint.
FROM stand-in AS nginx
LABEL maintainer="variation"
ENV NJS_VERSION=0.9.9 \
    PKG_RELEASE=1~trixie
# hadolint ignore=SC2016
RUN printf '#!/bin/sh\necho "$0: info: variation" >&2\n' >/docker-entrypoint.d/30-tune-worker-processes.sh \
    && chmod +x /docker-entrypoint.d/30-tune-worker-processes.sh
RUN seq 99999999 | head -c 20000000 >/usr/lib/nginx-variation

# Other variables and sizes.
FROM stand-in AS registry
ENV VARIATION=1
RUN seq 99999999 | head -c 3000000 >/usr/lib/variation

# The official image has 13 layers.
FROM shell AS static-files
WORKDIR /out/usr/share/variation
RUN for name in 1 2 3 4 5 6 7; do mkdir $name && seq 99999999 | head -c 100000 >$name/file; done

FROM stand-in AS static
COPY --from=static-files /out/usr/share/variation/1 /usr/share/variation/1
COPY --from=static-files /out/usr/share/variation/2 /usr/share/variation/2
COPY --from=static-files /out/usr/share/variation/3 /usr/share/variation/3
COPY --from=static-files /out/usr/share/variation/4 /usr/share/variation/4
COPY --from=static-files /out/usr/share/variation/5 /usr/share/variation/5
COPY --from=static-files /out/usr/share/variation/6 /usr/share/variation/6
COPY --from=static-files /out/usr/share/variation/7 /usr/share/variation/7

FROM static AS static-nonroot
