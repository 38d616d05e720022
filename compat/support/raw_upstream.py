"""An upstream that records every byte which reaches it, and answers what a test tells it."""

import contextlib
import socket
import threading

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class RawUpstream:
    """Listens on a free port; `received` holds one bytearray for each connection, in order of their coming."""

    def __init__(self, answer=OK, *, port=0):
        """
        `answer`: bytes that are sent for each head that came (bodies in these tests hold none, or end with it), or a
        function of (connection, recorded), which is called when the first bytes are there, and ends the connection.
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
                while (end := unanswered.find(b"\r\n\r\n")) >= 0:
                    unanswered = unanswered[end + 4 :]
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


def read_head(connection, recorded):
    """Up to the empty line."""
    while b"\r\n\r\n" not in recorded:
        data = connection.recv(65536)
        if not data:
            raise OSError("closed")
        recorded += data
