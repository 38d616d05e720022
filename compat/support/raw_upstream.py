"""An upstream that records every byte which reaches it, and answers what a test tells it."""

import contextlib
import socket
import threading

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class RawUpstream:
    """Listens on a free port; `received` holds one bytearray for each connection, in order of their coming."""

    def __init__(self, answer=OK, *, port=0):
        """
        `answer`: bytes that are sent for each request that came, or a function of (connection, recorded), which is
        called when the first bytes are there, and ends the connection.
        """
        self.answer = answer
        self.received = []
        self.listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self.address = self.listener.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}"
        self._connections, self._marks = [], {}
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            recorded = bytearray()
            self.received.append(recorded)
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection, recorded), daemon=True).start()

    def _serve(self, connection, recorded):
        with contextlib.suppress(OSError), connection:
            unanswered = b""
            while data := connection.recv(65536):
                recorded += data
                unanswered += data
                if callable(self.answer):
                    self.answer(connection, recorded)
                    return
                while end := end_of_request(unanswered):
                    unanswered = unanswered[end:]
                    connection.sendall(self.answer)

    def requests(self):
        """Everything that came since it was last forgotten, a connection after the other."""
        return b"".join(bytes(recorded[self._marks.get(id(recorded), 0) :]) for recorded in self.received)

    def forget(self):
        self._marks = {id(recorded): len(recorded) for recorded in self.received}

    def stop(self):
        # A thread in accept() would keep the port open.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def end_of_request(data):
    """Where the first whole request ends; 0 where there is none yet. An answer before that would cross what is left."""
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        return 0
    lines = head.lower().split(b"\r\n")
    lengths = [int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")]
    if any(line.startswith(b"transfer-encoding:") for line in lines):
        last = (b"\r\n" + body).find(b"\r\n0\r\n\r\n")
        return len(head) + 4 + last + 5 if last >= 0 else 0
    length = lengths[0] if lengths else 0
    return len(head) + 4 + length if len(body) >= length else 0


def read_head(connection, recorded):
    """Up to the empty line."""
    while b"\r\n\r\n" not in recorded:
        data = connection.recv(65536)
        if not data:
            raise OSError("closed")
        recorded += data
