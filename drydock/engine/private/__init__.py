"""The private engine: made from Debian's packages for machines on which no other engine answers."""
