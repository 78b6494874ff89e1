#include "blog.h"

/* One command, and one at a time of all who start now. */
static const char schema[] =
    "DO $$ BEGIN "
    "PERFORM pg_advisory_xact_lock(1886);"
    "CREATE TABLE IF NOT EXISTS users ("
    "  id bigserial PRIMARY KEY, name text UNIQUE NOT NULL,"
    "  salt text NOT NULL, hash text NOT NULL);"
    "CREATE TABLE IF NOT EXISTS posts ("
    "  id bigserial PRIMARY KEY, author bigint NOT NULL REFERENCES users,"
    "  title text NOT NULL, body text NOT NULL, key text,"
    "  created timestamptz NOT NULL DEFAULT now(), UNIQUE (author, key));"
    "CREATE TABLE IF NOT EXISTS comments ("
    "  id bigserial PRIMARY KEY,"
    "  post bigint NOT NULL REFERENCES posts ON DELETE CASCADE,"
    "  author bigint NOT NULL REFERENCES users, body text NOT NULL, key text,"
    "  created timestamptz NOT NULL DEFAULT now(), UNIQUE (author, key));"
    "CREATE TABLE IF NOT EXISTS mails ("
    "  comment bigint PRIMARY KEY, reader text NOT NULL, body text NOT NULL);"
    "END $$";

int blog_make_tables(void)
{
    PGresult *rows;
    int rc = pq_ask(blog_database, &rows, schema, 0, NULL);

    if (rc == 0)
        PQclear(rows);
    return rc;
}
