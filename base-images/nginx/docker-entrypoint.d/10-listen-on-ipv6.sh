#!/bin/sh
# The page served by default answers on IPv6 too, where the container has IPv6 and nobody changed its configuration.
set -e

conf=/etc/nginx/conf.d/default.conf
if [ -f /proc/net/if_inet6 ] && [ -w "$conf" ] && cmp -s "$conf" /usr/share/nginx/default.conf; then
    sed -i 's/^\( *\)listen  *80;/&\n\1listen  [::]:80;/' "$conf"
fi
