#!/bin/sh
# Before nginx starts, and only then: runs what is in /docker-entrypoint.d, in order of name.
set -e

if [ "${1-}" = nginx ] || [ "${1-}" = nginx-debug ]; then
    for file in /docker-entrypoint.d/*; do
        # shellcheck disable=SC1090  # the user's own file
        case $file in
        *.envsh) [ ! -x "$file" ] || . "$file" ;;
        *.sh) [ ! -x "$file" ] || "$file" ;;
        esac
    done
fi

exec "$@"
