/* takeover.c - a new program, which takes over
 *
 * It is a child that gets the listeners as systemd hands them over, and says
 * READY=1 to a socket of ours.  Listeners that it opens itself it gives to us
 * (FDSTORE=1), for the program after it. */
#include "http/master_impl.h"
#include "http/memory.h"
#include "http/notify.h"
#include "http/worker.h"

#include "hub/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* ---- what to execute ---- */

static void free_words(char **words)
{
    for (size_t i = 0; words != NULL && words[i] != NULL; i++)
        free(words[i]);
    free(words);
}

static char **copy_words(const char *const *words)
{
    size_t count = 0;
    char **copy;

    while (words[count] != NULL)
        count++;
    copy = http__calloc(count + 1, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = http__strdup(words[i]);
        if (copy[i] == NULL) {
            free_words(copy);
            return NULL;
        }
    }
    return copy;
}

/* As this process was started: noted before main() can change it, as who reads
 * its options may do. */
static char **words_at_start;

static void __attribute__((constructor)) note_words(int count, char **words)
{
    const char *keeper = getenv("VIREO_MASTER");

    if (count > 0 && words != NULL)
        words_at_start = copy_words((const char *const *)words);
    if (keeper != NULL && atol(keeper) == (long)getppid())
        http__orphan_program(getppid());
}

/* A path with a slash is looked up when it is needed, symbolic links and all:
 * it may lead to another program by then. */
static char *find_file(const struct http__master *master)
{
    char path[PATH_MAX], *full = NULL;
    const char *file = master->options.program;
    ssize_t size;

    if (file == NULL && master->argv[0] != NULL &&
        strchr(master->argv[0], '/') != NULL)
        file = master->argv[0];
    if (file == NULL) {
        size = readlink("/proc/self/exe", path, sizeof path - 1);
        if (size <= 0)
            return NULL;
        path[size] = '\0';
        return http__strdup(path);
    }
    if (file[0] == '/' || getcwd(path, sizeof path) == NULL)
        return http__strdup(file);
    return asprintf(&full, "%s/%s", path, file) < 0 ? NULL : full;
}

static int find_keeper(struct http__master *master)
{
    const char *name = getenv("NOTIFY_SOCKET");

    if (name == NULL)
        return 0;
    master->keeper = http__strdup(name);
    unsetenv("NOTIFY_SOCKET");
    if (master->keeper == NULL)
        return -ENOMEM;
    master->tells = http__notify_open();
    return master->tells < 0 ? master->tells : 0;
}

int http__takeover_prepare(struct http__master *master)
{
    const char *keeper = getenv("VIREO_MASTER");

    master->argv = master->options.argv != NULL
                       ? copy_words(master->options.argv)
                   : words_at_start != NULL
                       ? copy_words((const char *const *)words_at_start)
                       : NULL;
    if (master->argv == NULL || master->argv[0] == NULL)
        return -ENOMEM;
    master->program_file = find_file(master);
    if (master->program_file == NULL)
        return -ENOMEM;
    master->kept_by = getppid();
    master->is_kept = keeper != NULL && atol(keeper) == (long)master->kept_by;
    if (master->is_kept) /* again: main() may have taken the signal */
        http__orphan_program(master->kept_by);
    unsetenv("VIREO_MASTER"); /* no child of ours is to speak for us */
    return find_keeper(master);
}

/* ---- what it says ---- */

static void take_listener(struct http__master *master, const char *name, int fd)
{
    struct http__listener *taken;

    if (fd < 0) { /* there was no number left for it */
        http__master_say("a listener of the program is not kept: %s", name);
        return;
    }
    if (http__listeners_add(&master->listeners, fd,
                            *name != '\0' ? name : NULL) < 0) {
        hub_close(fd);
        return;
    }
    taken = &master->listeners.list[master->listeners.count - 1];
    taken->made = taken->fresh = true;
}

/* fd is given. */
static void hear(struct http__master *master, struct http__child *child,
                 const char *message, int fd)
{
    bool store = http__notify_says(message, "FDSTORE=1");
    char encoded[512], *name;

    http__notify_value(message, "FDNAME", encoded, sizeof encoded);
    name = http__listeners_decode(encoded, strlen(encoded));
    if (name != NULL && store)
        take_listener(master, name, fd);
    else if (fd >= 0)
        close(fd);
    if (name != NULL && http__notify_says(message, "FDSTOREREMOVE=1"))
        http__listeners_drop(&master->listeners, name);
    free(name);
    if (http__notify_says(message, "READY=1")) {
        child->ready = true;
        hub_event_set(&master->changed);
    }
}

static void listen_to_programs(void *arg)
{
    struct http__master *master = arg;
    char message[4096];
    pid_t sender;
    int fd, rc;

    for (;;) {
        struct http__child *candidate;

        rc = http__notify_receive(master->notify, message, sizeof message,
                                  &sender, &fd);
        if (rc == -EBADF || rc == -ECANCELED)
            break;
        candidate = master->candidate; /* others have said all that counts */
        if (candidate != NULL && candidate->pid == sender)
            hear(master, candidate, message, fd);
        else if (fd >= 0)
            close(fd);
    }
}

static int prepare_notify(struct http__master *master)
{
    struct greenlet *g;

    if (master->notify >= 0)
        return 0;
    master->notify =
        http__notify_listen(master->notify_name, sizeof master->notify_name);
    if (master->notify < 0)
        return master->notify;
    g = hub_spawn_raw(listen_to_programs, master);
    if (g == NULL) {
        hub_close(master->notify);
        master->notify = -1;
        return -ENOMEM;
    }
    greenlet_unref(g);
    return 0;
}

/* ---- executing ---- */

/* In the child.  Why it failed goes to the same standard error. */
static void execute(struct http__master *master, const sigset_t *mask,
                    pid_t parent) __attribute__((noreturn));
static void execute(struct http__master *master, const sigset_t *mask,
                    pid_t parent)
{
    char pid[24];
    int rc;

    for (size_t i = 0; i < HTTP__MASTER_SIGNALS; i++)
        signal(http__master_signals[i], SIG_DFL);
    snprintf(pid, sizeof pid, "%ld", (long)parent);
    rc = http__listeners_hand_over(&master->listeners);
    if (rc == 0 && (setenv("NOTIFY_SOCKET", master->notify_name, 1) < 0 ||
                    setenv("VIREO_MASTER", pid, 1) < 0))
        rc = -ENOMEM;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
    pthread_sigmask(SIG_SETMASK, mask, NULL);
    if (rc == 0) {
        execv(master->program_file, master->argv);
        rc = -errno;
    }
    http__master_say("%s: %s", master->program_file, strerror(-rc));
    _exit(127);
}

int http__takeover_start(struct http__master *master)
{
    pid_t parent = getpid(), pid;
    struct http__child *child;
    sigset_t mask;
    int rc = prepare_notify(master);

    if (rc < 0)
        return rc;
    pid = http__master_fork(&mask);
    if (pid == 0)
        execute(master, &mask, parent);
    if (pid < 0)
        return pid;
    child = http__child_new(master, pid, -1, 0);
    if (child == NULL)
        return -ENOMEM;
    child->ready_by = hub_deadline(master->options.ready_ns);
    master->candidate = child;
    return 0;
}

void http__takeover_free(struct http__master *master)
{
    if (master->notify >= 0)
        hub_close(master->notify);
    free_words(master->argv);
    free(master->program_file);
    free((char *)master->keeper);
}
