"""A headless Chromium, spoken to through a pipe: it loads pages, measures them and takes pictures."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Any

__all__ = ["Browser"]

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe"),
    "--allow-file-access-from-files",
)


class Browser:
    """A browser with one page, for a ``with`` statement.

    Raises
    ------
    ValueError
        When no Chromium is installed.
    """

    def __enter__(self) -> Browser:
        program = next((found for name in _NAMES if (found := shutil.which(name))), None)
        if program is None:
            raise ValueError(f"no browser: none of {', '.join(_NAMES)} is installed")
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        for_it, self._write = os.pipe()
        self._read, from_it = os.pipe()

        def connect() -> None:  # Chromium reads commands from 3 and answers on 4
            first, second = os.dup(for_it), os.dup(from_it)
            os.dup2(first, 3)
            os.dup2(second, 4)

        self._process = subprocess.Popen(
            [program, *_FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"],
            preexec_fn=connect,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(for_it)
        os.close(from_it)
        self._count, self._rest = 0, b""
        self._session: str | None = None
        targets = self._call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = self._call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        self._call("Page.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)
        os.close(self._write)
        os.close(self._read)
        self._profile.cleanup()

    def open(self, address: str, width: int, height: int = 900) -> None:
        """Load a page in a window of this size; below 600 pixels it is a phone's."""
        phone = width < 600
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self._call("Page.navigate", url=address)
        for _ in range(100):
            time.sleep(0.1)
            if self.value("document.readyState") == "complete" and self.value("document.fonts.status") == "loaded":
                break
        time.sleep(0.3)

    def value(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        return self._call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def picture(self, *, from_y: int = 0, height: int = 900) -> bytes:
        """A PNG of a part of the page."""
        width = self.value("window.innerWidth")
        clip = {"x": 0, "y": from_y, "width": width, "height": height, "scale": 1}
        found = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(found["data"])

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:  # events come in between, and are not ours
            answer = self._next()
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise ValueError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self._read, 1 << 20)
            if not part:
                raise ValueError("the browser has ended")
            self._rest += part
        found, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(found))
