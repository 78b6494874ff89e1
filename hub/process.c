/* process.c - child processes with pipes */
#include "hub/process_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

/* ---- which file to run ---- */

static const char *path_of(const char *const *env)
{
    for (; *env != NULL; env++)
        if (strncmp(*env, "PATH=", 5) == 0)
            return *env + 5;
    return "/bin:/usr/bin";
}

/* folder/name for each folder of the path, in one piece of memory. */
static char **candidates(const char *name, const char *path)
{
    size_t count = 2, length = strlen(name) + 2, size;
    char **list, *text;

    if (strchr(name, '/') != NULL)
        path = "";
    for (const char *c = path; *c != '\0'; c++)
        count += *c == ':';
    size = (count + 1) * sizeof *list;
    list = greenlet__malloc(size + strlen(path) + count * length);
    if (list == NULL)
        return NULL;
    text = (char *)list + size;
    count = 0;
    do {
        size_t folder = strcspn(path, ":");

        list[count++] = text;
        memcpy(text, path, folder);
        text += folder;
        if (folder > 0)
            *text++ = '/';
        text = stpcpy(text, name) + 1;
        path += folder;
    } while (*path++ == ':');
    list[count] = NULL;
    return list;
}

/* ---- standard descriptors ---- */

struct pipes {
    int child[3], parent[3];
    bool made[3]; /* child[i] is ours to close */
};

static void close_all(int fds[3], const bool made[3])
{
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0 && (made == NULL || made[i]))
            close(fds[i]);
}

static int make_pipe(struct pipes *pipes, int i)
{
    int ends[2], ours = i == 0;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    fcntl(ends[ours], F_SETFL, O_NONBLOCK | (ours ? O_WRONLY : O_RDONLY));
    pipes->parent[i] = ends[ours];
    pipes->child[i] = ends[!ours];
    pipes->made[i] = true;
    return 0;
}

/* Programs do not expect a pipe that does not block, and the flag is not the
 * descriptor's but the file's: opened again, it has one of its own. */
static void give_fd(struct pipes *pipes, int i, int fd)
{
    int flags = fcntl(fd, F_GETFL), copy;
    struct stat status;
    char path[32];

    pipes->child[i] = fd;
    if (flags < 0 || !(flags & O_NONBLOCK) || fstat(fd, &status) < 0 ||
        !S_ISFIFO(status.st_mode))
        return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    copy = open(path, (flags & O_ACCMODE) | O_CLOEXEC);
    if (copy < 0)
        return;
    pipes->child[i] = copy;
    pipes->made[i] = true;
}

static int prepare(struct pipes *pipes, int i, int wanted)
{
    if (wanted == HUB_PROCESS_PIPE)
        return make_pipe(pipes, i);
    if (wanted == HUB_PROCESS_NULL) {
        pipes->child[i] =
            open("/dev/null", (i == 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
        pipes->made[i] = true;
        return pipes->child[i] < 0 ? -errno : 0;
    }
    if (wanted == HUB_PROCESS_OUT && i == 2) {
        pipes->child[2] = pipes->child[1] >= 0 ? pipes->child[1] : 1;
        return 0;
    }
    if (wanted < 0)
        return -EINVAL;
    if (wanted > 0)
        give_fd(pipes, i, wanted);
    return 0;
}

static int open_pipes(struct pipes *pipes,
                      const struct hub_process_options *options)
{
    const int wanted[3] = { options->in, options->out, options->err };
    int rc = 0;

    for (int i = 0; i < 3; i++) {
        pipes->child[i] = pipes->parent[i] = -1;
        pipes->made[i] = false;
    }
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = prepare(pipes, i, wanted[i]);
    if (rc < 0) {
        close_all(pipes->child, pipes->made);
        close_all(pipes->parent, NULL);
    }
    return rc;
}

/* ---- spawn ---- */

static void drop(struct hub_process *process)
{
    if (--process->refs > 0)
        return;
    if (process->child != NULL)
        hub__child_drop(process->child);
    free(process->in_data);
    free(process->out.data);
    free(process->err.data);
    free(process);
}

static void call_link(void *arg)
{
    struct hub__process_link *link = arg;

    if (!link->process->closed)
        link->function(link->process, link->arg);
    drop(link->process);
    free(link);
}

static void call_soon(struct hub__process_link *link)
{
    link->process->refs++;
    if (hub_call_soon(call_link, link) == NULL)
        call_link(link); /* at once, better than never */
}

/* In the greenlet that watches the child. */
static void on_end(void *arg, bool ended)
{
    struct hub_process *process = arg;
    struct hub__process_link *link, *next;

    for (link = process->links; link != NULL; link = next) {
        next = link->next;
        if (ended)
            call_soon(link);
        else
            free(link);
    }
    process->links = NULL;
    process->watched = false;
    drop(process);
}

static pid_t launch(const struct hub_process_options *options,
                    const struct pipes *pipes)
{
    struct hub__launch launch = { .options = options };
    pid_t pid = -ENOMEM;

    launch.env = options->env != NULL
                     ? options->env
                     : (const char *const *)(uintptr_t)environ;
    memcpy(launch.fds, pipes->child, sizeof launch.fds);
    launch.files =
        candidates(options->file != NULL ? options->file : options->argv[0],
                   path_of(launch.env));
    if (launch.files != NULL)
        pid = hub__launch(&launch);
    free(launch.files);
    return pid;
}

static int check(const struct hub_process_options *options)
{
    if (options->argv == NULL || options->argv[0] == NULL)
        return -EINVAL;
    for (size_t i = 0; i < options->pass_count; i++)
        if (options->pass_fds[i] < 0)
            return -EINVAL;
    return 0;
}

/* The child runs: nothing may fail from here on but for memory. */
static int adopt(struct hub_process *process, pid_t pid)
{
    process->pid = pid;
    process->refs = 2;
    process->watched = true;
    process->child = hub__child_watch(pid, true, on_end, process);
    if (process->child != NULL)
        return 0;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return -ENOMEM;
}

int hub_process_spawn(const struct hub_process_options *options,
                      struct hub_process **out)
{
    struct hub_process *process;
    struct pipes pipes;
    pid_t pid;
    int rc = check(options);

    if (rc < 0)
        return rc;
    process = hub__get() != NULL ? greenlet__calloc(1, sizeof *process) : NULL;
    if (process == NULL)
        return -ENOMEM;
    process->hub = hub__get();
    rc = open_pipes(&pipes, options);
    if (rc < 0)
        goto undo;
    pid = launch(options, &pipes);
    close_all(pipes.child, pipes.made);
    rc = pid < 0 ? pid : adopt(process, pid);
    if (rc < 0) {
        close_all(pipes.parent, NULL);
        goto undo;
    }
    memcpy(process->fds, pipes.parent, sizeof process->fds);
    *out = process;
    return 0;
undo:
    free(process);
    return rc;
}

void hub__process_close(struct hub_process *process, int which)
{
    int fd = process->fds[which];

    if (fd < 0)
        return;
    process->fds[which] = -1;
    hub_fd_closed(fd);
    close(fd);
}

void hub_process_unref(struct hub_process *process)
{
    struct hub__process_link *link, *next;

    process->closed = true;
    for (link = process->links; link != NULL; link = next) {
        next = link->next;
        free(link);
    }
    process->links = NULL;
    for (int i = 0; i < 3; i++)
        hub__process_close(process, i);
    hub__process_stop_talking(process);
    drop(process);
}

void hub__process_ref(struct hub_process *process)
{
    process->refs++;
}

void hub__process_drop(struct hub_process *process)
{
    drop(process);
}

/* ---- looking, waiting, signals ---- */

int hub__process_check(const struct hub_process *process)
{
    return process->hub == hub__peek()
               ? 0
               : hub__fail_owner("the process", process->hub);
}

pid_t hub_process_pid(const struct hub_process *process)
{
    return process->pid;
}

int hub_process_in(const struct hub_process *process)
{
    return process->fds[0];
}

int hub_process_out(const struct hub_process *process)
{
    return process->fds[1];
}

int hub_process_err(const struct hub_process *process)
{
    return process->fds[2];
}

void hub_process_close_in(struct hub_process *process)
{
    hub__process_close(process, 0);
}

static int code_of(int status)
{
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int hub_process_poll(struct hub_process *process, int *code)
{
    if (!hub__child_ended(process->child))
        return 0;
    if (process->child->rc < 0)
        return process->child->rc;
    if (code != NULL)
        *code = code_of(process->child->status);
    return 1;
}

int hub_process_wait(struct hub_process *process, int64_t deadline_ns,
                     int *code)
{
    int rc = hub__process_check(process);

    if (rc == 0)
        rc = hub__child_join(process->child, deadline_ns);
    if (rc == 0 && code != NULL)
        *code = code_of(process->child->status);
    return rc;
}

int hub_process_signal(struct hub_process *process, int number)
{
    return hub__child_kill(process->child, number);
}

int hub_process_link(struct hub_process *process,
                     void (*function)(struct hub_process *process, void *arg),
                     void *arg)
{
    struct hub__process_link *link, **end = &process->links;
    int rc = hub__process_check(process);

    if (rc < 0)
        return rc;
    link = greenlet__malloc(sizeof *link);
    if (link == NULL)
        return -ENOMEM;
    *link = (struct hub__process_link){ NULL, process, function, arg };
    if (!process->watched) {
        call_soon(link);
        return 0;
    }
    while (*end != NULL)
        end = &(*end)->next;
    *end = link;
    return 0;
}
