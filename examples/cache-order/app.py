"""A visitors' book: counts the visits, and dates each in the visitor's language."""

from datetime import UTC, datetime

from babel.dates import format_datetime
from flask import Flask, request
from sqlalchemy import StaticPool, create_engine, text

app = Flask(__name__)
# In memory, so the book is gone with the process: this example is about building.
book = create_engine("sqlite://", poolclass=StaticPool)

with book.begin() as page:
    page.execute(text("CREATE TABLE visits (at TEXT)"))


@app.get("/")
def visit() -> str:
    language = request.accept_languages.best_match(["en", "de", "fr", "ja"], default="en")
    now = datetime.now(UTC)
    with book.begin() as page:
        page.execute(text("INSERT INTO visits VALUES (:at)"), {"at": now.isoformat()})
        count = page.scalar(text("SELECT count(*) FROM visits"))
    return f"{count}: {format_datetime(now, 'full', locale=language)}\n"


@app.get("/health")
def health() -> str:
    return "ok\n"
