"""A request over HTTP with one deadline for the whole of its reply, headers and errors among it.

The timeout of `urlopen` is that of a single read: a server that sends a byte a second is waited for
without end. Here a timer shuts the connection down when the time is over, whatever is being read.
"""

import http.client
import socket
import ssl
import threading
import time
import urllib.request
from types import TracebackType
from typing import Any


class Deadline:
    """Seconds in which a request must be answered; to be used in a `with` statement.

    Attributes:
      expired: whether the time is over.
    """

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._ends = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._shut)
        self._timer.daemon = True

    @property
    def expired(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() >= self._ends

    def __enter__(self) -> 'Deadline':
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            for connection in self._sockets:
                connection.close()
            self._sockets = []

    def open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """The response to a request; everything that is read of it is under the deadline.

        Raises:
          OSError, http.client.HTTPException: as `urlopen`; TimeoutError where the time is over.
        """
        opener = urllib.request.build_opener(_Handler(self), _SecureHandler(self))
        response: http.client.HTTPResponse = opener.open(request, timeout=self._seconds)
        return response

    def connect(self, address: tuple[str, int], *options: Any, **named: Any) -> socket.socket:
        """A connection that is shut down when the time is over.

        Raises:
          TimeoutError: when it is over already.
        """
        connection = socket.create_connection(address, *options, **named)
        with self._lock:
            if self.expired:
                connection.close()
                raise TimeoutError
            # TLS takes the socket over, but both are one connection.
            self._sockets.append(connection.dup())
        return connection

    def _shut(self) -> None:
        with self._lock:
            for connection in self._sockets:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:  # the other side was faster
                    continue


class _Handler(urllib.request.HTTPHandler):
    def __init__(self, deadline: Deadline):
        super().__init__()
        self._deadline = deadline

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        def connection(host: str, **options: Any) -> http.client.HTTPConnection:
            return _under(self._deadline, http.client.HTTPConnection(host, **options))

        return self.do_open(connection, req)


class _SecureHandler(urllib.request.HTTPSHandler):
    def __init__(self, deadline: Deadline):
        super().__init__()
        self._deadline = deadline

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        def connection(host: str, **options: Any) -> http.client.HTTPConnection:
            context = ssl.create_default_context()
            made = http.client.HTTPSConnection(host, context=context, **options)
            return _under(self._deadline, made)

        return self.do_open(connection, req)


def _under(
    deadline: Deadline, connection: http.client.HTTPConnection
) -> http.client.HTTPConnection:
    connection._create_connection = deadline.connect  # type: ignore[attr-defined]
    return connection
