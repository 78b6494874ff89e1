"""socketserver: a thread for each connection or datagram, over TCP, UDP and Unix
sockets, and clients in threads.

Prints one line a scene, the same in each run.
"""
import os
import socket
import socketserver
import tempfile
import threading
import time

from scenes import scene

THREADS = 100


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            if line == b"fail\n":
                raise ValueError("on purpose")
            time.sleep(0.002)
            self.wfile.write(line.upper())


class Datagram(socketserver.DatagramRequestHandler):
    def handle(self):
        time.sleep(0.002)
        self.wfile.write(self.rfile.read().upper())


class Quiet:
    """What fails is counted; all may come at once."""
    daemon_threads = True
    request_queue_size = 1024
    failures = 0

    def handle_error(self, request, address):
        Quiet.failures += 1


class Tcp(Quiet, socketserver.ThreadingTCPServer):
    allow_reuse_address = True


class Joining(Tcp):
    """server_close() waits for the threads."""
    daemon_threads = False


class Udp(Quiet, socketserver.ThreadingUDPServer):
    pass


class Unix(Quiet, socketserver.ThreadingUnixStreamServer):
    pass


class UnixDatagrams(Quiet, socketserver.ThreadingUnixDatagramServer):
    pass


def talk(make):
    def run(n):
        with make() as s, s.makefile("rwb") as stream:
            for i in range(10):
                stream.write(b"line %d of %d\n" % (i, n))
                stream.flush()
                if stream.readline() != b"LINE %d OF %d\n" % (i, n):
                    return "wrong"
        return "right"
    return run


def fail(make):
    def run(n):
        with make() as s:
            s.settimeout(60)
            s.sendall(b"fail\n")
            return s.recv(10)
    return run


def serving(server):
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    return thread


def stop(server, thread):
    server.shutdown()
    thread.join()
    server.server_close()


def streams(name, server, make):
    thread = serving(server)
    scene(name, THREADS, talk(make))
    scene(name + " fails", 20, fail(make))
    stop(server, thread)


def datagrams(name, server, make):
    def run(n):
        with make(n) as s:
            s.settimeout(5)
            for i in range(5):
                for _ in range(10): # one may be lost
                    s.send(b"datagram %d of %d" % (i, n))
                    try:
                        answer = s.recv(100)
                        while answer != b"DATAGRAM %d OF %d" % (i, n):
                            answer = s.recv(100) # one that came twice
                        break
                    except TimeoutError:
                        continue
                else:
                    return "lost"
        return "right"

    thread = serving(server)
    scene(name, 50, run)
    stop(server, thread)


def connected_udp(server):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(server.server_address)
    return s


def connected_unix(path, kind=socket.SOCK_STREAM, own=None):
    s = socket.socket(socket.AF_UNIX, kind)
    if own:
        s.bind(own)
    for _ in range(1000):
        try:
            s.connect(path)
            break
        except BlockingIOError: # its queue is full
            time.sleep(0.01)
    return s


def main():
    for kind in Tcp, Joining:
        server = kind(("127.0.0.1", 0), Echo)
        streams(kind.__name__, server, lambda: socket.create_connection(
            server.server_address, 60))
    udp = Udp(("127.0.0.1", 0), Datagram)
    datagrams("Udp", udp, lambda n: connected_udp(udp))
    with tempfile.TemporaryDirectory(prefix="vireo-sockets-") as folder:
        path = os.path.join(folder, "stream")
        streams("Unix", Unix(path, Echo), lambda: connected_unix(path))
        datagrams("UnixDatagrams",
                  UnixDatagrams(os.path.join(folder, "datagram"), Datagram),
                  lambda n: connected_unix(os.path.join(folder, "datagram"),
                                           socket.SOCK_DGRAM,
                                           os.path.join(folder, str(n))))
    print("failures", Quiet.failures)


main()
