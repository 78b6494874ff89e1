"""eventlet's WSGI server and COUNT requests at once, on the patched library."""
import eventlet
eventlet.monkey_patch()

from common import COUNT, check

import http.client
import threading
import time
from eventlet import wsgi

together, most = 0, 0


def application(environ, start_response):
    global together, most
    together += 1
    most = max(most, together)
    time.sleep(0.5 + COUNT / 500)
    together -= 1
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["QUERY_STRING"].encode()]


def fetch(number):
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    conn.request("GET", "/?%d" % number)
    answer = conn.getresponse()
    body = answer.read()
    conn.close()
    return answer.status, body


listener = eventlet.listen(("127.0.0.1", 0), backlog=1024)
port = listener.getsockname()[1]
eventlet.spawn(wsgi.server, listener, application, max_size=COUNT + 10,
               log_output=False)
pool = eventlet.GreenPool(COUNT)
found = list(pool.imap(fetch, range(COUNT)))
check(found == [(200, b"%d" % n) for n in range(COUNT)])
check(most > COUNT * 0.9, most)
seen = []
threads = [threading.Thread(target=lambda n=n: (time.sleep(0.01),
                                                seen.append(n)))
           for n in range(COUNT)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
check(sorted(seen) == list(range(COUNT)))
print("ok")
