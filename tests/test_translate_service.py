"""The service translator against a server process on loopback.

The server is a stand-in for LibreTranslate, which cannot be fetched where these tests run: it
speaks that API's /translate and /languages, written from its documentation, and misbehaves as told.
"""

import http.server
import json
import pathlib
import subprocess
import sys
import threading
import time
from email.utils import formatdate

import pytest

from xlbarrier.config.checks import ConfigError
from xlbarrier.config.corpus import CorpusConfig
from xlbarrier.config.translate import TranslatorConfig
from xlbarrier.corpus import build
from xlbarrier.translate import protocol, service
from xlbarrier.translate.make import make_translator
from xlbarrier.translate.protocol import Failed, TranslatorError

ROOT = pathlib.Path(__file__).resolve().parent.parent

LANGUAGES = [
    {'code': 'en', 'name': 'English', 'targets': ['de', 'en', 'pb', 'zt']},
    {'code': 'de', 'name': 'German', 'targets': ['en']},
]


class StandIn(http.server.ThreadingHTTPServer):
    """Stands in for LibreTranslate: 'text' becomes 'de:text'. `faults` are met first, in order."""

    daemon_threads = True

    def __init__(self):
        super().__init__(('127.0.0.1', 0), Handler)
        self.faults, self.asked, self.moments = [], [], []
        self.languages, self.key, self.longest = LANGUAGES, '', 1000
        self.released = threading.Event()

    @property
    def place(self):
        return f'http://127.0.0.1:{self.server_port}'


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        assert self.path == '/languages'
        self.reply(200, json.dumps(self.server.languages))

    def do_POST(self):
        fields = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        assert self.path == '/translate' and fields['format'] == 'text'
        self.server.asked.append(fields)
        self.server.moments.append(time.monotonic())
        if self.server.faults:
            fault = self.server.faults.pop(0)
            if fault == 'silence':
                self.server.released.wait(20)
            elif fault == 'drip':
                self.send_response(200)
                self.end_headers()
                for _ in range(60):
                    self.wfile.write(b' ')
                    self.wfile.flush()
                    if self.server.released.wait(0.1):
                        return
            elif fault == 'hang up':
                self.connection.close()
            else:
                self.reply(*fault)
        elif self.server.key and fields.get('api_key') != self.server.key:
            self.reply(403, json.dumps({'error': 'Invalid API key'}))
        elif max(map(len, fields['q'])) > self.server.longest:
            self.reply(400, json.dumps({'error': 'Invalid request: text too long'}))
        else:
            texts = [f'{fields["target"]}:{text}' for text in fields['q']]
            self.reply(200, json.dumps({'translatedText': texts}))

    def reply(self, status, body, headers=()):
        data = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(service, 'FIRST_WAIT', 0.02)
    for name in ('http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(name, raising=False)
    with StandIn() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.released.set()
        made.shutdown()
        thread.join()


def make(server, **fields):
    return make_translator(TranslatorConfig(kind='service', place=server.place, **fields))


def test_texts_in_order_and_in_batches(server):
    translator = make(server, batch_texts=3)
    texts = [f'text {i} "é" 猫\n' for i in range(7)]
    assert translator.translate(texts, 'en', 'de') == [f'de:{text}' for text in texts]
    assert [len(fields['q']) for fields in server.asked] == [3, 3, 1]
    assert server.asked[0]['source'] == 'en' and 'api_key' not in server.asked[0]
    assert translator.translate([], 'en', 'de') == []


def test_its_languages_by_any_code(server):
    translator = make(server)
    for target, code in (('pt-BR', 'pb'), ('zh-TW', 'zt'), ('deu', 'de')):
        assert translator.supports('en', target)
        assert translator.translate(['a'], 'en-GB', target) == [f'{code}:a']
    assert translator.supports('de', 'en') and not translator.supports('de', 'pb')
    assert not translator.supports('en', 'zh') and not translator.supports('en', 'en')
    with pytest.raises(TranslatorError, match='no translator for en-fr, en-ja with'):
        protocol.check(translator, 'en', ('en', 'de', 'fr', 'ja'))
    with pytest.raises(TranslatorError, match='does not translate from en into fr'):
        translator.translate(['a'], 'en', 'fr')
    server.languages = [{'code': 'en'}, {'code': 'fr'}]  # of an older server
    assert make(server).supports('fr', 'en')


OVERLOADED = (429, '{"error": "Slowdown: too many requests"}')


@pytest.mark.parametrize(
    'fault',
    [
        OVERLOADED,
        (500, 'Internal Server Error'),
        (503, b'\xff\xfe'),
        (200, '<html>Welcome to the hotel</html>'),
        (200, '{"translatedText": ["one too few"]}'),
        (200, '{"translatedText": "no list"}'),
        (200, '[]'),
        (200, '[' * 100_000),
        'hang up',
        'silence',
        'drip',
    ],
    ids=lambda fault: f'{fault[0]} {fault[1][:20]}' if isinstance(fault, tuple) else fault,
)
def test_it_is_asked_again_and_then_its_texts_have_failed(server, fault):
    translator = make(server, attempts=3, timeout=0.4 if fault in ('silence', 'drip') else 10)
    server.faults = [fault]
    assert translator.translate(['a', 'b'], 'en', 'de') == ['de:a', 'de:b']
    assert len(server.asked) == 2
    server.faults = [fault] * 3
    answers = translator.translate(['a', 'b'], 'en', 'de')
    assert len(server.asked) == 5 and not server.faults
    assert all(isinstance(answer, Failed) for answer in answers)
    assert answers[0].reason.endswith('(3 attempts)')
    if isinstance(fault, tuple) and fault[0] != 200:
        assert f'/translate answered {fault[0]} (' in answers[0].reason
    elif fault in ('silence', 'drip'):
        assert 'no answer within 0.4 s' in answers[0].reason
    assert translator.translate(['a'], 'en', 'de') == ['de:a']  # it goes on


@pytest.mark.parametrize('text', ['"a\\ud800b"', '"a\\u0000b"', 'null', '["a"]'])
def test_what_is_no_text_has_failed_alone(server, text):
    server.faults = [(200, f'{{"translatedText": [{text}, "gut"]}}')]
    failed, good = make(server).translate(['a', 'b'], 'en', 'de')
    assert isinstance(failed, Failed) and 'for this text' in failed.reason and good == 'gut'
    failed.reason.encode()


def test_the_waits_grow(server, monkeypatch):
    monkeypatch.setattr(service, 'FIRST_WAIT', 0.1)
    server.faults = [OVERLOADED] * 3
    assert make(server).translate(['a'], 'en', 'de') == ['de:a']
    gaps = [b - a for a, b in zip(server.moments, server.moments[1:], strict=False)]
    assert all(gap >= 0.075 * 2**i for i, gap in enumerate(gaps)) and len(gaps) == 3
    assert sum(gaps) < 5


@pytest.mark.parametrize('form', ['seconds', 'date'])
def test_retry_after_is_honoured(server, form):
    value = '1' if form == 'seconds' else formatdate(time.time() + 2, usegmt=True)
    server.faults = [(*OVERLOADED, [('Retry-After', value)])]
    assert make(server).translate(['a'], 'en', 'de') == ['de:a']
    assert 0.9 <= server.moments[1] - server.moments[0] < 4


def test_an_hour_is_not_waited(server):
    server.faults = [(*OVERLOADED, [('Retry-After', '3600')])]
    (answer,) = make(server).translate(['a'], 'en', 'de')
    assert isinstance(answer, Failed) and 'asks to wait 3600 s, more than 120' in answer.reason


def test_a_retry_after_that_is_none_counts_for_nothing():
    assert service._retry_after('soon') is None and service._retry_after(None) is None
    assert service._retry_after('-3') == 0


def test_rate(server):
    translator = make(server, rate=600, batch_texts=1)  # one each 0.1 s
    translator.translate(['a', 'b', 'c', 'd'], 'en', 'de')
    assert server.moments[-1] - server.moments[0] >= 0.28


def test_the_key(server, monkeypatch):
    server.key = 'sesame'
    with pytest.raises(
        TranslatorError, match=r'variable LIBRE_KEY is not set; .*key_variable says'
    ):
        make(server, key_variable='LIBRE_KEY')
    with pytest.raises(TranslatorError, match=r'403 \(Invalid API key\): it expects a key'):
        make(server).translate(['a'], 'en', 'de')
    monkeypatch.setenv('LIBRE_KEY', 'wrong')
    with pytest.raises(TranslatorError, match='the key in LIBRE_KEY is refused') as caught:
        make(server, key_variable='LIBRE_KEY').translate(['a'], 'en', 'de')
    assert 'wrong' not in str(caught.value) and len(server.asked) == 2  # not asked again
    monkeypatch.setenv('LIBRE_KEY', 'sesame')
    keyed = make(server, key_variable='LIBRE_KEY')
    assert keyed.translate(['a'], 'en', 'de') == ['de:a']
    assert keyed.fingerprint != make(server, revision='2026-11').fingerprint


def test_a_text_that_is_rejected_does_not_take_others_with_it(server):
    texts = ['a', 'x' * 2000, 'b', 'c', 'd']
    found = make(server).translate(texts, 'en', 'de')
    assert [text for text in found if isinstance(text, str)] == ['de:a', 'de:b', 'de:c', 'de:d']
    assert isinstance(found[1], Failed) and '400 (Invalid request: text too long' in found[1].reason
    server.faults = [(200, '{"translatedText": ["ok", null]}')]
    good, bad = make(server).translate(['a', 'b'], 'en', 'de')
    assert good == 'ok' and 'answered None for this text' in bad.reason


def test_no_server_is_told_at_the_start(server):
    server.languages = {'error': 'no'}
    with pytest.raises(
        TranslatorError, match=r'does not list its languages: .*expected a list of obj'
    ):
        make(server, attempts=2)
    with pytest.raises(TranslatorError, match=r'cannot be reached.*\(2 attempts\)\. Is a server'):
        make_translator(TranslatorConfig(kind='service', place='http://127.0.0.1:9', attempts=2))
    for place in ('localhost:5000', 'ftp://a', 'http://', 'http://[::1', 'http://a:port'):
        with pytest.raises(ConfigError, match='the address of a server'):
            make_translator(TranslatorConfig(kind='service', place=place))


@pytest.mark.parametrize(
    'fields',
    [
        {'place': 'http://me:5EcRet@host'},
        {'place': 'http://5EcRet@host:5000'},
        {'place': 'http://host/?api_key=5EcRet'},
        {'place': 'http://host/#5EcRet'},
        {'place': 'http://[::1]@5EcRet'},
        {'place': 'http://host', 'key_variable': '5EcRet'},
        {'place': 'http://host', 'key_variable': 'a4f1-5EcRet'},
        {'place': 'http://host', 'key_variable': 'KEY=5EcRet'},
    ],
)
def test_a_secret_in_the_config_is_refused_before_anything_is_written(tmp_path, fields):
    """By the command itself: no run folder, and the secret is in no message."""
    options = [f'--config.corpus.translator.{name}={value}' for name, value in fields.items()]
    done = subprocess.run(
        [sys.executable, '-m', 'xlbarrier.main', '--config=configs/corpus_wikitext.py',
         f'--workdir={tmp_path}/run', '--config.corpus.translator.kind=service', *options],
        capture_output=True, text=True, timeout=120, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode != 0 and 'config.corpus.translator' in done.stderr
    assert '5EcRet' not in done.stderr + done.stdout
    assert not (tmp_path / 'run' / 'config.json').exists()


def test_a_key_over_plain_http_is_warned_of(server, monkeypatch, caplog):
    monkeypatch.setenv('LIBRE_KEY', 'sesame')
    caplog.set_level('WARNING')
    make(server, key_variable='LIBRE_KEY')
    assert 'unencrypted' not in caplog.text  # this machine
    monkeypatch.setattr(service, '_OWN_MACHINE', ())
    make(server, key_variable='LIBRE_KEY')
    assert 'LIBRE_KEY goes to 127.0.0.1 unencrypted' in caplog.text and 'sesame' not in caplog.text


@pytest.mark.parametrize('targets', [5, 'de', [1, 2], {'de': 1}, [['de']]])
def test_targets_that_are_no_list_of_codes(server, targets):
    server.languages = [{'code': 'en', 'targets': targets}]
    with pytest.raises(TranslatorError, match='does not list its languages'):
        make(server, attempts=1)


def test_a_region_that_was_asked_for_comes_before_the_bare_language(server):
    everyone = ['en', 'pt', 'pt-BR', 'zh', 'zt', 'es']
    server.languages = [{'code': code, 'targets': everyone} for code in everyone]
    translator = make(server)
    pairs = {
        'pt-BR': 'pt-BR',
        'pt': 'pt',
        'pt-PT': 'pt',
        'zh-TW': 'zt',
        'zh-CN': 'zh',
        'es-MX': 'es',
    }
    for asked, code in pairs.items():
        assert translator.translate(['a'], 'en', asked) == [f'{code}:a'], asked
    assert translator.translate(['a'], 'pt', 'pt-BR') == ['pt-BR:a']


def test_a_corpus_through_a_server_that_fails_now_and_then(server, tmp_path):
    """What failed is listed and marked, never passed off as a translation; the rest is kept."""
    (tmp_path / 'a.txt').write_text('\n\n'.join(f'Text number {i}.' for i in range(40)))
    translator = TranslatorConfig(
        kind='service', place=server.place, attempts=2, max_failed=0.5, batch_texts=8
    )
    config = CorpusConfig(
        source=f'text:{tmp_path}/a.txt', languages=('de',), unit='sentence', translator=translator
    )
    server.faults = [OVERLOADED, (500, ''), (500, '')]  # one mended, then two that fail a batch
    folder = build.build(config, 'mixed', tmp_path / 'corpus' / 'mixed')
    manifest = build.read_manifest(folder)
    assert manifest['translations'] == {'wanted': 40, 'failed': 8}
    for name in ('config.json', 'manifest.json'):  # they name the server
        assert server.place in (folder / name).read_text()
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    rows = list(build.read_rows(folder))
    assert sum('failed' in row for row in rows) == 8
    assert all(row['text'].startswith('de:') == ('failed' not in row) for row in rows)
    assert len((folder / 'failures.jsonl').read_text().splitlines()) == 8
    asked = len(server.asked)
    again = build.build(config, 'mixed', tmp_path / 'corpus' / 'again')
    assert build.read_manifest(again)['translations']['failed'] == 0
    assert len(server.asked) == asked + 1
