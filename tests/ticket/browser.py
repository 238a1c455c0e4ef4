"""Headless Chromium for the tests of the page: nothing of it stays, neither a process nor a folder."""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

SWITCHES = (
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-crash-reporter",
    "--disable-breakpad",
    "--no-first-run",
    "--no-default-browser-check",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
SECONDS = 60


class Browser:
    """One window, and what it logs. ``driver`` is selenium's, of no known type where selenium has no types."""

    def __init__(self, driver: Any, folder: Path) -> None:
        self.driver = driver
        self.folder = folder

    def show(self, page: str, name: str = "page.html") -> None:
        """Opens a page from a file."""
        path = self.folder / name
        path.write_bytes(page.encode("utf-8"))
        self.driver.get(path.as_uri())

    def run(self, script: str, *arguments: object) -> Any:
        """What a script of ours says about the page."""
        return self.driver.execute_script(script, *arguments)

    def command(self, name: str, **parameters: object) -> Any:
        return self.driver.execute_cdp_cmd(name, parameters)

    def size(self, width: int, height: int = 900) -> None:
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    def media(self, kind: str = "", scheme: str = "light") -> None:
        """Screen or print, light or dark."""
        self.command(
            "Emulation.setEmulatedMedia", media=kind, features=[{"name": "prefers-color-scheme", "value": scheme}]
        )

    def console(self) -> list[str]:
        """Messages since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Addresses that pages asked for since the last call."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [one["params"] for one in messages if one["method"] == "Network.requestWillBeSent"]
        sockets = [one["params"]["url"] for one in messages if one["method"] == "Network.webSocketCreated"]
        return [one["request"]["url"] for one in asked] + sockets

    def forget(self) -> None:
        """Leaves the page, and what was logged so far."""
        self.driver.get("about:blank")
        self.console()
        self.requests()

    def pdf(self) -> bytes:
        return base64.b64decode(self.command("Page.printToPDF", printBackground=False)["data"])


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium with a folder of its own for all that it writes; the test is skipped where there is none."""
    selenium = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    from selenium.webdriver.chrome.service import Service

    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs chromium and chromedriver (Debian's chromium, chromium-driver)")
    folder = Path(tempfile.mkdtemp(prefix="lish-agent-page-"))
    try:
        options = selenium.ChromeOptions()
        options.binary_location = chromium
        for switch in (*SWITCHES, f"--user-data-dir={folder / 'profile'}"):
            options.add_argument(switch)
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        homes = {name: str(folder) for name in ("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
        service = Service(driver, env={**os.environ, **homes})
        window = selenium.Chrome(options=options, service=service)
        try:
            window.set_page_load_timeout(SECONDS)
            window.set_script_timeout(SECONDS)
            made = Browser(window, folder)
            made.forget()  # the first page that Chromium shows is one of its own
            yield made
        finally:
            with suppress(Exception):
                window.quit()
    finally:
        _end(folder)
        shutil.rmtree(folder, ignore_errors=True)


def alive(folder: Path) -> list[psutil.Process]:
    """Processes that name the folder: it is ours alone."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in word for word in process.info["cmdline"] or ())
    ]


def _end(folder: Path) -> None:
    """What quit did not end, because the driver died."""
    left = alive(folder)
    _, left = psutil.wait_procs(left, timeout=5)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=5)
