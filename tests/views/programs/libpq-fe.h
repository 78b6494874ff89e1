/* libpq-fe.h - a stand-in for libpq's, with what the program of V-00 calls */
#ifndef LIBPQ_FE_H
#define LIBPQ_FE_H

typedef struct pg_conn PGconn;
typedef struct pg_result PGresult;
typedef unsigned int Oid;
enum { PGRES_TUPLES_OK = 2 };

PGresult *PQexecParams(PGconn *connection, const char *command, int count,
                       const Oid *types, const char *const *values,
                       const int *lengths, const int *formats, int format);
int PQresultStatus(const PGresult *result);
int PQntuples(const PGresult *result);
char *PQgetvalue(const PGresult *result, int row, int column);
void PQclear(PGresult *result);

#endif
