"""The site as this machine serves it: an open page loads itself again when what it is made from changes."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from browser_page import Page
from selenium.webdriver.support.wait import WebDriverWait
from sites import site
from synthetic import demo

from harness.local_site import served

pytestmark = pytest.mark.browser


def test_an_open_page_loads_itself_again_after_a_change(page: Page, tmp_path: Path) -> None:
    out, records = tmp_path / "site", tmp_path / "records"
    records.mkdir()
    made, ready = iter((1, 2)), threading.Event()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = (out, port, [records], lambda: site(demo(next(made)), out), ready.set)
    threading.Thread(target=served, args=arguments, daemon=True).start()
    assert ready.wait(60)
    page.driver.get(f"http://127.0.0.1:{port}/")
    assert "1 unlearning seed." in page.do("return document.body.innerText")
    (records / "new.json").write_text("{}")
    WebDriverWait(page.driver, 60).until(lambda _: "2 unlearning seeds" in page.do("return document.body.innerText"))
    assert page.severe() == []
