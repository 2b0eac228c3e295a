"""Shows a rendered site to this machine's own browsers, and renders it again when what it is made from changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

EVERY_S = 1.0


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, keeps nothing in the browser, and says nothing."""

    def end_headers(self) -> None:
        """Have the browser ask again next time."""
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


def served(site: Path, port: int, watched: Sequence[Path], render: Callable[[], None]) -> None:
    """Render, serve on 127.0.0.1 until interrupted, and render again after a change.

    Args:
        site: The rendered folder.
        port: To listen on.
        watched: Folders whose files are looked at once a second.
        render: Renders the site.
    """
    render()
    handler = partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ticks = threading.Event()
        try:
            for _ in changes(watched, ticks):
                render()
        except KeyboardInterrupt:
            server.shutdown()


def changes(watched: Sequence[Path], ticks: threading.Event) -> Iterator[None]:
    """Yield after every change of a file's time, size or existence, until the event is set."""
    before = _state(watched)
    while not ticks.wait(EVERY_S):
        now = _state(watched)
        if now != before:
            before = now
            yield


def _state(watched: Sequence[Path]) -> dict[str, tuple[int, int]]:
    found = {}
    for folder in watched:
        for path in folder.rglob("*"):
            if path.is_file() and not path.name.startswith("."):
                about = path.stat()
                found[str(path)] = (about.st_mtime_ns, about.st_size)
    return found
