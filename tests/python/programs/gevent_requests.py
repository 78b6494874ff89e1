"""requests on the patched standard library, against pywsgi, through a pool."""
from gevent import monkey
monkey.patch_all()

from common import COUNT, check

import threading

import requests
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer

local = threading.local()


def application(environ, start_response):
    size = int(environ["CONTENT_LENGTH"] or 0)
    body = environ["wsgi.input"].read(size)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode(), b" ", body]


def fetch(number):
    local.number = number
    url = "http://127.0.0.1:%d/item/%d" % (server.server_port, number)
    answer = requests.post(url, data="x" * (number % 1000), timeout=60)
    check(local.number == number, local.number)
    return answer.status_code, answer.text


server = WSGIServer(("127.0.0.1", 0), application, log=None, backlog=1024)
server.start()
expected = [(200, "/item/%d %s" % (n, "x" * (n % 1000))) for n in range(COUNT)]
check(Pool(50).map(fetch, range(COUNT)) == expected)
check(sorted(Pool(50).imap_unordered(fetch, range(COUNT))) == sorted(expected))
server.stop()
print("ok")
