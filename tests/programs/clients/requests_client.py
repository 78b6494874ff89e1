"""Threads with requests, by sessions of their own, a shared one, and none.

usage: requests_client.py port
"""
import sys

import requests
from requests.adapters import HTTPAdapter
import scenes
from scenes import scene

BASE = "http://localhost:%s/" % sys.argv[1]
THREADS = 100
LIMIT = 60


def own_session(n):
    with requests.Session() as session:
        for i in range(5):
            body = b"%d" % n * (i * 500)
            if session.post(BASE, data=body, timeout=LIMIT).content != body:
                return "another's answer"
        session.get(BASE + "hello", timeout=LIMIT)
        return session.cookies["a"]


def no_session(n):
    answer = requests.get(BASE + "hello", timeout=LIMIT)
    return answer.status_code, answer.text.strip()


def share_a_session():
    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_maxsize=10, pool_block=True))

    def use(n):
        answers = [session.get(BASE + "sleep?0.01", timeout=LIMIT)
                   for _ in range(3)]
        return [answer.status_code for answer in answers]

    scene("shared", THREADS, use)
    session.close()


def stream(n):
    with requests.get(BASE + "chunked?100", stream=True,
                      timeout=LIMIT) as answer:
        return sum(len(part) for part in answer.iter_content(700))


def follow(n):
    answer = requests.get(BASE + "redirect?3", timeout=LIMIT)
    return len(answer.history), answer.status_code


def go_wrong(n):
    seen = []
    for call in (
            lambda: requests.get(BASE + "sleep?5", timeout=0.2),
            lambda: requests.get(BASE + "broken", timeout=LIMIT),
            lambda: requests.get(BASE + "nothing",
                                 timeout=LIMIT).raise_for_status(),
            lambda: requests.get("http://127.0.0.1:1/", timeout=LIMIT),
            lambda: requests.get("http:///", timeout=LIMIT),
            lambda: requests.get(BASE + "redirect?50", timeout=LIMIT)):
        try:
            seen.append(str(call().status_code))
        except requests.RequestException as error:
            seen.append(type(error).__name__)
    return "+".join(seen)


def lose_the_server():
    def wait(n, arrived):
        with requests.Session() as session:
            session.get(BASE + "hello", timeout=LIMIT)
            arrived()
            return session.get(BASE + "sleep?120", timeout=LIMIT).status_code

    scenes.lose_the_server(50, wait)
    scene("gone", 20, no_session)


def main():
    scene("own", THREADS, own_session)
    scene("none", THREADS, no_session)
    share_a_session()
    scene("streamed", 50, stream)
    scene("redirected", 50, follow)
    scene("wrong", 20, go_wrong)
    lose_the_server()


main()
