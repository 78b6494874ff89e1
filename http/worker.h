/* worker.h - a worker, from within its process */
#ifndef HTTP_WORKER_H
#define HTTP_WORKER_H

#include "http/listeners.h"
#include "http/master.h"

#include <signal.h>
#include <sys/types.h>

/* Bytes on the channel between a worker and its master. */
enum http__word {
    HTTP__WORD_READY = 'R', /* it accepts */
    HTTP__WORD_LEAVE = 'L', /* it wants to end, and accepts until it may */
    HTTP__WORD_STOP = 'S'   /* it may */
};

/* What a worker's process is told by fork(). */
struct http__process {
    unsigned index, processes, hubs;
    struct http__listeners *listeners; /* all; others are closed */
    int channel;
    pid_t master;
    int64_t drain_ns;
    int (*run)(struct http_worker *worker, void *arg);
    void *arg;
};

/* When the master dies, be killed so long after, and some: see orphan.c.  Without
 * the memory for a timer all is as if it had not been called. */
void http__orphan_prepare(pid_t master, int64_t drain_ns);
/* A program that a master has started gets SIGTERM when that dies, also when it is
 * stopped (SIGSTOP). */
void http__orphan_program(pid_t master);
/* It is dead: the time begins. */
void http__orphan_begin(void);

/* Be a worker until it ends; signals are blocked, and get `mask` back when it
 * can take them.  Returns what run() did, 0 or negative. */
int http__worker_be(const struct http__process *process, const sigset_t *mask);

#endif
