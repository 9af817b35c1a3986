"""A translation service over HTTP that speaks LibreTranslate's API: /translate and /languages.

https://docs.libretranslate.com (POST /translate with `q` a list; GET /languages). A request that
meets 429, an error of the server, a useless answer or silence is repeated after a growing wait, or
after the one that `Retry-After` names; a text that is refused with others is sent alone.
"""

import email.utils
import http.client
import json
import os
import random
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import logging

from xlbarrier import datafiles
from xlbarrier.config.translate import check_address
from xlbarrier.translate import codes
from xlbarrier.translate.deadline import Deadline
from xlbarrier.translate.protocol import Failed, TranslatorError, digest, unsupported

FIRST_WAIT = 0.5  # seconds before the second attempt; doubled before each further one
LONGEST_WAIT = 120.0  # also of a Retry-After; a longer one is not waited out
_REFUSED = (401, 403)
_OWN_MACHINE = ('localhost', '127.0.0.1', '::1')
_LARGEST = 64 << 20  # bytes of an answer


class _Again(Exception):
    """An attempt that may be repeated; `wait` is what the server asks for, in seconds."""

    def __init__(self, reason: str, wait: float | None = None):
        super().__init__(reason)
        self.wait = wait


class _Rejected(Exception):
    """The server rejects this request, however often it is sent."""


class ServiceTranslator:
    """A server with LibreTranslate's API; see `Translator`."""

    def __init__(
        self,
        place: str,
        key_variable: str = '',
        rate: float = 0.0,
        attempts: int = 5,
        timeout: float = 60.0,
        batch_texts: int = 32,
        revision: str = '',
    ):
        """Asks the server for its languages.

        Args:
          place: its address, as 'http://localhost:5000'.
          key_variable: environment variable with the key; '': none is sent.
          rate: most requests per minute; 0: no limit.
          attempts: how often a request is made before its texts count as failed.
          timeout: seconds for one answer, from the first byte sent to the last one read.
          batch_texts: texts in one request.
          revision: a name for the server's state; it is all that a cache can know of it.

        Raises:
          TranslatorError: when the key is not set, or the server does not list its languages.
          ConfigError: when the address is not one.
        """
        parts = check_address('config.corpus.translator.place', place)
        if key_variable and parts.scheme == 'http' and parts.hostname not in _OWN_MACHINE:
            logging.warning(
                'the key in %s goes to %s unencrypted, readable on the way there: use https',
                key_variable,
                parts.hostname,
            )
        self._place = place.rstrip('/')
        self._key = _key_of(key_variable)
        self._key_variable = key_variable
        self._pause = 60.0 / rate if rate else 0.0
        self._attempts, self._timeout, self._batch = attempts, timeout, batch_texts
        self._next = 0.0  # moment from which the next request may be made
        self._draw = random.Random()
        self._pairs = self._languages()
        self.fingerprint = digest('service 1', self._place, revision)

    def supports(self, source: str, target: str) -> bool:
        """Whether the server lists the target among those of the source."""
        return self._codes(source, target) is not None

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str | Failed]:
        """The server's translations; `Failed` for texts without one.

        Raises:
          TranslatorError: for languages that the server does not list, or a key that it refuses.
        """
        pair = self._codes(source, target)
        if pair is None:
            raise unsupported(source, target, self._place)
        answers: list[str | Failed] = []
        for i in range(0, len(texts), self._batch):
            answers += self._translated(texts[i : i + self._batch], *pair)
        return answers

    def _codes(self, source: str, target: str) -> tuple[str, str] | None:
        found = codes.choose(source, self._pairs)
        if found is None:
            return None
        code = codes.choose(target, found[1])
        return (found[0], code) if code is not None and code != found[0] else None

    def _translated(self, texts: Sequence[str], source: str, target: str) -> list[str | Failed]:
        fields = {'q': list(texts), 'source': source, 'target': target, 'format': 'text'}
        if self._key:
            fields['api_key'] = self._key
        try:
            return self._ask('/translate', fields, lambda answer: _texts(answer, len(texts)))
        except _Rejected as error:
            if len(texts) == 1:
                return [Failed(str(error))]
            # One of them is too long, say; the others need not fail with it.
            half = len(texts) // 2
            return [
                answer
                for part in (texts[:half], texts[half:])
                for answer in self._translated(part, source, target)
            ]
        except _Again as error:
            return [Failed(str(error))] * len(texts)

    def _languages(self) -> dict[str, tuple[str, dict[str, str]]]:
        """The server's code of each source language and those of its targets, by plain code."""
        try:
            listed = self._ask('/languages', None, _listed)
        except (_Again, _Rejected) as error:
            raise TranslatorError(
                f'{self._place} does not list its languages: {error}. Is a server with'
                " LibreTranslate's API running there?"
            ) from error
        names = [code for code, _ in listed]
        return {
            codes.plain(code): (code, codes.table(names if targets is None else targets))
            for code, targets in reversed(listed)  # of two spellings of one code the first stays
        }

    def _ask(self, path: str, fields: Mapping[str, Any] | None, read: Callable[[Any], Any]) -> Any:
        """What `read` returns for the answer to a request, which is sent at most `attempts` times.

        Raises:
          _Again: the last attempt's.
          _Rejected: when the server rejects the request.
          TranslatorError: when it refuses the key.
        """
        for attempt in range(1, self._attempts + 1):
            self._wait_turn()
            try:
                return read(self._answer(path, fields))
            except _Again as error:
                if attempt == self._attempts:
                    raise _Again(f'{error} ({attempt} attempts)') from error
                if error.wait is not None and error.wait > LONGEST_WAIT:
                    raise _Again(
                        f'{error}; it asks to wait {error.wait:.0f} s, more than {LONGEST_WAIT:.0f}'
                    ) from error
                # Drawn, so that processes that failed together do not retry together.
                wait = FIRST_WAIT * 2 ** (attempt - 1) * self._draw.uniform(0.75, 1.25)
                wait = min(LONGEST_WAIT, wait) if error.wait is None else error.wait
                logging.warning('%s; attempt %d in %.1f s', error, attempt + 1, wait)
                time.sleep(wait)
        raise AssertionError('attempts is at least 1')

    def _wait_turn(self) -> None:
        now = time.monotonic()
        if self._next > now:
            time.sleep(self._next - now)
        self._next = max(now, self._next) + self._pause

    def _answer(self, path: str, fields: Mapping[str, Any] | None) -> Any:
        """The JSON of one answer, all of which comes within `timeout`."""
        data = None if fields is None else json.dumps(fields).encode()
        headers = {'Content-Type': 'application/json', 'User-Agent': 'xlbarrier'}
        request = urllib.request.Request(self._place + path, data, headers)
        where = f'{self._place}{path}'
        with Deadline(self._timeout) as deadline:
            try:
                with deadline.open(request) as response:
                    body = _read(response)
            except urllib.error.HTTPError as error:
                with error:
                    raise self._of_status(error, where) from error
            except (OSError, http.client.HTTPException) as error:
                reason = getattr(error, 'reason', error)
                if deadline.expired or isinstance(reason, TimeoutError):
                    raise _Again(f'{where} gave no answer within {self._timeout:g} s') from error
                raise _Again(f'{where} cannot be reached: {reason!r}') from error
            if deadline.expired:  # a body without a length ends where the connection does
                raise _Again(f'{where} gave no answer within {self._timeout:g} s')
        try:
            return datafiles.decode_json(body.decode())
        except ValueError as error:
            raise _Again(f'{where} answered {body[:60]!r}, which is not JSON') from error

    def _of_status(self, error: urllib.error.HTTPError, where: str) -> Exception:
        try:
            said = datafiles.decode_json(error.read(10_000).decode())['error']
        except (ValueError, KeyError, TypeError, OSError, http.client.HTTPException):
            said = error.reason
        said_so = f'{where} answered {error.code} ({str(said)[:200]})'
        if error.code in _REFUSED:
            what = (
                f'the key in {self._key_variable} is refused'
                if self._key
                else 'it expects a key: name its variable in config.corpus.translator.key_variable'
            )
            return TranslatorError(f'{said_so}: {what}')
        if error.code in (408, 425, 429) or error.code >= 500:
            return _Again(said_so, _retry_after(error.headers.get('Retry-After')))
        return _Rejected(said_so)


def _key_of(variable: str) -> str:
    if not variable:
        return ''
    key = os.environ.get(variable, '').strip()
    if not key:
        raise TranslatorError(
            f'the environment variable {variable} is not set; config.corpus.translator.key_variable'
            ' says that it has the key of the service'
        )
    return key


def _read(response: http.client.HTTPResponse) -> bytes:
    """The whole body, if it is not too large."""
    body = bytearray()
    while part := response.read1(1 << 16):
        body += part
        if len(body) > _LARGEST:
            raise http.client.HTTPException(f'an answer of more than {_LARGEST} bytes')
    return bytes(body)


def _texts(answer: Any, count: int) -> list[str | Failed]:
    found = answer.get('translatedText') if isinstance(answer, dict) else None
    if not isinstance(found, list) or len(found) != count:
        shown = json.dumps(answer, ensure_ascii=False)[:80]
        raise _Again(f'the service answered {shown}; expected a list of {count} texts')
    return [
        text if _is_text(text) else Failed(f'the service answered {text!r:.200} for this text')
        for text in found
    ]


def _is_text(value: Any) -> bool:
    """Whether it is a text that can be kept: JSON can have half a surrogate pair, or a NUL."""
    return isinstance(value, str) and not re.search('[\0\ud800-\udfff]', value)


def _listed(answer: Any) -> list[tuple[str, list[str] | None]]:
    """(code, targets) of each language; servers before version 1.3 list no targets: all are."""
    try:
        found = [(entry['code'], entry.get('targets')) for entry in answer]
        if found and all(isinstance(code, str) and _are_codes(targets) for code, targets in found):
            return found
    except (TypeError, KeyError, AttributeError):
        pass
    shown = json.dumps(answer, ensure_ascii=False)[:80]
    raise _Again(f'/languages answered {shown}; expected a list of objects with a code')


def _are_codes(targets: Any) -> bool:
    return targets is None or (
        isinstance(targets, list) and all(isinstance(code, str) for code in targets)
    )


def _retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, which has them or a date (RFC 9110, 10.2.3)."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
