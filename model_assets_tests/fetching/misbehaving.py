"""Servers on loopback that answer as told, however badly, and remember who asked what.

A server answers its first connection with its first answer, the second with the second, and so on; the last one stays. An answer is bytes,
or a function that does as it likes with the connection. `requests` proves that a fault was really met.
"""

import itertools
import shutil
import socket
import ssl
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

Answer = bytes | Callable[[socket.socket], None]


class Misbehaving:
    """`connections` counts calls, `requests` holds the head of each request, `times` when each came (monotonic)."""

    def __init__(self, *answers: Answer, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.answers, self.host, self.tls = answers, host, tls
        self.connections = 0
        self.requests: list[str] = []
        self.times: list[float] = []
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family)
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def url(self, path: str = "/models", host: str | None = None, scheme: str | None = None) -> str:
        return f"{scheme or ('https' if self.tls else 'http')}://{host or self.host}:{self.port}{path}"

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                connection, _ = self._listener.accept()
                answer = self.answers[min(self.connections, len(self.answers) - 1)]
                self.connections += 1
                self._open.append(connection)
                self._threads.append(threading.Thread(target=self._serve, args=(connection, answer)))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket, answer: Answer) -> None:
        with suppress(OSError), connection:  # a client that gave up is what many tests are about
            secured = self.tls.wrap_socket(connection, server_side=True) if self.tls else connection
            with secured:
                self._open.append(secured)
                head = b""
                while b"\r\n\r\n" not in head and not head.startswith(b"\x16"):  # a greeting of TLS, should one come, is a request too
                    got = secured.recv(65_536)
                    if not got:
                        return
                    head += got
                self.times.append(time.monotonic())
                self.requests.append(head.decode("latin-1"))
                if callable(answer):
                    answer(secured)
                else:
                    secured.sendall(answer)


@contextmanager
def serving(*answers: Answer, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Misbehaving]:
    server = Misbehaving(*answers, host=host, port=port, tls=tls)
    try:
        yield server
    finally:
        server.close()


def answer(status: int = 200, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """A whole answer. `length` is for lying about the body's."""
    lines = [f"HTTP/1.1 {status} So", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def silent(connection: socket.socket) -> None:
    """Takes the request and never says a word."""
    connection.recv(1)


#: a stored block of no bytes: a gzip made of them is sound for as long as it goes on
EMPTY_BLOCK = b"\x00\x00\x00\xff\xff"


def dripping(head: bytes, every: float = 0.3, drops: bytes = b"a") -> Callable[[socket.socket], None]:
    """Sends `head` at once, then one byte of `drops` after the other now and then, for ever."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(head)
        for drop in itertools.cycle(drops):
            time.sleep(every)
            connection.sendall(bytes([drop]))

    return drip


def gzipped(body: bytes) -> bytes:
    zipper = zlib.compressobj(wbits=31)
    return zipper.compress(body) + zipper.flush()


def bomb(megabytes: int) -> bytes:
    """The start of a gzip of so many megabytes of spaces: a thousandth of that, as one block that stands for itself is repeated."""
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
    zipper = zlib.compressobj(9, wbits=-15)
    block = zipper.compress(b" " * 1_000_000) + zipper.flush(zlib.Z_FULL_FLUSH)
    return header + block * megabytes


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS for `name`, and the file that makes a client trust it."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl command here to make a certificate with")
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    command += ["-keyout", str(key), "-out", str(cert), "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, cert
