"""xlbarrier push, against a server on the loopback interface that takes what the hub takes."""

import base64
import http.server
import json
import threading

import pytest
from huggingface_hub import constants

from xlbarrier import main
from xlbarrier.errors import InputError, StateError
from xlbarrier.modes.push import push


class Taking(http.server.BaseHTTPRequestHandler):
    """Takes a new repository and one commit of small files; refuses without a token."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        if self.headers.get('Authorization') != 'Bearer hf_secret':
            return self._send({'error': 'Invalid username or password.'}, 401)
        self.server.asked.append(self.path)
        if self.path.endswith('/repos/create'):
            self.server.made.append(json.loads(body))
            return self._send({'url': f'{self.server.address}/org/name'})
        if self.path.endswith('/validate-yaml'):  # of the card
            return self._send({'errors': [], 'warnings': []})
        if '/preupload/' in self.path:
            files = json.loads(body)['files']
            return self._send({'files': [{'path': f['path'], 'uploadMode': 'regular',
                                          'shouldIgnore': False} for f in files]})  # fmt: skip
        if '/commit/' in self.path:
            for line in body.splitlines():
                entry = json.loads(line)
                if entry['key'] == 'file':
                    value = entry['value']
                    self.server.files[value['path']] = base64.b64decode(value['content'])
            return self._send({'commitUrl': f'{self.server.address}/org/name/commit/1',
                               'commitOid': '1' * 40, 'pullRequestUrl': None})  # fmt: skip
        self._send({}, 404)

    def do_GET(self):
        self._send({'id': 'org/name', 'sha': '1' * 40, 'siblings': []})

    def _send(self, value, status=200):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        """Prints nothing."""


@pytest.fixture
def hub(monkeypatch):
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Taking)
    server.address = f'http://127.0.0.1:{server.server_port}'
    server.asked, server.made, server.files = [], [], {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(constants, 'ENDPOINT', server.address)
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', False)
    monkeypatch.setattr(constants, 'HF_HUB_DISABLE_XET', True)
    monkeypatch.setenv('HF_TOKEN', 'hf_secret')
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def run(tmp_path):
    for name in ('english', 'mixed'):
        export = tmp_path / 'run/export' / name
        export.mkdir(parents=True)
        (export / 'config.json').write_text('{"model_type": "llama"}')
        (export / 'README.md').write_text(f'---\nlicense: apache-2.0\n---\n# {name}\n')
        (export / 'tokenizer.json').write_text('{}')
    return tmp_path / 'run'


def test_the_files_of_one_model_are_uploaded_with_its_card(hub, run):
    main.main(['xlbarrier', 'push', str(run), 'org/name', '--model=mixed', '--private'])
    assert hub.made[0]['name'] == 'name' and hub.made[0]['organization'] == 'org'
    export = run / 'export/mixed'
    assert hub.files == {path.name: path.read_bytes() for path in export.iterdir()}
    assert '# mixed' in hub.files['README.md'].decode()


def test_what_the_hub_refuses_is_said_without_the_token(hub, run, monkeypatch):
    monkeypatch.setenv('HF_TOKEN', 'hf_wrong')
    with pytest.raises(StateError, match='org/name: the hub did not take') as error:
        push([str(run), 'org/name', '--model=mixed'])
    assert 'hf_wrong' not in str(error.value) and not hub.files


@pytest.mark.parametrize(
    ('words', 'named'),
    [
        (('org/name',), 'english, mixed: name one with --model'),
        (('org/name', '--model=german'), "no model 'german'; it has english, mixed"),
        (('name', '--model=mixed'), 'no ORG/NAME'),
    ],
)
def test_what_cannot_be_pushed_is_named(run, words, named):
    with pytest.raises(InputError, match=named):
        push([str(run), *words])
    with pytest.raises(InputError, match='no model in export/'):
        push([str(run / 'export'), 'org/name'])


def test_a_dry_run_lists_the_files_and_sends_nothing(run, hub, capsys):
    push([str(run), 'org/name', '--model=mixed', '--dry_run'])
    assert capsys.readouterr().out.split() == ['README.md', 'config.json', 'tokenizer.json']
    assert not hub.asked
