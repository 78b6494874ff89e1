/* pools.h - PostgreSQL and Redis by their blocking drivers, for views
 *
 * A pool each, and one question at a time: a connection is taken, asked, and given
 * back.  The calls block in libpq and hiredis, and suspend the greenlet alone: the
 * program is linked to the preload library, or started by `vireo run`.
 *
 * Errors of all: -EHOSTDOWN the server is away, or went away in the middle: nobody
 * knows what came of the question; -ETIMEDOUT no connection was free in time;
 * -ECANCELED the caller was killed. */
#ifndef POOLS_H
#define POOLS_H

#include <vireo/hub.h>

#include <hiredis/hiredis.h>
#include <libpq-fe.h>

/* At most `size` connections to the server that conninfo names, which stays the
 * caller's.  Returns 0, -ENOMEM. */
int pq_pool(const char *conninfo, unsigned size, struct hub_connpool **pool);

/* Ask; the values are texts for $1, $2 ..., NULL among them is SQL's.
 * Ownership: *rows is given (PQclear()), if 0 is returned.
 * Returns 0; -EEXIST: a row like that is there already; -EIO: the server did not like
 * the command, and a line says why; those above. */
int pq_ask(struct hub_connpool *pool, PGresult **rows, const char *command,
           int count, const char *const *values);

/* At most `size` connections to "HOST:PORT", which stays the caller's.
 * Returns 0, -ENOMEM. */
int redis_pool(const char *where, unsigned size, struct hub_connpool **pool);

/* Ask, with a format as redisCommand() has it.
 * Ownership: *reply is given (freeReplyObject()), if 0 is returned.
 * Returns 0; -EIO: Redis did not like the command, and a line says why; those
 * above. */
int redis_ask(struct hub_connpool *pool, redisReply **reply, const char *format,
              ...);

/* The same without a reply. */
int redis_tell(struct hub_connpool *pool, const char *format, ...);

#endif
