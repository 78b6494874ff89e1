/* accesslog.h - a line for each request, in a file
 *
 * Lines are gathered in memory and written by a thread of the hub's pool: the
 * disk never holds up a request.  A log belongs to the hub that it was opened
 * in; several logs, of several hubs and processes, may share one file.  What
 * cannot be written (a full disk) is lost and counted, and standard error gets
 * a line about it, at most one in ten seconds; requests go on. */
#ifndef VIREO_ACCESSLOG_H
#define VIREO_ACCESSLOG_H

#include "http/view.h"

#ifdef __cplusplus
extern "C" {
#endif

struct http_accesslog;

enum http_accesslog_format {
    HTTP_ACCESSLOG_COMBINED, /* with Referer and User-Agent */
    HTTP_ACCESSLOG_COMMON    /* Common Log Format */
};

/* All zero stands for the defaults. */
struct http_accesslog_options {
    enum http_accesslog_format format;
    size_t buffer;    /* write when so many bytes are there; 0: 64 KiB */
    size_t limit;     /* lines beyond so many unwritten bytes are lost;
                         0: 4 MiB */
    int64_t flush_ns; /* or so long after the first; 0: 1 s */
};

/* Append to a file, which is made if it is not there (mode 0644); "-" is
 * standard output.  options may be NULL. Ownership: *log is given
 * (http_accesslog_close()); path and options are copied. Returns 0, the
 * negative errno of open(), -ENOMEM. */
HTTP_API int http_accesslog_open(const char *path,
                                 const struct http_accesslog_options *options,
                                 struct http_accesslog **log);

/* Open the path anew, as log rotation wants it: what was logged before goes to
 * the old file, what comes next to the new one.  It is done by the log's own
 * greenlet; a file that cannot be opened leaves the old one in use, and
 * standard error gets a line. */
HTTP_API void http_accesslog_reopen(struct http_accesslog *log);

/* Wait until all lines so far are written, or lost.  Switches.
 * Returns 0, or why the wait ended early. */
HTTP_API int http_accesslog_flush(struct http_accesslog *log,
                                  int64_t deadline_ns);

/* Lines that are lost, since it was opened. */
HTTP_API uint64_t http_accesslog_lost(const struct http_accesslog *log);

/* Write what is left and close it.  NULL: nothing.  Not a cancellation point.
 * Switches. */
HTTP_API void http_accesslog_close(struct http_accesslog *log);

#ifdef __cplusplus
}
#endif
#endif
