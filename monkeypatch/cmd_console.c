/* cmd_console.c - `vireo console PATH [command]`: talk to a process that serves a
 * console (hub/console.h)
 *
 * Lines from stdin go to the socket, and what it answers to stdout.  With a
 * command that alone is sent, and only its answer printed. */
#include "monkeypatch/cmd.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PROMPT "> "

static int connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd;

    if (strlen(path) >= sizeof address.sun_path) {
        cmd_say("%s: the path is too long for a socket", path);
        return -1;
    }
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (void *)&address, sizeof address) == 0)
        return fd;
    cmd_say("%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool write_all(int fd, const char *text, size_t left)
{
    while (left > 0) {
        ssize_t put = write(fd, text, left);

        if (put < 0 && errno != EINTR)
            return false;
        if (put > 0) {
            text += put;
            left -= (size_t)put;
        }
    }
    return true;
}

/* One read; false at the end. */
static bool pass_on(int from, int to)
{
    char buffer[4096];
    ssize_t got = read(from, buffer, sizeof buffer);

    if (got < 0 && errno == EINTR)
        return true;
    return got > 0 && write_all(to, buffer, (size_t)got);
}

static int talk(int fd)
{
    struct pollfd fds[] = { { fd, POLLIN, 0 }, { STDIN_FILENO, POLLIN, 0 } };

    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return EXIT_FAILURE;
        if (fds[0].revents != 0 && !pass_on(fd, STDOUT_FILENO))
            return EXIT_SUCCESS; /* the console has closed it */
        if (fds[1].revents == 0 || pass_on(STDIN_FILENO, fd))
            continue;
        shutdown(fd, SHUT_WR); /* what it still answers is printed */
        fds[1].fd = -1;
    }
}

/* Up to the prompt, which is thrown away; false: the connection has ended. */
static bool read_answer(FILE *from, bool print)
{
    int c, before = '\n';

    while ((c = getc(from)) != EOF) {
        if (before == '\n' && c == PROMPT[0]) {
            c = getc(from);
            if (c == PROMPT[1])
                return true;
            if (print)
                putchar(PROMPT[0]);
        }
        if (print && c != EOF)
            putchar(c);
        before = c;
    }
    return false;
}

static int ask(int fd, char **words)
{
    FILE *from = fdopen(fd, "r");
    bool done;

    if (from == NULL || !read_answer(from, false)) {
        cmd_say("it does not answer");
        return EXIT_FAILURE;
    }
    for (; *words != NULL; words++)
        if (!write_all(fd, *words, strlen(*words)) ||
            !write_all(fd, words[1] != NULL ? " " : "\n", 1))
            return EXIT_FAILURE;
    done = read_answer(from, true);
    fclose(from);
    return done && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int cmd_console(int argc, char **argv)
{
    int fd;

    if (argc < 2) {
        cmd_say("console: no path given; see `vireo --help`");
        return CMD_USAGE;
    }
    fd = connect_to(argv[1]);
    if (fd < 0)
        return EXIT_FAILURE;
    return argc > 2 ? ask(fd, argv + 2) : talk(fd);
}
