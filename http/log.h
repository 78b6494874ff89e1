/* log.h - lines of the access log (accesslog.h) */
#ifndef HTTP_LOG_H
#define HTTP_LOG_H

#include "http/accesslog.h"

#include <time.h>

/* Bytes that somebody else holds; data NULL: none, "-" in the log. */
struct http__log_text {
    const char *data;
    size_t size;
};

/* One request.  What a client sent goes in as it is: it is escaped here. */
struct http__log_entry {
    const char *client;         /* its address; NULL: "-" */
    struct http__log_text user; /* that it authenticated as */
    const char *verb, *target;  /* with `minor`: the request line; or NULL */
    int minor;
    struct http__log_text line; /* as it came, if it was no good */
    struct http__log_text referer, agent;
    int status;
    int64_t bytes; /* of the body that were sent; 0 is "-" */
    time_t time;   /* when it came */
};

/* Add a line.  Does not switch, and never fails. */
void http__log_write(struct http_accesslog *log,
                     const struct http__log_entry *entry);

/* One line, with its newline; at most `size` bytes: what is too long is cut
 * within its quoted fields.  Returns its length.  size is HTTP__LOG_LINE or
 * more. */
enum { HTTP__LOG_LINE = 8192 };
size_t http__log_format(char *line, size_t size,
                        enum http_accesslog_format format,
                        const struct http__log_entry *entry, const char *stamp);

#endif
