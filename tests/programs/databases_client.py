"""python3-databases and asyncpg against the PostgreSQL of argument 1, a URL:
prints what came back.  With `rate` as argument 2 it asks for as many seconds
as each line of its input says, and prints queries/s and CPU time a query."""
import asyncio
import sys
import threading
import time

import asyncpg
import databases

URL = sys.argv[1]


async def tables(db):
    await db.execute("drop table if exists notes")
    await db.execute("create table notes (id serial primary key, "
                     "text varchar(100), done boolean, at timestamptz)")
    insert = "insert into notes(text, done) values (:text, :done)"
    await db.execute_many(insert, [{"text": "note %d" % n, "done": n % 3 == 0}
                                   for n in range(500)])
    row = await db.fetch_one("select count(*) as n, count(*) filter (where "
                             "done) as done from notes")
    print("rows", row["n"], row["done"])
    total = 0
    async for row in db.iterate("select * from notes where id <= :n",
                                {"n": 100}):
        total += len(row["text"])
    print("iterated", total)


async def transactions(db):
    try:
        async with db.transaction():
            await db.execute("delete from notes")
            raise KeyError("undo")
    except KeyError:
        pass
    async with db.transaction():
        await db.execute("update notes set text = 'changed' where id < 11")
        inner = await db.transaction()
        await db.execute("delete from notes where id > 10")
        await inner.rollback()
    print("after", await db.fetch_val("select count(*) from notes"),
          await db.fetch_val("select count(*) from notes where text = "
                             "'changed'"))


async def at_once(db):
    async def one(n):
        async with db.connection() as connection:
            await connection.execute("select pg_sleep(0.01)")
            return await connection.fetch_val("select cast(:n as int) * 2",
                                              {"n": n})
    found = await asyncio.gather(*[one(n) for n in range(100)])
    print("at once", found == [2 * n for n in range(100)])


async def errors(db):
    for query in ("select nonsense from nowhere", "select 1/0", "selec",
                  "insert into notes(id) values (1)"):
        try:
            await db.execute(query)
        except asyncpg.PostgresError as error:
            print(type(error).__name__, error)
    try:
        await asyncio.wait_for(db.execute("select pg_sleep(30)"), 0.2)
    except asyncio.TimeoutError:
        print("in time")
    print("goes on", await db.fetch_val("select 1"))


async def ended():
    """A connection that the server ends is told so, whatever it does."""
    victim, other = await asyncpg.connect(URL), await asyncpg.connect(URL)
    waits = asyncio.ensure_future(victim.execute("select pg_sleep(30)"))
    await asyncio.sleep(0.2)
    await other.execute("select pg_terminate_backend(%d)" %
                        victim.get_server_pid())
    try:
        await waits
    except asyncpg.PostgresError as error:
        print("ended", isinstance(error, asyncpg.PostgresConnectionError)
              or isinstance(error, asyncpg.AdminShutdownError),
              victim.is_closed())
    await other.close()


async def raw():
    connection = await asyncpg.connect(URL)
    heard = asyncio.get_running_loop().create_future()
    await connection.add_listener("news", lambda *said: heard.set_result(
        said[2:]))
    await connection.execute("notify news, 'hello'")
    print("heard", await heard)
    await connection.execute("create temp table big (data bytea)")
    await connection.copy_records_to_table("big", records=[
        (b"x" * 1000000,) for _ in range(5)])
    rows = await connection.fetch("select data from big")
    print("big", [len(row["data"]) for row in rows])
    await connection.close()


async def everything():
    async with databases.Database(URL, min_size=1, max_size=10) as db:
        for step in tables, transactions, at_once, errors:
            await step(db)
    await ended()
    await raw()


async def in_a_thread(n, found):
    async with databases.Database(URL, min_size=1, max_size=2) as db:
        found[n] = await db.fetch_val("select cast(:n as int)", {"n": n})


def in_threads():
    """An event loop in each of eight threads."""
    found = {}
    threads = [threading.Thread(target=asyncio.run,
                                args=(in_a_thread(n, found),))
               for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("in threads", sorted(found.items()) == [(n, n) for n in range(8)])


async def rate():
    async with databases.Database(URL, min_size=10, max_size=10) as db:
        count = 0

        async def ask(end):
            nonlocal count
            while time.monotonic() < end:
                async with db.connection() as connection:
                    await connection.fetch_all(
                        "select id, text from notes where id < :n", {"n": 20})
                count += 1
        while line := sys.stdin.readline():
            count = 0
            start = time.monotonic()
            spent = time.process_time()
            await asyncio.gather(*[ask(start + float(line))
                                   for _ in range(10)])
            print(count / (time.monotonic() - start),
                  (time.process_time() - spent) / count, flush=True)


if __name__ == "__main__":
    if "rate" in sys.argv[2:]:
        print("0", flush=True)
        asyncio.run(rate())
    else:
        asyncio.run(everything())
        in_threads()
