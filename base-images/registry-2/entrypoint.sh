#!/bin/sh
# A configuration file alone, or options, mean `registry serve`; any other command runs as it is.
set -e

case ${1-} in
*.yaml | *.yml) set -- registry serve "$@" ;;
serve | garbage-collect | help | -*) set -- registry "$@" ;;
esac

exec "$@"
