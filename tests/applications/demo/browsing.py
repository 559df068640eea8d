"""A page in headless Chromium, driven over its DevTools pipe: nothing but the browser has to be installed."""

import base64
import itertools
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --hide-scrollbars --remote-debugging-pipe"
)
DENIED = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
# Chromium reads from descriptor 3 and writes to 4.
AS_3_AND_4 = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)


class Tab:
    """One page of a browser that reaches this machine alone.

    Attributes:
        requests: every address that it asked for.
        complaints: what its console says of errors.
    """

    def __init__(self, chromium: str, profile: Path) -> None:
        ours_in, self._write = os.pipe()
        self._read, ours_out = os.pipe()
        command = [sys.executable, "-c", AS_3_AND_4, str(ours_in), str(ours_out), chromium, *FLAGS.split(), DENIED]
        self._process = subprocess.Popen(
            [*command, f"--user-data-dir={profile}"], pass_fds=(ours_in, ours_out), stderr=subprocess.DEVNULL
        )
        os.close(ours_in)
        os.close(ours_out)
        self._numbers, self._buffer = itertools.count(1), b""
        self.requests: list[str] = []
        self.complaints: list[str] = []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def open(self, address: str, width: int = 1280, height: int = 900) -> None:
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.ask("Page.navigate", url=address)

    def value(self, expression: str):
        """What a JavaScript expression is."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, expression: str, seconds: float = 60):
        """The value of an expression as soon as it is true."""
        end = time.monotonic() + seconds
        while not (value := self.value(expression)):
            assert time.monotonic() < end, f"never: {expression}"
            time.sleep(0.2)
        return value

    def click(self, element: str) -> None:
        """Press the mouse on an element, named by a selector, as a person does: films play for nobody else."""
        found = f"document.querySelector('{element}')"
        self.value(f"{found}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
        place = self.value(f"(r => ({{x: r.x + r.width / 2, y: r.y + r.height / 2}}))({found}.getBoundingClientRect())")
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    def choose(self, element: str, file: Path) -> None:
        """Give a file to an input of the page, named by a selector."""
        document = self.ask("DOM.getDocument")["root"]["nodeId"]
        node = self.ask("DOM.querySelector", nodeId=document, selector=element)["nodeId"]
        self.ask("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def picture(self, file: Path) -> None:
        """The whole page as a PNG."""
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def ask(self, method: str, **parameters):
        return self._ask(method, session=self._session, **parameters)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._write)
        os.close(self._read)

    def _ask(self, method: str, session: str | None = None, **parameters):
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._next(60)).get("id") != number:
            self._hear(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _hear(self, event) -> None:
        parameters = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        if event.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.complaints.append(parameters["entry"]["text"])
        if event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(parameters["exceptionDetails"]))

    def _next(self, seconds: float):
        while b"\0" not in self._buffer:
            assert select.select([self._read], [], [], seconds)[0], "the browser says nothing"
            self._buffer += os.read(self._read, 65536)
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)
