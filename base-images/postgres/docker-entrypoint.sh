#!/usr/bin/env bash
# Starts PostgreSQL as user postgres. An empty PGDATA is initialised first: one superuser, one database, then the files of
# /docker-entrypoint-initdb.d, by a temporary server that nobody can reach over the network. Any other command runs as it is.
set -Eeo pipefail

# from_file NAME [DEFAULT]: NAME from the environment, or from the file that NAME_FILE points to (a mounted secret).
from_file() {
    local name=$1 file_name=$1_FILE
    if [ -n "${!name:-}" ] && [ -n "${!file_name:-}" ]; then
        printf >&2 'error: both %s and %s are set; set one of them\n' "$name" "$file_name"
        exit 1
    fi
    if [ -n "${!file_name:-}" ]; then
        printf -v "$name" '%s' "$(<"${!file_name}")"
    else
        printf -v "$name" '%s' "${!name:-${2:-}}"
    fi
    export "${name?}"
    unset "$file_name"
}

read_settings() {
    from_file POSTGRES_PASSWORD
    from_file POSTGRES_USER postgres
    from_file POSTGRES_DB "$POSTGRES_USER"
    from_file POSTGRES_INITDB_ARGS
    : "${POSTGRES_HOST_AUTH_METHOD:=}"
}

demand_password() {
    [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ] || return 0
    cat >&2 <<'TEXT'
Error: Database is uninitialized and superuser password is not specified.
       Give the superuser one with POSTGRES_PASSWORD, as in "-e POSTGRES_PASSWORD=secret" on "docker run",
       or with POSTGRES_PASSWORD_FILE. POSTGRES_HOST_AUTH_METHOD=trust would let everybody in without one.
TEXT
    exit 1
}

make_directories() {
    mkdir -p "$PGDATA" /var/run/postgresql
    chmod 00700 "$PGDATA" || :
    chmod 03775 /var/run/postgresql || :
    if [ "$(id -u)" = 0 ]; then
        find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
    fi
}

create_cluster() {
    # shellcheck disable=SC2086  # POSTGRES_INITDB_ARGS are several arguments
    initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") $POSTGRES_INITDB_ARGS
    printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
}

# run_sql DATABASE [ARGUMENT...]: psql as the superuser on the temporary server; stops at the first error.
run_sql() {
    PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password --username "$POSTGRES_USER" --dbname "$@"
}

create_database() {
    [ "$POSTGRES_DB" != postgres ] || return 0
    run_sql postgres --set name="$POSTGRES_DB" <<<'CREATE DATABASE :"name";'
}

run_init_files() {
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
        *.sh)
            if [ -x "$file" ]; then
                printf '%s: running %s\n' "$0" "$file"
                "$file"
            else
                printf '%s: sourcing %s\n' "$0" "$file"
                # shellcheck disable=SC1090  # the user's own file
                . "$file"
            fi
            ;;
        *.sql) printf '%s: running %s\n' "$0" "$file"; run_sql "$POSTGRES_DB" -f "$file" ;;
        *.sql.gz) printf '%s: running %s\n' "$0" "$file"; gunzip -c "$file" | run_sql "$POSTGRES_DB" ;;
        /docker-entrypoint-initdb.d/\*) ;;
        *) printf '%s: ignoring %s\n' "$0" "$file" ;;
        esac
    done
}

initialise() {
    demand_password
    create_cluster
    export PGPASSWORD="${PGPASSWORD:-$POSTGRES_PASSWORD}"
    # Only on the socket: whoever waits for TCP waits until all of this is done.
    pg_ctl -D "$PGDATA" -o "-c listen_addresses='' -p ${PGPORT:-5432}" -w start
    create_database
    run_init_files
    pg_ctl -D "$PGDATA" -m fast -w stop
    unset PGPASSWORD
    printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

main() {
    case ${1-} in
    -*) set -- postgres "$@" ;;
    esac
    [ "${1-}" = postgres ] || exec "$@"
    case " $* " in
    *" --help "* | *" -? "* | *" --version "* | *" -V "* | *" -C "*) exec "$@" ;;
    esac

    make_directories
    if [ "$(id -u)" = 0 ]; then
        export HOME=/var/lib/postgresql
        exec setpriv --reuid=postgres --regid=postgres --init-groups -- "${BASH_SOURCE[0]}" "$@"
    fi
    read_settings
    if [ -s "$PGDATA/PG_VERSION" ]; then
        printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
    else
        initialise
    fi
    exec "$@"
}

main "$@"
