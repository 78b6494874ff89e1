"""An echo server on gevent, COUNT clients at once, ten messages each."""
from common import COUNT, check

import gevent
from gevent import socket
from gevent.server import StreamServer


def echo(conn, _):
    while data := conn.recv(4096):
        conn.sendall(data)


def client(number):
    conn = socket.create_connection(server.address)
    for i in range(10):
        message = b"%d of %d" % (i, number) * 20
        conn.sendall(message)
        got = b""
        while len(got) < len(message):
            got += conn.recv(4096)
        check(got == message, got)
        gevent.sleep(0)
    conn.close()
    return number


server = StreamServer(("127.0.0.1", 0), echo, backlog=1024)
server.start()
jobs = [gevent.spawn(client, i) for i in range(COUNT)]
gevent.joinall(jobs, timeout=300, raise_error=True)
check([job.value for job in jobs] == list(range(COUNT)))
server.stop()
print("ok")
