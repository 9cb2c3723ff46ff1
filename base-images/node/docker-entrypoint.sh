#!/bin/sh
# Lets `docker run IMAGE app.js` and `docker run IMAGE --version` mean node: what is an option, or no command, is node's.
set -e

if [ "${1#-}" != "${1}" ] || [ -z "$(command -v "${1}")" ] || { [ -f "${1}" ] && ! [ -x "${1}" ]; }; then
    set -- node "$@"
fi

exec "$@"
