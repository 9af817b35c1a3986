"""A headless Chromium for the tests of pages, spoken to over a pipe (Chrome DevTools Protocol).

There is none on every machine: `find()` says where it is, and tests skip without one.
"""

import base64
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')


def find():
    """The path of a Chromium, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextlib.contextmanager
def browser():
    """Starts one; yields a Page."""
    with tempfile.TemporaryDirectory() as profile:
        to_read, to_write = os.pipe()
        from_read, from_write = os.pipe()
        command = [
            find(),
            *('--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'),
            *('--no-first-run', '--disable-extensions', '--disable-background-networking'),
            '--remote-debugging-pipe',
            f'--user-data-dir={profile}',
            'about:blank',
        ]

        def wire():
            # It reads commands from 3 and writes answers to 4.
            os.dup2(os.dup(to_read), 30)
            os.dup2(os.dup(from_write), 31)
            os.dup2(30, 3)
            os.dup2(31, 4)

        process = subprocess.Popen(
            command, preexec_fn=wire, close_fds=False, stderr=subprocess.DEVNULL
        )
        os.close(to_read)
        os.close(from_write)
        try:
            with os.fdopen(to_write, 'wb', 0) as send, os.fdopen(from_read, 'rb', 0) as receive:
                yield Page(send, receive)
        finally:
            process.terminate()
            process.wait(20)


class Page:
    """One tab."""

    def __init__(self, send, receive):
        self._send, self._receive = send, receive
        self._rest, self._last, self._session = b'', 0, None
        self.events = []
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        attached = self.call('Target.attachToTarget', targetId=target, flatten=True)
        self._session = attached['sessionId']
        for domain in ('Page', 'Runtime', 'Network', 'Log'):
            self.call(f'{domain}.enable')

    def call(self, method, **parameters):
        """Sends a command and waits for its answer; events are kept."""
        self._last += 1
        message = {'id': self._last, 'method': method, 'params': parameters}
        if self._session:
            message['sessionId'] = self._session
        self._send.write(json.dumps(message).encode() + b'\0')
        while True:
            answer = self._next()
            if answer.get('id') == self._last:
                assert 'error' not in answer, (method, answer['error'])
                return answer['result']
            self.events.append(answer)

    def _next(self):
        while b'\0' not in self._rest:
            part = os.read(self._receive.fileno(), 1 << 16)
            assert part, 'the browser ended'
            self._rest += part
        one, _, self._rest = self._rest.partition(b'\0')
        return json.loads(one)

    def open(self, path):
        """Opens a file and waits until it is loaded."""
        self.events.clear()
        self.call('Page.navigate', url=pathlib.Path(path).resolve().as_uri())
        while not any(e.get('method') == 'Page.loadEventFired' for e in self.events):
            self.events.append(self._next())

    def run(self, script):
        """The value of an expression of JavaScript; a promise is awaited."""
        answer = self.call(
            'Runtime.evaluate', expression=script, awaitPromise=True, returnByValue=True
        )
        assert 'exceptionDetails' not in answer, answer['exceptionDetails']
        return answer['result'].get('value')

    def wait(self, condition, seconds=20):
        """Waits until an expression of JavaScript is true; returns the milliseconds."""
        return self.run(
            'new Promise((done, fail) => { const start = performance.now(); (function look() {'
            f' if ({condition}) done(performance.now() - start);'
            f' else if (performance.now() - start > {1000 * seconds}) fail(new Error("too long"));'
            ' else setTimeout(look, 5); })(); })'
        )

    def problems(self):
        """What the page complained of: exceptions, errors in the log, refused scripts."""
        found = [e['params'] for e in self.events if e.get('method') == 'Runtime.exceptionThrown']
        logged = [e['params']['entry'] for e in self.events if e.get('method') == 'Log.entryAdded']
        return found + [entry for entry in logged if entry['level'] == 'error']

    def fetched(self):
        """The addresses that the page asked for, except its own."""
        asked = [e['params'] for e in self.events if e.get('method') == 'Network.requestWillBeSent']
        return [p['request']['url'] for p in asked if p.get('type') != 'Document']

    def emulate(self, *, width=1440, height=900, scheme='light', media=''):
        """Sets the window, the colour scheme and the medium ('print')."""
        self.call(
            'Emulation.setDeviceMetricsOverride',
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        features = [{'name': 'prefers-color-scheme', 'value': scheme}]
        self.call('Emulation.setEmulatedMedia', media=media, features=features)

    def picture(self, path, *, whole=True):
        """Writes a PNG of the page."""
        shot = self.call('Page.captureScreenshot', format='png', captureBeyondViewport=whole)
        pathlib.Path(path).write_bytes(base64.b64decode(shot['data']))

    def print(self, path):
        """Writes a PDF of the page."""
        shot = self.call('Page.printToPDF', printBackground=False)
        pathlib.Path(path).write_bytes(base64.b64decode(shot['data']))
