"""Group, Pool, map and imap."""
import gevent
from gevent import get_hub, sleep, spawn
from gevent.pool import Group, Pool

from script import (T, Boom, attempt, fails, log, naps, quiet, script, word,
                    yes)


def works(who, hops=1):
    log(who, "begins")
    for _ in range(hops):
        sleep(0)
    log(who, "ends")


@script("2.3 pool.Group / Pool")
def pool_spawn_waits_while_full():
    p = Pool(2)
    for who in "abc":
        p.spawn(works, who)
        log("main", "has spawned " + who)
    p.join()
    log("main", "joined")


@script("2.3 pool.Group / Pool")
def pool_counts_its_places():
    p = Pool(2)
    log("main", "free: %d" % p.free_count())
    p.spawn(works, "a")
    log("main", "free: %d, full: %s" % (p.free_count(), yes(p.full())))
    p.spawn(works, "b")
    log("main", "free: %d, full: %s" % (p.free_count(), yes(p.full())))
    p.join()
    log("main", "free: %d" % p.free_count())


@script("2.3 pool.Group / Pool")
def pool_add_may_time_out():
    p = Pool(1)
    a = p.spawn(naps, "a", 3 * T)
    b = gevent.Greenlet(log, "b", "runs")
    attempt("main", p.add, b, timeout=T)
    attempt("main", p.add, b, blocking=False)
    a.join()
    p.add(b)
    b.start()
    p.join()


@script("2.3 pool.Group / Pool")
def pool_waiters_get_places_in_order():
    p = Pool(1)
    p.spawn(works, "first")

    def asks(who):
        p.spawn(works, who)
        log(who, "has a place")

    for who in "abc":
        spawn(asks, who)
    get_hub().join()


@script("2.3 pool.Group / Pool")
def pool_kill_ends_all():
    p = Pool(3)

    def body():
        try:
            sleep(10)
        finally:
            log("worker", "killed")

    p.spawn(body)
    p.spawn(body)
    sleep(0)
    p.spawn(log, "c", "runs")
    p.kill()
    log("main", "size: %d" % len(p))


@script("2.3 pool.Group / Pool")
def pool_apply_waits_for_the_result():
    p = Pool(1)
    p.spawn(works, "a", 2)

    def body():
        log("b", "runs")
        return "value"

    log("main", p.apply(body))
    quiet()
    attempt("main", p.apply, fails, ("c",))


@script("2.3 pool.Group / Pool")
def pool_apply_inside_its_own():
    p = Pool(1)

    def inner():
        log("inner", "runs")
        return "value"

    def outer():
        log("outer", "got " + p.apply(inner))

    p.spawn(outer).join()


@script("2.3 pool.Group / Pool")
def group_join_waits_for_all():
    group = Group()
    for who, n in (("a", 3), ("b", 1)):
        group.spawn(naps, who, n * T)
    g = spawn(naps, "c", 2 * T)
    group.add(g)
    log("main", "size: %d" % len(group))
    group.join()
    log("main", "size: %d" % len(group))


@script("2.3 pool.Group / Pool")
def group_join_may_time_out():
    group = Group()
    group.spawn(naps, "a", T)
    group.spawn(naps, "b", 10)
    group.join(timeout=3 * T)
    log("main", "size: %d" % len(group))
    group.kill()
    log("main", "size: %d" % len(group))


@script("2.3 pool.Group / Pool")
def group_join_raises_a_failure():
    group = Group()
    group.spawn(fails, "a")
    group.spawn(naps, "b", T)
    attempt("main", group.join, raise_error=True)


@script("2.3 pool.Group / Pool")
def group_discard():
    group = Group()
    g = group.spawn(naps, "a", T)
    group.discard(g)
    log("main", "size: %d" % len(group))
    group.join()
    log("main", "joined")
    g.join()


def squares(n):
    log("worker", "takes %d" % n)
    for _ in range(n):
        sleep(0)
    if n == 2:
        raise Boom
    return n * n


def consume(results):
    while True:
        try:
            log("main", "got %s" % next(results))
        except StopIteration:
            break
        except Boom as error:
            log("main", word(error))


@script("2.3 pool.Group / Pool")
def pool_map_in_the_order_of_arguments():
    p = Pool(2)
    log("main", " ".join(str(n) for n in p.map(squares, [5, 1, 3])))


@script("2.3 pool.Group / Pool")
def pool_map_raises():
    quiet()
    attempt("main", Pool(2).map, squares, [1, 2, 3])


@script("2.3 pool.Group / Pool")
def pool_imap_in_the_order_of_arguments():
    consume(Pool(2).imap(squares, [5, 1, 3, 0]))


@script("2.3 pool.Group / Pool")
def pool_imap_raises_when_reached():
    quiet()
    consume(Pool(3).imap(squares, [3, 2, 1]))


@script("2.3 pool.Group / Pool")
def pool_imap_bounds_unread_results():
    begun = []

    def body(n):
        begun.append(n)
        return n

    results = Group().imap(body, [5, 4, 3, 1, 0], maxsize=2)
    sleep(T)
    log("main", "have begun: %d" % len(begun))
    consume(results)
    log("main", "have begun: %d" % len(begun))


@script("2.3 imap_unordered")
def imap_unordered_in_the_order_of_ends():
    consume(Pool(3).imap_unordered(squares, [15, 1, 5, 0]))


@script("2.3 imap_unordered")
def imap_unordered_delivers_failures():
    quiet()
    consume(Pool(3).imap_unordered(squares, [4, 2, 1]))


@script("2.3 imap_unordered")
def imap_unordered_source_fails():
    quiet()

    def source():
        yield 1
        for _ in range(6):
            sleep(0)
        log("source", "fails")
        raise Boom

    results = Group().imap_unordered(squares, source())
    log("main", "got %s" % next(results))
    attempt("main", next, results)
