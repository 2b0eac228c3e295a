"""Shows a rendered site to this machine's own browsers, and renders it again when what it is made from changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from harness.console import complain
from harness.errors import UserError

EVERY_S = 1.0
_READ = (".json", ".gz", ".toml")
State = dict[str, tuple[int, int]]


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, keeps nothing in the browser, and says nothing."""

    def end_headers(self) -> None:
        """Have the browser ask again next time."""
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


def served(
    site: Path, port: int, watched: Sequence[Path], render: Callable[[], None], said: Callable[[], None]
) -> None:
    """Render, serve on 127.0.0.1 until interrupted, and render again after a change.

    Args:
        site: The rendered folder.
        port: To listen on.
        watched: Folders whose files are looked at once a second.
        render: Renders the site.
        said: Called once it can be looked at.

    Raises:
        OSError: The port cannot be listened on.
        UserError: It could not be rendered the first time. Later it stays as it was, and the reason is said.
    """
    handler = partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        before = _state(watched)  # what changes while it is rendered is not lost
        render()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        said()
        try:
            for _ in changes(watched, threading.Event(), before):
                try:
                    render()
                except UserError as error:
                    complain(f"The site stays as it was. {error}")
        except KeyboardInterrupt:
            server.shutdown()


def changes(watched: Sequence[Path], ticks: threading.Event, before: State | None = None) -> Iterator[None]:
    """Yield after every change of a file's time, size or existence since ``before``, until the event is set."""
    before = _state(watched) if before is None else before
    while not ticks.wait(EVERY_S):
        now = _state(watched)
        if now != before:
            before = now
            yield


def _state(watched: Sequence[Path]) -> State:
    """Time and size of every file that a site may be made from; a run's logs and scratch are none."""
    found: State = {}
    for folder in watched:
        for path in folder.rglob("*"):
            if path.suffix in _READ and not {"logs", "scratch"} & set(path.relative_to(folder).parts):
                with suppress(OSError):  # it was there a moment ago
                    about = path.stat()
                    found[str(path)] = (about.st_mtime_ns, about.st_size)
    return found
