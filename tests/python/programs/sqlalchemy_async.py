"""SQLAlchemy's asyncio extension: its drivers' awaits are made in greenlets.  The
URL of the database is the second argument."""
from common import COUNT, check

import asyncio
import sys

from sqlalchemy import Column, Integer, String, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import declarative_base, sessionmaker
from sqlalchemy.util import greenlet_spawn, await_only

Base = declarative_base()


class Row(Base):
    __tablename__ = "rows"
    id = Column(Integer, primary_key=True)
    name = Column(String(50))


def in_greenlet(number):
    total = 0
    for i in range(10):
        await_only(asyncio.sleep(0))
        total += i
    if number % 10 == 3:
        raise ValueError(number)
    return number + total


async def many(session_of):
    async def one(number):
        async with session_of() as session:
            async with session.begin():
                session.add(Row(id=number, name="name %d" % number))
            found = await session.execute(select(Row).where(Row.id == number))
            return found.scalar_one().name
    names = [await one(n) for n in range(COUNT)]
    check(names == ["name %d" % n for n in range(COUNT)])
    async with session_of() as session:
        rows = (await session.execute(select(Row))).scalars().all()
        check(len(rows) == COUNT, len(rows))


async def main():
    results = await asyncio.gather(
        *(greenlet_spawn(in_greenlet, n) for n in range(COUNT)),
        return_exceptions=True)
    check(all(isinstance(r, ValueError) if n % 10 == 3 else r == n + 45
              for n, r in enumerate(results)))
    engine = create_async_engine(sys.argv[2])
    async with engine.begin() as conn:
        await conn.run_sync(Base.metadata.create_all)
    await many(sessionmaker(engine, class_=AsyncSession,
                            expire_on_commit=False))
    await engine.dispose()


asyncio.run(main())
print("ok")
