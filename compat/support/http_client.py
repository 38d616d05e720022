"""HTTP/1.1 as bytes: nothing is added, folded or sorted between a test and the socket."""

import re
import socket
from dataclasses import dataclass, field

UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


@dataclass
class Answer:
    status: int | None  # None: the connection was closed without a byte
    reason: str = ""
    headers: list = field(default_factory=list)  # (lower-case name, value), in order
    body: bytes = b""

    def header(self, name):
        """The value; several of that name joined as RFC 9110 does; None where absent."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None

    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        import json

        return json.loads(self.body)


def request_bytes(method, target, headers=(), body=None):
    """`headers` are (name, value) in order, Host included; Content-Length is added where there is a body."""
    lines = [f"{method} {target} HTTP/1.1".encode("latin-1")]
    lines += [f"{name}: {value}".encode("latin-1") for name, value in headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}".encode())
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


def read_answer(stream, method="GET"):
    """Reads one answer from a socket file."""
    start = stream.readline()
    if not start:
        return Answer(None)
    parts = start.decode("latin-1").rstrip("\r\n").split(" ", 2)
    answer = Answer(int(parts[1]), parts[2] if len(parts) > 2 else "")
    while (line := stream.readline().decode("latin-1").rstrip("\r\n")) != "":
        name, _, value = line.partition(":")
        answer.headers.append((name.lower(), value.strip(" \t")))
    if method == "HEAD" or answer.status in (100, 101, 204, 304):
        return answer
    if (answer.header("transfer-encoding") or "").lower() == "chunked":
        while size := int(stream.readline().split(b";")[0], 16):
            answer.body += stream.read(size)
            stream.readline()
        while stream.readline() not in (b"\r\n", b""):
            pass
    elif (length := answer.header("content-length")) is not None:
        answer.body = stream.read(int(length))
    else:
        answer.body = stream.read()
    return answer


def exchange(address, raw, method="GET", timeout=40):
    """Sends bytes on a connection of their own and reads one answer."""
    with socket.create_connection(address, timeout=timeout) as connection:
        connection.sendall(raw)
        with connection.makefile("rb") as stream:
            try:
                return read_answer(stream, method)
            except ConnectionResetError:
                return Answer(None)


def send(address, method, target, headers=(), body=None, timeout=40):
    return exchange(address, request_bytes(method, target, headers, body), method, timeout)


def without_uuid(text):
    """The text with every version-4 UUID replaced, so that two answers can be compared."""
    return re.sub(UUID4, "<uuid4>", text)
