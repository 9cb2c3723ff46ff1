#!/bin/sh
# An image has no init: packages must not start their services when they are installed.
exit 101
