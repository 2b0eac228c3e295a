"""A board as a booktabs table: one rule per section, bold for all that are tied with the best."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from leaderboard.downloads.cells import suite
from leaderboard.sampling import Estimate
from leaderboard.site.spelling import MINUS, percent, spread
from leaderboard.site.words import called
from leaderboard.table import Line, Table

SECTIONS = {
    "reference": "Controls",
    "ranked": "Ranked",
    "below_utility": "Below the utility gate",
    "not_unlearned": "Not unlearned",
    "incomplete": "Incomplete: a lower bound",
}
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def to_tex(table: Table, *, release: str, repository: str = "") -> str:
    """The main columns of a board; every number is rounded as on the page.

    Args:
        table: The board.
        release: What the site says of itself, for the caption.
        repository: Where it comes from, for the caption; may be empty.
    """
    board = table.board
    lines = [
        f"% {_comment(board.card.title)}, suite {suite(board)}: harness leaderboard build. {_comment(board.notice)}",
        r"\begin{table}",
        r"\centering\small",
        r"\begin{tabular}{llrrrlr}",
        r"\toprule",
        r"Rank & Method & $K^*\downarrow$ & $K(0)\downarrow$ & $u\uparrow$ & Worst attack & Seeds \\",
        *_body(table),
        r"\bottomrule",
        r"\end{tabular}",
        rf"\caption{{{escaped(_caption(table, release, repository))}}}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text that prints as itself, whatever it holds; what has no glyph becomes a space."""
    plain = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in text)
    return "".join(_SPECIAL.get(c, c) for c in plain)


def _body(table: Table) -> Iterator[str]:
    section = ""
    for line in table.lines:
        if line.row.section != section:
            section = line.row.section
            yield r"\midrule"
            yield rf"\multicolumn{{7}}{{l}}{{\emph{{{SECTIONS[section]}}}}} \\"
        yield _row(line)


def _row(line: Line) -> str:
    row = line.row
    rank = f"{line.rank.low}--{line.rank.high}" if line.rank and line.rank.low != line.rank.high else ""
    rank = rank or (str(line.rank.low) if line.rank else "")
    tied = bool(line.rank and line.rank.tied_with_best)
    cells = [
        rank,
        escaped(called(row)),
        _value(line.k_star, bold=tied, bound=bool(row.gaps)),
        _value(line.k_before),
        _value(line.utility),
        escaped(row.worst.attack.label.text) if row.worst else "--",
        str(len(row.seeds)),
    ]
    return " & ".join(cells) + r" \\"


def _value(estimate: Estimate, *, bold: bool = False, bound: bool = False) -> str:
    if estimate.value is None:
        return "--"
    text = _typeset(percent(estimate.value))
    shown = rf"\textbf{{{text}}}" if bold else text
    if sides := _typeset(spread(estimate)):
        shown += rf"{'~' if sides[0] == '[' else ''}{{\scriptsize{sides}}}"
    return rf"$\geq$ {shown}" if bound else shown


def _typeset(text: str) -> str:
    """What the page writes as a number, in mathematics where TeX has signs of its own."""
    return text.replace("\N{PLUS-MINUS SIGN}", r"$\pm$").replace(MINUS, "$-$")


def _caption(table: Table, release: str, repository: str) -> str:
    board = table.board
    seeds = sorted({len(line.row.seeds) for line in table.lines if line.row.card.role == "method"})
    counted = f"{seeds[0]} to {seeds[-1]} seeds" if len(seeds) > 1 else f"{seeds[0]} seeds" if seeds else "no method"
    parts = (
        f"{board.card.title}{', ' + board.variant if board.variant else ''} ({board.card.model}).",
        "Knowledge left in %, worst case over attacks, before attack, and utility kept;",
        f"95 % intervals; {counted}. {release}",
        f"Suite {suite(board)}{f', {repository}' if repository else ''}.",
        board.notice,
    )
    return " ".join(part for part in parts if part)


def _comment(text: str) -> str:
    return " ".join(text.split())
