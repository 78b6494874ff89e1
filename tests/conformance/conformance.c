/* conformance.c - what the conformance programs share; see conformance.h */
#include "conformance.h"
#include "../runner.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum {
    MAPPED_THREADS = 20,
    MAPPED_TASKS_MAX = 6, /* the clock, the control socket, who watches, helpers */
    RUNTIME_FDS = 64,
    /* glibc keeps stacks of dead threads (40 MB: 5 stacks, 2 maps each) and
     * up to 8 arenas a core (2 maps each); a runtime has slabs and helpers. */
    MAPS_SLACK = 96,
    FDS_MAX = 4096
};

void conf_check_failed(const char *what, const char *file, int line)
{
    int err = errno;

    fprintf(stderr, "%s:%d: check failed: %s (errno %d, %s)\n", file, line,
            what, err, strerror(err));
    abort();
}

static bool skipped;

void conf_skip(const char *reason)
{
    skipped = true;
    printf("skipped: %s\n", reason);
    fflush(stdout);
}

/* Time and threads. */

int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * CONF_S + now.tv_nsec;
}

void sleep_ms(int ms)
{
    struct timespec left = { ms / 1000, ms % 1000 * 1000000L };

    while (nanosleep(&left, &left) != 0)
        CONF_CHECK(errno == EINTR);
}

pthread_t start_thread(void *(*function)(void *), void *argument)
{
    pthread_t thread;
    int err = pthread_create(&thread, NULL, function, argument);

    if (err != 0)
        errno = err;
    CONF_CHECK(err == 0);
    return thread;
}

void *join_thread(pthread_t thread)
{
    void *result = NULL;
    int err = pthread_join(thread, &result);

    if (err != 0)
        errno = err;
    CONF_CHECK(err == 0);
    return result;
}

struct later {
    int ms;
    void (*function)(void *);
    void *argument;
};

static void *run_later(void *argument)
{
    struct later later = *(struct later *)argument;

    free(argument);
    sleep_ms(later.ms);
    later.function(later.argument);
    return NULL;
}

pthread_t start_later(int ms, void (*function)(void *), void *argument)
{
    struct later *later = malloc(sizeof *later);

    CONF_CHECK(later != NULL);
    later->ms = ms;
    later->function = function;
    later->argument = argument;
    return start_thread(run_later, later);
}

/* Fds and bytes. */

void conf_pipe(int ends[2])
{
    ck_assert_int_eq(pipe(ends), 0);
}

void conf_unix_pair(int ends[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
}

int conf_listen(struct sockaddr_in *address, int backlog)
{
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_ge(fd, 0);
    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)address, size), 0);
    ck_assert_int_eq(listen(fd, backlog), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)address, &size), 0);
    return fd;
}

void conf_tcp_pair(int ends[2])
{
    struct sockaddr_in address;
    int listener = conf_listen(&address, 1);

    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(ends[0], 0);
    ck_assert_int_eq(
        connect(ends[0], (struct sockaddr *)&address, sizeof address), 0);
    ends[1] = accept(listener, NULL, NULL);
    ck_assert_int_ge(ends[1], 0);
    ck_assert_int_eq(close(listener), 0);
}

void conf_make_dir(char path[CONF_PATH])
{
    const char *base = getenv("TMPDIR");

    snprintf(path, CONF_PATH, "%s/conformance-XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(path));
}

static void open_fifo(int ends[2])
{
    char dir[CONF_PATH], path[CONF_PATH + 8];
    int both;

    conf_make_dir(dir);
    snprintf(path, sizeof path, "%s/fifo", dir);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    /* With a reader and a writer there, neither open() has to wait. */
    both = open(path, O_RDWR | O_CLOEXEC);
    ends[0] = open(path, O_RDONLY | O_CLOEXEC);
    ends[1] = open(path, O_WRONLY | O_CLOEXEC);
    close(both);
    unlink(path);
    rmdir(dir);
}

static void open_pty(int ends[2])
{
    char name[64];
    struct termios raw;

    ends[1] = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert_int_ge(ends[1], 0);
    ck_assert_int_eq(grantpt(ends[1]), 0);
    ck_assert_int_eq(unlockpt(ends[1]), 0);
    ck_assert_int_eq(ptsname_r(ends[1], name, sizeof name), 0);
    ends[0] = open(name, O_RDWR | O_NOCTTY);
    ck_assert_int_ge(ends[0], 0);
    ck_assert_int_eq(tcgetattr(ends[0], &raw), 0);
    cfmakeraw(&raw);
    ck_assert_int_eq(tcsetattr(ends[0], TCSANOW, &raw), 0);
}

void conf_stream(enum conf_stream kind, int ends[2])
{
    static void (*const openers[CONF_STREAMS])(int *) = {
        conf_pipe, open_fifo, conf_unix_pair, conf_tcp_pair, open_pty,
    };

    openers[kind](ends);
    ck_assert_int_ge(ends[0], 0);
    ck_assert_int_ge(ends[1], 0);
}

void conf_close_both(int ends[2])
{
    ck_assert_int_eq(close(ends[0]), 0);
    ck_assert_int_eq(close(ends[1]), 0);
}

void *conf_bad_address(void)
{
    static void *page;

    if (page == NULL)
        page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CONF_CHECK(page != MAP_FAILED);
    return page;
}

static unsigned char pattern(size_t at, unsigned seed)
{
    uint64_t mixed = (at / 7 + seed) * 0x9e3779b97f4a7c15ULL;

    return (unsigned char)((mixed >> 56) + at % 7);
}

void conf_fill(void *address, size_t length, unsigned seed)
{
    unsigned char *bytes = address;

    for (size_t at = 0; at < length; at++)
        bytes[at] = pattern(at, seed);
}

bool conf_filled(const void *address, size_t length, unsigned seed)
{
    const unsigned char *bytes = address;

    for (size_t at = 0; at < length; at++)
        if (bytes[at] != pattern(at, seed))
            return false;
    return true;
}

void conf_write_all(int fd, const void *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t n = write(fd, (const char *)bytes + done, length - done);

        CONF_CHECK(n > 0);
        done += (size_t)n;
    }
}

void conf_read_all(int fd, void *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t n = read(fd, (char *)bytes + done, length - done);

        CONF_CHECK(n > 0);
        done += (size_t)n;
    }
}

/* Children. */

void conf_child_begin(void)
{
    /* Check's handler, inherited, would kill the whole process group. */
    signal(SIGALRM, SIG_DFL);
    alarm(30);
}

int conf_child_status(pid_t child)
{
    int status = 0;

    CONF_CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Counting what is open. */

/* One past the highest fd that is the program's for certain. */
static int fd_ceiling(void)
{
    struct rlimit limit;
    int ceiling = FDS_MAX;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
        limit.rlim_cur < (rlim_t)(FDS_MAX + RUNTIME_FDS))
        ceiling = (int)limit.rlim_cur - RUNTIME_FDS;
    return ceiling;
}

/* Set is_open[fd] for each open fd below the ceiling; their number. */
static int list_fds(bool *is_open)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    int ceiling = fd_ceiling();
    int count = 0;

    CONF_CHECK(dir != NULL);
    memset(is_open, 0, FDS_MAX * sizeof *is_open);
    while ((entry = readdir(dir)) != NULL) {
        int fd = atoi(entry->d_name);

        if (entry->d_name[0] == '.' || fd == dirfd(dir) || fd >= ceiling)
            continue;
        is_open[fd] = true;
        count++;
    }
    closedir(dir);
    return count;
}

int conf_count_fds(void)
{
    bool is_open[FDS_MAX];

    return list_fds(is_open);
}

/* The kernel's word for the file that it runs: started by the kernel's handler, qemu
 * is called as the program is, and tells lies about /proc/self, but not of this. */
bool conf_emulated(void)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/thread-self/exe", path, sizeof path - 1);
    const char *name;

    CONF_CHECK(length > 0);
    path[length] = '\0';
    name = strrchr(path, '/');
    return name != NULL && strncmp(name, "/qemu-", 6) == 0;
}

int conf_count_tasks(void)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    int count = 0;

    CONF_CHECK(dir != NULL);
    while ((entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return conf_emulated() ? count - 1 : count; /* qemu has one itself */
}

int conf_count_maps(void)
{
    char block[4096];
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    int count = 0;
    ssize_t n;

    CONF_CHECK(fd >= 0);
    while ((n = read(fd, block, sizeof block)) > 0)
        for (ssize_t i = 0; i < n; i++)
            count += block[i] == '\n';
    close(fd);
    return count;
}

static bool fds_before[FDS_MAX];
static int maps_at_first, maps_of_threads;

void conf_expect_threads(int alive)
{
    if (2 * alive > maps_of_threads)
        maps_of_threads = 2 * alive;
}

/* Another kernel thread, the program's own or one that looks into /proc, may have
 * one open for a moment. */
static void list_fds_that_stay(bool *is_open)
{
    static bool again[FDS_MAX];
    int tries = 0;

    list_fds(is_open);
    do {
        sleep_ms(1);
        memcpy(again, is_open, sizeof again);
        list_fds(is_open);
    } while (memcmp(again, is_open, sizeof again) != 0 && ++tries < 100);
}

void leak_check_begin(void)
{
    list_fds_that_stay(fds_before);
    if (maps_at_first == 0)
        maps_at_first = conf_count_maps();
}

static const char *what_is(int fd)
{
    static char target[256];
    char path[64];
    ssize_t length;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    length = readlink(path, target, sizeof target - 1);
    target[length > 0 ? length : 0] = '\0';
    return target;
}

void leak_check_end(void)
{
    static bool fds_now[FDS_MAX];
    int maps = conf_count_maps();

    list_fds_that_stay(fds_now);
    for (int fd = 0; fd < FDS_MAX; fd++) {
        if (fds_now[fd] && !fds_before[fd])
            ck_abort_msg("the test left fd %d open, %s", fd, what_is(fd));
        if (!fds_now[fd] && fds_before[fd])
            ck_abort_msg("the test closed fd %d, not its own", fd);
    }
    if (maps > maps_at_first + MAPS_SLACK + maps_of_threads)
        ck_abort_msg("mappings grew from %d to %d", maps_at_first, maps);
}

/* Is this run what it claims to be? */

struct crowd {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int arrived;
    bool leave;
};

static void *stand_in_crowd(void *argument)
{
    struct crowd *crowd = argument;

    pthread_mutex_lock(&crowd->lock);
    crowd->arrived++;
    pthread_cond_broadcast(&crowd->changed);
    while (!crowd->leave)
        pthread_cond_wait(&crowd->changed, &crowd->lock);
    pthread_mutex_unlock(&crowd->lock);
    return argument;
}

void conf_assert_mapped(void)
{
    const char *hubs = getenv("VIREO_HUBS");
    int most = MAPPED_TASKS_MAX;
    struct crowd crowd = { .lock = PTHREAD_MUTEX_INITIALIZER,
                           .changed = PTHREAD_COND_INITIALIZER };
    pthread_t threads[MAPPED_THREADS];
    int tasks;

    for (int i = 0; i < MAPPED_THREADS; i++)
        threads[i] = start_thread(stand_in_crowd, &crowd);
    pthread_mutex_lock(&crowd.lock);
    while (crowd.arrived < MAPPED_THREADS)
        pthread_cond_wait(&crowd.changed, &crowd.lock);
    tasks = conf_count_tasks();
    crowd.leave = true;
    pthread_cond_broadcast(&crowd.changed);
    pthread_mutex_unlock(&crowd.lock);
    for (int i = 0; i < MAPPED_THREADS; i++)
        CONF_CHECK(join_thread(threads[i]) == &crowd);

    if (hubs != NULL) /* for each beyond the first one, and one that watches it */
        most += 2 * ((strcmp(hubs, "auto") == 0 ? get_nprocs() : atoi(hubs)) - 1);
    if (getenv("VIREO_REQUIRE") != NULL && tasks > most) {
        fprintf(stderr, "%d threads ran on %d kernel threads: not mapped\n",
                MAPPED_THREADS, tasks);
        exit(99);
    }
}

/* The suite. */

enum { TESTS_MAX = 200 };

static struct {
    const char *name;
    int times;
} added[TESTS_MAX];
static int added_count;
static int started, started_times; /* the next: its index, its iteration */

static bool wanted(const char *name)
{
    const char *one = getenv("CONF_CASE"), *only = getenv("CONF_ONLY");

    return (one == NULL || strcmp(name, one) == 0) &&
           (only == NULL || strstr(name, only) != NULL);
}

void conf_test(TCase *tcase, const TTest *test, int times)
{
    if (!wanted(test->name))
        return;
    CONF_CHECK(added_count < TESTS_MAX);
    added[added_count].name = test->name;
    added[added_count].times = times;
    added_count++;
    if (times > 1)
        tcase_add_loop_test(tcase, test, 0, times);
    else
        tcase_add_test(tcase, test);
}

static void *stand_by(void *argument)
{
    return argument;
}

static void begin_test(void)
{
    if (getenv("CONF_TRACE") != NULL)
        fprintf(stderr, "%s %d\n", added[started].name, started_times);
    if (++started_times == added[started].times) {
        started++;
        started_times = 0;
    }
    leak_check_begin();
}

/* A hung program is killed from outside any thread: a handler of ours would
 * depend on what is being tested. */
static void limit_time(void)
{
    const char *limit = getenv("CONF_LIMIT_S");
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
                              .sigev_signo = SIGKILL };
    int most = conf_emulated() ? 400 : 150; /* for what hangs */
    struct itimerspec when = { .it_value.tv_sec = limit ? atoi(limit) : most };
    timer_t timer;

    CONF_CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    CONF_CHECK(timer_settime(timer, 0, &when, NULL) == 0);
}

/* For who runs the tests one by one: what there is, or what they run on. */
static int answer(const char *question, void (*add)(TCase *))
{
    if (strcmp(question, "machine") == 0) {
        join_thread(start_thread(stand_by, NULL)); /* the first starts it all */
        printf("libc glibc %s\nemulated %d\n", gnu_get_libc_version(),
               conf_emulated());
        return EXIT_SUCCESS;
    }
    add(tcase_create("linux"));
    for (int i = 0; i < added_count; i++)
        printf("%s %d\n", added[i].name, added[i].times);
    return EXIT_SUCCESS;
}

int conf_main(const char *name, void (*add)(TCase *), int flags)
{
    const char *question = getenv("CONF_ASK");
    TCase *tcase;

    if (question != NULL)
        return answer(question, add);
    tcase = tcase_create("linux");
    limit_time();
    signal(SIGPIPE, SIG_IGN);
    if (flags & CONF_THREADS)
        conf_assert_mapped();
    tcase_add_checked_fixture(tcase, begin_test, leak_check_end);
    tcase_set_timeout(tcase, 0);
    add(tcase);
    if (added_count == 0 && skipped)
        return EXIT_SUCCESS;
    if (added_count == 0) {
        fprintf(stderr, "%s has no such test\n", name);
        return 2;
    }
    return runner_run(name, tcase, CK_NOFORK);
}
