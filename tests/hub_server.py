"""A server on the loopback interface that speaks the hub's API, as far as downloads need it."""

import contextlib
import hashlib
import http.server
import json
import pathlib
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import datasets
import huggingface_hub
import pytest
from huggingface_hub import constants


@dataclass
class Repository:
    """A repository of the hub.

    Attributes:
      files: content by path, of every revision that `others` does not name.
      revisions: names of revisions besides 'main' and the commit.
      others: files of further revisions, such as 'refs/convert/parquet'.
      refused: 401 or 403 for a gated repository, else 0.
      dies: names of files whose download breaks off, with the number of times.
    """

    files: dict[str, bytes]
    revisions: tuple[str, ...] = ()
    others: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    refused: int = 0
    dies: dict[str, int] = field(default_factory=dict)

    def at(self, revision: str) -> Mapping[str, bytes] | None:
        """The files of a revision or commit; None where there is none."""
        for name, files in (('main', self.files), *self.others.items()):
            if revision in (name, commit_of(files)):
                return files
        return self.files if revision in self.revisions else None


def commit_of(files: Mapping[str, bytes]) -> str:
    """The commit that these files make up."""
    return hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()


class Hub(http.server.ThreadingHTTPServer):
    """The server: `repositories` by 'datasets/ORG/NAME' or 'models/ORG/NAME'; `asked` logs."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(('127.0.0.1', 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.asked: list[tuple[str, str]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """What HF_ENDPOINT is set to."""
        return f'http://127.0.0.1:{self.server_port}'

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no error here."""


@contextlib.contextmanager
def asked_in_process(cache: pathlib.Path) -> Iterator[Hub]:
    """A server that the hub's libraries of this process ask; they cache in a folder of the test.

    They read their environment when they are imported, so their constants are set instead.
    """
    server = Hub()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, 'ENDPOINT', server.address)
        template = f'{server.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}'
        patch.setattr(constants, 'HUGGINGFACE_CO_URL_TEMPLATE', template)
        patch.setattr(constants, 'HF_HUB_CACHE', str(cache / 'hub'))
        patch.setattr(constants, 'HF_HUB_DISABLE_XET', True)
        patch.setattr(datasets.config, 'HF_ENDPOINT', server.address)
        patch.setattr(datasets.config, 'HF_DATASETS_CACHE', cache / 'datasets')
        for module in (constants, datasets.config):
            patch.setattr(module, 'HF_HUB_OFFLINE', False)
        patch.setattr(datasets.config, 'HF_DATASETS_OFFLINE', False)
        huggingface_hub.HfFileSystem.clear_instance_cache()
        yield server
    huggingface_hub.HfFileSystem.clear_instance_cache()
    server.shutdown()
    server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    server: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        size = int(self.headers.get('Content-Length') or 0)
        body = self.rfile.read(size).decode()
        self.server.asked.append((self.command, self.path))
        parts = [urllib.parse.unquote(p) for p in self.path.split('?')[0].strip('/').split('/')]
        api = parts[0] == 'api'
        parts = parts[1:] if api else parts
        kind = parts.pop(0) if parts[0] in ('datasets', 'models') else 'models'
        repository = self.server.repositories.get(f'{kind}/{"/".join(parts[:2])}')
        if repository is None:
            return self._refuse(404, 'RepoNotFound')
        verb, revision = (parts[2], parts[3]) if len(parts) > 3 else ('revision', 'main')
        path = '/'.join(parts[4:])
        if repository.refused and verb == 'resolve':
            return self._refuse(repository.refused, 'GatedRepo')
        files = repository.at(revision)
        if files is None:
            return self._refuse(404, 'RevisionNotFound')
        if verb == 'revision':
            names = [{'rfilename': name} for name in sorted(files)]
            info = {'id': '/'.join(parts[:2]), 'sha': commit_of(files), 'siblings': names}
            extra = {'private': False, 'tags': [], 'downloads': 0, 'likes': 0}
            return self._send(json.dumps(info | extra).encode(), commit_of(files))
        if verb == 'tree':
            found = _tree(files, path, 'recursive=true' in self.path.lower())
            if not found and path:
                return self._refuse(404, 'EntryNotFound')
            return self._send(json.dumps(found).encode(), commit_of(files))
        if verb == 'paths-info':
            asked = _paths(body)
            every = {e['path']: e for e in _tree(files, '', True)}
            found = [every[name] for name in asked if name in every]
            return self._send(json.dumps(found).encode(), commit_of(files))
        if path not in files:
            return self._refuse(404, 'EntryNotFound')
        content = files[path]
        if self.command == 'GET' and repository.dies.get(path):
            repository.dies[path] -= 1
            return self._send(content[: len(content) // 2], commit_of(files), len(content))
        start = self.headers.get('Range', '')
        self._send(content, commit_of(files), start=int(start[6:].rstrip('-') or 0) if start else 0)

    def _send(self, body: bytes, commit: str, length: int = 0, start: int = 0) -> None:
        self.send_response(206 if start else 200)
        self.send_header('ETag', f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header('X-Repo-Commit', commit)
        self.send_header('Content-Type', 'application/json')
        if start:
            self.send_header('Content-Range', f'bytes {start}-{len(body) - 1}/{len(body)}')
        self.send_header('Content-Length', str(length or len(body) - start))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(body[start:])
        self.close_connection = bool(length)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header('X-Error-Code', code)
        self.send_header('X-Error-Message', code)
        self.send_header('Content-Length', '0')
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Prints nothing."""


def _paths(body: str) -> list[str]:
    """The paths of a request, as JSON or as a form."""
    if body.startswith('{'):
        return json.loads(body)['paths']
    return urllib.parse.parse_qs(body).get('paths', [])


def _tree(files: Mapping[str, bytes], folder: str, recursive: bool) -> list[dict[str, object]]:
    """The entries below a folder."""
    found: dict[str, dict[str, object]] = {}
    prefix = f'{folder}/' if folder else ''
    for name, content in sorted(files.items()):
        if not name.startswith(prefix):
            continue
        parts = name.removeprefix(prefix).split('/')
        for depth in range(1, len(parts) if recursive else min(len(parts), 2)):
            path = prefix + '/'.join(parts[:depth])
            found[path] = {'type': 'directory', 'path': path, 'size': 0, 'oid': '0' * 40}
        if recursive or len(parts) == 1:
            oid = hashlib.sha1(content).hexdigest()
            found[name] = {'type': 'file', 'path': name, 'size': len(content), 'oid': oid}
    return list(found.values())
