#!/bin/sh
# Starts redis-server as user redis, open to other containers; any other command runs as it is.
set -e

case ${1-} in
-* | *.conf) set -- redis-server "$@" ;;
esac

# In a container there is nobody on loopback to protect for: off, unless the arguments or the configuration file say.
says_protected_mode() {
    case " $* " in
    *" --protected-mode "*) return 0 ;;
    esac
    [ -f "${2-}" ] && grep -qi '^[[:space:]]*protected-mode[[:space:]]' "$2"
}

may_change_user() {
    setpriv --dump | grep -q 'bounding set:.*setgid.*setuid'
}

if [ "${1-}" = redis-server ]; then
    says_protected_mode "$@" || set -- "$@" --protected-mode no
    if [ "$(id -u)" = 0 ] && [ -z "${SKIP_DROP_PRIVS-}" ] && may_change_user; then
        find . \! -user redis -exec chown redis '{}' + || :
        exec setpriv --reuid=redis --regid=redis --clear-groups --no-new-privs --bounding-set=-all -- "$0" "$@"
    fi
    # What redis saves is nobody else's to read.
    umask 0077
    echo 'Starting Redis Server'
fi

exec "$@"
