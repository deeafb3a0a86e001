"""Firefox ESR, driven over WebDriver BiDi (W3C), which it speaks itself: no driver program is needed."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

FIREFOX = "/usr/bin/firefox-esr"
START_WITHIN_S = 30.0
PATIENCE_S = 20.0
PREFERENCES = {
    # A camera that is none, and a person who always says yes.
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    # Servers of its vendor's that Firefox asks on its own.
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.region.network.url": "",
    "browser.safebrowsing.downloads.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.startup.homepage": "about:blank",
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.push.connection.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.unified": False,
}
CENTRE = """(() => {
  const button = [...document.querySelectorAll("button")].find((it) => it.checkVisibility() && it.textContent === NAME);
  if (!button) return null;
  button.scrollIntoView({ block: "center" });
  const { x, y, width, height } = button.getBoundingClientRect();
  return { x: Math.round(x + width / 2), y: Math.round(y + height / 2) };
})()"""


class FirefoxPage:
    """One tab. Each command is answered before the next is sent."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._sent = 0
        self._tab = ""

    async def open(self, preload: str) -> None:
        """preload: a JavaScript function that runs in each document before its own scripts."""
        await self._command("session.new", capabilities={})
        tree = await self._command("browsingContext.getTree")
        self._tab = tree["contexts"][0]["context"]
        await self._command("script.addPreloadScript", functionDeclaration=preload)

    async def goto(self, url: str) -> None:
        await self._command("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    async def evaluate(self, expression: str) -> Any:
        """What the expression, or the promise that it gives, comes to; as JSON carries it."""
        answer = await self._command(
            "script.evaluate",
            expression=f"Promise.resolve({expression}).then((value) => JSON.stringify(value ?? null))",
            target={"context": self._tab},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer
        return json.loads(answer["result"]["value"])

    async def wait_for(self, condition: str) -> Any:
        """The first value of the JavaScript condition that is true."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self.evaluate(
                    "new Promise((resolve) => { const look = () => {"
                    f" const value = {condition}; value ? resolve(value) : setTimeout(look, 50); }}; look(); }})"
                )
        except TimeoutError:
            raise AssertionError(f"{condition} did not come true in Firefox.") from None

    async def click(self, name: str) -> None:
        """The button of this name, once it is there, with the mouse."""
        centre = await self.wait_for(CENTRE.replace("NAME", json.dumps(name)))
        actions: list[dict[str, Any]] = [
            {"type": "pointerMove", **centre},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        pointer = {"type": "pointer", "id": "mouse", "actions": actions}
        await self._command("input.performActions", context=self._tab, actions=[pointer])

    async def _command(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._sent += 1
        await self._socket.send_json({"id": self._sent, "method": method, "params": parameters})
        while True:
            answer = await self._socket.receive_json()
            if answer.get("id") == self._sent:
                assert answer["type"] == "success", answer
                return dict(answer["result"])


@asynccontextmanager
async def firefox_page(profile: Path, preload: str) -> AsyncIterator[FirefoxPage]:
    """A Firefox of its own, with an empty profile in this folder."""
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    process = await asyncio.create_subprocess_exec(
        FIREFOX,
        *("--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(START_WITHIN_S):
            address = await _address(process)
        async with aiohttp.ClientSession() as http, http.ws_connect(f"{address}/session") as socket:
            page = FirefoxPage(socket)
            await page.open(preload)
            yield page
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.communicate(), PATIENCE_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async for line in process.stderr:
        if b"ws://" in line:
            return line.decode().split()[-1]
    raise RuntimeError("Firefox ended before it listened.")
