"""The processes of a pod watch each other: when one dies, the others say so and end at once.

jax notices a dead process by the heartbeats it no longer sends, after 100 seconds; a much shorter
time would also end pods whose network or machine pauses. Here every process has a connection to
process 0 that the kernel closes when the process ends, however it ends. Nothing is sent until then,
so one that compiles, computes or is stopped for long is never taken for dead. A machine that
vanishes without closing its connections is left to jax.
"""

import atexit
import logging
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO

DIED = 134  # exit status of the others, and that of jax's own check, which aborts
ADDRESS = 'xlbarrier/peers'  # key of the address in the store that all processes share
GRACE = 2.0  # seconds in which a process shows an error of its own rather than that of another
LINGER = 1.0  # seconds for which process 0 outlives the others: without it, jax aborts them
CONNECTING = 30  # seconds


def _print(message: str, status: int) -> None:
    print(message, file=sys.stderr, flush=True)


say: Callable[[str, int], None] = _print  # shows an error and takes the exit status it is to have
status = 0  # that this process ends with, where it ends with an error
_pod: '_Pod | None' = None


def join(
    number: int,
    count: int,
    host: str,
    write: Callable[[str, str], None],
    read: Callable[[str, int], str],
) -> None:
    """Begins to watch the other processes, and to be watched by them.

    Args:
      number: of this process.
      count: of all.
      host: where process 0 is.
      write: puts a value at a key, for all processes.
      read: waits for the value at a key, for so many milliseconds.

    Raises:
      OSError, ValueError: when process 0 cannot be reached; also what `write` and `read` raise.
    """
    global _pod
    pod = _Pod(number, count)
    if number == 0:
        pod.listen(write)
    else:
        pod.connect(host, read)
    atexit.register(pod.leave)  # after jax's own, so before it is called
    _pod = pod


def settle() -> None:
    """Waits a moment after an unforeseen error, for the death of another process may be its cause.

    If it is, this does not return.
    """
    if _pod is not None:
        time.sleep(2 * GRACE)


class _Pod:
    """The connections of one process.

    A line says how a process has ended: 'ended NUMBER STATUS', or 'bye'. A connection that is
    closed without a line is that of a process that died.
    """

    def __init__(self, number: int, count: int):
        self._number, self._count = number, count
        self._connections: dict[int, socket.socket] = {}
        self._ending = threading.Lock()  # taken by the first that says so, and not given back
        self._left = threading.Event()

    def listen(self, write: Callable[[str, str], None]) -> None:
        """Process 0: accepts the others."""
        token, both = secrets.token_hex(16), socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        try:
            listener = socket.create_server(
                ('', 0), family=family, backlog=self._count, dualstack_ipv6=both
            )
        except OSError:
            write(ADDRESS, 'none')  # the others do not wait for it
            raise
        write(ADDRESS, f'{listener.getsockname()[1]} {token}')

        def accept() -> None:
            while True:
                connection, _ = listener.accept()
                _thread(self._greet, connection, token)

        _thread(accept)

    def connect(self, host: str, read: Callable[[str, int], str]) -> None:
        """Every other process: connects to process 0."""
        port, token = read(ADDRESS, CONNECTING * 1000).split()
        connection = socket.create_connection((host, int(port)), timeout=CONNECTING)
        connection.sendall(f'{token} {self._number}\n'.encode())
        connection.settimeout(None)
        self._connections[0] = connection
        _thread(self._watch, 0, connection.makefile())

    def leave(self) -> None:
        """Tells the others that this process ends, and whether by an error."""
        self._left.set()
        code = status or int(hasattr(sys, 'last_value'))  # set when a traceback was shown
        if not code:
            self._tell('bye')
            return
        self._tell(f'ended {self._number} {code}')
        if self._number == 0 and self._connections:
            time.sleep(GRACE + LINGER)
        _exit(code)  # jax would wait for the others here

    def _greet(self, connection: socket.socket, token: str) -> None:
        """Takes a connection that begins with the token and a number; no other."""
        connection.settimeout(CONNECTING)
        lines = connection.makefile()
        try:
            given, number = lines.readline(100).split()
        except (OSError, ValueError):
            given = ''
        if given != token:
            connection.close()
            return
        connection.settimeout(None)
        self._connections[int(number)] = connection
        self._watch(int(number), lines)

    def _watch(self, other: int, lines: TextIO) -> None:
        """Waits for what the other end says, or for its end."""
        ended = [str(other), str(DIED)]
        try:
            line = lines.readline().split()
        except OSError:
            line = []
        if line == ['bye']:
            del self._connections[other]
            return
        if line[:1] == ['ended']:
            ended = line[1:]
        self._end(*map(int, ended))

    def _end(self, other: int, code: int) -> None:
        """Says that another process has ended, and ends this one."""
        if not self._ending.acquire(blocking=False):
            return
        if self._number == 0:
            self._tell(f'ended {other} {code}')
        who = f'process {other} of {self._count}'
        if code == DIED:
            what = f'{who} has died: it was killed or crashed, or its machine went down'
        else:
            what = f'{who} has ended with status {code}: its own output says why'
        if self._left.wait(0 if code == DIED else GRACE):
            return
        try:
            say(
                f'ERROR: {what}. This one, {self._number}, ends too; the same command for all goes'
                ' on from what is finished',
                code,
            )
            if self._number == 0:
                time.sleep(LINGER)
        finally:
            _exit(code)

    def _tell(self, line: str) -> None:
        for connection in list(self._connections.values()):
            try:
                connection.sendall(f'{line}\n'.encode())
            except OSError:
                logging.debug('a process that has ended cannot be told', exc_info=True)


def _thread(function: Callable[..., None], *args: object) -> None:
    threading.Thread(target=function, args=args, daemon=True).start()


def _exit(code: int) -> None:
    """Ends this process without waiting for anything; files are whole at any moment."""
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit(code)
