#!/bin/sh
# A file, which is the configuration, means `registry serve`; sh is a shell; anything else is a command of registry.
set -e

if [ -f "${1-}" ]; then
    set -- serve "$@"
fi
if [ "${1-}" = sh ]; then
    exec "$@"
fi
exec registry "$@"
