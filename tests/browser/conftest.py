"""Sites made of synthetic records, opened in a real browser."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

sys.path.insert(0, str(Path(__file__).parents[1] / "leaderboard"))  # its synthetic records serve here too

from browser_page import Page
from fixture_sites import SITES

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--force-device-scale-factor=1",
    "--window-size=1440,1000",
)


@pytest.fixture(scope="session")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The fixture sites by name, each built when it is first asked for."""
    root = tmp_path_factory.mktemp("sites")

    class Built(dict[str, Path]):
        def __missing__(self, name: str) -> Path:
            self[name] = SITES[name](root / name)
            return self[name]

    return Built()


@pytest.fixture(scope="session")
def browser() -> Iterator[webdriver.Chrome]:
    """One headless Chromium, which logs what it asks for and what goes wrong."""
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("needs chromium and chromedriver (Debian: chromium, chromium-driver)")
    options = Options()
    options.binary_location = CHROMIUM
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(DRIVER))
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: webdriver.Chrome) -> Iterator[Page]:
    """The browser at its usual size, with nothing emulated and nothing remembered."""
    found = Page(browser)
    found.driver.get_log("browser")
    found.driver.get_log("performance")
    yield found
    found.command("Emulation.clearDeviceMetricsOverride")
    found.command("Emulation.setScriptExecutionDisabled", value=False)
    found.command("Emulation.setEmulatedMedia", media="", features=[])
    found.command("Emulation.setEmulatedVisionDeficiency", type="none")
    found.driver.get("about:blank")
