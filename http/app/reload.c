/* reload.c - --reload: sources are watched, the program is built and restarted
 * (V-25)
 *
 * All of it is the master's that was started first; programs that take over
 * from it are its children (master.h), and learn from the environment that
 * somebody watches. What the compiler said lies in a file, which is empty while
 * all is well. */
#include "http/app/app_impl.h"

#include "hub/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME      "VIREO_RELOAD_FILE"
#define SETTLE_NS (100 * HUB_MILLISECOND)
enum { FOLDERS = 4096 };

struct http__reload {
    int notify; /* inotify */
    char *folders[FOLDERS];
    int watches[FOLDERS];
    size_t count;
    char build[PATH_MAX]; /* not watched; "": there is none */
    char command[PATH_MAX + 32];
    char file[PATH_MAX];
    struct greenlet *greenlet;
};

/* ---- the build tree, and its sources ---- */

static bool exists(const char *folder, const char *name)
{
    char path[PATH_MAX + 32];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

/* The folder of the program, or one above it. */
static void find_build(char *build, char *folder)
{
    ssize_t size = readlink("/proc/self/exe", build, PATH_MAX - 1);
    char *slash;

    build[size > 0 ? size : 0] = '\0';
    *folder = '\0';
    while ((slash = strrchr(build, '/')) != NULL && slash > build) {
        *slash = '\0';
        if (*folder == '\0')
            strcpy(folder, build);
        if (exists(build, "CMakeCache.txt"))
            return;
    }
    *build = '\0';
}

static void read_sources(const char *build, char *sources)
{
    static const char name[] = "CMAKE_HOME_DIRECTORY:INTERNAL=";
    char path[PATH_MAX + 32], line[PATH_MAX + sizeof name];
    FILE *cache;

    snprintf(path, sizeof path, "%s/CMakeCache.txt", build);
    cache = fopen(path, "re");
    if (cache == NULL)
        return;
    while (fgets(line, sizeof line, cache) != NULL)
        if (strncmp(line, name, sizeof name - 1) == 0) {
            line[strcspn(line, "\n")] = '\0';
            if (strlen(line) < PATH_MAX)
                strcpy(sources, line + sizeof name - 1);
        }
    fclose(cache);
}

/* ---- what is watched ---- */

static void watch(struct http__reload *reload, const char *folder);

/* Not what begins with a dot, nor what is built. */
static void watch_below(struct http__reload *reload, const char *folder)
{
    DIR *opened = opendir(folder);
    struct dirent *entry;
    char path[PATH_MAX];

    if (opened == NULL)
        return;
    while ((entry = readdir(opened)) != NULL) {
        if (entry->d_name[0] == '.' || entry->d_type != DT_DIR ||
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >=
                (int)sizeof path ||
            exists(path, "CMakeCache.txt"))
            continue;
        watch(reload, path);
    }
    closedir(opened);
}

static void watch(struct http__reload *reload, const char *folder)
{
    int number;

    if (reload->count == FOLDERS || strcmp(folder, reload->build) == 0)
        return;
    number = inotify_add_watch(reload->notify, folder,
                               IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM |
                                   IN_DELETE | IN_CREATE | IN_ONLYDIR);
    if (number < 0)
        return;
    reload->folders[reload->count] = http__strdup(folder);
    if (reload->folders[reload->count] == NULL)
        return;
    reload->watches[reload->count++] = number;
    watch_below(reload, folder);
}

/* Sources alone: who watches what the build makes builds for ever. */
static bool is_source(const char *name)
{
    static const char *const endings[] = {
        ".c",   ".cc",  ".cpp", ".cxx", ".h",    ".hh",  ".hpp",
        ".hxx", ".inc", ".def", ".s",   ".S",    ".in",  ".cmake",
        ".ld",  ".map", ".css", ".js",  ".html", ".sql", ".json"};
    const char *dot = strrchr(name, '.');

    if (name[0] == '.')
        return false;
    if (strcmp(name, "CMakeLists.txt") == 0 || strcmp(name, "Makefile") == 0)
        return true;
    for (size_t i = 0; dot != NULL && i < sizeof endings / sizeof *endings; i++)
        if (strcmp(dot, endings[i]) == 0)
            return true;
    return false;
}

static void watch_new(struct http__reload *reload,
                      const struct inotify_event *event)
{
    char path[PATH_MAX];

    for (size_t i = 0; i < reload->count; i++) {
        if (reload->watches[i] != event->wd)
            continue;
        if (event->name[0] != '.' &&
            snprintf(path, sizeof path, "%s/%s", reload->folders[i],
                     event->name) < (int)sizeof path)
            watch(reload, path);
        return;
    }
}

/* Returns 1: sources have changed; 0: others have; or why not. */
static int read_events(struct http__reload *reload, int64_t deadline_ns)
{
    char data[4096] __attribute__((aligned(8)));
    int rc = hub_wait_fd(reload->notify, HUB_READ, deadline_ns), changed = 0;
    ssize_t size;

    if (rc < 0)
        return rc;
    size = read(reload->notify, data, sizeof data);
    for (ssize_t at = 0; at < size;) {
        const struct inotify_event *event =
            (const struct inotify_event *)(const void *)(data + at);

        at += (ssize_t)(sizeof *event + event->len);
        if (event->mask & IN_Q_OVERFLOW)
            changed = 1;
        if (event->len == 0)
            continue;
        if (event->mask & IN_ISDIR)
            watch_new(reload, event);
        else if (!(event->mask & IN_CREATE) && is_source(event->name))
            changed = 1;
    }
    return changed;
}

/* An editor writes several files, and some several times. */
static int wait_for_change(struct http__reload *reload)
{
    int rc;

    do
        rc = read_events(reload, HUB_FOREVER);
    while (rc == 0);
    while (rc >= 0)
        rc = read_events(reload, hub_deadline(SETTLE_NS));
    return rc == -ETIMEDOUT ? 0 : rc;
}

/* ---- building ---- */

/* Whoever reads it sees all of it, or nothing. */
static void tell(struct http__reload *reload, const char *text, size_t size)
{
    char path[PATH_MAX + 8];
    int fd;

    snprintf(path, sizeof path, "%s.new", reload->file);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    if (write(fd, text, size) == (ssize_t)size)
        rename(path, reload->file);
    close(fd);
}

static int build(struct http__reload *reload)
{
    const char *const argv[] = {"/bin/sh", "-c", reload->command, NULL};
    struct hub_process_options options = {.argv = argv,
                                          .in = HUB_PROCESS_NULL,
                                          .out = HUB_PROCESS_PIPE,
                                          .err = HUB_PROCESS_OUT};
    struct hub_process_output output = {0};
    int code = -1;
    int rc = hub_process_run(&options, NULL, 0, HUB_FOREVER, &output, &code);

    if (rc == 0 && code != 0) {
        dprintf(STDERR_FILENO, "%s\nreload: %s: status %d\n", output.out,
                reload->command, code);
        if (output.out_size == 0)
            tell(reload, "It said nothing.\n", 17);
        else
            tell(reload, output.out, output.out_size);
    }
    free(output.out);
    if (rc == 0 && code == 0) {
        tell(reload, "", 0);
        kill(getpid(), SIGHUP); /* master.h */
    }
    return rc;
}

static void run(void *arg)
{
    struct http__reload *reload = arg;
    int rc;

    do {
        rc = wait_for_change(reload);
        if (rc == 0)
            rc = build(reload);
    } while (rc == 0);
    if (rc != -ECANCELED)
        dprintf(STDERR_FILENO, "reload: nothing is watched any more: %s\n",
                strerror(-rc));
}

/* ---- its life ---- */

static int make_file(struct http__reload *reload)
{
    const char *folder = getenv("TMPDIR");
    int fd;

    if (snprintf(reload->file, PATH_MAX, "%s/vireo-reload-XXXXXX",
                 folder != NULL ? folder : "/tmp") >= PATH_MAX)
        return -ENAMETOOLONG;
    fd = mkstemp(reload->file);
    if (fd < 0)
        return -errno;
    close(fd);
    return setenv(NAME, reload->file, 1) == 0 ? 0 : -ENOMEM;
}

static int prepare(struct http__reload *reload, const char *command,
                   const char *directory)
{
    char sources[PATH_MAX];

    find_build(reload->build, sources);
    if (*reload->build != '\0')
        read_sources(reload->build, sources);
    if (directory != NULL)
        snprintf(sources, sizeof sources, "%s", directory);
    if (command == NULL && *reload->build == '\0') {
        dprintf(STDERR_FILENO, "--reload: the program lies in no build tree of "
                               "CMake: name a command, --reload=COMMAND\n");
        return -EINVAL;
    }
    if (command != NULL)
        snprintf(reload->command, sizeof reload->command, "%s", command);
    else
        snprintf(reload->command, sizeof reload->command,
                 "exec cmake --build '%s'", reload->build);
    reload->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (reload->notify < 0)
        return -errno;
    watch(reload, sources);
    return reload->count > 0 ? 0 : -ENOENT;
}

void http__reload_stop(struct http__reload *reload)
{
    if (reload == NULL)
        return;
    if (reload->greenlet != NULL) {
        hub_kill_join(reload->greenlet, HUB_FOREVER);
        greenlet_unref(reload->greenlet);
    }
    if (*reload->file != '\0')
        unlink(reload->file);
    if (reload->notify >= 0)
        hub_close(reload->notify);
    for (size_t i = 0; i < reload->count; i++)
        free(reload->folders[i]);
    free(reload);
}

int http__reload_start(const char *command, const char *directory,
                       struct http__reload **reload, const char **file)
{
    struct http__reload *made;
    int rc;

    *reload = NULL;
    *file = getenv(NAME);
    if (*file != NULL)
        return 0;
    made = http__calloc(1, sizeof *made);
    if (made == NULL)
        return -ENOMEM;
    made->notify = -1;
    rc = prepare(made, command, directory);
    if (rc == 0)
        rc = make_file(made);
    if (rc == 0) {
        made->greenlet = hub_spawn_raw(run, made);
        rc = made->greenlet != NULL ? 0 : -ENOMEM;
    }
    if (rc < 0) {
        http__reload_stop(made);
        return rc;
    }
    *reload = made;
    *file = made->file;
    return 0;
}
