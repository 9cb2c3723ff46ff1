"""Network maps: the containers on each network, the published ports, and the connections that a test made."""

from __future__ import annotations

from dataclasses import dataclass, field

from markupsafe import Markup

from drydock.model.evidence import Row, Table
from drydock.site.pictures.bars import join_parts

#: The widths of the map, a box, and a network's line, in units of the drawing.
WIDTH, BOX, BUS = 340, 150, 16
#: The height of a box, and the distance from one box to the next.
HEIGHT, STEP = 54, 80
TOP = 8
#: The width of an arrow's curve per box that it passes, and its maximum.
SWING, FAR = 42, 150
#: The distance between the ends of two arrows at one box.
APART = 11


@dataclass
class Place:
    """A container or the machine that probed others or was probed.

    :ivar networks: its networks; none for the machine itself.
    :ivar lines: the text in its box, below its name.
    :ivar peers: the places that an arrow joins it to.
    """

    name: str
    row: int
    networks: tuple[str, ...] = ()
    lines: list[str] = field(default_factory=list)
    peers: list[Place] = field(default_factory=list, repr=False)

    @property
    def top(self) -> int:
        """The upper edge of its box."""
        return TOP + 16 + self.row * STEP

    def end(self, other: Place) -> float:
        """Return the height at which the arrow to `other` ends, so that no two arrows cross at this box."""
        order = sorted(self.peers, key=lambda peer: (peer.row > self.row, self.row - peer.row))
        return self.top + HEIGHT / 2 + (order.index(other) - (len(order) - 1) / 2) * APART


def draw_network(table: Table, unique: str) -> Markup:
    """Return the map: a box per place, a line per network, an arrow for each connection that was made."""
    places = _find_places(table.rows)
    networks = list(dict.fromkeys(name for place in places.values() for name in place.networks))
    left = 8 + BUS * len(networks)
    arrows = _find_arrows(table.rows)
    for one, other in {tuple(sorted(pair)) for pair in arrows}:
        places[one].peers.append(places[other])
        places[other].peers.append(places[one])
    drawn = [
        *(_draw_bus(name, 8 + BUS * index, left, places) for index, name in enumerate(networks)),
        *(_draw_box(place, left) for place in places.values()),
        *(
            _draw_arrow(places[a], places[b], (b, a) in arrows, left)
            for a, b in arrows
            if (b, a) not in arrows or a < b
        ),
    ]
    return Markup(
        '<svg class="drydock-map" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        "{}</svg>"
    ).format(
        WIDTH, TOP + 16 + len(places) * STEP - (STEP - HEIGHT) + TOP, _describe_arrows(table.rows), join_parts(drawn)
    )


def _find_arrows(rows: list[Row]) -> dict[tuple[str, str], None]:
    """Return the connections, as pairs of names in the order of the rows."""
    return {(str(row["from"]), str(row["to"])): None for row in rows if row["connects"]}


def _find_places(rows: list[Row]) -> dict[str, Place]:
    """Return the places by name: first those that probed, then those that were only probed."""
    names = dict.fromkeys(str(row[end]) for end in ("from", "to") for row in rows)
    places = {name: Place(name, index) for index, name in enumerate(names)}
    for row in rows:
        networks = (name.strip() for name in str(row["network"]).split(","))
        places[str(row["from"])].networks = tuple(filter(None, networks))
        target = places[str(row["to"])]
        target.lines += [line for line in _target_lines(row) if line not in target.lines]
    reaching = {source for source, _ in _find_arrows(rows)}
    for name in {str(row["from"]) for row in rows} - reaching:
        places[name].lines.append("reached none")
    return places


def _target_lines(row: Row) -> list[str]:
    published = [f"published on {row['published']}"] if row["published"] else []
    return [f"listens on {row['port']}", *published]


def _draw_bus(name: str, x: int, left: int, places: dict[str, Place]) -> Markup:
    """Return a network: a line next to the boxes, with a branch to each of its members."""
    members = [place for place in places.values() if name in place.networks]
    heights = [place.top + HEIGHT / 2 for place in members]
    branches = join_parts(Markup('<path d="M{} {}H{}" />').format(x, f"{height:g}", left) for height in heights)
    return Markup(
        '<g class="drydock-network"><path d="M{} {}V{}" />{}<text x="{}" y="{}">network {}</text></g>'
    ).format(x, members[0].top - 5, f"{heights[-1]:g}", branches, x - 3, members[0].top - 8, name)


def _draw_box(place: Place, left: int) -> Markup:
    lines = [place.name, *place.lines][:3]
    first = place.top + HEIGHT / 2 + 4 - (len(lines) - 1) * 7.5
    texts = join_parts(
        Markup('<text x="{}" y="{}"{}>{}</text>').format(
            left + 10, f"{first + 15 * index:g}", Markup("") if index else Markup(' class="drydock-of"'), text
        )
        for index, text in enumerate(lines)
    )
    outside = "" if place.networks else " drydock-outside"
    return Markup('<g class="drydock-box{}"><rect x="{}" y="{}" width="{}" height="{}" rx="4" />{}</g>').format(
        outside, left, place.top, BOX, HEIGHT, texts
    )


def _draw_arrow(source: Place, target: Place, both: bool, left: int) -> Markup:
    x = left + BOX
    start, end = source.end(target), target.end(source)
    out = x + min(SWING * abs(source.row - target.row) + 18, FAR)
    heads = join_parts(_draw_head(x, y) for y in ([end, start] if both else [end]))
    return Markup('<g class="drydock-arrow"><path d="M{} {}C{} {} {} {} {} {}" />{}</g>').format(
        x + 2, f"{start:g}", out, f"{start:g}", out, f"{end:g}", x + 2, f"{end:g}", heads
    )


def _draw_head(x: int, y: float) -> Markup:
    return Markup('<polygon points="{},{} {},{} {},{}" />').format(x, y, x + 8, y - 4, x + 8, y + 4)


def _describe_arrows(rows: list[Row]) -> str:
    """Return the arrows in words."""
    targets: dict[str, list[str]] = {str(row["from"]): [] for row in rows}
    for source, target in _find_arrows(rows):
        targets[source].append(target)
    return "Who reached whom: " + "; ".join(f"{name}: {', '.join(to) or 'none'}" for name, to in targets.items())
