/* log.c - the access log
 *
 * Lines go to one buffer while a thread of the hub's pool writes the other.  A
 * greenlet is there for that only while there is something to write.  `job` is
 * the thread's while it writes, and the greenlet's otherwise. */
#include "http/log.h"
#include "http/memory.h"

#include "hub/event.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER      (64 * 1024)
#define LIMIT       (4 * 1024 * 1024)
#define PATIENCE_MS 1000 /* for a pipe or terminal that takes nothing */
#define QUIET_NS    (10 * HUB_SECOND)

struct buffer {
    char *data;
    size_t size, room;
};

struct job {
    struct buffer buffer;
    bool reopen;
    uint64_t lost; /* when it began; then with what it lost */
    /* of the thread, from one job to the next */
    int fd;
    bool torn; /* the last line is not complete: a new one begins behind it */
    uint64_t told; /* lines that a complaint has named */
    int64_t complained;
};

struct http_accesslog {
    char *path; /* "-": standard output */
    struct http_accesslog_options options;
    struct buffer filling;
    uint64_t lost;
    bool reopen, busy, ends; /* busy: the greenlet is there */
    uint64_t added, done;    /* bytes */
    struct hub_event kick, progress;
    struct job job;
    time_t stamp_of;
    char stamp[32];
};

/* ---- lines ---- */

/* At `at`, not beyond `end`; as Apache does it: no quote, no control and no
 * byte beyond ASCII is left that could end a field or a line. */
static char *escape(char *at, const char *end, struct http__log_text text,
                    bool word)
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0; i < text.size && end - at >= 4; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (c == '"' || c == '\\') {
            *at++ = '\\';
            *at++ = (char)c;
        } else if (c < ' ' || c >= 127 || (word && c == ' ')) {
            *at++ = '\\';
            *at++ = 'x';
            *at++ = hex[c >> 4];
            *at++ = hex[c & 15];
        } else {
            *at++ = (char)c;
        }
    }
    return at;
}

static char *put(char *at, const char *text)
{
    size_t size = strlen(text);

    memcpy(at, text, size);
    return at + size;
}

static char *quote(char *at, const char *end, struct http__log_text text)
{
    *at++ = '"';
    if (text.data == NULL)
        *at++ = '-';
    else
        at = escape(at, end, text, false);
    *at++ = '"';
    return at;
}

static char *quote_line(char *at, const char *end,
                        const struct http__log_entry *entry)
{
    struct http__log_text verb = {entry->verb, 0};
    struct http__log_text target = {entry->target, 0};

    if (entry->verb == NULL || entry->target == NULL)
        return quote(at, end, entry->line);
    verb.size = strlen(entry->verb);
    target.size = strlen(entry->target);
    *at++ = '"';
    at = escape(at, end, verb, true);
    *at++ = ' ';
    at = escape(at, end, target, true);
    at = put(at, " HTTP/1.");
    *at++ = (char)('0' + entry->minor % 10);
    *at++ = '"';
    return at;
}

/* Client and user: short, or cut. */
static char *put_who(char *at, const struct http__log_entry *entry)
{
    struct http__log_text client = {entry->client, 0};

    if (entry->client == NULL || entry->client[0] == '\0') {
        *at++ = '-';
    } else {
        client.size = strlen(entry->client);
        at = escape(at, at + 512, client, true);
    }
    at = put(at, " - ");
    if (entry->user.data == NULL || entry->user.size == 0)
        *at++ = '-';
    else
        at = escape(at, at + 512, entry->user, true);
    return at;
}

size_t http__log_format(char *line, size_t size,
                        enum http_accesslog_format format,
                        const struct http__log_entry *entry, const char *stamp)
{
    const char *end = line + size - 64; /* quotes, newline, status, bytes */
    char *at = put_who(line, entry);

    *at++ = ' ';
    at = put(at, stamp);
    *at++ = ' ';
    /* What comes first leaves something to what comes behind it. */
    at = quote_line(at, at + (end - at) / 2, entry);
    if (entry->bytes > 0)
        at += snprintf(at, 40, " %d %lld", entry->status,
                       (long long)entry->bytes);
    else
        at += snprintf(at, 40, " %d -", entry->status);
    if (format == HTTP_ACCESSLOG_COMBINED) {
        *at++ = ' ';
        at = quote(at, at + (end - at) / 2, entry->referer);
        *at++ = ' ';
        at = quote(at, end, entry->agent);
    }
    *at++ = '\n';
    return (size_t)(at - line);
}

/* "[10/Oct/2000:13:55:36 -0700]", in English whatever the locale is. */
static void make_stamp(struct http_accesslog *log, time_t now)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm t;
    long zone;
    char sign;

    if (now == log->stamp_of)
        return;
    localtime_r(&now, &t);
    sign = t.tm_gmtoff < 0 ? '-' : '+';
    zone = labs(t.tm_gmtoff) / 60;
    snprintf(log->stamp, sizeof log->stamp,
             "[%02u/%.3s/%04u:%02u:%02u:%02u %c%02u%02u]",
             (unsigned)t.tm_mday % 100, months + t.tm_mon % 12 * 3,
             (unsigned)(t.tm_year + 1900) % 10000, (unsigned)t.tm_hour % 100,
             (unsigned)t.tm_min % 100, (unsigned)t.tm_sec % 100, sign,
             (unsigned)(zone / 60) % 100, (unsigned)(zone % 60));
    log->stamp_of = now;
}

/* ---- in a thread of the pool ---- */

/* All of it, but for a pipe that takes nothing for a while.  Returns how much,
 * and why not more in *error. */
static size_t write_all(int fd, const char *data, size_t size, int *error)
{
    struct pollfd full = {.fd = fd, .events = POLLOUT};
    size_t at = 0;

    *error = 0;
    while (at < size) {
        ssize_t done = write(fd, data + at, size - at);

        if (done > 0) {
            at += (size_t)done;
        } else if (done == 0 || (errno != EINTR && errno != EAGAIN)) {
            *error = done == 0 ? EIO : errno;
            break;
        } else if (errno == EAGAIN && poll(&full, 1, PATIENCE_MS) == 0) {
            *error = EAGAIN;
            break;
        }
    }
    return at;
}

static uint64_t count_lines(const char *data, size_t size)
{
    uint64_t count = 0;

    for (const char *end = data + size; data < end; count++, data++) {
        data = memchr(data, '\n', (size_t)(end - data));
        if (data == NULL)
            break;
    }
    return count;
}

static int write_job(struct job *job)
{
    size_t done;
    int error = 0;

    if (job->buffer.size == 0)
        return 0;
    if (job->torn && write_all(job->fd, "\n", 1, &error) == 1)
        job->torn = false;
    done = error == 0
               ? write_all(job->fd, job->buffer.data, job->buffer.size, &error)
               : 0;
    if (done > 0)
        job->torn = job->buffer.data[done - 1] != '\n';
    job->lost += count_lines(job->buffer.data + done, job->buffer.size - done);
    return error;
}

static int open_path(const char *path)
{
    if (strcmp(path, "-") == 0)
        return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY,
                0644);
}

static int reopen_job(struct job *job, const char *path)
{
    int fd = open_path(path);

    if (fd < 0)
        return errno;
    close(job->fd);
    job->fd = fd;
    job->torn = false;
    return 0;
}

/* One line, seldom: what standard error leads to may be as full. */
static void complain(struct job *job, const char *path, int error)
{
    int64_t now = hub_now();

    if (error == 0 && job->lost == job->told)
        return;
    if (job->complained != 0 && now - job->complained < QUIET_NS)
        return;
    dprintf(STDERR_FILENO, "vireo: access log %s: %s; %llu lines lost\n", path,
            error != 0 ? strerror(error) : "more lines than can be written",
            (unsigned long long)job->lost);
    job->complained = now;
    job->told = job->lost;
}

static void work(void *arg)
{
    struct http_accesslog *log = arg;
    struct job *job = &log->job;
    sigset_t ours, before;
    int error, then;

    sigemptyset(&ours); /* a pipe without a reader, a file at its limit */
    sigaddset(&ours, SIGPIPE);
    sigaddset(&ours, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &ours, &before);
    error = write_job(job);
    then = job->reopen ? reopen_job(job, log->path) : 0;
    complain(job, log->path, error != 0 ? error : then);
    while (sigtimedwait(&ours, NULL, &(struct timespec){0, 0}) > 0)
        ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- the greenlet ---- */

static void begin_job(struct http_accesslog *log)
{
    struct buffer free_one = log->job.buffer;

    free_one.size = 0;
    log->job.buffer = log->filling;
    log->filling = free_one;
    log->job.reopen = log->reopen;
    log->job.lost = log->lost;
    log->reopen = false;
}

static void end_job(struct http_accesslog *log, uint64_t lost_before)
{
    struct buffer *buffer = &log->job.buffer;

    log->lost += log->job.lost - lost_before;
    log->job.reopen = false;
    log->done += buffer->size;
    buffer->size = 0;
    if (buffer->room > 4 * log->options.buffer) { /* a flood is over */
        free(buffer->data);
        *buffer = (struct buffer){NULL, 0, 0};
    }
    hub_event_set(&log->progress);
    hub_event_clear(&log->progress);
}

static void write_out(struct http_accesslog *log)
{
    struct hub_shield shield;
    uint64_t lost;

    begin_job(log);
    lost = log->job.lost;
    hub_shield_begin(&shield);
    if (hub_offload(work, log) < 0) /* no thread: this one, then */
        work(log);
    hub_shield_end(&shield);
    end_job(log, lost);
}

static void keep_writing(void *arg)
{
    struct http_accesslog *log = arg;
    int rc;

    do {
        rc = hub_event_wait(&log->kick, hub_deadline(log->options.flush_ns));
        hub_event_clear(&log->kick);
        write_out(log);
    } while ((rc == 0 || rc == -ETIMEDOUT) && !log->ends &&
             (log->filling.size > 0 || log->reopen));
    log->busy = false;
    hub_event_set(&log->progress);
    hub_event_clear(&log->progress);
}

static int start_writing(struct http_accesslog *log)
{
    struct greenlet *g;

    if (log->busy)
        return 0;
    g = hub_spawn_raw(keep_writing, log);
    if (g == NULL)
        return -ENOMEM; /* the next line tries again */
    greenlet_set_name(g, "access log");
    greenlet_unref(g);
    log->busy = true;
    return 0;
}

/* ---- adding ---- */

static bool make_room(struct http_accesslog *log)
{
    struct buffer *buffer = &log->filling;
    size_t wanted = buffer->size + HTTP__LOG_LINE, room = buffer->room;
    char *data;

    if (wanted <= room)
        return true;
    if (wanted > log->options.limit)
        return false;
    if (room == 0)
        room = log->options.buffer;
    while (room < wanted)
        room *= 2;
    data = http__realloc(buffer->data, room);
    if (data == NULL)
        return false;
    buffer->data = data;
    buffer->room = room;
    return true;
}

void http__log_write(struct http_accesslog *log,
                     const struct http__log_entry *entry)
{
    struct buffer *buffer = &log->filling;
    size_t size;

    if (!make_room(log)) {
        log->lost++;
        start_writing(log);
        return;
    }
    make_stamp(log, entry->time);
    size = http__log_format(buffer->data + buffer->size, HTTP__LOG_LINE,
                            log->options.format, entry, log->stamp);
    buffer->size += size;
    log->added += size;
    if (start_writing(log) == 0 && buffer->size >= log->options.buffer)
        hub_event_set(&log->kick);
}

/* ---- the log ---- */

static void set_defaults(struct http_accesslog_options *options)
{
    if (options->buffer == 0)
        options->buffer = BUFFER;
    if (options->limit == 0)
        options->limit = LIMIT;
    if (options->limit < options->buffer + HTTP__LOG_LINE)
        options->limit = options->buffer + HTTP__LOG_LINE;
    if (options->flush_ns == 0)
        options->flush_ns = HUB_SECOND;
}

int http_accesslog_open(const char *path,
                        const struct http_accesslog_options *options,
                        struct http_accesslog **log)
{
    struct http_accesslog *made = http__calloc(1, sizeof *made);
    int rc = 0;

    if (made == NULL)
        return -ENOMEM;
    made->path = http__strdup(path);
    if (made->path == NULL)
        rc = -ENOMEM;
    if (options != NULL)
        made->options = *options;
    set_defaults(&made->options);
    made->stamp_of = -1;
    if (rc == 0) {
        made->job.fd = open_path(path);
        if (made->job.fd < 0)
            rc = -errno;
    }
    if (rc == 0) {
        *log = made;
        return 0;
    }
    free(made->path);
    free(made);
    return rc;
}

void http_accesslog_reopen(struct http_accesslog *log)
{
    log->reopen = true;
    if (start_writing(log) == 0)
        hub_event_set(&log->kick);
}

int http_accesslog_flush(struct http_accesslog *log, int64_t deadline_ns)
{
    uint64_t wanted = log->added;
    int rc = 0;

    while (rc == 0 && (log->done < wanted || log->reopen || log->job.reopen)) {
        rc = start_writing(log);
        if (rc == 0)
            rc = hub_event_set(&log->kick);
        if (rc == 0)
            rc = hub_event_wait(&log->progress, deadline_ns);
    }
    return rc;
}

uint64_t http_accesslog_lost(const struct http_accesslog *log)
{
    return log->lost;
}

/* Whatever was said last: this is the count. */
static void say_rest(const struct http_accesslog *log)
{
    if (log->lost != log->job.told)
        dprintf(STDERR_FILENO,
                "vireo: access log %s is closed; %llu lines lost\n", log->path,
                (unsigned long long)log->lost);
}

void http_accesslog_close(struct http_accesslog *log)
{
    struct hub_shield shield;

    if (log == NULL)
        return;
    hub_shield_begin(&shield);
    log->ends = true;
    while (log->busy) {
        hub_event_set(&log->kick);
        if (hub_event_wait(&log->progress, HUB_FOREVER) < 0)
            hub_yield();
    }
    if (log->filling.size > 0)
        write_out(log);
    hub_shield_end(&shield);
    say_rest(log);
    close(log->job.fd);
    free(log->filling.data);
    free(log->job.buffer.data);
    free(log->path);
    free(log);
}
