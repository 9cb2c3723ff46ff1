"""A page that counts its visits in Postgres, and keeps what it greets with in Redis for a minute."""

from pathlib import Path

import psycopg
import redis
from flask import Flask

app = Flask(__name__)

# region: connect
# "cache" and "db" are the names of services in compose.yaml. On their network, they are host names.
cache = redis.Redis(host="cache", decode_responses=True)


def database() -> psycopg.Connection:
    # One connection per request: a database that was away is found again without a restart here.
    password = Path("/run/secrets/db-password").read_text().strip()
    return psycopg.connect(host="db", user="app", password=password, connect_timeout=3)
    # endregion: connect


@app.get("/")
def index() -> dict[str, int | str]:
    # Leaving the block commits, an exception in it rolls back; either way it closes the connection.
    with database() as db:
        db.execute("INSERT INTO visits DEFAULT VALUES")
        (visits,) = db.execute("SELECT count(*) FROM visits").fetchone()
        words, source = cache.get("greeting"), "cache"
        if words is None:
            (words,), source = db.execute("SELECT words FROM greeting").fetchone(), "database"
            cache.set("greeting", words, ex=60)
    return {"visits": visits, "greeting": words, "greeting_from": source}


@app.get("/health")
def health() -> dict[str, str]:
    # Whatever is raised in here becomes status 500, and the health check fails.
    with database() as db:
        db.execute("SELECT 1")
    cache.ping()
    return {"database": "ok", "cache": "ok"}


@app.cli.command("visits")
def print_visits() -> None:
    # A task to run once, by hand: flask visits
    with database() as db:
        print(*db.execute("SELECT count(*) FROM visits").fetchone(), "visits")
