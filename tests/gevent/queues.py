"""Queues: who gets what, and when those who wait go on."""
import gevent
from gevent import get_hub, queue, sleep, spawn
from gevent.queue import (Channel, JoinableQueue, LifoQueue, PriorityQueue,
                          Queue)

from script import T, attempt, log, naps, script, ticks, word, yes


def gets(who, q, count=1):
    for _ in range(count):
        log(who, "got %s" % q.get())


def puts(who, q, items):
    for item in items:
        q.put(item)
        log(who, "has put %s" % item)


@script("2.3 queue")
def queue_items_keep_their_order():
    q = Queue()
    for item in "abc":
        q.put(item)
    log("main", "size: %d" % q.qsize())
    gets("main", q, 3)
    log("main", "empty: " + yes(q.empty()))


@script("2.3 queue")
def queue_getters_in_order():
    q = Queue()
    for who in "abc":
        spawn(gets, who, q)
    sleep(0)
    for item in "xyz":
        q.put(item)
    log("main", "has put them")
    sleep(0)
    log("main", "back")


@script("2.3 queue")
def queue_put_waits_while_full():
    q = Queue(1)
    spawn(puts, "p", q, "abc")
    sleep(0)
    log("main", "full: " + yes(q.full()))
    for _ in range(3):
        gets("main", q)
        sleep(0)
    log("main", "size: %d" % q.qsize())


@script("2.3 queue")
def queue_item_for_who_waits():
    """Does it take up a place until the one who waits has run?"""
    q = Queue(1)
    spawn(gets, "g", q)
    sleep(0)
    q.put("x")
    attempt("main", q.put_nowait, "y")
    sleep(0)
    log("main", "size: %d" % q.qsize())


@script("2.3 queue")
def queue_putters_in_order():
    q = Queue(1)
    q.put("f")
    for who in "abc":
        spawn(puts, who, q, who)
    sleep(0)
    for _ in range(4):
        gets("main", q)
        sleep(0)


@script("2.3 queue")
def queue_get_may_time_out():
    q = Queue()
    attempt("main", q.get, timeout=T)
    attempt("main", q.get_nowait)
    attempt("main", q.get, block=False)
    q.put("x")
    gets("main", q)


@script("2.3 queue")
def queue_put_may_time_out():
    q = Queue(1)
    q.put("x")
    attempt("main", q.put, "y", timeout=T)
    attempt("main", q.put_nowait, "y")
    log("main", "size: %d" % q.qsize())


@script("2.3 queue")
def queue_in_a_foreign_timeout():
    q = Queue()
    timeout = gevent.Timeout.start_new(T)
    attempt("main", q.get)
    timeout.close()
    q.put("x")
    gets("main", q)


@script("2.3 queue")
def queue_getter_is_killed():
    q = Queue()
    a, b = spawn(gets, "a", q), spawn(gets, "b", q)
    sleep(0)
    a.kill()
    q.put("x")
    b.join()


@script("2.3 queue")
def queue_getter_is_killed_before_a_put():
    """The item goes to the next: none is lost."""
    q = Queue()
    a, b = spawn(gets, "a", q), spawn(gets, "b", q)
    sleep(0)
    a.kill(block=False)
    q.put("x")
    b.join()
    log("main", "size: %d" % q.qsize())


@script("2.3 queue")
def queue_putter_is_killed():
    q = Queue(1)
    q.put("x")
    a, b = spawn(puts, "a", q, "1"), spawn(puts, "b", q, "2")
    sleep(0)
    a.kill()
    gets("main", q, 2)
    b.join()
    log("main", "size: %d" % q.qsize())


@script("2.3 queue")
def queue_newcomer_after_a_put():
    """It asks before the one who waited has run."""
    q = Queue()
    spawn(gets, "old", q)
    sleep(0)
    q.put("x")
    attempt("main", q.get_nowait)
    q.put("y")
    sleep(0)
    log("main", "size: %d" % q.qsize())


@script("2.3 queue")
def queue_get_between_others():
    q = Queue()
    spawn(puts, "p", q, "abcd")
    spawn(gets, "g", q, 2)
    spawn(gets, "h", q, 2)
    get_hub().join()


@script("2.3 queue")
def queue_peek_leaves_the_item():
    q = Queue()
    spawn(lambda: log("a", "peeked " + q.peek()))
    spawn(gets, "b", q)
    sleep(0)
    q.put("x")
    q.put("y")
    sleep(0)
    log("main", "peeked " + q.peek())
    log("main", "size: %d" % q.qsize())


@script("2.3 queue")
def queue_join_waits_for_all_tasks():
    q = JoinableQueue()

    def worker():
        for _ in range(2):
            item = q.get()
            sleep(0)
            log("worker", "done with " + item)
            q.task_done()

    q.put("a")
    q.put("b")
    spawn(worker)
    spawn(lambda: (q.join(), log("other", "joined")))
    q.join()
    log("main", "joined")
    sleep(0)
    attempt("main", q.task_done)


@script("2.3 queue")
def queue_join_of_an_empty_one():
    q = JoinableQueue()
    spawn(log, "other", "runs")
    q.join()
    log("main", "joined")
    sleep(0)


@script("2.3 queue")
def queue_last_in_first_out():
    q = LifoQueue()
    for item in "abc":
        q.put(item)
    gets("main", q, 3)


@script("2.3 queue")
def queue_last_in_first_out_for_who_waits():
    """Whose is the first item that comes?"""
    q = LifoQueue()
    spawn(gets, "g", q, 2)
    sleep(0)
    q.put("x")
    q.put("y")
    sleep(0)


@script("2.3 queue")
def queue_by_priority():
    q = PriorityQueue()
    for item in (3, 1, 2):
        q.put(item)
    gets("main", q, 3)


@script("2.3 queue")
def queue_by_priority_for_who_waits():
    q = PriorityQueue()
    spawn(gets, "g", q, 2)
    sleep(0)
    q.put(9)
    q.put(8)
    sleep(0)


@script("2.3 queue")
def channel_put_waits_for_a_getter():
    c = Channel()
    spawn(puts, "p", c, "ab")
    sleep(0)
    log("main", "waits")
    gets("main", c)
    sleep(0)
    log("main", "back")
    gets("main", c)
    sleep(0)


@script("2.3 queue")
def channel_get_waits_for_a_putter():
    c = Channel()
    spawn(gets, "a", c)
    spawn(gets, "b", c)
    sleep(0)
    puts("main", c, "xy")
    sleep(0)


@script("2.3 queue")
def channel_may_time_out():
    c = Channel()
    attempt("main", c.get, timeout=T)
    attempt("main", c.put, "x", timeout=T)
    attempt("main", c.get, block=False)
    spawn(puts, "p", c, "y")
    sleep(0)
    gets("main", c)
    sleep(0)


@script("2.3 queue")
def queue_in_a_callback():
    """It hands over or refuses: it never waits."""
    q = Queue(1)
    spawn(gets, "g", q)
    sleep(0)
    loop = get_hub().loop
    loop.run_callback(q.put, "x")
    sleep(T)
    loop.run_callback(lambda: attempt("callback", q.get, block=False))
    sleep(T)
    log("main", "size: %d" % q.qsize())


@script("2.3 queue")
def queue_until_a_sentinel():
    q = Queue()

    def worker():
        for item in q:
            log("worker", "got " + item)
        log("worker", "ends")

    g = spawn(worker)
    sleep(0)
    q.put("a")
    q.put("b")
    q.put(StopIteration)
    g.join()
