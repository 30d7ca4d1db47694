"""A headless Chromium, steered through chromedriver by the W3C's WebDriver protocol: JSON over HTTP, so the standard library does."""
import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's name for a reference to one


class Refused(Exception):
    """What the browser did not do, and why."""


class Browser:
    """A window of its own, without network, history or settings. A context manager; gone with everything afterwards."""

    def __init__(self, width, height):
        self.folder = tempfile.TemporaryDirectory(prefix="lockstep-browser-", ignore_cleanup_errors=True)
        environment = dict(os.environ, HOME=self.folder.name, XDG_CONFIG_HOME=self.folder.name, XDG_CACHE_HOME=self.folder.name)
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
        try:
            self.address = "http://127.0.0.1:%d" % self._port()
            self._open(width, height)
        except BaseException:
            self._end()
            raise

    def _port(self):
        for line in self.driver.stdout:
            if "started successfully on port" in line:
                return int(line.rstrip(".\n").split()[-1])
        raise Refused("chromedriver does not start")

    def _open(self, width, height):
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                     "--force-device-scale-factor=1", "--proxy-server=127.0.0.1:9", "--no-first-run", "--user-data-dir=" + self.folder.name + "/profile"]
        options = {"args": arguments, "binary": shutil.which("chromium")}
        wanted = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}
        self.session = self._ask("POST", "/session", {"capabilities": wanted})["sessionId"]
        self.resize(width, height)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self._ask("DELETE", "/session/" + self.session)
        except Refused:
            pass
        self._end()

    def _end(self):
        self.driver.terminate()
        self.driver.wait()
        self.folder.cleanup()

    def _ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"}, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise Refused(json.load(error)["value"]["message"].splitlines()[0]) from None
        except (urllib.error.URLError, ConnectionError) as error:
            raise Refused(str(error)) from None

    def _do(self, what, body=None, method="POST"):
        return self._ask(method, "/session/%s/%s" % (self.session, what), {} if body is None and method == "POST" else body)

    def resize(self, width, height):
        self._do("window/rect", {"width": width, "height": height})

    def open(self, path):
        self._do("url", {"url": "file://" + os.path.abspath(path)})

    def evaluate(self, script, *arguments):
        """What the function body `script` returns in the page."""
        return self._do("execute/sync", {"script": script, "args": list(arguments)})

    def find(self, selector, within=None):
        where = "elements" if within is None else "element/%s/elements" % within
        return [found[ELEMENT] for found in self._do(where, {"using": "css selector", "value": selector})]

    def click(self, element):
        """A click of the mouse in the element's middle. Refused when something else lies there."""
        self._do("element/%s/click" % element)

    def press(self, element, keys):
        self._do("element/%s/value" % element, {"text": keys})

    def until(self, script, *arguments):
        """Waits, at most ten seconds, until `script` returns something true; returns it."""
        end = time.monotonic() + 10
        while not (value := self.evaluate(script, *arguments)):
            if time.monotonic() > end:
                raise Refused("in vain: " + script)
        return value

    def screenshot(self, path):
        """The whole page, not only what the window shows."""
        answer = self._do("goog/cdp/execute", {"cmd": "Page.captureScreenshot", "params": {"captureBeyondViewport": True, "format": "png"}})
        with open(path, "wb") as file:
            file.write(base64.b64decode(answer["data"]))

    def complaints(self):
        """Errors and warnings of the console since the last call."""
        return [entry["message"] for entry in self._do("se/log", {"type": "browser"}) if entry["level"] in ("SEVERE", "WARNING")]
