"""A collection to a folder of static files, each written whole or not at all.

Every page is complete without a script, asks nothing of the network, and names others by relative addresses, so that
the folder works from a disk as from any host. The bytes depend on the collection alone.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import Environment

from harness.record import Record
from leaderboard.collection import Change, Collection
from leaderboard.downloads.bib import methods_bibtex, site_bibtex
from leaderboard.downloads.cells import Newest, newest
from leaderboard.downloads.files import board_files, curves_name, experiment_files, kind_of, names_of
from leaderboard.site import words
from leaderboard.site.addresses import (
    attack_address,
    board_address,
    details_address,
    entry_address,
    experiment_address,
    method_address,
    relative,
)
from leaderboard.site.attack_page import views_of
from leaderboard.site.board_page import BoardPage
from leaderboard.site.compare import TOP_PAIRS, board_data
from leaderboard.site.entry_page import beside_leader, seeds_of
from leaderboard.site.environment import environment
from leaderboard.site.figures import WIDE_STRIP, strip
from leaderboard.site.folder import listed, sha256, tidy, write
from leaderboard.site.listing import attacks_index, methods_index, overview_rows, settings_of
from leaderboard.site.making import provenance_of
from leaderboard.site.panels import of_row
from leaderboard.site.site import Entry, Site, site_of
from leaderboard.site.spelling import plural
from leaderboard.stats import DRAWS
from leaderboard.stops import ASKED
from leaderboard.submissions.about import EXAMPLE, about_schema

ASSETS = Path(__file__).parent / "assets"
BOARD_SCHEMA = Path(__file__).parents[1] / "downloads" / "board.schema.json"


def build(collection: Collection, out: Path) -> Path:
    """Write the site.

    Args:
        collection: Everything to show.
        out: Folder to write into; made if absent. What an older build left there goes, other files are left alone.

    Returns:
        Path of the first page.
    """
    site = site_of(collection)
    sums, sizes = {}, {}
    for name, content in files(site):
        whole = content if isinstance(content, bytes) else content.encode()
        write(out / name, whole)
        sums[name], sizes[name] = sha256(whole), len(whole)
    data = {posixpath.relpath(name, "data"): digest for name, digest in sums.items() if name.startswith("data/")}
    shown = sorted(data, key=lambda name: ("/" in name, name))  # a board's own files before those of its entries
    rows = [(name, f"{sizes[f'data/{name}']:,}", data[name]) for name in shown]
    index = Pages(site).page("data/index.html", "downloads.html.j2", files=rows)
    for name, text in (("data/SHA256SUMS", listed(data)), ("data/index.html", index)):
        write(out / name, text.encode())
        sums[name] = sha256(text.encode())
    tidy(out, sums)
    return out / "index.html"


def files(site: Site) -> Iterator[tuple[str, str | bytes]]:
    """Every file of the site but the list of files: its address, and what it holds."""
    pages = Pages(site)
    yield from pages.all()
    for asset in sorted(ASSETS.iterdir()):
        yield f"assets/{asset.name}", asset.read_bytes()
    yield "assets/board-data.js", board_data(site)
    for page in site.pages:
        mine, guests = {e.line.row.key: e for e in site.entries if e.page is page}, site.collection.guests
        repository = site.collection.repository
        found = board_files(page.table, mine, release=pages.release, guests=guests, repository=repository)
        for name, text in found.items():
            yield f"data/{name}", text
    for view in site.experiments:
        for name, text in experiment_files(view.experiment).items():
            yield f"data/{name}", text
    for entry in site.entries:
        yield f"data/entries/{entry.id}.records.gz", entry.file
    cited = [("method", e.line.row.label.name, e.line.row.card.citation) for e in site.entries]
    cited += [("attack", a.label.name, a.card.citation) for page in site.pages for a in page.board.attacks]
    yield f"data/schema/{BOARD_SCHEMA.name}", BOARD_SCHEMA.read_bytes()
    yield "data/schema/entry.schema.json", about_schema()
    yield "data/methods.bib", methods_bibtex(cited, notices=pages._notices(list(site.pages)))
    yield "data/site.bib", pages.bibtex


class Pages:
    """Renders pages that all know the site they belong to."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._env: Environment = environment()
        self._env.filters |= {
            "provenance": lambda page: provenance_of(self._own(page.board.records), page.board),
            "curves": lambda page: f"data/{curves_name(page.table)}",
            "files": lambda page: [(name, kind_of(name)) for name in names_of(page.table)],
            "folders": self._folders,
            "statuses": self._statuses,
        }

    @cached_property
    def release(self) -> str:
        """What the site says of itself on every page; the date is the newest record's, so that builds repeat."""
        named = [change for change in self._changes() if change.kind == "release"]
        counts = [f"{count} {status}" for status, count in self.site.statuses]
        entries = sum(entry.is_method for entry in self.site.entries)
        parts = [
            f"Release {named[0].name}." if named else "",
            f"Newest record {self._newest.started[:10]}." if self._newest.started else "No records.",
            f"{plural(entries, 'entry', 'entries')}: {', '.join(counts)}." if entries else "",
        ]
        return " ".join(part for part in parts if part)

    @property
    def bibtex(self) -> str:
        """How to cite the site."""
        notices = self._notices(list(self.site.pages))
        title, made, repository = "Unlearning under attack", self._newest, self.site.collection.repository
        return site_bibtex(title=title, release=self.release, made=made, notices=notices, repository=repository)

    def page(self, address: str, template: str, **context: Any) -> str:  # noqa: ANN401 - whatever a template names
        """One page as text."""
        notices = context.pop("notices", None)
        return self._env.get_template(template).render(
            here=address,
            to=lambda there: relative(there, address),
            site=self.site,
            release=self.release,
            notices=self._notices(list(self.site.pages)) if notices is None else notices,
            **context,
        )

    def all(self) -> Iterator[tuple[str, str]]:
        """Every page but the list of files."""
        yield from self._boards()
        yield from self._entries()
        yield from self._methods()
        yield from self._attacks()
        yield from self._texts()

    def _boards(self) -> Iterator[tuple[str, str]]:
        default = self.site.default
        if default is None:
            yield "index.html", self.page("index.html", "empty.html.j2")
            return
        for address, page in [("index.html", default), *((board_address(p.board), p) for p in self.site.pages)]:
            yield address, self.page(address, "board.html.j2", page=page, notices=self._notices([page]))
        for page in self.site.pages:
            address = details_address(page.board)
            yield address, self.page(address, "board_details.html.j2", page=page, notices=self._notices([page]))
        for view in self.site.experiments:
            address = experiment_address(view.slug)
            yield address, self.page(address, "experiment.html.j2", view=view, notices=view.experiment.notices)

    def _entries(self) -> Iterator[tuple[str, str]]:
        for entry in self.site.entries:
            address = entry_address(entry.id)
            yield (
                address,
                self.page(
                    address,
                    "entry.html.j2",
                    entry=entry,
                    strip=strip(entry.line, WIDE_STRIP),
                    leader=beside_leader(self.site, entry),
                    seeds=seeds_of(entry),
                    panels=of_row(entry.page.table, entry.line),
                    provenance=provenance_of(entry.records, entry.page.board),
                    content=_content(entry),
                    changes=[change for change in self._changes() if change.entry == entry.id],
                    file={"size": f"{len(entry.file):,} bytes", "digest": entry.digest},
                    notices=self._notices([entry.page]),
                ),
            )
        shown = {entry.id for entry in self.site.entries}
        for change in self._changes():
            if change.kind == "withdrawn" and change.entry and change.entry not in shown:
                address = entry_address(change.entry)
                yield address, self.page(address, "withdrawn.html.j2", change=change)

    def _methods(self) -> Iterator[tuple[str, str]]:
        yield "methods.html", self.page("methods.html", "index_of.html.j2", **methods_index(self.site))
        for method in self.site.methods:
            address = method_address(method.name)
            curves = [
                (entry.name, entry.page, panels)
                for entry in method.entries
                if (panels := of_row(entry.page.table, entry.line))
            ]
            reported = [one for one in self.site.collection.reported if one.method == method.name]
            defects = [one for one in self.site.collection.defects if one.method == method.name]
            notices = self._notices([entry.page for entry in method.entries])
            settings = settings_of(method)
            bibtex = methods_bibtex([("method", method.name, method.entries[0].line.row.card.citation)])
            about = {"method": method, "curves": curves, "settings": settings, "reported": reported, "bibtex": bibtex}
            yield address, self.page(address, "method.html.j2", **about, defects=defects, notices=notices)

    def _attacks(self) -> Iterator[tuple[str, str]]:
        yield "attacks.html", self.page("attacks.html", "index_of.html.j2", **attacks_index(self.site))
        for attack in self.site.attacks:
            address = attack_address(attack.name)
            notices = self._notices([page for page, _, _ in attack.rows])
            yield (
                address,
                self.page(
                    address,
                    "attack.html.j2",
                    attack=attack,
                    views=views_of(attack),
                    asked=attack.first.card.family in ASKED,
                    notices=notices,
                ),
            )

    def _texts(self) -> Iterator[tuple[str, str]]:
        site = self.site
        boards = [page for page in site.pages if page.board.match is None]
        yield "overview.html", self.page("overview.html", "overview.html.j2", boards=boards, rows=overview_rows(site))
        yield "compare.html", self.page("compare.html", "compare.html.j2", top_pairs=TOP_PAIRS)
        yield "sharpness.html", self.page("sharpness.html", "sharpness.html.j2")
        draws = f"{site.pages[0].table.draws if site.pages else DRAWS:,}"
        provenance = provenance_of(self._own(site.collection.records))
        yield (
            "about.html",
            self.page("about.html", "about.html.j2", draws=draws, bibtex=self.bibtex, provenance=provenance),
        )
        example = EXAMPLE.read_text(encoding="utf-8")
        yield (
            "submit.html",
            self.page("submit.html", "submit.html.j2", example=example, rules=words.NAME_RULES, limits=words.LIMITS),
        )
        yield (
            "changes.html",
            self.page(
                "changes.html",
                "changes.html.j2",
                changes=self._changes(),
                problems=sorted(site.collection.problems),
                failures=site.collection.failures,
                broken=[entry for entry in site.entries if entry.line.row.best_known],
            ),
        )

    @cached_property
    def _newest(self) -> Newest:
        return newest(self.site.collection.records, self.site.collection.guests)

    def _own(self, records: Sequence[Record]) -> Sequence[Record]:
        """The maintainers' own among some records; all, where there are none of theirs."""
        return [r for r in records if r.id not in self.site.collection.guests] or records

    def _changes(self) -> list[Change]:
        """The newest first."""
        return sorted(self.site.collection.changes, key=lambda c: (c.date, c.kind, c.text), reverse=True)

    def _folders(self, page: BoardPage) -> str:
        """Where a command finds the records of this board in a copy of the repository."""
        handed_in = " --results results/submissions" if self.site.collection.submissions else ""
        return f"--results {'results/pocket' if page.board.card.scale == 'pocket' else 'DIR'}{handed_in}"

    def _statuses(self, page: BoardPage) -> list[str]:
        mine = {entry.evidence.status for entry in self.site.entries if entry.page is page and entry.is_method}
        return [status for status in words.STATUS_WORDS if status in mine]

    def _notices(self, pages: Sequence[BoardPage]) -> list[str]:
        """What must stand wherever these boards' numbers stand; what several begin with is said once."""
        shown = [one.folder for one in self.site.collection.submissions if one.preview]
        preview = f"Local preview: this copy of the site shows {', '.join(shown)} as well." if shown else ""
        stamped: dict[str, list[str]] = {}
        for page in pages:
            stamped.setdefault(page.board.stamp, []).append(page.board.card.notice)
        boards = [" ".join(filter(None, dict.fromkeys([stamp, *own]))) for stamp, own in stamped.items()]
        return [notice for notice in [preview, *boards] if notice]


def _content(entry: Entry) -> str:
    """Digests of the data and models that the entry was measured on."""
    content = entry.page.board.benchmark.content
    return ", ".join(f"{name} {digest[:12]}" for name, digest in sorted(content.items())) or "none noted"
