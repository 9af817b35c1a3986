"""A server that sends its reply byte by byte is not waited for beyond the deadline."""

import contextlib
import json
import socket
import threading
import time

import pytest

from xlbarrier.translate.protocol import Failed, TranslatorError
from xlbarrier.translate.service import ServiceTranslator

LANGUAGES = json.dumps([{'code': 'en', 'targets': ['de']}, {'code': 'de', 'targets': ['en']}])
DRIPS = {
    'status': b'HTTP/1.1 2',
    'header': b'HTTP/1.1 200 OK\r\nX: ',
    'headers': b'HTTP/1.1 200 OK\r\n',  # each a line of its own
    'body': b'HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n',
    'chunks': b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
    'open body': b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{',
    'error': b'HTTP/1.1 500 Oops\r\nConnection: close\r\nContent-Length: 9000\r\n\r\n',
    'refusal': b'HTTP/1.1 400 No\r\nConnection: close\r\n\r\n',
    'redirection': b'HTTP/1.1 302 Found\r\nLocation: http://',
}
BYTES = {'headers': b'A: b\r\n', 'chunks': b'1\r\na\r\n'}


@pytest.fixture
def drip():
    """A server; `kind` is what it does to POST, `slow_languages` to GET too."""
    state = {'kind': 'body', 'slow_languages': False, 'stop': False}
    listener = socket.create_server(('127.0.0.1', 0))

    def serve(connection):
        with connection, contextlib.suppress(OSError):
            asked = b''
            while b'\r\n\r\n' not in asked:
                asked += connection.recv(65536)
            if b'/languages' in asked and not state['slow_languages']:
                head = f'HTTP/1.1 200 OK\r\nContent-Length: {len(LANGUAGES)}\r\n\r\n'
                connection.sendall((head + LANGUAGES).encode())
                return
            connection.sendall(DRIPS[state['kind']])
            while not state['stop']:
                connection.sendall(BYTES.get(state['kind'], b'a'))
                time.sleep(0.05)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                connection = listener.accept()[0]
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    state['place'] = f'http://127.0.0.1:{listener.getsockname()[1]}'
    yield state
    state['stop'] = True
    listener.close()


@pytest.mark.parametrize('kind', DRIPS)
def test_every_part_of_a_reply_is_under_the_deadline(drip, kind):
    drip['kind'] = kind
    translator = ServiceTranslator(drip['place'], attempts=1, timeout=0.6)
    began = time.monotonic()
    (answer,) = translator.translate(['a'], 'en', 'de')
    assert isinstance(answer, Failed)
    assert 0.5 < time.monotonic() - began < 10
    words = {'error': 'answered 500', 'refusal': 'answered 400'}
    assert words.get(kind, 'gave no answer within 0.6 s') in answer.reason


def test_a_server_that_drips_its_languages(drip):
    drip['slow_languages'] = True
    began = time.monotonic()
    with pytest.raises(TranslatorError, match=r'gave no answer within 0\.5 s \(2 attempts\)'):
        ServiceTranslator(drip['place'], attempts=2, timeout=0.5)
    assert time.monotonic() - began < 20


def test_no_thread_is_left(drip):
    drip['kind'] = 'header'
    before = threading.active_count()
    translator = ServiceTranslator(drip['place'], attempts=1, timeout=0.3)
    for _ in range(3):
        translator.translate(['a'], 'en', 'de')
    drip['stop'] = True
    time.sleep(0.3)
    assert threading.active_count() <= before + 1
