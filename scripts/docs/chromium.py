"""Headless Chromium by its DevTools protocol: open a page, look at it, take its picture.

No name is resolved, so nothing leaves loopback. The protocol is
https://chromedevtools.github.io/devtools-protocol/ (domains Target, Page, Runtime, Network,
Emulation, Input).
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import ClientConnection, connect

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = """--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run
    --disable-extensions --disable-background-networking --disable-component-update --disable-sync
    --disable-dev-shm-usage --hide-scrollbars --remote-debugging-port=0""".split()
NOWHERE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
HOMES = ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
"""Where Chromium keeps crash reports and settings, whatever its profile."""
PATIENCE = 60
"""Seconds after which a browser that does not answer is given up."""


class BrowserError(RuntimeError):
    """The browser did not start, or refused a command."""


def program() -> str | None:
    """The path of an installed Chromium, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@dataclass
class Page:
    """A page as it is open: what its console said, and what it asked for over a network."""

    browser: Chromium
    session: str
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol. Raises BrowserError when it is refused."""
        return self.browser.call(method, self.session, **parameters)

    def evaluate(self, script: str) -> Any:
        """The value of an expression, as JSON has it."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in found:
            raise BrowserError(found["exceptionDetails"]["exception"].get("description", script))
        return found["result"].get("value")

    def html(self) -> str:
        """The document as it is now."""
        return str(self.evaluate("document.documentElement.outerHTML"))

    def press(self, key: str) -> None:
        """A key that has a name, such as Tab or Enter."""
        code = {"Tab": 9, "Enter": 13}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            values = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}
            self.call("Input.dispatchKeyEvent", **values, **text)

    def picture(self, out: Path, height: int | None = None, scale: float = 1) -> None:
        """A PNG of the whole page, or of its first `height` pixels."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "scale": scale}
        clip["height"] = min(height or size["height"], size["height"])
        found = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        out.write_bytes(base64.b64decode(found["data"]))

    def pdf(self, out: Path) -> None:
        """The page as it is printed."""
        found = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        out.write_bytes(base64.b64decode(found["data"]))


class Chromium:
    """A browser while the block runs, with a profile of its own."""

    def __init__(self) -> None:
        self._parts = ExitStack()
        self._pages: dict[str, Page] = {}
        self._number = 0

    def __enter__(self) -> Self:
        path = program()
        if path is None:
            raise BrowserError("Chromium is not on PATH. Debian: apt-get install chromium")
        profile = self._parts.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        self._process = subprocess.Popen(
            [path, *OPTIONS, NOWHERE, f"--user-data-dir={profile}", "about:blank"],
            env=os.environ | dict.fromkeys(HOMES, profile),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._parts.callback(self._end)
        try:
            self._socket = self._parts.enter_context(self._connected())
        except BaseException:
            self._parts.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._parts.close()

    def open(
        self,
        page: Path | str,
        *,
        width: int = 1400,
        height: int = 900,
        dark: bool = False,
        script: bool = True,
        media: str = "screen",
    ) -> Page:
        """A file or an address in a window of that size, when it is loaded."""
        target = self.call("Target.createTarget", "", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", "", targetId=target, flatten=True)
        made = self._pages[attached["sessionId"]] = Page(self, attached["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Network"):
            made.call(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        made.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        made.call("Emulation.setEmulatedMedia", media=media, features=[scheme])
        made.call("Emulation.setScriptExecutionDisabled", value=not script)
        made.call("Page.navigate", url=page.as_uri() if isinstance(page, Path) else page)
        while self._read(made.session).get("method") != "Page.loadEventFired":
            pass
        return made

    def call(self, method: str, session: str, **parameters: Any) -> dict[str, Any]:
        """A command, for the browser or one of its pages. Raises BrowserError."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        self._socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        while (answer := self._read()).get("id") != self._number:
            pass
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _connected(self) -> ClientConnection:
        for line in self._process.stderr or ():
            if line.startswith("DevTools listening on "):
                address = line.split()[-1]
                return connect(address, max_size=None, open_timeout=PATIENCE, proxy=None)
        raise BrowserError(f"Chromium ended with status {self._process.wait()}")

    def _read(self, session: str = "") -> dict[str, Any]:
        """The next message, of a page when it is named; events are noted on their pages."""
        while True:
            message: dict[str, Any] = json.loads(self._socket.recv(timeout=PATIENCE))
            if page := self._pages.get(message.get("sessionId", "")):
                _note(page, message.get("method", ""), message.get("params", {}))
            if not session or message.get("sessionId") == session:
                return message

    def _end(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)
        if self._process.stderr:
            self._process.stderr.close()


def _note(page: Page, event: str, values: dict[str, Any]) -> None:
    if event == "Runtime.consoleAPICalled":
        page.console.append(" ".join(str(each.get("value")) for each in values["args"]))
    elif event == "Runtime.exceptionThrown":
        details = values["exceptionDetails"]
        text = details.get("exception", {}).get("description", details["text"])
        page.console.append(text.splitlines()[0])
    elif event == "Log.entryAdded":
        page.console.append(values["entry"]["text"])
    elif event == "Network.requestWillBeSent":
        address = values["request"]["url"]
        page.requests += [address] * (address.partition(":")[0] not in ("file", "data"))
