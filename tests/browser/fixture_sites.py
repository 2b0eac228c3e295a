"""Sites for the browser: empty, one row, usual, many rows, hostile names, and every kind of gap."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from sites import site
from synthetic import CARD, controls, demo, many, moved, record, stop

from harness.failure import Failure
from harness.record import BenchmarkCard, Family, Match, Measurement, Record, Score
from leaderboard.collection import Change, Collection, Defect, Reported, Submission
from leaderboard.downloads.tables import slug, to_json
from leaderboard.site.build import ASSETS, files
from leaderboard.site.site import site_of

HOSTILE = '</script><img src=x onerror="window.harmed=1">"\'&{{7*7}}'
LONG = ("circuit_breakers", "npo_sam", "stableun")
AWKWARD = (
    "x" * 300,
    "evil\u202egnp.exe",
    "zero\u200bwidth\u200dhere",
    "\N{SKULL AND CROSSBONES}\N{VARIATION SELECTOR-16}\N{PILE OF POO}",
    "e\u0301\u0301\u0301\u0301 combining",
    "=cmd|' /C calc'!A0",
    "\\input{/etc/passwd}",
)


def hostile() -> list[Record]:
    """Texts that want to be run in every field of a record, and names that are hard to print."""
    card = BenchmarkCard(HOSTILE, "slice", HOSTILE, HOSTILE, (HOSTILE,))
    curve = [stop(k, budget=tokens, series=HOSTILE) for k, tokens in ((0.1, 0), (0.2, 50), (0.4, 900))]
    made = [record("o", [stop(1.0)], role="original"), record("r", [stop(0.0)], role="reference")]
    for number, name in enumerate((HOSTILE, *AWKWARD)):
        made.append(record(name, [stop(0.1 + 0.01 * number)], params={"p": HOSTILE}))
        made.append(record(name, curve, attack=HOSTILE, family="relearn", params={"p": HOSTILE}))
    made.append(record("x", [stop(0.1)]))
    made.append(record("x", attack="y", family="edit", not_applicable=HOSTILE))
    return [_spoilt(replace(r, benchmark=card)) for r in made]


def _spoilt(made: Record) -> Record:
    """The record with what a method, an evaluation and a machine say of themselves."""
    method = replace(made.method, summary=HOSTILE, citation=HOSTILE, family=HOSTILE, setting=HOSTILE, fidelity=HOSTILE)
    origin = replace(
        made.provenance, device=HOSTILE, commit=HOSTILE, distributions={HOSTILE: HOSTILE}, packages={"torch": HOSTILE}
    )
    measurements = tuple(replace(m, remarks=(HOSTILE,), not_applicable={HOSTILE: HOSTILE}) for m in made.measurements)
    return replace(made, method=method, provenance=origin, measurements=measurements)


def harmful(out: Path) -> Path:
    """The site of hostile records, with whatever else a site is told in words."""
    records = hostile()
    cell = record(HOSTILE, attack="broke", family="edit").cell
    guest = [_spoilt(record("guest", [stop(0.2)]))]
    links = {HOSTILE: "https://example.org/"}
    return site(
        records,
        out,
        failures=(Failure(cell, HOSTILE, HOSTILE),),
        changes=tuple(Change("2026-01-01", kind, HOSTILE, name=HOSTILE) for kind in ("release", "erratum")),
        reported=(
            Reported(*[HOSTILE] * 2, records[2].cell.method.name, *[HOSTILE] * 3, "https://example.org/", HOSTILE),
        ),
        defects=(Defect(records[2].cell.method.name, HOSTILE, "https://example.org/", HOSTILE, HOSTILE),),
        submissions=(
            Submission(HOSTILE, HOSTILE, (HOSTILE,), links, HOSTILE, HOSTILE, HOSTILE, tuple(guest), (HOSTILE,)),
        ),
    )


def gaps() -> list[Record]:
    """What was not run, has no meaning, is bounded, stands beside a gate, does nothing, or speaks gibberish."""
    attack = {"attack": "relearn", "family": "relearn"}
    curve = [stop(0.1, budget=0), stop(0.2, budget=100), stop(0.3, budget=1_000)]
    made = controls({"relearn": ("relearn", curve)})
    made += [record("complete", [stop(0.1)]), record("complete", curve, **attack)]
    made += [record("complete", [stop(0.12)], attack="round", family="edit")]
    made += [record("patchy", [stop(0.1)]), record("patchy", [stop(0.4)], attack="round", family="edit")]
    made += [record("excused", [stop(0.1)]), record("excused", curve, **attack)]
    made += [record("excused", attack="round", family="edit", not_applicable="no weights to round")]
    made += [record("torn", [stop(0.05, 0.85)])]
    for name, k, u in (("inside", 0.1, 0.905), ("outside", 0.1, 0.895), ("idle", 1.0, 1.0), ("gibberish", 0.0, 0.0)):
        made += [record(name, [stop(k, u)]), record(name, curve, **attack)]
        made += [record(name, [stop(k, u)], attack="round", family="edit")]
    return made


def empty(out: Path) -> Path:
    """No record at all."""
    return site([], out)


def made(records: Callable[[], list[Record]], out: Path) -> Path:
    """A site of records."""
    return site(records(), out)


def front(records: Callable[[], list[Record]], out: Path) -> Path:
    """The first page alone with its script, style and JSON: a page for each of so many entries would take a minute."""
    whole = site_of(Collection(tuple(records())), draws=200)
    (page,) = whole.pages
    ids = {entry.line.row.key: entry.id for entry in whole.entries}
    evidence = {entry.line.row.key: entry.evidence for entry in whole.entries}
    _, index = next(files(whole))
    (out / "data").mkdir(parents=True)
    (out / "index.html").write_text(str(index))
    (out / "data" / f"{slug(page.table)}.json").write_text(to_json(page.table, ids, evidence))
    shutil.copytree(ASSETS, out / "assets")
    return out


def broken(out: Path) -> Path:
    """The site of gaps, with a cell that ran and broke."""
    cell = record("patchy", attack="relearn", family="relearn").cell
    return site(gaps(), out, failures=(Failure(cell, "RuntimeError: out of memory", "x.log"),))


def wide() -> list[Record]:
    """Every family of attacks, a privacy score, long names and long numbers: as many columns as a board has."""
    families: dict[Family, str] = {"relearn": "relearn_lora", "finetune": "near", "edit": "round"}
    families |= {"activation": "ablation", "embedding": "soft_prompt", "prompt": "prompts"}
    curve = [stop(k, 0.93, budget=n, series="without fold 1") for k, n in ((0.12, 0), (0.2, 500), (0.3, 15_315))]
    made = [*controls(), *(record(name, [stop(0.12, 0.93)]) for name in LONG)]
    for family, attack in families.items():
        for name, role in (("original", "original"), ("never", "reference"), *((name, "method") for name in LONG)):
            made.append(record(name, curve, role=role, attack=attack, family=family))
    return [replace(r, measurements=tuple(map(leaking, r.measurements))) for r in made]


def leaking(measurement: Measurement) -> Measurement:
    auc = Score(0.6, 0.01, 100, "zero", "privacy", chance=0.5)
    return replace(measurement, scores={**measurement.scores, "min_k_auc": auc})


def lonely() -> list[Record]:
    """One row."""
    return [*controls(), record(stops=[stop(0.1)])]


def two_boards() -> list[Record]:
    """The usual board under two seeds, and a second one."""
    second = [replace(r, benchmark=replace(CARD, title="Second")) for r in lonely()]
    cells = [replace(r.cell, benchmark=replace(r.cell.benchmark, name="second")) for r in second]
    return [*demo(2), *(replace(r, cell=cell, id=cell.id) for r, cell in zip(second, cells, strict=True))]


def rare(out: Path) -> Path:
    """Kinds of pages that few sites have: an experiment, a matched board, a withdrawn entry and a preview."""
    plain = demo()
    steady = [made for made in plain if made.method.role != "method" or made.cell.method.name == "steady"]
    cells = [replace(made.cell, match=Match("forget", 0.25)) for made in steady if made.method.role == "method"]
    matched = [replace(made, id=c.id, cell=c) for made, c in zip(steady[-len(cells) :], cells, strict=True)]
    steps = [moved(one, {"requests": k}) for k in (1, 2, 3) for one in (*controls(), record(stops=[stop(0.2 / k)]))]
    guest = [record("guest", [stop(0.2)]), record("guest", [stop(0.3)], attack="relearn", family="relearn")]
    preview = Submission("mine", "Mine", ("A",), {}, "MIT", "2026-03-04", "A note.", tuple(guest), preview=True)
    records = (*plain, *matched, *steps)
    gone = next(entry.id for entry in site_of(Collection(records), draws=50).entries if entry.name == "lazy")
    change = Change("2026-11-27", "withdrawn", "An error was found.", gone)
    link = "https://example.org/x"
    return site(
        records,
        out,
        changes=(change,),
        submissions=(preview,),
        reported=(Reported("toy", "m", "steady", "accuracy", "31 %", "a card", link),),
        defects=(Defect("steady", "they/code", link, "It means over padding.", "A weaker loss."),),
        repository="https://example.org/they/unlearning",
    )


SITES: dict[str, Callable[[Path], Path]] = {
    "empty": empty,
    "one": partial(made, lonely),
    "usual": partial(made, two_boards),
    "forty": partial(made, partial(many, 40)),
    "many": partial(front, partial(many, 500)),
    "most": partial(front, partial(many, 1_000)),
    "hostile": harmful,
    "gaps": broken,
    "wide": partial(made, wide),
    "rare": rare,
}
