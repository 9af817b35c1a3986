"""Models of the Hugging Face hub, from a server on the loopback interface that speaks its API."""

import hashlib
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

import pytest

COMMIT = '0123456789abcdef0123456789abcdef01234567'
FILES = {
    'config.json': b'{"model_type": "llama"}',
    'model.safetensors': b'weights',
    'tokenizer.json': b'{}',
    'tokenizer.py': b'code',
    'pytorch_model.bin': b'pickle',
    'modeling.py': b'code',
    'README.md': b'text',
    'original/consolidated.00.safetensors': b'the weights again',
    'consolidated.safetensors': b'the weights again',
}
HUB = """
from xlbarrier.models.source import resolve
for name in {names!r}:
    try:
        print(resolve(name))
    except ValueError as error:
        print('ERROR', error)
"""


class HubHandler(http.server.BaseHTTPRequestHandler):
    """As much of the hub's API as a snapshot needs."""

    protocol_version = 'HTTP/1.1'

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.server.asked.append((self.command, self.path))
        path = self.path.split('?')[0]
        if path in ('/api/models/org/tiny/revision/main', '/api/models/org/tiny/revision/v1'):
            names = [{'rfilename': name} for name in sorted(FILES)]
            info = {'id': 'org/tiny', 'sha': COMMIT, 'siblings': names, 'private': False}
            return self.answer(json.dumps({**info, 'tags': [], 'downloads': 0}).encode())
        if path.startswith('/api/models/org/tiny/tree/'):
            tree = [
                {'type': 'file', 'path': n, 'size': len(c), 'oid': hashlib.sha1(c).hexdigest()}
                for n, c in sorted(FILES.items())
            ]
            return self.answer(json.dumps(tree).encode())
        if self.server.breaking and path.endswith('.safetensors') and self.command == 'GET':
            return self.answer(FILES['model.safetensors'][:3], length=7)
        name = path.removeprefix(f'/org/tiny/resolve/{COMMIT}/')
        if name in FILES:
            return self.answer(FILES[name])
        self.send_response(404)
        self.send_header('X-Error-Code', 'RepoNotFound')
        self.send_header('Content-Length', '0')
        self.end_headers()

    def answer(self, body: bytes, length: int | None = None):
        self.send_response(200)
        self.send_header('ETag', f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header('X-Repo-Commit', COMMIT)
        self.send_header('Content-Length', str(length or len(body)))
        self.end_headers()
        if self.command == 'GET':
            self.wfile.write(body)
        self.close_connection = length is not None

    def log_message(self, *args):
        pass


@pytest.fixture
def hub(tmp_path):
    """(server, ask): `ask(*sources, offline=False)` resolves them in a process of its own."""
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), HubHandler)
    server.daemon_threads, server.asked, server.breaking = True, [], False
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def ask(*names: str, offline: bool = False) -> list[str]:
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith('HF_')},
            'HF_ENDPOINT': f'http://127.0.0.1:{server.server_port}',
            'HF_HOME': str(tmp_path / 'hf'),
            'HF_HUB_OFFLINE': '1' if offline else '0',
            'HF_HUB_DISABLE_XET': '1',
            'HF_HUB_DISABLE_TELEMETRY': '1',
            'NO_PROXY': '127.0.0.1',
        }
        program = HUB.format(names=names)
        answer = subprocess.run(
            [sys.executable, '-c', program],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.splitlines()

    yield server, ask
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_a_hub_snapshot_without_pickles_and_code(hub):
    server, ask = hub
    (folder,) = ask('hf:org/tiny@v1')
    names = sorted(p.name for p in pathlib.Path(folder).rglob('*'))
    assert names == ['config.json', 'model.safetensors', 'tokenizer.json']
    assert (pathlib.Path(folder) / 'model.safetensors').read_bytes() == b'weights'
    assert not [path for _, path in server.asked if path.endswith(('.bin', '.py'))]
    assert ('GET', '/api/models/org/tiny/revision/v1') in server.asked
    # Later, without a network, the cache answers; what it lacks is named.
    asked = len(server.asked)
    again, missing = ask('hf:org/tiny@v1', 'hf:org/other', offline=True)
    assert again == folder
    assert missing.startswith('ERROR hf:org/other could not be fetched from the hub or its cache')
    assert 'model.source to a local folder' in missing and 'HF_HUB_OFFLINE=1' in missing
    assert len(server.asked) == asked


@pytest.mark.slow
def test_a_repository_that_is_not_there_or_has_no_weights(hub, monkeypatch):
    _, ask = hub
    absent, malformed = ask('hf:org/absent', 'hf:justone')
    assert absent.startswith('ERROR hf:org/absent could not be fetched') and '404' in absent
    assert 'HF_TOKEN' in absent
    assert "'hf:justone' is not hf:ORG/NAME" in malformed
    monkeypatch.delitem(FILES, 'model.safetensors')
    bare, command, remedy = ask('hf:org/tiny')
    assert "ERROR model.source 'hf:org/tiny': the folder" in bare
    assert 'no *.safetensors file' in bare and '`hf download org/tiny --local-dir FOLDER`' in bare
    assert 'weights_only=True' in command and 'model.source to FOLDER' in remedy


@pytest.mark.slow
def test_a_download_that_breaks_off_is_an_error_and_then_goes_on(hub):
    server, ask = hub
    server.breaking = True
    (broken,) = ask('hf:org/tiny')
    assert broken.startswith('ERROR hf:org/tiny could not be fetched from the hub or its cache')
    (offline,) = ask('hf:org/tiny', offline=True)  # half a snapshot is not taken for a whole one
    assert offline.startswith('ERROR') and 'hf:org/tiny' in offline
    server.breaking = False
    (folder,) = ask('hf:org/tiny')
    assert (pathlib.Path(folder) / 'model.safetensors').read_bytes() == b'weights'


@pytest.mark.slow
def test_a_hub_that_cannot_be_reached(hub):
    server, ask = hub
    server.shutdown()
    server.server_close()
    (said,) = ask('hf:org/tiny')
    assert said.startswith('ERROR hf:org/tiny could not be fetched from the hub or its cache')
    assert 'no network: set model.source to a local folder' in said
