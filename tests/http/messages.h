/* messages.h - messages, and what is to become of them
 *
 * Each with the clause that decides it: one of RFC 9112, where no other is
 * named. */
#ifndef HTTP_TESTS_MESSAGES_H
#define HTTP_TESTS_MESSAGES_H

#include <stddef.h>

/* A head, or a trailer: accepted (1), or the status that it gets, negated. */
struct message {
    const char *clause;
    int result;
    const char *text;
    size_t size;
};

/* A body in chunks. */
struct body {
    const char *clause;
    int result; /* HTTP__CHUNKS_MORE: it goes on; 2: complete; a status, negated
                 */
    const char *text;
    size_t size;
    const char *data;
};

extern const struct message messages_heads[], messages_trailers[];
extern const size_t messages_heads_count, messages_trailers_count;
extern const struct body messages_bodies[];
extern const size_t messages_bodies_count;

#endif
