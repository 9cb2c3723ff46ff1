"""Writes a row into the database twice a second, and finds the database again when it was away."""

import os
import sys
import time
from pathlib import Path

import psycopg

# Seconds in which a database that does not answer is asked again.
PATIENCE = float(os.environ.get("PATIENCE", "60"))


# region: connect
def connect() -> psycopg.Connection:
    password = Path("/run/secrets/db-password").read_text().strip()
    give_up, pause = time.monotonic() + PATIENCE, 0.1
    while True:
        try:
            return psycopg.connect(host="db", user="app", password=password, connect_timeout=3, autocommit=True)
        except psycopg.OperationalError as error:
            print("no database:", first_line(error))
            if time.monotonic() + pause > give_up:
                raise
            time.sleep(pause)
            # Longer each time: a database that is coming up has enough to do.
            pause = min(2 * pause, 2)
            # endregion: connect


def first_line(error: psycopg.Error) -> str:
    return str(error).partition("\n")[0]


# region: work
def work() -> None:
    db = connect()
    try:
        (rows,) = db.execute("SELECT count(*) FROM beats").fetchone()
        print("connected, rows so far:", rows)
        while True:
            db.execute("INSERT INTO beats DEFAULT VALUES")
            time.sleep(0.5)
    except psycopg.OperationalError as error:
        # It went away, or was restarted: the caller comes back, and connects anew.
        print("lost the database:", first_line(error))
        # endregion: work


try:
    while True:
        work()
except psycopg.Error as error:
    print("error:", first_line(error))
    sys.exit(1)
