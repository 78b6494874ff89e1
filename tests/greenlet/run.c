/* run.c - one case in one process
 *
 * The process leads a group of its own, so that whatever it starts goes with
 * it; what it writes on stderr is what it has to say. */
#include "main.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

enum { CASE_MS = 60 * 1000 };

static long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static _Noreturn void be_the_case(const struct case_entry *entry, int output)
{
    static const struct rlimit no_core = {0, 0};

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* of ^C the group hears nothing */
    setrlimit(RLIMIT_CORE, &no_core);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    close(output);
    case_run(entry);
}

/* Read until the end, or until the time is over.  What does not fit is read
 * and forgotten. */
static bool listen_to(int input, long until, char *text, size_t size)
{
    size_t length = 0;

    for (;;) {
        struct pollfd watch = {input, POLLIN, 0};
        long left = until - now_ms();
        char piece[512];
        ssize_t got;
        size_t room;

        text[length] = '\0';
        if (left <= 0 || poll(&watch, 1, (int)left) == 0)
            return false;
        got = read(input, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return true;
        room = size - 1 - length;
        room = (size_t)got < room ? (size_t)got : room;
        memcpy(text + length, piece, room);
        length += room;
    }
}

static void judge(struct verdict *verdict, int status, bool in_time)
{
    size_t length = strlen(verdict->text);
    char *end = verdict->text + length;
    size_t room = sizeof verdict->text - length;

    verdict->outcome = FAILED;
    if (!in_time)
        snprintf(end, room, "did not end within %d s\n", CASE_MS / 1000);
    else if (WIFSIGNALED(status))
        snprintf(end, room, "ended by signal %d (%s)\n", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == CASE_PASSED)
        verdict->outcome = PASSED;
    else if (WEXITSTATUS(status) == CASE_SKIPPED)
        verdict->outcome = SKIPPED;
    else if (length == 0)
        snprintf(end, room, "exit status %d\n", WEXITSTATUS(status));
}

/* Fills in the text.  False: it was not started, or did not end in time. */
static bool run_once(const struct case_entry *entry, struct verdict *verdict,
                     int *status)
{
    long start = now_ms();
    int ends[2];
    bool in_time;
    pid_t pid;

    verdict->text[0] = '\0';
    verdict->outcome = FAILED;
    fflush(NULL);
    if (pipe(ends) < 0 || (pid = fork()) < 0) {
        snprintf(verdict->text, sizeof verdict->text, "cannot start: %s\n",
                 strerror(errno));
        *status = -1;
        return false;
    }
    if (pid == 0) {
        close(ends[0]);
        be_the_case(entry, ends[1]);
    }
    setpgid(pid, pid); /* whichever of the two comes first */
    close(ends[1]);
    in_time = listen_to(ends[0], start + CASE_MS, verdict->text,
                        sizeof verdict->text);
    close(ends[0]);
    if (!in_time)
        kill(-pid, SIGKILL);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR)
        ;
    kill(-pid, SIGKILL);
    return in_time;
}

void run_case(const struct case_entry *entry, struct verdict *verdict)
{
    long start = now_ms();
    int status = 0;
    bool in_time = run_once(entry, verdict, &status);

    if (status >= 0)
        judge(verdict, status, in_time);
    verdict->milliseconds = now_ms() - start;
}

/* A case whose check fails has seen that there was no memory: that is clean. */
void torture_case(const struct case_entry *entry, struct verdict *verdict)
{
    enum { LAST = 60 };
    long start = now_ms();
    int status = 0;

    for (case_torture = 1; case_torture <= LAST; case_torture++) {
        bool in_time = run_once(entry, verdict, &status);
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

        if (!in_time || code == CASE_LEAKED || code < 0) {
            case_say("allocation %ld of %s", case_torture, entry->name);
            judge(verdict, status, in_time);
            break;
        }
        if (code == CASE_PASSED || code == CASE_SKIPPED) {
            judge(verdict, status, true);
            break;
        }
    }
    if (case_torture > LAST) /* the later ones are of the same kinds */
        verdict->outcome = PASSED;
    verdict->milliseconds = now_ms() - start;
}
