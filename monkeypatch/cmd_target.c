/* cmd_target.c - processes that run Vireo: which there are, and asking one
 *
 * A process is asked at its control socket (hub/controlsocket.c), which is found
 * from what /proc says of it, by the directories that it sees itself: it may be in a
 * container, or have a /tmp of its own. */
#include "monkeypatch/cmd.h"
#include "monkeypatch/target.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_S 10

pid_t target_parse(const char *text)
{
    char *end;
    long value = strtol(text, &end, 10);

    return isdigit((unsigned char)*text) && *end == '\0' && value > 0 &&
                   value < INT_MAX
               ? (pid_t)value
               : 0;
}

/* ---- what it is ---- */

struct identity {
    unsigned long uids[3]; /* real, effective, saved */
    long inner; /* its number in its own namespace */
};

static bool identify(pid_t pid, struct identity *identity)
{
    char path[64], line[256], *at;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    identity->inner = pid;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "Uid:", 4) == 0)
            sscanf(line + 4, "%lu %lu %lu", &identity->uids[0],
                   &identity->uids[1], &identity->uids[2]);
        at = strrchr(line, '\t');
        if (strncmp(line, "NSpid:", 6) == 0 && at != NULL)
            identity->inner = atol(at);
    }
    fclose(file);
    return true;
}

/* A variable that it began with. */
static bool find_variable(pid_t pid, const char *name, char *value, size_t size)
{
    char path[64], *entry = NULL;
    size_t room = 0, length = strlen(name);
    bool found = false;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%ld/environ", (long)pid);
    file = fopen(path, "re");
    while (file != NULL && !found && getdelim(&entry, &room, '\0', file) > 0)
        if (strncmp(entry, name, length) == 0 && entry[length] == '=' &&
            strlen(entry + length + 1) < size) {
            strcpy(value, entry + length + 1);
            found = true;
        }
    if (file != NULL)
        fclose(file);
    free(entry);
    return found;
}

/* ---- its socket ---- */

static bool may_trust(int fd, const struct ucred *peer, pid_t pid,
                      const struct identity *identity)
{
    (void)fd;
    return peer->pid == pid &&
           (peer->uid == 0 || peer->uid == identity->uids[0] ||
            peer->uid == identity->uids[1] || peer->uid == identity->uids[2]);
}

/* Connected; or -1.  By a descriptor of the directory: a path may be too long. */
static int connect_in(const char *directory, pid_t pid,
                      const struct identity *identity, int *error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct timeval limit = { ANSWER_S, 0 };
    struct ucred peer = { 0, (uid_t)-1, 0 };
    socklen_t size = sizeof peer;
    int folder = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC), fd;

    if (folder < 0) {
        if (errno == EACCES)
            *error = EACCES;
        return -1;
    }
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%ld",
             folder, identity->inner);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (void *)&address, sizeof address) < 0) {
        if (errno != ENOENT || *error == 0)
            *error = errno;
    } else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
               may_trust(fd, &peer, pid, identity)) {
        close(folder);
        return fd;
    }
    close(folder);
    close(fd);
    return -1;
}

static int connect_seen(const char *directory, pid_t pid,
                        const struct identity *identity, int *error)
{
    char path[PATH_MAX + 32];
    int fd;

    snprintf(path, sizeof path, "/proc/%ld/root%s", (long)pid, directory);
    fd = connect_in(path, pid, identity, error);
    return fd >= 0 ? fd : connect_in(directory, pid, identity, error);
}

static int connect_to(pid_t pid, const struct identity *identity, int *error)
{
    char directory[PATH_MAX], value[PATH_MAX - 16];
    unsigned long uids[] = { identity->uids[1], identity->uids[0],
                             identity->uids[2], 0 };
    int fd = -1;

    *error = 0;
    if (find_variable(pid, "VIREO_CONTROL", value, sizeof value)) {
        if (strcmp(value, "0") == 0) {
            *error = ECANCELED;
            return -1;
        }
        if (value[0] == '/')
            return connect_seen(value, pid, identity, error);
    }
    if (find_variable(pid, "XDG_RUNTIME_DIR", value, sizeof value)) {
        snprintf(directory, sizeof directory, "%s/vireo", value);
        fd = connect_seen(directory, pid, identity, error);
    }
    for (size_t i = 0; i < sizeof uids / sizeof *uids && fd < 0; i++) {
        snprintf(directory, sizeof directory, "/run/user/%lu/vireo", uids[i]);
        fd = connect_seen(directory, pid, identity, error);
        if (fd >= 0)
            break;
        snprintf(directory, sizeof directory, "/tmp/vireo-%lu", uids[i]);
        fd = connect_seen(directory, pid, identity, error);
    }
    return fd;
}

/* ---- asking ---- */

static char *read_all(int fd, size_t *size)
{
    size_t room = 1 << 20, used = 0;
    char *text = malloc(room + 1);
    ssize_t got = 1;

    while (text != NULL && got > 0) {
        if (used == room) {
            char *larger = realloc(text, room * 2 + 1);

            if (larger == NULL)
                break;
            text = larger;
            room *= 2;
        }
        got = read(fd, text + used, room - used);
        if (got > 0)
            used += (size_t)got;
    }
    if (text == NULL || got < 0) {
        free(text);
        return NULL;
    }
    text[used] = '\0';
    *size = used;
    return text;
}

static bool has_library(pid_t pid, bool *known)
{
    char path[64], line[512];
    bool found = false;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%ld/maps", (long)pid);
    file = fopen(path, "re");
    *known = file != NULL && fgets(line, sizeof line, file) != NULL;
    while (*known && !found && fgets(line, sizeof line, file) != NULL)
        found = strstr(line, "/libvireo-preload.so") != NULL;
    if (file != NULL)
        fclose(file);
    return found;
}

static const char *why_not(pid_t pid, const struct identity *identity, int error)
{
    bool known;

    if (error == ECANCELED)
        return "its control socket is off (VIREO_CONTROL=0)";
    if (error == ECONNREFUSED)
        return "it has ended just now";
    if (geteuid() != 0 && identity->uids[1] != geteuid())
        return "it belongs to another user";
    if (!has_library(pid, &known))
        return kill(pid, 0) < 0 && errno == ESRCH ? "no such process"
               : known                            ? "it does not run Vireo"
                             : "it may not be looked at";
    return "it has no control socket: no thread was made yet, or there is no "
           "place for one";
}

char *target_ask(pid_t pid, const char *request, size_t *size, const char **why)
{
    static char refusal[128];
    struct identity identity = { { 0 }, 0 };
    char *answer = NULL;
    int error, fd;

    *why = "no such process";
    if (!identify(pid, &identity))
        return NULL;
    fd = connect_to(pid, &identity, &error);
    if (fd < 0) {
        *why = why_not(pid, &identity, error);
        return NULL;
    }
    *why = "it has ended, or does not answer";
    if (send(fd, request, strlen(request), MSG_NOSIGNAL) > 0 &&
        send(fd, "\n", 1, MSG_NOSIGNAL) == 1)
        answer = read_all(fd, size);
    close(fd);
    if (answer != NULL && strncmp(answer, CONTROL_REFUSED,
                                  strlen(CONTROL_REFUSED)) == 0) {
        snprintf(refusal, sizeof refusal, "it refuses: %.*s",
                 (int)strcspn(answer + strlen(CONTROL_REFUSED), "\n"),
                 answer + strlen(CONTROL_REFUSED));
        *why = refusal;
    }
    if (answer != NULL && (*size == 0 || *why == refusal)) {
        free(answer);
        answer = NULL;
    }
    return answer;
}

int target_failed(pid_t pid, const char *why)
{
    cmd_say("process %ld: %s", (long)pid, why);
    return EXIT_FAILURE;
}

/* ---- all ---- */

/* One that refuses is a dead one's: they listen before they have their names. */
static void clean_directory(const char *directory)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    DIR *folder = opendir(directory);
    struct dirent *entry;
    struct stat st;
    int fd;

    if (folder == NULL)
        return;
    while ((entry = readdir(folder)) != NULL) {
        if (target_parse(entry->d_name) == 0 ||
            fstatat(dirfd(folder), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISSOCK(st.st_mode))
            continue;
        snprintf(address.sun_path, sizeof address.sun_path,
                 "/proc/self/fd/%d/%.20s", dirfd(folder), entry->d_name);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd >= 0 && connect(fd, (void *)&address, sizeof address) < 0 &&
            errno == ECONNREFUSED)
            unlinkat(dirfd(folder), entry->d_name, 0);
        if (fd >= 0)
            close(fd);
    }
    closedir(folder);
}

static void clean(void)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    const char *chosen = getenv("VIREO_CONTROL");
    char path[PATH_MAX];

    if (chosen != NULL && chosen[0] == '/')
        clean_directory(chosen);
    if (runtime != NULL) {
        snprintf(path, sizeof path, "%s/vireo", runtime);
        clean_directory(path);
    }
    snprintf(path, sizeof path, "/run/user/%lu/vireo", (unsigned long)geteuid());
    clean_directory(path);
    snprintf(path, sizeof path, "/tmp/vireo-%lu", (unsigned long)geteuid());
    clean_directory(path);
}

static int compare(const void *a, const void *b)
{
    pid_t first = *(const pid_t *)a, second = *(const pid_t *)b;

    return first < second ? -1 : first > second;
}

static size_t all_pids(pid_t **pids)
{
    DIR *folder = opendir("/proc");
    size_t count = 0, room = 0;
    struct dirent *entry;

    *pids = NULL;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (target_parse(entry->d_name) == 0)
            continue;
        if (count == room) {
            room = room * 2 + 256;
            *pids = realloc(*pids, room * sizeof **pids);
            if (*pids == NULL)
                break;
        }
        (*pids)[count++] = target_parse(entry->d_name);
    }
    if (folder != NULL)
        closedir(folder);
    if (*pids != NULL)
        qsort(*pids, count, sizeof **pids, compare);
    return *pids != NULL ? count : 0;
}

void target_each(void (*each)(pid_t pid, bool has_socket, void *data),
                 void *data)
{
    struct identity identity;
    pid_t *pids;
    size_t count = all_pids(&pids);
    bool known;
    int error, fd;

    clean();
    for (size_t i = 0; i < count; i++) {
        if (pids[i] == getpid() || !has_library(pids[i], &known) ||
            !identify(pids[i], &identity))
            continue;
        fd = connect_to(pids[i], &identity, &error);
        if (fd >= 0)
            close(fd);
        each(pids[i], fd >= 0, data);
    }
    free(pids);
}
