"""hogs.py - bench_hogs.c's `sleep` and `serve` in Python, of one kind of hog

    hogs.py sleep HOGS COUNT | serve HOGS
"""
import itertools
import socket
import sys
import threading
import time

NAP, MOST, FIRST = 0.005, 1.5, 2


def hog():
    value = 1
    while True:
        value = (value * 3 + 1) % 1000003


def start_hogs(count):
    for _ in range(count):
        threading.Thread(target=hog, daemon=True).start()


def sleeper(count, took):
    for _ in range(FIRST):
        time.sleep(NAP)
    end = time.monotonic() + MOST
    while len(took) < count and time.monotonic() < end:
        begin = time.monotonic()
        time.sleep(NAP)
        took.append((time.monotonic() - begin) * 1e6)


def report(took):
    took.sort()
    figures = {"mean": sum(took) / len(took), "p50": took[len(took) // 2],
               "p99": took[len(took) * 99 // 100]}
    for (name, less), key in itertools.product((("slept", 0),
                                                ("late", NAP * 1e6)), figures):
        print(f"{name}_{key}_us {figures[key] - less:.1f}")
    print("count", len(took), flush=True)


def echo(connection):
    while data := connection.recv(256):
        connection.sendall(data)
    connection.close()


def serve():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print("port", listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=echo, args=(connection,),
                             daemon=True).start()


def main(verb, hogs, count=0):
    start_hogs(int(hogs))
    if verb == "serve":
        serve()
    took = []
    thread = threading.Thread(target=sleeper, args=(int(count), took))
    thread.start()
    thread.join()
    report(took)


main(*sys.argv[1:])
