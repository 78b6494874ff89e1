"""The blog (examples/blog) for its tests: its programs, and readers and writers who
look at every answer."""
import http.client
import json
import os
import signal
import threading
import time

import apps
import harness
from apps import check, form, until

STATIC = os.path.join(os.environ["SOURCE_DIR"], "examples", "blog", "static")
SECRET = "only for the tests: 0123456789abcdef"


def environment(database, redis, upstream=None):
    env = {"BLOG_DATABASE": database, "BLOG_REDIS": redis,
           "BLOG_SECRETS": SECRET.replace(" ", "_"), "BLOG_STATIC": STATIC}
    if upstream:
        env["BLOG_UPSTREAM"] = upstream
    return env


class Mailer:
    def __init__(self, env, *args, prefix=()):
        self.program = harness.Program(
            [*prefix, *apps.command("blog_mailer", apps.LINKED,
                                    *(args or ("1000",)))], env=env)

    def end(self):
        self.program.popen.send_signal(signal.SIGTERM)
        status = self.program.wait(30)
        said = self.program.output()
        self.program.stop()
        check(status == 0, "the mailer ends with %s: %s", status, said[-500:])

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.program.stop()


class Browser:
    """Keeps its cookie, and its connection while that lasts."""

    def __init__(self, port, host="127.0.0.1"):
        self.port, self.host = port, host
        self.cookie = self.connection = None

    def ask(self, method, target, body=None, kind=None, **fields):
        """(status, text, fields); OSError, HTTPException: there is no answer."""
        fields = {name.replace("_", "-"): value
                  for name, value in fields.items()}
        if self.cookie:
            fields["Cookie"] = self.cookie
        if kind:
            fields["Content-Type"] = kind
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.host, self.port,
                                                         timeout=30)
        try:
            self.connection.request(method, target, body, fields)
            answer = self.connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        for cookie in answer.headers.get_all("Set-Cookie") or ():
            self.cookie = cookie.split(";")[0]
        return answer.status, text, answer.headers

    def get(self, target):
        return self.ask("GET", target)

    def post(self, target, **fields):
        return self.ask("POST", target, form(**fields),
                        "application/x-www-form-urlencoded")

    def post_json(self, target, value, **fields):
        return self.ask("POST", target, json.dumps(value), "application/json",
                        **fields)

    def login(self, name, target="/register"):
        status, text, _ = self.post(target, name=name, password="correct horse")
        check(status == 303 and self.cookie, "%s: %d %s", target, status, text)

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


class Visitor(threading.Thread):
    """Reads a post that never changes and writes comments on another, until it is
    told to stop.  No answer may be wrong; 503 says when to ask again.  What has no
    answer is asked again with the same key."""

    def __init__(self, browser, number, still, busy, stop, answers=(200, 201)):
        super().__init__()
        self.browser, self.number, self.stop = browser, number, stop
        self.still, self.busy, self.answers = still, busy, answers
        self.right = self.away = self.broken = 0
        self.acknowledged, self.trouble, self.last_right = {}, None, 0
        self.last_failure = None

    def run(self):
        count = 0
        try:
            while not self.stop.is_set():
                count += 1
                self.read()
                self.write("%d-%d" % (self.number, count))
                time.sleep(0.01)
        except Exception as error:
            self.trouble = error

    def once(self, *args, **fields):
        """The text of a good answer, or None."""
        try:
            status, text, headers = self.browser.ask(*args, **fields)
        except (OSError, http.client.HTTPException) as error:
            self.broken += 1
            self.last_failure = "%s %s: %r" % (*args[:2], error)
            return None
        if status in (502, 503, 504):
            self.away += 1
            self.last_failure = "%s %s: %d %s %s" % (*args[:2], status, text,
                                                  headers)
            return None
        check(status in self.answers, "%s: %d %s %s", args[:2], status, text,
              headers)
        self.right += 1
        self.last_right = time.monotonic()
        return text

    def read(self):
        text = self.once("GET", "/api/posts/%s" % self.still["id"])
        if text is not None:
            found = json.loads(text)
            check(found["title"] == self.still["title"]
                  and found["body"] == self.still["body"], "wrong: %s", text)

    def write(self, body):
        while True:
            text = self.once(
                "POST", "/api/posts/%s/comments" % self.busy,
                json.dumps({"body": body}), "application/json",
                Idempotency_Key=body)
            if text is not None:
                self.acknowledged[body] = json.loads(text)["id"]
                return
            if self.stop.is_set():
                return
            time.sleep(0.05)


def visitors(browsers, stop):
    """Each with a user of its own; and the posts that they read and write on."""
    first = browsers[0]
    still = {"title": "a <post>", "body": "that & stays"}
    status, text, _ = first.post_json("/api/posts", still)
    check(status == 201, "%d %s", status, text)
    still["id"] = json.loads(text)["id"]
    status, text, _ = first.post_json("/api/posts", {"title": "t", "body": "b"})
    busy = json.loads(text)["id"]
    found = [Visitor(browser, number, still, busy, stop)
             for number, browser in enumerate(browsers)]
    for visitor in found:
        visitor.start()
    return found


def until_served(crowd, what):
    """Each had a right answer after now."""
    now = time.monotonic()
    waiting = lambda: [v for v in crowd if v.last_right <= now
                       and not v.trouble]
    try:
        until(lambda: not waiting(), what)
    except harness.Failed:
        for visitor in waiting():
            print("visitor %d: right %d, away %d, broken %d; %s" % (
                visitor.number, visitor.right, visitor.away, visitor.broken,
                visitor.last_failure))
        raise


def nothing_is_lost(crowd, database):
    """Each comment that was acknowledged is there once, with its id and its mail."""
    for visitor in crowd:
        visitor.join()
        check(visitor.trouble is None, "%s", visitor.trouble)
        visitor.browser.close()
    wanted = {body: key for v in crowd for body, key in v.acknowledged.items()}
    rows = [line.split("|") for line in database.sql(
        "SELECT body, id FROM comments").split("\n")]
    check(len(rows) == len(dict(rows)), "a comment is there twice")
    lost = {body: key for body, key in wanted.items()
            if dict(rows).get(body) != key}
    check(not lost, "%d of %d comments are lost: %s", len(lost), len(wanted),
          list(lost.items())[:3])
    mailed = lambda: set(database.sql("SELECT body FROM mails").split("\n"))
    until(lambda: not wanted.keys() - mailed(), "%d mails" % len(wanted))
    return ("%d right, %d times 503, %d without an answer; %d comments" % (
        sum(v.right for v in crowd), sum(v.away for v in crowd),
        sum(v.broken for v in crowd), len(wanted)))
