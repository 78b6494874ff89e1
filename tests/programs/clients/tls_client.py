"""Threads that talk to tls_server.c, or to `openssl s_server`, by TLS.

usage: tls_client.py port version   (1.2 or 1.3)

Prints what is the same in each run.
"""
import contextlib
import socket
import ssl
import sys
import threading

PORT, VERSION = int(sys.argv[1]), sys.argv[2]
CLIENTS, ROUNDS = 100, 5
right, problems = [], []


def new_context():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = {
        "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[VERSION]
    return context


CONTEXT = new_context()


def connect(session=None):
    plain = socket.create_connection(("127.0.0.1", PORT), 60)
    return CONTEXT.wrap_socket(plain, session=session)


def read_line(tls):
    line = b""
    while not line.endswith(b"\n"):
        data = tls.recv(65536)
        if not data:
            raise EOFError(line)
        line += data
    return line


def ask(tls, line):
    tls.sendall(line)
    return read_line(tls)


def talk(n):
    """Short lines and long ones, many of them in one go, then again with the
    same session."""
    with connect() as tls:
        for turn in range(ROUNDS):
            line = b"%d of %d " % (turn, n) + b"x" * (turn * 2000) + b"\n"
            right.append(ask(tls, line) == line)
        many = b"".join(b"%d\n" % i for i in range(2000))
        tls.sendall(many)
        came = b""
        while len(came) < len(many):
            came += tls.recv(65536)
        right.append(came == many)
        session = tls.session
    with connect(session) as tls:
        right.append(ask(tls, b"resumed\n") == b"yes\n" and tls.session_reused)


def half_close(n):
    with connect() as tls:
        tls.sendall(b"half\n")
        # The server has closed its side; ours is open still.
        try:
            right.append(tls.recv(100) == b"")
        except ssl.SSLEOFError:
            right.append(True)
        tls.sendall(b"y" * 3000)


def be_rude(n):
    """No TLS at all, a handshake that is cut off, a reset in the middle."""
    with socket.create_connection(("127.0.0.1", PORT), 60) as plain:
        if n % 3 == 0:
            plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                plain.recv(100)
        elif n % 3 == 1:
            plain.sendall(b"\x16\x03\x01")
        else:
            tls = CONTEXT.wrap_socket(plain)
            tls.sendall(b"half a line")
            tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                           b"\1\0\0\0\0\0\0\0")
            tls.close()
    right.append(True)


def in_threads(count, function):
    def run(n):
        try:
            function(n)
        except Exception as error:
            problems.append("%s: %r" % (function.__name__, error))

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(function.__name__, len(right), all(right), flush=True)
    right.clear()


in_threads(CLIENTS, talk)
in_threads(5, half_close)
in_threads(12, be_rude)
in_threads(CLIENTS // 5, talk)
with connect() as last:
    print("served", ask(last, b"counts\n").decode().strip())
print("problems", sorted(set(problems)))
