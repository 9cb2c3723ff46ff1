#!/bin/sh
# The page served by default answers on IPv6 too, where the container has IPv6 and nobody changed its configuration.
set -e

conf=/etc/nginx/conf.d/default.conf

say() {
    [ -n "${NGINX_ENTRYPOINT_QUIET_LOGS-}" ] || echo "${0##*/}: info: $*"
}

if ! [ -f /proc/net/if_inet6 ]; then
    say 'ipv6 not available'
elif ! touch "$conf" 2>/dev/null; then
    say "can not modify $conf (read-only file system?)"
elif ! cmp -s "$conf" /usr/share/nginx/default.conf; then
    say "$conf differs from the packaged version"
else
    sed -i 's/^\( *\)listen  *80;/&\n\1listen  [::]:80;/' "$conf"
    say "Enabled listen on IPv6 in $conf"
fi
