"""Shows a rendered site to this machine's own browsers, and renders it again when what it is made from changes.

A page that is open then loads itself again. Its policy allows it no connection but scripts of its own origin, so it
asks for one that the server holds back until there is a reason.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from harness.console import complain
from harness.errors import UserError

EVERY_S = 1.0
_READ = (".json", ".gz", ".toml")
State = dict[str, tuple[int, int]]
LIVE, NEWER = "/live.js", "/newer.js"
HELD_S = 20.0
"""So long is a request held back before the page asks again."""
_ASKING = """addEventListener("load", function () { setTimeout(ask); });
function ask() {
  var script = document.createElement("script");
  script.src = "%s?%d";
  script.onload = function () { script.remove(); ask(); };
  document.head.appendChild(script);
}
"""
"""Asked before the page has loaded, it would never have."""


class Renders:
    """How often the site was rendered; whoever waits for the next time is told."""

    def __init__(self) -> None:
        self.count = 0
        self._more = threading.Condition()

    def add(self) -> None:
        """It was rendered once more."""
        with self._more:
            self.count += 1
            self._more.notify_all()

    def since(self, count: int) -> bool:
        """Whether it was rendered since there were so many, after a while at the latest."""
        with self._more:
            return self._more.wait_for(lambda: self.count != count, HELD_S)


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, keeps nothing in the browser, and says nothing."""

    def __init__(self, *args: Any, renders: Renders, **more: Any) -> None:  # noqa: ANN401 - the base class's own
        self._renders = renders  # before the base class, which answers at once
        super().__init__(*args, **more)

    def do_GET(self) -> None:
        """A page with the script that loads it again, that script, or any other file."""
        path, _, seen = self.path.partition("?")
        page = Path(self.translate_path(self.path))
        page = page / "index.html" if path.endswith("/") else page
        if path == LIVE:
            self._answer(_ASKING % (NEWER, self._renders.count), "text/javascript")
        elif path == NEWER:
            newer = seen.isdecimal() and self._renders.since(int(seen))
            self._answer("location.reload();" if newer else "", "text/javascript")
        elif page.suffix == ".html" and page.is_file():
            script = f'<script src="{LIVE}" defer></script></head>'
            self._answer(page.read_text(encoding="utf-8").replace("</head>", script, 1), "text/html")
        else:
            super().do_GET()

    def _answer(self, text: str, kind: str) -> None:
        body = text.encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):  # the page was left
            self.wfile.write(body)

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
    renders = Renders()
    handler = partial(Quiet, directory=str(site), renders=renders)
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        before = _state(watched)  # what changes while it is rendered is not lost
        render()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        said()
        try:
            for _ in changes(watched, threading.Event(), before):
                try:
                    render()
                    renders.add()
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
