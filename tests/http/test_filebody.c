/* Files as bodies: all of one, ranges, conditions. */
#include "../unit.h"
#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOST  "Host: a\r\n"
#define CLOSE "Connection: close\r\n"
#define SIZE  300000

static struct http_response_file how;
static size_t size;
static char contents[SIZE];

/* A file of `size` bytes, last changed on Sun, 06 Nov 1994 08:49:37 GMT. */
static int make_file(void)
{
    const struct timespec times[2] = {{784111777, 0}, {784111777, 0}};
    int fd = memfd_create("body", MFD_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    for (size_t i = 0; i < SIZE; i++)
        contents[i] = (char)('a' + i % 26);
    ck_assert_int_eq(write(fd, contents, size), (ssize_t)size);
    ck_assert_int_eq(futimens(fd, times), 0);
    return fd;
}

static int view(struct http_request *request, struct http_response *response)
{
    int ends[2];

    if (strcmp(http_request_path(request), "/pipe") == 0) {
        ck_assert_int_eq(pipe(ends), 0);
        close(ends[1]);
        ck_assert_int_eq(http_response_file(response, ends[0], NULL), -EINVAL);
        ck_assert_int_eq(http_response_file(response, -1, NULL), -EBADF);
        return 404;
    }
    return http_response_file(response, make_file(), &how);
}

static const char *ask(const char *verb, const char *fields)
{
    char request[1024];

    snprintf(request, sizeof request, "%s / HTTP/1.1\r\n" HOST CLOSE "%s\r\n",
             verb, fields);
    return serve_exchange(request);
}

static void begin(size_t bytes)
{
    memset(&how, 0, sizeof how);
    size = bytes;
    serve_start(view, NULL);
}

START_TEST(a_file_is_sent_as_it_is)
{
    static const size_t sizes[] = {0, 1, 1000, 16000, 17000, SIZE};
    const char *answer, *body;

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        begin(sizes[i]);
        answer = ask("GET", "");
        ck_assert_int_eq(serve_status(answer), 200);
        body = serve_body(answer);
        ck_assert_uint_eq(serve_length - (size_t)(body - answer), size);
        ck_assert_int_eq(memcmp(body, contents, size), 0);
        ck_assert_ptr_nonnull(strstr(
            answer, "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
        ck_assert_ptr_nonnull(strstr(answer, "ETag: \""));
        ck_assert_ptr_nonnull(
            strstr(answer, "Content-Type: application/octet-stream\r\n"));
        serve_stop();
    }
}
END_TEST

static const struct {
    const char *range;
    int status;
    const char *said, *body;
} ranges[] = {
    {"bytes=0-3", 206, "bytes 0-3/100", "abcd"},
    {"bytes=98-", 206, "bytes 98-99/100", "uv"},
    {"bytes=98-500", 206, "bytes 98-99/100", "uv"},
    {"bytes=-3", 206, "bytes 97-99/100", "tuv"},
    {"bytes= 1-1 , ,", 206, "bytes 1-1/100", "b"},
    {"BYTES=1-1,200-", 206, "bytes 1-1/100", "b"},
    {"bytes=-1000", 206, "bytes 0-99/100", NULL},
    {"bytes=100-", 416, "bytes */100", NULL},
    {"bytes=-0", 416, "bytes */100", NULL},
    {"bytes=3-1", 200, NULL, NULL},
    {"bytes=x", 200, NULL, NULL},
    {"bytes=1", 200, NULL, NULL},
    {"bytes=0-99,0-99", 200, NULL, NULL},
    {"lines=0-1", 200, NULL, NULL},
    {"bytes=99999999999999999999999-", 416, "bytes */100", NULL},
};

START_TEST(a_range_is_sent_alone)
{
    char field[128], said[128];
    const char *answer;

    begin(100);
    snprintf(field, sizeof field, "Range: %s\r\n", ranges[_i].range);
    answer = ask("GET", field);
    ck_assert_int_eq(serve_status(answer), ranges[_i].status);
    if (ranges[_i].said != NULL) {
        snprintf(said, sizeof said, "\r\nContent-Range: %s\r\n",
                 ranges[_i].said);
        ck_assert_ptr_nonnull(strstr(answer, said));
    }
    if (ranges[_i].body != NULL)
        ck_assert_str_eq(serve_body(answer), ranges[_i].body);
    ck_assert_int_eq(serve_status(ask("HEAD", field)), 200);
    serve_stop();
}
END_TEST

START_TEST(several_ranges_are_parts_of_one_body)
{
    char boundary[64], want[512];
    const char *answer, *at;

    begin(100);
    answer = ask("GET", "Range: bytes=0-1,50-52\r\n");
    ck_assert_int_eq(serve_status(answer), 206);
    at = strstr(answer, "Content-Type: multipart/byteranges; boundary=");
    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(sscanf(strchr(at, '=') + 1, "%63[^\r]", boundary), 1);
    snprintf(want, sizeof want,
             "\r\n--%s\r\nContent-Type: application/octet-stream\r\n"
             "Content-Range: bytes 0-1/100\r\n\r\nab"
             "\r\n--%s\r\nContent-Type: application/octet-stream\r\n"
             "Content-Range: bytes 50-52/100\r\n\r\nyza\r\n--%s--\r\n",
             boundary, boundary, boundary);
    ck_assert_str_eq(serve_body(answer), want);
    ck_assert_int_eq(
        serve_status(ask("GET", "Range: bytes=0-0,1-1,2-2,3-3,4-4,"
                                "5-5,6-6,7-7,8-8,9-9,10-10,11-11,"
                                "12-12,13-13,14-14,15-15,16-"
                                "16\r\n")),
        200);
    serve_stop();
}
END_TEST

#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define SAME   "Sun, 06 Nov 1994 08:49:37 GMT"
#define AFTER  "Monday, 07-Nov-94 08:49:37 GMT"

static const struct {
    const char *fields;
    int status, to_post;
} conditions[] = {
    {"If-None-Match: TAG\r\n", 304, 412},
    {"If-None-Match: \"x\", W/TAG\r\n", 304, 412},
    {"If-None-Match: , ,\"x\",, TAG ,\r\n", 304, 412},
    {"If-Match: ,\"x\" , , TAG,\r\n", 200, 200},
    {"If-Match: \"x\"\r\nIf-Match: TAG\r\n", 200, 200},
    {"If-None-Match: \"x\"\r\nIf-None-Match: TAG\r\n", 304, 412},
    {"If-None-Match: *\r\n", 304, 412},
    {"If-None-Match: \"x\"\r\n", 200, 200},
    {"If-None-Match: \"x\"\r\nIf-Modified-Since: " SAME "\r\n", 200, 200},
    {"If-Modified-Since: " SAME "\r\n", 304, 200},
    {"If-Modified-Since: " AFTER "\r\n", 304, 200},
    {"If-Modified-Since: " BEFORE "\r\n", 200, 200},
    {"If-Modified-Since: yesterday\r\n", 200, 200},
    {"If-Match: TAG\r\n", 200, 200},
    {"If-Match: W/TAG\r\n", 412, 412},
    {"If-Match: \"x\"\r\n", 412, 412},
    {"If-Match: *\r\n", 200, 200},
    {"If-Unmodified-Since: " BEFORE "\r\n", 412, 412},
    {"If-Unmodified-Since: Sun Nov  6 08:49:37 1994\r\n", 200, 200},
    {"Range: bytes=0-0\r\nIf-Range: TAG\r\n", 206, 200},
    {"Range: bytes=0-0\r\nIf-Range: \"x\"\r\n", 200, 200},
    {"Range: bytes=0-0\r\nIf-Range: W/TAG\r\n", 200, 200},
    {"Range: bytes=0-0\r\nIf-Range: " SAME "\r\n", 206, 200},
    {"Range: bytes=0-0\r\nIf-Range: " BEFORE "\r\n", 200, 200},
};

static const char *with_tag(const char *fields, const char *tag)
{
    static char text[512];
    const char *at = strstr(fields, "TAG");

    if (at == NULL)
        return fields;
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - fields), fields, tag,
             at + 3);
    return text;
}

START_TEST(conditions_are_looked_at)
{
    const char *answer, *fields;
    char tag[64];

    begin(100);
    answer = ask("GET", "");
    ck_assert_int_eq(sscanf(strstr(answer, "ETag: ") + 6, "%63[^\r]", tag),
                     1);
    fields = with_tag(conditions[_i].fields, tag);
    answer = ask("GET", fields);
    ck_assert_int_eq(serve_status(answer), conditions[_i].status);
    if (conditions[_i].status == 304) {
        ck_assert_str_eq(serve_body(answer), "");
        ck_assert_ptr_nonnull(strstr(answer, tag));
    }
    ck_assert_int_eq(serve_status(ask("POST", fields)),
                     conditions[_i].to_post);
    serve_stop();
}
END_TEST

START_TEST(a_view_may_do_without_conditions_and_ranges)
{
    const char *answer;

    begin(100);
    how.unconditional = how.whole = true;
    how.content_type = "text/plain";
    answer = ask("GET", "Range: bytes=0-1\r\nIf-None-Match: *\r\n");
    ck_assert_int_eq(serve_status(answer), 200);
    ck_assert_ptr_null(strstr(answer, "ETag"));
    ck_assert_ptr_null(strstr(answer, "Accept-Ranges"));
    ck_assert_ptr_nonnull(strstr(answer, "Content-Type: text/plain\r\n"));
    serve_stop();
}
END_TEST

START_TEST(what_is_no_regular_file_is_refused)
{
    begin(0);
    ck_assert_int_eq(serve_status(serve_exchange(
                         "GET /pipe HTTP/1.1\r\n" HOST CLOSE "\r\n")),
                     404);
    serve_stop();
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_file_is_sent_as_it_is);
    tcase_add_loop_test(tcase, a_range_is_sent_alone, 0,
                        sizeof ranges / sizeof *ranges);
    tcase_add_test(tcase, several_ranges_are_parts_of_one_body);
    tcase_add_loop_test(tcase, conditions_are_looked_at, 0,
                        sizeof conditions / sizeof *conditions);
    tcase_add_test(tcase, a_view_may_do_without_conditions_and_ranges);
    tcase_add_test(tcase, what_is_no_regular_file_is_refused);
    return unit_run("filebody", tcase);
}
