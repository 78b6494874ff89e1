/* Each allocation of a scene fails once: it passes, or somebody is told -ENOMEM;
 * nothing is left, and nothing hangs.
 *
 * VIREO_TEST_TORTURE=n: about n of each scene's allocations, evenly spread (60 unless
 * set); 0: all of them.  Arguments: a scene, and which allocation (for a debugger), or
 * FROM..TO, so that the many of a scene can be tried in parts. */
#include "torture/torture.h"

#include "../sanitizers.h"
#include "context/testhook.h"
#include "context/greenlet_impl.h"

#include "../left.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT 60 /* seconds until a scene counts as hanging */

enum { PASSED = 0, NOT_REACHED = 10, LEFT_SOMETHING = 11, NOT_TOLD = 12,
       SPOILT = 13 };

static const struct scene *const all[] = { torture_sockets, torture_streams,
                                           torture_servers, torture_tls };
static long most = 60;
static long from = 1, to = LONG_MAX;
static int no_memory, other_error;
static bool is_spoilt;
static char first_error[128];

/* ---- what happens in a scene ---- */

bool see_at(const char *where, int line, ssize_t rc)
{
    if (rc >= 0)
        return true;
    if (rc == -ENOMEM)
        no_memory++;
    else if (other_error++ == 0)
        snprintf(first_error, sizeof first_error, "%s:%d: %s", where, line,
                 strerror((int)-rc));
    return false;
}

void spoilt_at(const char *where, int line)
{
    is_spoilt = true;
    snprintf(first_error, sizeof first_error, "%s:%d: other data", where, line);
}

static void run_party(void *arg)
{
    struct party *party = arg;

    party->begun = true;
    party->body(party);
    if (party->fd >= 0)
        hub_close(party->fd);
}

bool enter(struct party *party)
{
    party->greenlet = hub_spawn_raw(run_party, party);
    if (party->greenlet == NULL && party->fd >= 0)
        hub_close(party->fd);
    return see(party->greenlet != NULL ? 0 : -ENOMEM);
}

void leave(struct party *party)
{
    if (party->greenlet == NULL)
        return;
    while (hub_join(party->greenlet, HUB_FOREVER) == -ENOMEM)
        see(-ENOMEM);
    greenlet_unref(party->greenlet);
    if (!party->begun && party->fd >= 0)
        hub_close(party->fd); /* it was killed before */
}

/* A server says so here: for want of memory, or of a greenlet. */
static void reported(struct hub *hub, const struct greenlet *context,
                     const struct greenlet_exception *exception, void *data)
{
    (void)hub;
    (void)context;
    (void)data;
    see(exception->error == -EAGAIN ? -ENOMEM : exception->error);
}

/* ---- one allocation ---- */

static bool is_left(const struct left *before)
{
    struct left now = left_now();

    for (int i = 0; i < 1000 && now.fds > before->fds; i++) {
        usleep(1000); /* threads of the pool end */
        now = left_now();
    }
    return left_told(&now, before);
}

/* In a process of its own.  n 0: none fails; returns how many there were. */
static long play(const struct scene *scene, long n, int *outcome)
{
    struct left before = left_now();
    long seen;

    alarm(LIMIT);
    greenlet_test_fail(GREENLET_TEST_ALLOCATION, n != 0 ? n : LONG_MAX);
    while (hub_set_error_handler(reported, NULL) == -ENOMEM)
        see(-ENOMEM);
    scene->play();
    see(hub_destroy());
    seen = greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
    *outcome = is_left(&before)                      ? LEFT_SOMETHING
               : is_spoilt                           ? SPOILT
               : no_memory == 0 && other_error > 0   ? NOT_TOLD
               : seen < n                            ? NOT_REACHED
                                                     : PASSED;
    if (*outcome == SPOILT || *outcome == NOT_TOLD)
        printf("%s\n", first_error);
    return seen;
}

static void play_and_exit(const struct scene *scene, long n, int result)
{
    int outcome;
    long seen = play(scene, n, &outcome);

    fflush(stdout);
    if (result >= 0 && write(result, &seen, sizeof seen) != sizeof seen)
        abort();
    exit(outcome);
}

static int wait_for(pid_t child)
{
    int status;

    if (child < 0 || waitpid(child, &status, 0) != child)
        exit(EXIT_FAILURE);
    return status;
}

/* How many allocations a scene makes; -1: it does not pass when none fails. */
static long count(const struct scene *scene)
{
    int ends[2], status;
    long seen = -1;
    pid_t child;

    if (pipe(ends) < 0)
        exit(EXIT_FAILURE);
    child = fork();
    if (child == 0) {
        close(ends[0]);
        play_and_exit(scene, 0, ends[1]);
    }
    close(ends[1]);
    if (read(ends[0], &seen, sizeof seen) != sizeof seen)
        seen = -1;
    close(ends[0]);
    status = wait_for(child);
    if (status != 0)
        printf("%s: status %#x though no allocation fails\n", scene->name,
               (unsigned)status);
    return status == 0 ? seen : -1;
}

static int play_in_child(const struct scene *scene, long n)
{
    pid_t child = fork();

    if (child == 0)
        play_and_exit(scene, n, -1);
    return wait_for(child);
}

/* Under qemu-user a child that makes threads hangs now and then in the emulator
 * itself: such a scene is played once more there, and that is printed. */
static bool hangs_in_the_emulator(int status)
{
    char name[32] = "";
    int fd;

    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGALRM)
        return false;
    fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, name, sizeof name - 1) < 0)
        perror("/proc/self/comm");
    close(fd);
    return strncmp(name, "qemu-", 5) == 0;
}

/* Returns whether there may be more; *failed counts. */
static bool play_nth(const struct scene *scene, long n, int *failed)
{
    int status = play_in_child(scene, n);

    if (hangs_in_the_emulator(status)) {
        printf("%s, allocation %ld: hangs under qemu, once more\n", scene->name,
               n);
        status = play_in_child(scene, n);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_REACHED)
        return false;
    if (status == 0)
        return true;
    if (WIFSIGNALED(status))
        printf("%s, allocation %ld: %s\n", scene->name, n,
               WTERMSIG(status) == SIGALRM ? "hangs"
                                           : strsignal(WTERMSIG(status)));
    else
        printf("%s, allocation %ld: status %d\n", scene->name, n,
               WEXITSTATUS(status));
    fflush(stdout);
    ++*failed;
    return true;
}

/* Returns how many were not clean. */
static int torture(const struct scene *scene)
{
    long there = count(scene), step, n = from, tried = 0;
    int failed = 0;

    if (there < 0)
        return 1;
    step = most > 0 && there > most ? (there + most - 1) / most : 1;
    while (n < to && play_nth(scene, n, &failed)) {
        n += step;
        tried++;
    }
    printf("%s: of %ld allocations %ld failed, %d not cleanly\n", scene->name,
           there, tried, failed);
    fflush(stdout);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;

    setvbuf(stdout, NULL, _IOLBF, 4096);
    setenv("VIREO_MONITOR", "0", 1);
    signal(SIGPIPE, SIG_IGN);
    if (getenv("VIREO_TEST_TORTURE") != NULL)
        most = atol(getenv("VIREO_TEST_TORTURE"));
    torture_tls_start();
    if (most > 0)
        printf("at most %ld allocations of each scene\n", most);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (const struct scene *scene = all[i]; scene->name != NULL; scene++) {
            if (argc > 1 && strcmp(argv[1], scene->name) != 0)
                continue;
            if (argc > 2 && sscanf(argv[2], "%ld..%ld", &from, &to) != 2)
                play_and_exit(scene, atol(argv[2]), -1);
            failed += torture(scene);
        }
    torture_tls_end();
    return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
