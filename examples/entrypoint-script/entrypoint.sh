#!/bin/sh
# Prepares what the program needs, and then makes way for it.
set -eu
# Without a name there is nothing to start: says so, and ends.
: "${NAME:?is not set, use docker run --env NAME=...}"
echo "name = $NAME" > /tmp/app.conf
# The shell becomes the command that it was given. The quotes keep each word whole.
exec "$@"
