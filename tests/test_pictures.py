"""Pictures: tables in the evidence, and what the site draws from them; no engine."""

from __future__ import annotations

import dataclasses
import json
import re
import xml.etree.ElementTree as ET

import pytest
from small_site import Site

from drydock.errors import MalformedError, MissingError
from drydock.layers import plain_instruction as plain
from drydock.model import evidence
from drydock.model.evidence import KINDS, Evidence, Run, Table, median_rows
from drydock.site.pictures import DRAWN

SIZES = Table("sizes", [{"image": "naive", "bytes": 580_000_000}, {"image": "scratch", "bytes": 5_800_000}])


def layer(image, instruction, size, place, base=False):
    """Return a row of a layer stack."""
    return {"image": image, "instruction": instruction, "bytes": size, "layer": place, "base": base}


LAYERS = Table(
    "layers",
    [
        layer("before", "ADD root /", 78_000_000, 1, True),
        layer("before", 'CMD ["bash"]', 0, None, True),
        layer("before", "COPY . .", 1000, 2),
        layer("before", "USER 10001", 0, None),
        layer("after", "ADD root /", 78_000_000, 1, True),
        layer("after", 'CMD ["bash"]', 0, None, True),
        layer("after", "COPY . .", 2000, 3),
        layer("after", "USER 10001", 0, None),
    ],
)


def step(variant, edit, name, state, seconds=0.0):
    """Return a row of a timeline."""
    return {"variant": variant, "edit": edit, "step": name, "state": state, "seconds": seconds}


TIMELINE = Table(
    "timeline",
    [
        step("good", "nothing", "COPY . .", "cached"),
        step("bad", "nothing", "COPY . .", "cached"),
        step("good", "source", "RUN install", "cached"),
        step("good", "source", "COPY . .", "run", 0.1),
        step("bad", "source", "COPY . .", "run", 0.1),
        step("bad", "source", "RUN install", "run", 5.2),
    ],
)


def pair(source, target, network, **found):
    """Return a row of a network map."""
    asked = {"alias": target, "port": 80, "published": "", "resolves": True, "connects": True}
    return {"from": source, "to": target, "network": network, **asked, **found}


NETWORK = Table(
    "network",
    [
        pair("this machine", "web", "", alias="", published="127.0.0.1", resolves=None),
        pair("this machine", "db", "", alias="", resolves=None, connects=None),
        pair("web", "db", "default"),
        pair("db", "web", "default"),
        pair("elsewhere", "web", "bridge", resolves=False, connects=False),
    ],
)
DURATIONS = Table("durations", [{"label": "plain", "seconds": 0.4}, {"label": "emulated", "seconds": 8}])


def strip(variant, ready, stop, status):
    """Return a row of a lifecycle."""
    return {"variant": variant, "ready": ready, "signal": "SIGTERM", "stop": stop, "exit": status}


LIFECYCLE = Table("lifecycle", [strip("exec form", 0.5, 0.1, 0), strip("shell form", 0.5, 2.0, 137)])


def cell(row, column, text):
    """Return a cell of a grid."""
    return {"row": row, "column": column, "cell": text}


GRID = Table(
    "grid",
    [
        cell("volume", "`rm`", "kept"),
        cell("layer", "`rm`", "gone"),
        cell("layer", "restart", "kept"),
        cell("volume", "restart", "kept"),
    ],
)
TABLES = {
    "sizes": SIZES,
    "layers": LAYERS,
    "timeline": TIMELINE,
    "network": NETWORK,
    "durations": DURATIONS,
    "lifecycle": LIFECYCLE,
    "grid": GRID,
}
ALL = "\n\n".join(f":::{{picture}} greeting:{name}\n:caption: the `{name}`\n:::" for name in TABLES)


@pytest.fixture
def site(tmp_path):
    """Return a site whose example has a table of each kind."""
    made = Site(tmp_path)
    made.record("greeting", tables=TABLES)
    return made


def drawn(table):
    """Return the picture of `table` as a tree; that it is one shows that an e-book can hold it."""
    return ET.fromstring(f"<div>{DRAWN[table.kind](table, 'one')}</div>")


def bars(tree):
    """Return label and value of each bar, and how long it is in per cent; None for no bar."""
    for each in tree.iter("div"):
        if "drydock-bar" in each.get("class", "").split():
            label, value, *track = each
            yield label.text, value.text, float(re.sub(r"[^\d.]", "", track[0][0].get("style"))) if track else None


def labels(tree):
    """Return what is read aloud in place of the picture."""
    return [each.get("aria-label") for each in tree.iter() if each.get("role") == "img"]


def plain_text(text):
    """Return `text` with plain spaces in the place of those that do not break."""
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_there_is_a_picture_of_every_kind():
    """Each kind of table can be drawn, and is drawn by these tests."""
    assert {table.kind for table in TABLES.values()} == set(KINDS)
    assert {*DRAWN, "grid"} == set(KINDS)


# On a page


def test_page_shows_figure_and_table(site):
    """A picture is a figure with its example, engine and date, what is read aloud, and the table to be opened."""
    site.page("shown", ALL)
    built = site.build()
    html = built.text("shown.html")

    assert built.warnings == []
    assert html.count("<figure") == html.count("</figure>") == 7
    assert html.count("<summary>As a table</summary>") == 6  # a grid is a table
    assert html.count('role="img"') == 8  # a timeline has one for each edit, a lifecycle one for each variant
    for figure in re.findall(r"<figure.*?</figure>", html, re.DOTALL):
        assert 'href="examples/greeting.html"' in figure
        assert "Last run: Docker 28.5.2 on 2026-11-20, " in figure
        assert re.search(r"<table.*</table>", figure, re.DOTALL)
    assert "<code" in html


def test_other_builders_get_the_table(site):
    """Where there is no HTML, the table stands for the picture."""
    site.page("shown", ALL)
    text = plain_text(site.build("text").text("shown.txt"))

    assert "<" not in text
    assert re.search(r"naive +\| 580 MB", text)
    assert re.search(r"bad +\| source +\| RUN install +\| run +\| 5.2 s", text)
    assert re.search(r"elsewhere +\| web +\| bridge +\| web +\| 80 +\| – +\| no +\| no", text)


def test_pictures_are_no_blocks(site):
    """The census counts what it counted without the pictures."""
    before = site.build("text").census
    site.page("first", f":::{{example}} greeting/Dockerfile\n:::\n\n{ALL}")

    assert site.build("text").census == before


def test_pictures_of_one_page_do_not_meet(site):
    """Two timelines on one page have a choice each."""
    once = ":::{picture} greeting:timeline\n:::"
    site.page("twice", f"{once}\n\n{once}")
    names = re.findall(r'type="radio" name="([^"]*)"', site.build().text("twice.html"))

    assert len(set(names)) == 2
    assert names.count(names[0]) == 3


def test_nothing_is_raw(site):
    """Markup in a table is text, in the picture as in the table."""
    evil = '<script>alert("1")</script>'
    site.record(
        "greeting",
        tables={
            name: Table(table.kind, [_poisoned(row, evil) for row in table.rows]) for name, table in TABLES.items()
        },
    )
    site.page("shown", ALL)
    built = site.build()

    assert built.warnings == []
    assert "<script>alert" not in built.text("shown.html")
    assert built.text("shown.html").count("&lt;script&gt;") > 20


def _poisoned(row, evil):
    return {name: value + evil if isinstance(value, str) and name != "state" else value for name, value in row.items()}


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("greeting:size", "no table 'size' in evidence/runs/greeting.json; did you mean sizes? there are: "),
        ("greeting", "no table '' in evidence/runs/greeting.json; there are: "),
        ("greetings:sizes", "no example 'greetings'; did you mean greeting?"),
    ],
)
def test_missing(site, name, problem):
    """A picture of what there is not is reported where it stands, with the near names."""
    site.page("wrong", f":::{{picture}} {name}\n:::")
    [warning] = site.build("text").warnings

    assert warning.startswith(f"docs/wrong.md:3: WARNING: {problem}")
    assert warning.endswith("[example.missing]")


def test_new_table_is_drawn_anew(site):
    """A page is read again when the table that it draws changes."""
    site.page("shown", ":::{picture} greeting:sizes\n:::")
    site.build()
    site.record("greeting", tables={"sizes": Table("sizes", [{"image": "tiny", "bytes": 7}])})

    assert "tiny" in site.build().text("shown.html")


# What is drawn


def test_sizes():
    """A bar is as long as its size is of the greatest."""
    tree = drawn(SIZES)

    assert [(label, plain_text(value), length) for label, value, length in bars(tree)] == [
        ("naive", "580 MB", 100),
        ("scratch", "5.8 MB", 1),
    ]
    assert plain_text(labels(tree)[0]) == "Sizes of images: naive 580 MB, scratch 5.8 MB"


def test_layers_of_one_image():
    """The newest is on top; a setting is a line, a layer of the base is marked."""
    tree = drawn(Table("layers", LAYERS.rows[:4]))
    order = [each.get("class").split()[0] for each in tree.find(".//div[@class='drydock-stack']")]

    assert order == ["drydock-of", "drydock-line", "drydock-bar", "drydock-divider", "drydock-line", "drydock-bar"]
    assert [plain_text(value) for _, value, _ in bars(tree)] == ["1 kB", "78 MB"]
    assert plain_text(labels(tree)[0]) == "before: 2 layers with 78 MB, 1 of them from the base image"


def test_layers_of_two_images():
    """Side by side, each layer says whether the other image holds it too."""
    tree = drawn(LAYERS)

    assert [plain_text(value) for _, value, _ in bars(tree)] == [
        "1 kB · only here",
        "78 MB · shared",
        "2 kB · only here",
        "78 MB · shared",
    ]
    assert labels(tree)[0].endswith("; layers that they share: 1")


def test_timeline():
    """All edits are there; the first that cost anything is picked, and each step says whether it ran."""
    tree = drawn(TIMELINE)
    choice = [(each.tail.strip(), each.get("checked")) for each in tree.iter("input")]

    assert choice == [("all of these", None), ("nothing", None), ("source", "checked")]
    assert [plain_text(label) for label in labels(tree)] == [
        "Changed: nothing. good: all 1 steps cached; bad: all 1 steps cached",
        "Changed: source. good: 1 of 2 steps ran, 0.1 s; bad: 2 of 2 steps ran, 5.3 s",
    ]
    assert ("RUN install", "cached", None) in bars(tree)
    assert ("RUN install", "ran 5.2\N{NO-BREAK SPACE}s", 100) in bars(tree)
    assert "hidden" not in DRAWN["timeline"](TIMELINE, "one")


def test_no_time_at_all():
    """Where nothing took any time and nothing has a size, nothing is divided by it."""
    assert [length for *_, length in bars(drawn(Table("timeline", TIMELINE.rows[:2])))] == [None, None]
    assert [length for *_, length in bars(drawn(Table("sizes", [{"image": "empty", "bytes": 0}])))] == [None]


def test_network():
    """There is a box per place, a line per network, and an arrow with a head at each end that was reached."""
    tree = drawn(NETWORK)
    texts = [each.text for each in tree.iter("{http://www.w3.org/2000/svg}text")]
    arrows = [each for each in tree.iter() if each.get("class") == "drydock-arrow"]
    heads = [len(arrow.findall("{http://www.w3.org/2000/svg}polygon")) for arrow in arrows]

    assert texts == [
        *("network default", "network bridge", "this machine", "web", "listens on 80", "published on 127.0.0.1"),
        *("db", "listens on 80", "elsewhere", "reached none"),
    ]
    assert sorted(heads) == [1, 2]
    assert labels(tree) == ["Who reached whom: this machine: web; web: db; db: web; elsewhere: none"]


# In the evidence

RUN = Run("d", "2026-11-20", {"name": "Docker", "version": "28.5.2"}, tables=TABLES)


def test_tables_survive_being_written_and_read(tmp_path):
    """What is saved is what is loaded, and a table can be asked for by name."""
    whole = Evidence("hello", {evidence.DEFAULT_ENGINE: RUN})
    evidence.save_evidence(whole, tmp_path)

    assert evidence.load_evidence("hello", tmp_path) == whole
    assert whole.table("sizes") == SIZES
    with pytest.raises(MissingError, match="did you mean layers"):
        whole.table("layer")


def test_evidence_without_tables_has_no_empty_part(tmp_path):
    """A run without tables is written without them, and read again."""
    evidence.save_evidence(Evidence("hello", {"e": dataclasses.replace(RUN, tables={})}), tmp_path)

    assert "tables" not in evidence.evidence_file("hello", tmp_path).read_text()
    assert evidence.load_evidence("hello", tmp_path).runs["e"].tables == {}


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"kind": "pie", "rows": [{}]}, "no kind of table 'pie'; did you mean sizes"),
        ({"kind": "sizes", "rows": []}, "a table of sizes without rows"),
        ({"kind": "sizes", "rows": {"image": "a"}}, "tables.odd.rows is .*, not a list"),
        ({"kind": "sizes", "rows": [{"image": "a"}]}, "has the columns image, bytes"),
        ({"kind": "sizes", "rows": [{"image": "a", "bytes": 1, "more": 2}]}, "has the columns image, bytes"),
        ({"kind": "sizes", "rows": ["a"]}, r"rows\[0\] is 'a', not a table"),
        ({"kind": "sizes", "rows": [{"image": "a", "bytes": "1"}]}, "with an odd bytes"),
        ({"kind": "sizes", "rows": [{"image": "a", "bytes": True}]}, "with an odd bytes"),
        ({"kind": "sizes", "rows": [{"image": "a", "bytes": -1}]}, "with an odd bytes"),
        ({"kind": "sizes", "rows": [{"image": "a", "bytes": float("nan")}]}, "bytes is nan, not str or int or float"),
        ({"kind": "sizes", "rows": [{"image": ["a"], "bytes": 1}]}, "image is .*, not str or"),
        ({"kind": "timeline", "rows": [step("a", "b", "c", "done")]}, "with an odd state"),
        ({"kind": "timeline", "rows": [step("a", "b", "c", ["run"])]}, "state is .*, not str or"),
        ({"kind": ["sizes"], "rows": [{}]}, "kind is .*, not text"),
        ({"kind": "sizes"}, "tables.odd lacks the key 'rows'"),
        ([], "tables.odd is .*, not a table"),
    ],
)
def test_malformed(tmp_path, table, problem):
    """A table that is not of its kind makes its evidence malformed."""
    evidence.save_evidence(Evidence("hello", {"e": RUN}), tmp_path)
    data = json.loads(evidence.evidence_file("hello", tmp_path).read_text())
    data["engines"]["e"]["tables"]["odd"] = table
    evidence.evidence_file("hello", tmp_path).write_text(json.dumps(data))

    with pytest.raises(MalformedError, match=problem):
        evidence.load_evidence("hello", tmp_path)


def again(name, table):
    """Return what a later run is recorded as, which found `table` in the place of the one called `name`."""
    later = dataclasses.replace(RUN, date="2027-01-01", tables={**TABLES, name: table})
    return evidence.with_run(Evidence("hello", {"e": RUN}), "e", later).runs["e"]


def timed(**seconds):
    """Return the timeline with other seconds in the rows whose number is given."""
    rows = [{**row, "seconds": seconds.get(f"row{n}", row["seconds"])} for n, row in enumerate(TIMELINE.rows)]
    return Table("timeline", rows)


def test_noise_moves_no_table():
    """Where only seconds differ, and by noise, the former run stays; a step of no length may take a blink."""
    assert again("timeline", timed(row5=7.0)) == RUN
    assert again("timeline", timed(row3=0.04, row4=0.2)) == RUN


def test_news_moves_its_table():
    """A step that takes twice as long is news, and comes with the other rows of its run."""
    moved = again("timeline", timed(row4=0.12, row5=11.0))

    assert moved.date == "2027-01-01"
    assert moved.tables["timeline"] == timed(row4=0.12, row5=11.0)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("timeline", Table("timeline", TIMELINE.rows[:5])),
        ("timeline", Table("timeline", [{**row, "step": "RUN other"} for row in TIMELINE.rows])),
        ("sizes", Table("sizes", [{**row, "bytes": 5_800_001} for row in SIZES.rows])),
        ("new", SIZES),
    ],
)
def test_anything_else_is_news(name, table):
    """Another number of rows, another word or another byte is recorded as it is."""
    moved = again(name, table)

    assert moved.date == "2027-01-01"
    assert moved.tables[name] == table


# Instructions, as an engine keeps them


@pytest.mark.parametrize(
    ("kept", "written"),
    [
        ("COPY . . # buildkit", "COPY . ."),
        ("RUN /bin/sh -c apt-get  update     && true # buildkit", "RUN apt-get update && true"),
        ("RUN |2 A=1 B= /bin/sh -c make # buildkit", "RUN make"),
        ('CMD ["gunicorn" "app:app"]', 'CMD ["gunicorn", "app:app"]'),
        ("EXPOSE [8000/tcp]", "EXPOSE 8000/tcp"),
        ("EXPOSE map[8000/tcp:{}]", "EXPOSE 8000/tcp"),
        ('HEALTHCHECK &{["CMD" "/app" "check"] "2s" "3s" "0s" "0s" \'\\x00\'}', 'HEALTHCHECK CMD ["/app", "check"]'),
        ("RUN " + "x" * 200, "RUN " + "x" * 95 + "…"),
    ],
)
def test_instruction(kept, written):
    """An instruction is shown as its Dockerfile has it, cut to one line."""
    assert plain(kept) == written


# Durations, lifecycles, grids


def test_durations_have_one_scale():
    """The longest duration has the longest bar."""
    assert [(label, plain_text(value), length) for label, value, length in bars(drawn(DURATIONS))] == [
        ("plain", "0.4 s", 5),
        ("emulated", "8 s", 100),
    ]


def test_lifecycle_is_told():
    """A strip says in words what it draws, and a program that was killed is drawn otherwise than one that ended."""
    tree = drawn(LIFECYCLE)
    ended, killed = (each.attrib for each in tree.iter("span") if each.get("class", "").endswith(("stop", "killed")))

    assert [plain_text(label) for label in labels(tree)] == [
        "exec form: ready after 0.5 s, ended 0.1 s after SIGTERM, exit 0",
        "shell form: ready after 0.5 s, ended 2 s after SIGTERM, exit 137",
    ]
    assert ended == {"class": "drydock-length drydock-stop", "style": "width: 4%"}
    assert killed == {"class": "drydock-length drydock-killed", "style": "width: 80%"}


def test_grid_has_headings_on_two_sides(site):
    """A grid's rows and columns have headings, with their code as code, and each cell is where it belongs."""
    site.page("shown", ":::{picture} greeting:grid\n:::")
    html = site.build().text("shown.html")
    [found] = re.findall(r"<table.*?</table>", html, re.DOTALL)
    plain = [re.sub(r"<[^>]*>", "", each) for each in re.findall(r"<t[hd].*?</t[hd]>", found, re.DOTALL)]

    assert plain == ["\n", "rm", "restart", "volume", "kept", "kept", "layer", "gone", "kept"]
    assert found.count('<th class="stub">') == 2
    assert '<code class="docutils literal notranslate">' in found


@pytest.mark.parametrize("rows", [GRID.rows[:3], [*GRID.rows, GRID.rows[0]]])
def test_grid_is_complete(rows):
    """A grid with a cell missing, or a cell twice, is refused."""
    with pytest.raises(ValueError, match="one cell per row and column"):
        Table("grid", rows)


def test_rows_of_several_runs_are_medians():
    """Rows of several runs become one, with the medians of their seconds; runs that differ otherwise are refused."""
    runs = [[strip("a", ready, stop, 0)] for ready, stop in ((0.5, 0.1), (0.9, 0.3), (0.6, 0.2))]

    assert median_rows(runs) == [strip("a", 0.6, 0.2, 0)]
    with pytest.raises(ValueError, match="differ in more than their seconds"):
        median_rows([*runs, [strip("a", 0.6, 0.2, 137)]])
