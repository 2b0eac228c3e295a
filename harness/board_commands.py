"""Commands about the published board, and the only module beside the command line that knows the leaderboard.

Whatever is slow to import waits inside the command that needs it.
"""
# ruff: noqa: PLC0415 - this file is the border behind which heavy imports wait for the command that needs them

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from harness import options as flag
from harness.errors import UserError
from harness.options import FAILED, MISUSED

if TYPE_CHECKING:
    from harness.record import Record
    from leaderboard.collection import Collection

LOCAL = (Path("results/local"),)
LARGE_PAGE = 500_000


def build(
    *,
    results: flag.Folders = None,
    preview: flag.Preview = None,
    reproduced: flag.Rerun = None,
    repository: flag.Repository = "",
    out: flag.Site = Path("site"),
) -> None:
    """Render the leaderboard from records; nothing is computed anew."""
    address, folders = _public(repository), _folders(results, preview, reproduced)
    shown = replace(collected(folders, preview=preview or (), rerun=reproduced), repository=address)
    if not render(shown, out, "--out", source=folders[0]):
        raise typer.Exit(MISUSED)


def serve(
    *,
    results: flag.Folders = None,
    preview: flag.Preview = None,
    reproduced: flag.Rerun = None,
    out: flag.Site = Path("site"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of this machine's own address, 127.0.0.1.")] = 8000,
) -> None:
    """Render the leaderboard and show it to this machine's browsers, again whenever a record changes."""
    from harness.console import say
    from harness.local_site import served

    folders = _folders(results, preview, reproduced)
    watched = [*folders, *(preview or ()), *([reproduced] if reproduced else ())]

    def again() -> None:
        render(collected(folders, preview=preview or (), rerun=reproduced), out, "--out", source=folders[0])

    try:
        served(out, port, watched, again, said=lambda: say(f"http://127.0.0.1:{port}/ until Ctrl-C"))
    except OSError as error:
        raise UserError(f"Port {port} cannot be listened on: {error.strerror}. Choose another with --port.") from error


def pack(
    *,
    results: Annotated[Path, typer.Option(help="Folder of records.")] = Path("results/local"),
    out: Annotated[Path, typer.Option(help="New folder for the packed records.")],
) -> None:
    """Pack records for publication: one file per benchmark and method, which every command reads as records."""
    from harness.console import complain, say
    from harness.store import Store

    store = Store(results)
    for problem in store.problems():
        complain(f"Left out: {problem.path} {problem.reason}")
    files = store.pack(out)
    if not files:
        raise UserError(f"No finished cell in {results}, so there is nothing to pack.")
    say(f"Packed {len(store.ids())} records into {len(files)} files, {sum(f.stat().st_size for f in files):,} bytes.")


def check(
    path: Annotated[Path, typer.Argument(help="A packed entry, a folder of them, or a folder of records.")],
    *,
    results: Annotated[list[Path] | None, typer.Option(help="Board that it would stand on; may be repeated.")] = None,
    entry: Annotated[
        bool, typer.Option("--entry", help="Hold the folder to all that a packed entry must have.")
    ] = False,
) -> None:
    """Check records or submissions strictly: every problem is named with file and field; exit 1 if there is one."""
    from harness.console import complain, say
    from harness.store import Store
    from leaderboard.submissions.admit import admitted
    from leaderboard.submissions.check import check_all, sorted_problems
    from leaderboard.submissions.places import places_in

    if not path.is_dir():
        what = "is a file" if path.exists() else "is not there"
        raise UserError(f"{path} {what}. Give the folder that `harness submit pack` or `harness run` wrote.")
    folders = [path] if entry else places_in(path).packed
    board = admitted(collected(_folders(results, (), None) if results else [], but=folders))
    found = check_all(folders, board.own or board.records, board.submissions if board.own else ())
    lines = [f"{one.folder}/{line}" for one in found for line in sorted_problems(one.problems)]
    records = sum(len(one.records) for one in found)
    if not folders:
        read, problems = Store(path).contents()
        lines = [f"{problem.path} {problem.reason}" for problem in problems]
        records = len(read)
    for line in lines:
        say(line)
    for note in (note for one in found for note in sorted_problems(one.notes)):
        complain(f"Note: {note}")
    if not folders:
        complain("Read as records: without entry.toml and SHA256SUMS the folder is no packed entry.")
    elif not results:
        complain("Nothing was compared with a board; name one with --results.")
    say(f"{records} records, {len(lines)} problems.")
    if lines or not records:
        raise typer.Exit(FAILED)


def reproduce(  # noqa: PLR0913 - typer reads the flags from the signature
    entry: Annotated[str, typer.Argument(help="Id of an entry, as at the foot of its page.")],
    *,
    results: flag.Folders = None,
    out: Annotated[Path, typer.Option(help="Folder of cells that were measured again.")] = Path("results/reproduced"),
    sample: Annotated[float, typer.Option(min=0, max=1, help="Share of the entry's cells.")] = 1.0,
    model: flag.Model = None,
    data_root: flag.DataRoot = None,
    workers: flag.Workers = None,
) -> None:
    """Measure an entry again on this machine and compare; exit 1 if a score differs by more than the tolerance."""
    from harness.again import plan_again
    from harness.console import say
    from harness.means import Means
    from harness.places import require_writable
    from harness.session import run_session
    from harness.store import Store
    from leaderboard.evidence import differences
    from leaderboard.submissions.admit import admitted

    require_writable(out, "--out")
    if not sample:
        raise UserError("A sample of 0 measures nothing. Give --sample a share above 0.")
    wanted = _records_of(entry, admitted(collected(_folders(results, (), None))).records)
    places = {"model": model, "data_root": data_root}
    plan = plan_again(wanted, sample=sample, places={name: place for name, place in places.items() if place})
    store = Store(out)
    outcome = run_session(plan, store, Means(workers=workers))
    before, again = {record.id: record for record in wanted}, {record.id: record for record in store.records()}
    known = [planned for planned in plan.cells if planned.id in again]
    found = [(planned, what) for planned in known for what in differences(before[planned.id], again[planned.id])]
    for planned, what in found:
        say(f"{planned.label}: {what}")
    differing = len({planned.id for planned, _ in found})
    say(f"{len(known)} of {len(wanted)} cells measured again: {len(known) - differing} agree, {differing} differ.")
    if found or outcome.failures:
        raise typer.Exit(FAILED)


def submit_pack(
    *,
    entry: Annotated[str, typer.Option(help="A method's name, with all its settings, or the id of one entry.")] = "",
    attack: Annotated[str, typer.Option(help="Only cells of this attack, on whichever methods it was run.")] = "",
    results: Annotated[Path, typer.Option(help="Folder of records.")] = Path("results/local"),
    out: Annotated[Path, typer.Option(help="Folder of the submission; its entry.toml is never overwritten.")],
) -> None:
    """Pack an entry for the board: records, items, versions and hashes, and a small file to fill in."""
    from harness.console import say
    from harness.store import Store
    from leaderboard.submissions.pack import pack as packed

    if not entry and not attack:
        raise UserError("Nothing was named. Give --entry METHOD (or an entry's id), or --attack NAME.")
    records = Store(*_folders([results], (), None)).records()
    named = _records_of(entry, records) if entry else records
    chosen = [record for record in named if not attack or record.cell.attack.name == attack]
    if entry:  # an attack brings what it does to the controls, a method leaves them to the board
        chosen = [record for record in chosen if record.method.role == "method"]
    if named and all(record.method.role != "method" for record in named):
        raise UserError(f"'{entry}' is a control, and those of a board are its maintainers'. Name a method.")
    if not chosen:
        raise UserError(f"{results} holds no finished cell of {' under '.join(filter(None, (entry, attack)))}.")
    try:
        files = packed(chosen, out)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}. Choose another folder.") from error
    say(f"Packed {len(chosen)} records into {len(files)} files under {out}. Fill in {out / 'entry.toml'}, then:")
    say(f"  harness leaderboard check {quote(str(out))} --results DIR    (records of the board that it is for)")


def render(collection: Collection, out: Path, name: str, *, source: Path) -> bool:
    """Render what was collected, if anything; files that are no records are named and left out."""
    from harness.console import complain, say
    from leaderboard.site.build import build as built

    for problem in collection.problems:
        complain(problem)
    if not collection.records:
        complain(f"No finished cell in {source}, so there is nothing to render. `harness run` writes them there.")
        return False
    try:
        page = built(collection, out)
        if (size := page.stat().st_size) > LARGE_PAGE:
            complain(f"{page} has {size >> 10} kB, which is slow on a phone; build boards of fewer rows apart.")
        say(f"Leaderboard: {page}")
    except OSError as error:
        raise UserError(
            f"{name} {out} cannot be written: {error.strerror}. The records in {source} are kept; render them with "
            f"`harness leaderboard build --results {quote(str(source))} --out FOLDER`."
        ) from error
    return True


def collected(
    results: Sequence[Path], *, preview: Sequence[Path] = (), rerun: Path | None = None, but: Sequence[Path] = ()
) -> Collection:
    """Records of several folders, the submissions among them, and what maintainers wrote beside them.

    Args:
        results: Folders of the maintainers.
        preview: Packed entries to show as they would look.
        rerun: What was measured again, if it lies elsewhere.
        but: Submissions that take the place of those of their names, as previews do.

    Raises:
        UserError: A file of notes is not as it should be.
    """
    from harness.store import Store
    from leaderboard.collection import Collection
    from leaderboard.notes import NotesError, changes_in, defects_in, reported_in
    from leaderboard.submissions.handed_in import handed_in
    from leaderboard.submissions.places import places_in

    places = {folder: places_in(folder) for folder in results}
    renewed = {folder.resolve().name for folder in (*preview, *but)}
    packed = [one for place in places.values() for one in place.packed if one.resolve().name not in renewed]
    again = [one for place in places.values() for one in place.reruns] + ([rerun] if rerun else [])
    stores = [Store(folder, without=place.apart) for folder, place in places.items()]
    contents = [store.contents() for store in stores]
    try:
        return Collection(
            records=tuple(record for records, _ in contents for record in records),
            problems=tuple(f"{p.path} {p.reason}" for _, problems in contents for p in problems),
            submissions=(*map(handed_in, packed), *(handed_in(folder, preview=True) for folder in preview)),
            failures=tuple(failure for store in stores for failure in store.failures()),
            rerun=tuple(record for folder in again for record in Store(folder).records()),
            changes=tuple(one for f, place in places.items() for one in changes_in(f, without=place.apart)),
            reported=tuple(one for f, place in places.items() for one in reported_in(f, without=place.apart)),
            defects=tuple(one for f, place in places.items() for one in defects_in(f, without=place.apart)),
        )
    except NotesError as error:
        raise UserError(f"{error}. Mend the file, then build again.") from error


def _public(repository: str) -> str:
    """The address without a slash at its end; a UserError if it is none to which a path can be added."""
    from leaderboard.submissions.texts import repository_of

    try:
        return repository_of(repository) if repository else ""
    except ValueError as error:
        raise UserError(f"--repository {error}.") from error


def _folders(results: Sequence[Path] | None, preview: Sequence[Path] | None, rerun: Path | None) -> list[Path]:
    """The results folders that were named, or the local one; all that was named is there.

    Raises:
        UserError: A folder is not.
    """
    folders = list(results or LOCAL)
    for folder in folders:
        if not folder.is_dir():
            why = "Give the one that `harness run` wrote, with --results."
            raise UserError(f"There is no results folder {folder}. {why}")
    for folder in (*(preview or ()), *([rerun] if rerun else ())):
        if not folder.is_dir():
            raise UserError(f"There is no folder {folder}. Give one that `harness submit pack` or `reproduce` wrote.")
    return folders


def _records_of(entry: str, records: Sequence[Record]) -> list[Record]:
    """The records of a method or of one entry."""
    from leaderboard.derive import boards_of
    from leaderboard.labels import key_of
    from leaderboard.site.addresses import entry_id

    named = [record for record in records if record.cell.method.name == entry]
    if named:
        return named
    for board in boards_of(records):
        for row in board.rows:
            if entry_id(board, row) == entry:
                return [record for record in board.records if key_of(record.cell.method) == row.key]
    raise UserError(f"There is no method and no entry {entry!r} among these records. Ids stand at the foot of a page.")
