"""RFC 6455 as bytes, after the handshake included: frames can be wrong on purpose."""

import json
import os
import socket
import struct
import zlib

from support.http_client import read_answer

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
NAMES = {0: "continuation", TEXT: "text", BINARY: "binary", CLOSE: "close", PING: "ping", PONG: "pong"}


def handshake_bytes(target, headers=(), overrides=None):
    """The base request of the vectors; an override of None leaves that header out."""
    values = {"method": "GET", "host": "testserver", "upgrade": "websocket", "conn": "Upgrade", "key": KEY, "version": "13"}
    values.update(overrides or {})
    names = {
        "host": "Host",
        "upgrade": "Upgrade",
        "conn": "Connection",
        "key": "Sec-WebSocket-Key",
        "version": "Sec-WebSocket-Version",
    }
    lines = [f"{values['method']} {target} HTTP/1.1"]
    lines += [f"{name}: {values[key]}" for key, name in names.items() if values[key] is not None]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def frame(opcode, payload=b"", *, final=True, reserved=0, masked=True):
    head = bytes([(0x80 if final else 0) | reserved | opcode])
    mask_bit = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([mask_bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([mask_bit | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([mask_bit | 127]) + struct.pack(">Q", len(payload))
    if not masked:
        return head + payload
    mask = os.urandom(4)
    whole = (mask * (len(payload) // 4 + 1))[: len(payload)]
    xored = int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")
    return head + mask + xored.to_bytes(len(payload), "big")


def close_payload(code=None, reason=""):
    return b"" if code is None else struct.pack(">H", code) + reason.encode()


class Socket:
    """One connection: `answer` is the answer to its handshake; frames only where that is a 101."""

    def __init__(self, address, target, headers=(), overrides=None, timeout=15):
        self.connection = socket.create_connection(address, timeout=timeout)
        self.connection.sendall(handshake_bytes(target, headers, overrides))
        self.stream = self.connection.makefile("rb")
        try:
            self.answer = read_answer(self.stream, (overrides or {}).get("method", "GET"))
        except ConnectionResetError:
            from support.http_client import Answer

            self.answer = Answer(None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.drop()

    @property
    def admitted(self):
        return self.answer.status == 101

    def send(self, opcode, payload=b"", **how):
        self.connection.sendall(frame(opcode, payload, **how))

    def send_text(self, text):
        self.send(TEXT, text.encode())

    def read(self, timeout=15):
        """The next frame: {"op", "payload"}, or for a close {"op", "code", "reason"}; {"op": "EOF"}, "RESET", "TIMEOUT"."""
        self.connection.settimeout(timeout)
        try:
            head = self._exactly(2)
            length = head[1] & 0x7F
            if length == 126:
                length = struct.unpack(">H", self._exactly(2))[0]
            elif length == 127:
                length = struct.unpack(">Q", self._exactly(8))[0]
            payload = self._exactly(length)
        except EOFError:
            return {"op": "EOF"}
        except (ConnectionResetError, BrokenPipeError):
            return {"op": "RESET"}
        except TimeoutError:
            return {"op": "TIMEOUT"}
        if head[0] & 0x40 and self.answer.header("sec-websocket-extensions"):
            payload = zlib.decompressobj(-15).decompress(payload + b"\x00\x00\xff\xff")
        opcode = head[0] & 0x0F
        if opcode == CLOSE:
            code = struct.unpack(">H", payload[:2])[0] if payload else None
            return {"op": "close", "code": code, "reason": payload[2:].decode("utf-8", "replace")}
        return {"op": NAMES.get(opcode, str(opcode)), "payload": payload}

    def _exactly(self, count):
        data = self.stream.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def read_json(self, timeout=15):
        got = self.read(timeout)
        assert got["op"] == "text", f"expected a text, got {got}"
        return json.loads(got["payload"])

    def whoami(self):
        """Whom the server admitted, as the Chat consumer (or its declared twin) tells."""
        self.send_text("whoami")
        return self.read_json()

    def drop(self):
        """Ends TCP without a close frame."""
        self.stream.close()
        self.connection.close()


class Unsent(Socket):
    """Connected, its handshake not sent yet: many can be sent at the same time."""

    def __init__(self, address, timeout=30):
        self.connection = socket.create_connection(address, timeout=timeout)
        self.stream = self.connection.makefile("rb")

    def fire(self, target):
        self.connection.sendall(handshake_bytes(target))

    def finish(self):
        self.answer = read_answer(self.stream)
        return self.answer


def frames_until_end(client, timeout=3):
    """What the server sends until TCP ends or nothing comes any more; pings left out."""
    frames = []
    while True:
        got = client.read(timeout)
        if got["op"] != "ping":
            frames.append(got)
        if got["op"] in ("EOF", "RESET", "TIMEOUT"):
            return frames
