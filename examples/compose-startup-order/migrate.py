"""Runs each file in migrations/ that this database has not seen yet."""

import sys
from pathlib import Path

import psycopg


def main() -> None:
    password = Path("/run/secrets/db-password").read_text().strip()
    # All or nothing: an error in this block undoes what was done in it.
    with psycopg.connect(host="db", user="app", password=password, connect_timeout=3) as db:
        db.execute("CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY)")
        done = {name for (name,) in db.execute("SELECT name FROM migrations")}
        for file in sorted(Path("migrations").glob("*.sql")):
            if file.name not in done:
                print("running", file.name)
                db.execute(file.read_text())
                db.execute("INSERT INTO migrations VALUES (%s)", [file.name])
    print("nothing left to do")


try:
    main()
except psycopg.Error as error:
    print("error:", error)
    # The exit status is all that Compose looks at.
    sys.exit(1)
