/* cmd_top.c - `vireo top`: processes that run Vireo, or the calls that the threads
 * of one wait in, again and again
 *
 * Plain ANSI: the other screen, the cursor home, each line cut and its rest cleared.
 * The terminal is as it was before on every way out. */
#include "monkeypatch/cmd.h"
#include "monkeypatch/target.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define EVERY_MS 1000
#define SHORT_MS 250 /* the first time there is nothing to compare with */
#define PROCESSES 256
#define SCREEN "\033[?1049h\033[?25l" /* the other one, no cursor */
#define BACK   "\033[?25h\033[?1049l"

/* ---- the terminal ---- */

static struct termios before;
static bool changed;
static volatile sig_atomic_t resized, ending;

static void put_back(void)
{
    ssize_t ignored;

    if (!changed)
        return;
    changed = false;
    ignored = write(STDOUT_FILENO, BACK, strlen(BACK));
    (void)ignored;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
}

static void on_signal(int number)
{
    if (number == SIGWINCH)
        resized = 1;
    else
        ending = number;
}

static void take_terminal(void)
{
    static const int signals[] = { SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGQUIT };
    struct sigaction action = { .sa_handler = on_signal };
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, &before) < 0)
        return;
    atexit(put_back);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
    raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    changed = true;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
    fputs(SCREEN, stdout);
}

struct screen {
    bool live;
    int rows, columns, row;
};

static void find_size(struct screen *screen)
{
    struct winsize size;

    screen->rows = 24;
    screen->columns = 80;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 &&
        size.ws_col > 0) {
        screen->rows = size.ws_row;
        screen->columns = size.ws_col;
    }
}

static void __attribute__((format(printf, 2, 3)))
put_line(struct screen *screen, const char *format, ...)
{
    char line[512];
    va_list list;

    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    if (!screen->live) {
        puts(line);
        return;
    }
    if (screen->row == screen->rows)
        return;
    if (screen->columns < (int)sizeof line)
        line[screen->columns] = '\0';
    printf("%s%s\033[K", screen->row == 0 ? "\033[H" : "\r\n", line);
    screen->row++;
}

/* ---- what is shown ---- */

struct process {
    pid_t pid;
    bool asked, answers;
    struct stats before, now;
    long cpu_before, cpu;
    struct timespec at_before, at;
};

struct top {
    pid_t only; /* 0: all */
    struct process all[PROCESSES];
    int count;
};

static struct process *find(struct top *top, pid_t pid)
{
    for (int i = 0; i < top->count; i++)
        if (top->all[i].pid == pid)
            return &top->all[i];
    if (top->count == PROCESSES)
        return NULL;
    top->all[top->count] = (struct process){ .pid = pid };
    return &top->all[top->count++];
}

static void look_at(pid_t pid, bool has_socket, void *data)
{
    struct process *process = find(data, pid);
    const char *why;

    if (process == NULL)
        return;
    process->before = process->now;
    process->cpu_before = process->cpu;
    process->at_before = process->at;
    process->answers = has_socket && stats_ask(pid, &process->now, &why);
    process->cpu = proc_cpu_ms(pid);
    clock_gettime(CLOCK_MONOTONIC, &process->at);
    process->asked = true;
}

static void forget_gone(struct top *top)
{
    int left = 0;

    for (int i = 0; i < top->count; i++)
        if (top->all[i].asked && top->all[i].cpu >= 0)
            top->all[left++] = top->all[i];
    top->count = left;
}

static void look(struct top *top)
{
    for (int i = 0; i < top->count; i++)
        top->all[i].asked = false;
    if (top->only != 0)
        look_at(top->only, true, top);
    else
        target_each(look_at, top);
    forget_gone(top);
}

static double cpu_percent(const struct process *process)
{
    double ms = (double)(process->at.tv_sec - process->at_before.tv_sec) * 1e3 +
                (double)(process->at.tv_nsec - process->at_before.tv_nsec) / 1e6;

    return ms > 0 ? 100.0 * (double)(process->cpu - process->cpu_before) / ms
                  : 0;
}

static double rate(const struct process *process, uint64_t first,
                   uint64_t second)
{
    return stats_rate(first, second, &process->before, &process->now);
}

static void show_process(struct screen *screen, const struct process *process)
{
    const struct stats *now = &process->now, *was = &process->before;
    struct proc_memory memory;
    char command[256], longest[32];

    proc_command(process->pid, command, sizeof command);
    proc_memory(process->pid, &memory);
    if (!process->answers) {
        put_line(screen, "%7ld %5.1f %7s %9s %9s %7s %10s %8ld %s",
                 (long)process->pid, cpu_percent(process), "-", "-", "-", "-",
                 "-", memory.rss_kb, command);
        return;
    }
    put_ns(longest, sizeof longest, (int64_t)now->blocked_longest_ns);
    put_line(screen, "%7ld %5.1f %7lu %9.0f %9.0f %7.0f %10s %8ld %s",
             (long)process->pid, cpu_percent(process),
             (unsigned long)now->threads,
             rate(process, was->switches, now->switches),
             rate(process, was->parks, now->parks),
             rate(process, was->preemptions, now->preemptions), longest,
             memory.rss_kb, command);
}

static void show(struct screen *screen, const struct top *top)
{
    char clock[16];
    time_t now = time(NULL);
    struct tm local;

    strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&now, &local));
    screen->row = 0;
    put_line(screen, "vireo top - %s, %d process%s%s", clock, top->count,
             top->count == 1 ? "" : "es", screen->live ? "; q quits" : "");
    put_line(screen, "%7s %5s %7s %9s %9s %7s %10s %8s %s", "PID", "%CPU",
             "THREADS", "SWITCH/S", "PARK/S", "PREE/S", "BLOCKED", "RSS KB",
             "COMMAND");
    for (int i = 0; i < top->count; i++)
        show_process(screen, &top->all[i]);
    if (screen->live)
        fputs("\033[J", stdout);
    fflush(stdout);
}

/* ---- again and again ---- */

static bool is_gone(const struct top *top)
{
    return top->only != 0 && (top->count == 0 || !top->all[0].answers);
}

/* False: it is to end. */
static bool wait_for_key(int ms)
{
    struct pollfd key = { STDIN_FILENO, POLLIN, 0 };
    char letter = 0;

    if (poll(&key, 1, ms) <= 0)
        return ending == 0;
    return read(STDIN_FILENO, &letter, 1) == 1 && letter != 'q' &&
           letter != 'Q' && letter != 4 && ending == 0;
}

static void pause_ms(long ms)
{
    const struct timespec span = { ms / 1000, ms % 1000 * 1000000 };

    nanosleep(&span, NULL);
}

static int show_once(struct top *top)
{
    struct screen screen = { .live = false };

    look(top);
    pause_ms(SHORT_MS);
    look(top);
    show(&screen, top);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int show_live(struct top *top)
{
    struct screen screen = { .live = true };
    bool goes_on = true;

    take_terminal();
    find_size(&screen);
    look(top);
    for (int ms = SHORT_MS; goes_on; ms = EVERY_MS) {
        if (is_gone(top))
            break;
        show(&screen, top);
        goes_on = wait_for_key(ms);
        if (resized) {
            resized = 0;
            find_size(&screen);
        }
        look(top);
    }
    put_back();
    if (ending != 0) { /* as the signal would have it */
        signal(ending, SIG_DFL);
        raise(ending);
    }
    if (is_gone(top))
        return target_failed(top->only, "it has ended");
    return EXIT_SUCCESS;
}

int cmd_top(int argc, char **argv)
{
    static struct top top;
    bool once = !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO);
    struct stats stats;
    const char *why;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--once") == 0) {
            once = true;
        } else if (top.only != 0 || (top.only = target_parse(argv[i])) == 0) {
            cmd_say("top: %s: neither --once nor the number of a process",
                    argv[i]);
            return CMD_USAGE;
        }
    }
    if (top.only != 0 && !stats_ask(top.only, &stats, &why))
        return target_failed(top.only, why);
    return once ? show_once(&top) : show_live(&top);
}
