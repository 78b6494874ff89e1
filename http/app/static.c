/* static.c - files below a folder, and none that is not (V-32) */
#include "http/app/app_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* O_NONBLOCK: a fifo has no reader, and we do not wait for one. */
#define FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* ---- without openat2(): step by step, and no link at all ---- */

static int open_step(int folder, const char *name, size_t length, bool last)
{
    char step[NAME_MAX + 1];

    if (length > NAME_MAX)
        return -ENOENT;
    memcpy(step, name, length);
    step[length] = '\0';
    if (strcmp(step, "..") == 0)
        return -EXDEV;
    folder =
        openat(folder, step,
               O_NOFOLLOW | (last ? FLAGS : O_PATH | O_DIRECTORY | O_CLOEXEC));
    return folder < 0 ? -errno : folder;
}

static int open_by_steps(int folder, const char *name)
{
    int at = folder, next;

    for (;;) {
        size_t length = strcspn(name, "/");
        bool last = name[length] == '\0';

        next = length > 0 ? open_step(at, name, length, last) : -ENOENT;
        if (at != folder)
            close(at);
        if (next < 0 || last)
            return next;
        at = next;
        name += length + 1;
    }
}

static int open_beneath(int folder, const char *name)
{
    const struct open_how how = {
        .flags = FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    long fd = -1;

#ifdef VIREO_TEST_HOOKS
    if (http__test_without_openat2)
        return open_by_steps(folder, name);
#endif
    fd = syscall(SYS_openat2, folder, name, &how, sizeof how);
    if (fd >= 0)
        return (int)fd;
    return errno == ENOSYS || errno == EPERM ? open_by_steps(folder, name)
                                             : -errno;
}

#ifdef VIREO_TEST_HOOKS
bool http__test_without_openat2;
#endif

/* ---- sending ---- */

/* Whether it is not there, not a file or not for us is nobody's business. */
static bool is_nowhere(int rc)
{
    return rc == -ENOENT || rc == -EXDEV || rc == -ELOOP || rc == -ENOTDIR ||
           rc == -EACCES || rc == -ENAMETOOLONG || rc == -EISDIR ||
           rc == -ENXIO || rc == -EAGAIN;
}

/* Only of a regular file. */
static int open_file(int folder, const char *name)
{
    int fd = open_beneath(folder, name);
    struct stat status;

    if (fd >= 0 && (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))) {
        close(fd);
        return -ENOENT;
    }
    return fd;
}

int http_response_send_from(struct http_response *response, const char *folder,
                            const char *name)
{
    struct http_response_file how = {0};
    int saved = errno, at, rc;

    if (name == NULL)
        return -EINVAL;
    if (*name == '\0' || *name == '/')
        return 404;
    at = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    rc = at < 0 ? -errno : open_file(at, name);
    if (at >= 0) {
        close(at);
        how.content_type = http__mime_type(name);
        if (rc >= 0)
            rc = http_response_file(response, rc, &how);
        else if (is_nowhere(rc))
            rc = 404;
    }
    errno = saved;
    return rc;
}

/* ---- as a rule ---- */

static int call_static(const struct http_view *view,
                       struct http_request *request,
                       struct http_response *response)
{
    return http_response_send_from(response, view->data,
                                   http_request_path_arg(request, "name"));
}

int http_app_static(struct http_app *app, const char *prefix,
                    const char *folder)
{
    char *copy = http__arena_copy(&app->arena, folder, strlen(folder));
    size_t length = strlen(prefix);
    char *rule = http__arena_alloc(&app->arena, length + sizeof "/<path:name>");
    struct http_app_route route = {.endpoint = "static"};

    if (copy == NULL || rule == NULL)
        return http__app_fail(app, -ENOMEM, prefix, NULL);
    while (length > 0 && prefix[length - 1] == '/')
        length--;
    memcpy(rule, prefix, length);
    strcpy(rule + length, "/<path:name>");
    route.rule = rule;
    route.view = (struct http_view){call_static, NULL, copy};
    return http_app_route_with(app, &route);
}
