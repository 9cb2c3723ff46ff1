"""The private engine: installed from Debian's packages when no other engine is running."""
