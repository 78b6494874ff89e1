#!/usr/bin/python3
# label: ci, views
# timeout: 300
"""The larger application (examples/blog): all of it, by sockets; and under load while
PostgreSQL, and then Redis, is killed and comes back: no wrong answer, 503 with
Retry-After while it is away, and nothing that was acknowledged is lost."""
import http.client
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import apps
import blogging
import harness
import queueing
from apps import BY_COMMAND, LINKED, check, until
from blogging import Browser, Mailer


class Quotes(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "8")
        self.end_headers()
        self.wfile.write(b"so it is")

    def log_message(self, *args):
        pass


def upstream():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Quotes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return "http://127.0.0.1:%d/" % server.server_port


def wanted(answer, status, text=None, **fields):
    check(answer[0] == status and (text is None or text in answer[1]),
          "%s is not %d %s", answer[:2], status, text)
    for name, value in fields.items():
        check(answer[2][name.replace("_", "-")] == value, "%s: %s", name,
              answer[2])
    return answer[1]


def users(port):
    ada, eve = Browser(port), Browser(port)
    wanted(ada.post_json("/api/posts", {"title": "t", "body": "b"}), 401)
    wanted(ada.post("/posts", title="t", body="b"), 303, Location="/login")
    wanted(ada.post("/register", name="ada", password="short"), 400)
    ada.login("ada")
    wanted(eve.post("/register", name="ada", password="correct horse"), 409)
    wanted(eve.post("/login", name="ada", password="wrong horse"), 403)
    wanted(eve.post("/login", name="nobody", password="wrong horse"), 403)
    eve.login("eve")
    eve.login("eve", "/login")
    wanted(ada.get("/"), 200, "ada")
    return ada, eve


def posts(ada, eve):
    key = {"Idempotency_Key": "k1"}
    value = {"title": "<script>", "body": "'n' \"& more"}
    post = json.loads(wanted(ada.post_json("/api/posts", value, **key),
                             201))["id"]
    check(json.loads(ada.post_json("/api/posts", value, **key)[1])["id"]
          == post, "the same key, and another post")
    wanted(ada.ask("POST", "/api/posts", "{", "application/json"), 400)
    wanted(ada.ask("POST", "/api/posts", "{}", "application/json"), 400)
    wanted(ada.ask("POST", "/api/posts", "{}", "text/plain"), 415)
    wanted(ada.ask("PUT", "/api/posts"), 405, Allow="GET, HEAD, POST, OPTIONS")
    wanted(ada.get("/api/posts/none"), 404, '"not found"')
    wanted(ada.get("/nowhere"), 404, "no such page")
    target = "/api/posts/" + post
    for _ in range(2): # from the database, and from the cache
        found = json.loads(wanted(ada.get(target), 200))
        check(found == {"id": int(post), "author": "ada", "comments": [],
                        **value}, "%s", found)
    wanted(eve.post_json(target + "/comments", {"body": "hm"}), 201)
    found = json.loads(wanted(ada.get(target), 200))["comments"]
    check([c["body"] for c in found] == ["hm"], "the cache is old: %s", found)
    wanted(eve.post_json("/api/posts/99999/comments", {"body": "hm"}), 404)
    page = wanted(eve.get("/posts/" + post), 200, "&#60;script&#62;")
    check("<script>" not in page and "&#34;&#38; more" in page, "%s", page)
    wanted(eve.ask("DELETE", target), 404)
    wanted(eve.get("/static/blog.css"), 200, "max-width", 
           Content_Type="text/css; charset=utf-8")
    wanted(eve.get("/static/%2e%2e/main.c"), 404)
    return target


def home(port, quote):
    answer = Browser(port).get("/api/home")
    found = json.loads(wanted(answer, 200))
    check(found["posts"] >= 1 and found["visit"] >= 1
          and found["quote"] == quote, "%s", found)
    check(float(answer[2]["X-Request-Duration"]) > 0, "no duration")


class Feed:
    """The next events: [id, name, data]."""

    def __init__(self, port, last=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", port,
                                                     timeout=30)
        self.connection.request("GET", "/feed", headers={"Last-Event-ID": last}
                                if last else {})
        self.answer = self.connection.getresponse()
        check(self.answer.readline() == b": hello\n", "no feed")

    def event(self):
        found = {}
        while True:
            line = self.answer.readline().decode().rstrip("\n")
            name, _, value = line.partition(": ")
            if name:
                found[name] = value
            elif line == "" and "data" in found:
                return found["id"], found["event"], found["data"]


def feed(port, ada):
    reader = Feed(port)
    for title in "one", "two":
        wanted(ada.post_json("/api/posts", {"title": title, "body": "b"}), 201)
    first, second = reader.event(), reader.event()
    check(first[1] == second[1] == "post" and first[2].endswith(" one")
          and second[2].endswith(" two"), "%s %s", first, second)
    reader.connection.close()
    check(Feed(port, first[0]).event() == second, "another event")


def test_blog():
    env = None
    with apps.Postgres() as database, apps.Redis(queueing.DURABLE) as redis:
        for way in LINKED, BY_COMMAND:
            database.sql("DROP TABLE IF EXISTS users, posts, comments, mails")
            redis.tell("FLUSHALL")
            env = blogging.environment(database.conninfo, redis.where,
                                       upstream() if way == LINKED else None)
            with apps.start("blog", env, way) as blog, Mailer(env) as mailer:
                ada, eve = users(blog.port)
                target = posts(ada, eve)
                home(blog.port, "so it is" if way == LINKED else None)
                feed(blog.port, ada)
                until(lambda: database.sql("SELECT reader, body FROM mails")
                      == "ada|hm", "ada gets a mail")
                wanted(ada.ask("DELETE", target), 204)
                wanted(ada.get(target), 404)
                wanted(ada.ask("POST", "/logout"), 303)
                wanted(ada.post_json("/api/posts", {"title": "t", "body": "b"}),
                       401)
                wanted(eve.get("/health"), 200, "well")
                mailer.end()
                for browser in ada, eve:
                    browser.close()
                said = apps.stop(blog)
                check("failed" not in said, "%s", said)


def test_blog_under_load():
    stop = threading.Event()
    with apps.Postgres() as database, apps.Redis(queueing.DURABLE) as redis:
        env = blogging.environment(database.conninfo, redis.where)
        with apps.start("blog", env, args=("--workers", "2")) as blog, \
                Mailer(env):
            browsers = [Browser(blog.port) for _ in range(8)]
            for number, browser in enumerate(browsers):
                browser.login("user%d" % number)
            crowd = blogging.visitors(browsers, stop)
            try:
                for server in database, redis:
                    blogging.until_served(crowd, "all are served")
                    away = sum(visitor.away for visitor in crowd)
                    server.kill()
                    until(lambda: sum(visitor.away for visitor in crowd)
                          >= away + 20, "it is missed")
                    status, _, fields = Browser(blog.port).post(
                        "/login", name="user1", password="correct horse")
                    check(server is redis or (status == 503 and
                                              fields["Retry-After"] == "1"),
                          "%d", status)
                    server.start()
                blogging.until_served(crowd, "all are served again")
                time.sleep(1)
            finally:
                stop.set()
            print(blogging.nothing_is_lost(crowd, database))
            check(sum(visitor.broken for visitor in crowd) == 0,
                  "a connection was cut")
            apps.stop(blog)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
