#!/bin/sh
# Makes what the Dockerfile starts from, as root on a host with mmdebstrap:
#
#   rootfs.sh DEST PACKAGE...
#
#   DEST/rootfs.tar    debian:trixie-slim: minbase without manuals and translations, apt set up as in debian/
#   DEST/bookworm.tar  debian:bookworm-slim, the same of the release before
#   DEST/lists/        trixie's package lists, so that no build stage has to fetch them again
#   DEST/versions      "PACKAGE VERSION" for each PACKAGE as these lists would install it, and "debian 13.x"
#
# The archive is mmdebstrap's default, with the suite's updates and security fixes; nothing here names a server.
set -eu

HERE=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/lists"
DEST=$(cd "$1" && pwd)
shift
PACKAGES=$*
export HERE DEST PACKAGES

# make_root SUITE FILE [OPTION...]: writes the root file system of a release as an archive.
# Hooks are run by a shell of mmdebstrap's, with the new root as $1: hence the single quotes.
# shellcheck disable=SC2016
make_root() {
    suite=$1 file=$2
    shift 2
    TMPDIR=$DEST mmdebstrap --variant=minbase --quiet \
        --format=tar --skip=output/dev,chroot/policy-rc.d \
        --aptopt='Acquire::GzipIndexes "true"' \
        --aptopt='Acquire::Languages "none"' \
        --aptopt='Acquire::Check-Valid-Until "false"' \
        --dpkgopt="$HERE/debian/etc/dpkg/dpkg.cfg.d/docker" \
        --customize-hook='rm -f "$1/etc/hostname" "$1/etc/resolv.conf" "$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap"' \
        --customize-hook='mv "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/apt/apt.conf.d/docker-lists"' \
        --customize-hook='cp -R "$HERE/debian/." "$1"' \
        "$@" \
        --customize-hook='rm -f "$1"/var/cache/apt/*.bin "$1"/var/cache/debconf/*-old "$1"/var/lib/dpkg/*-old' \
        "$suite" "$file"
}

make_root bookworm "$DEST/bookworm.tar" &
# shellcheck disable=SC2016
make_root trixie "$DEST/rootfs.tar" \
    --customize-hook='cp "$1"/var/lib/apt/lists/*_* "$DEST/lists"' \
    --customize-hook='echo "debian $(cat "$1/etc/debian_version")" >"$DEST/versions"' \
    --customize-hook='chroot "$1" apt-cache show --no-all-versions $PACKAGES |
        awk "/^Package: /{name=\$2} /^Version: /{print name, \$2}" >>"$DEST/versions"'
wait "$!"
