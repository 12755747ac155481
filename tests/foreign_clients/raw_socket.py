"""A line to an instrument in the shape that python-ivi takes as an interface: a raw socket, or behind an adapter."""

import socket


class RawSocket:
    """Messages end in LF; an answer ends in LF, or after the count of bytes that its block tells."""

    def __init__(self, resource: str, address: int | None = None) -> None:
        _, host, port, _ = resource.split("::")
        self.socket = socket.create_connection((host, int(port)), timeout=20)
        self.file = self.socket.makefile("rb")
        self.address = address
        if address is not None:
            for line in ("++mode 1", "++auto 0", "++eos 2", "++eoi 1", "++read_tmo_ms 3000", f"++addr {address}"):
                self.socket.sendall(f"{line}\n".encode())

    def write_raw(self, data):
        self.socket.sendall(data.rstrip(b"\n") + b"\n")

    def read_raw(self, num=-1):
        if self.address is not None:
            self.socket.sendall(b"++read eoi\n")
        if self.file.peek(1)[:1] != b"#":
            return self.file.readline()
        head = self.file.read(2)
        count = self.file.read(int(head[1:2]))
        return head + count + self.file.read(int(count)) + self.file.readline()

    def write(self, message, encoding="utf-8"):
        self.write_raw(message.encode(encoding))

    def read(self, num=-1, encoding="utf-8"):
        return self.read_raw(num).decode(encoding).rstrip("\r\n")

    def ask(self, message, num=-1, encoding="utf-8"):
        self.write(message, encoding)
        return self.read(num, encoding)

    def clear(self):
        if self.address is not None:
            self.socket.sendall(b"++clr\n")

    def close(self):
        self.file.close()
        self.socket.close()
