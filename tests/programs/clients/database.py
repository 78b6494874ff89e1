"""Threads with a DB-API driver: psycopg2, pymysql or MySQLdb.

usage: database.py driver port
"""
import importlib
import sys
import threading
import time

import scenes
from scenes import scene

NAME, PORT = sys.argv[1], int(sys.argv[2])
driver = importlib.import_module(NAME)
POSTGRES = NAME == "psycopg2"
THREADS = 100
SLEEP = "select pg_sleep(%s)" if POSTGRES else "select sleep(%s)"


def connect(**more):
    if POSTGRES:
        return driver.connect(host="127.0.0.1", port=PORT, user="tester",
                              dbname="postgres", connect_timeout=60, **more)
    return driver.connect(host="127.0.0.1", port=PORT, user="tester",
                          db="d", connect_timeout=60, **more)


def execute(connection, statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else cursor.rowcount


def create():
    connection = connect()
    for statement in (
            "drop table if exists item", "drop table if exists account",
            "create table item (thread integer, n integer, body text, "
            "primary key (thread, n))",
            "create table account (id integer primary key, sum integer)",
            "insert into account values (1, 0), (2, 0), (3, 0)"):
        execute(connection, statement)
    connection.commit()
    connection.close()


def insert_and_read(n):
    """Transactions that are committed and some that are not; big values."""
    connection = connect()
    for i in range(10):
        execute(connection, "insert into item values (%s, %s, %s)", n, i,
                "x" * (i * 3000))
        if i % 5 == 4:
            connection.rollback() if i == 4 else connection.commit()
    rows = execute(connection, "select n, length(body) from item where "
                   "thread = %s order by n", n)
    connection.commit()
    connection.close()
    return [tuple(row) for row in rows] == [(i, i * 3000)
                                            for i in range(5, 10)]


def wait_for_a_row(n):
    """All want the same row: who has it sleeps, the others wait in the
    server's answer."""
    connection = connect()
    execute(connection, "update account set sum = sum + 1 where id = 1")
    if n % 10 == 0:
        time.sleep(0.01)
    connection.commit()
    connection.close()


def name_of(error):
    return type(error).__name__


def go_wrong(n):
    connection = connect()
    seen = []
    for statement in ("selec 1", "select * from nothing",
                      "insert into account values (1, 1)",
                      "insert into account values (null, 1)"):
        try:
            execute(connection, statement)
        except driver.Error as error:
            seen.append(name_of(error))
        connection.rollback()
    connection.close()
    return "+".join(seen)


def dead_lock():
    """Two transactions that want each other's row: one is told so."""
    both = threading.Barrier(2)

    def update(n):
        connection = connect()
        try:
            execute(connection, "update account set sum = 0 where id = %s",
                    2 + n)
            both.wait(60)
            execute(connection, "update account set sum = 0 where id = %s",
                    3 - n)
            connection.commit()
            return "done"
        except driver.Error as error:
            connection.rollback()
            return name_of(error)
        finally:
            connection.close()

    scene("dead lock", 2, update)


def take_too_long(n):
    connection = connect()
    limit = ("set statement_timeout = 100" if POSTGRES
             else "set max_statement_time = 0.1")
    execute(connection, limit)
    try:
        return execute(connection, SLEEP, 60)
    finally:
        connection.close()


def be_cancelled(n):
    """Another thread ends the query; again, if it came before the query."""
    connection, own = connect(), connect()
    ended = threading.Event()

    def cancel():
        while not ended.wait(0.3):
            if POSTGRES:
                connection.cancel()
            else:
                execute(own, "kill query %d" % connection.thread_id())

    canceller = threading.Thread(target=cancel)
    canceller.start()
    try:
        return str(execute(connection, SLEEP, 60))
    finally:
        ended.set()
        canceller.join()
        own.close()
        connection.close()


def read_timeout(n):
    """The client gives up, where the driver can."""
    if POSTGRES:
        return "none"
    connection = connect(read_timeout=1)
    return execute(connection, SLEEP, 60)


def use_pool():
    from psycopg2.pool import ThreadedConnectionPool
    pool = ThreadedConnectionPool(1, 10, host="127.0.0.1", port=PORT,
                                  user="tester", dbname="postgres")
    places = threading.Semaphore(10)

    def borrow(n):
        with places:
            connection = pool.getconn()
            try:
                return execute(connection, "select 1")[0][0]
            finally:
                pool.putconn(connection)

    scene("pool", THREADS, borrow)
    pool.closeall()


def be_notified(n):
    """LISTEN and NOTIFY, by select() on the connection's fd."""
    import select
    listening, telling = connect(), connect()
    for connection in (listening, telling):
        connection.autocommit = True
    execute(listening, "listen news%d" % n)
    timer = threading.Timer(0.05, execute,
                            (telling, "notify news%d, 'hello'" % n))
    timer.start()
    while not listening.notifies:
        select.select([listening], [], [], 60)
        listening.poll()
    timer.join()
    said = listening.notifies.pop().payload
    listening.close()
    telling.close()
    return said


def copy_in_and_out(n):
    import io
    connection = connect()
    with connection.cursor() as cursor:
        cursor.execute("create temporary table t (a integer, b text)")
        cursor.copy_from(io.StringIO("".join(
            "%d\t%s\n" % (i, "y" * 100) for i in range(2000))), "t")
        out = io.StringIO()
        cursor.copy_to(out, "t")
    connection.close()
    return len(out.getvalue())


def lose_the_server():
    connections = [connect() for _ in range(50)]

    def wait(n, arrived):
        arrived()
        try:
            return execute(connections[n], SLEEP, 120)
        except driver.Error as error:
            return isinstance(error, driver.OperationalError)

    scenes.lose_the_server(len(connections), wait)
    scene("gone", 20, lambda n: connect())


def main():
    create()
    scene("insert", THREADS, insert_and_read)
    scene("row", THREADS, wait_for_a_row)
    connection = connect()
    print("sum", execute(connection, "select sum from account where id = 1"),
          execute(connection, "select count(*) from item"))
    connection.close()
    scene("wrong", 20, go_wrong)
    dead_lock()
    scene("too long", 20, take_too_long)
    scene("cancelled", 20, be_cancelled)
    scene("read timeout", 20, read_timeout)
    if POSTGRES:
        use_pool()
        scene("notified", 20, be_notified)
        scene("copied", 20, copy_in_and_out)
    lose_the_server()


main()
