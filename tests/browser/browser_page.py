"""One page in the browser, and what a test asks of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from selenium import webdriver


class Page:
    """One page in the browser."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, site: Path, address: str = "index.html", *, fragment: str = "") -> Page:
        """Load a page from the disk, with nothing left of the one before."""
        self.driver.get("about:blank")
        self.driver.get(f"file://{site}/{address}{fragment}")
        return self

    def do(self, script: str, *arguments: object) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script, *arguments)

    def texts(self, selector: str) -> list[str]:
        """The text of every visible element."""
        return list(
            self.do(
                "return [...document.querySelectorAll(arguments[0])].filter(e => e.offsetParent !== null)"
                ".map(e => e.innerText.trim())",
                selector,
            )
        )

    def severe(self) -> list[str]:
        """What went wrong since it was last asked."""
        return [str(one["message"]) for one in self.driver.get_log("browser") if one["level"] == "SEVERE"]

    def requested(self) -> list[str]:
        """Addresses asked for since it was last asked."""
        found = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(str(entry["message"]))["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.append(str(message["params"]["request"]["url"]))
        return found

    def command(self, name: str, **arguments: object) -> Any:
        """A command of the browser's own protocol."""
        return self.driver.execute_cdp_cmd(name, arguments)
