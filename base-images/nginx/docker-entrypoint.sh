#!/bin/sh
# Before nginx starts, and only then: runs what is in /docker-entrypoint.d, in order of name, and says so.
set -e

say() {
    [ -n "${NGINX_ENTRYPOINT_QUIET_LOGS-}" ] || echo "$0: $*"
}

configure() {
    say '/docker-entrypoint.d/ is not empty, will attempt to perform configuration'
    say 'Looking for shell scripts in /docker-entrypoint.d/'
    for file in /docker-entrypoint.d/*; do
        if ! [ -x "$file" ]; then
            say "Ignoring $file, not executable"
            continue
        fi
        case $file in
        *.envsh)
            say "Sourcing $file"
            # shellcheck disable=SC1090  # the user's own file
            . "$file"
            ;;
        *.sh)
            say "Launching $file"
            "$file"
            ;;
        *) say "Ignoring $file" ;;
        esac
    done
    say 'Configuration complete; ready for start up'
}

if [ "${1-}" = nginx ] || [ "${1-}" = nginx-debug ]; then
    configure
fi

exec "$@"
