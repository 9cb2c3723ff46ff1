#!/bin/sh
# /etc/nginx/templates/NAME.template becomes /etc/nginx/conf.d/NAME, with the variables of the environment filled in;
# nginx's own ($host and the like) are left alone, for the environment does not have them.
set -e

cd /etc/nginx/templates 2>/dev/null || exit 0
defined=$(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/${\1}/p')
find . -follow -type f -name '*.template' | while read -r template; do
    target=/etc/nginx/conf.d/${template%.template}
    mkdir -p "$(dirname "$target")"
    envsubst "$defined" <"$template" >"$target"
done
