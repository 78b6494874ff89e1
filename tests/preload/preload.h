/* preload.h - what the files of vireo-conformance-preload share
 *
 * `vireo conformance --preload` runs this program.  It is linked to nothing of
 * Vireo's: it starts the programs of tests/conformance, as they are and
 * preloaded, a process for each of their tests, and compares how they end. */
#ifndef VIREO_TESTS_PRELOAD_H
#define VIREO_TESTS_PRELOAD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "../greenlet/machine.h"

/* Exit statuses. */
enum {
    ALL_PASSED = 0,
    SOME_FAILED = 1,
    USAGE = 2,
    NATIVE_FAILED = 3, /* nothing differs; a case fails without Vireo, too */
    CANNOT_RUN = 126   /* what this needs is not there */
};

struct settings {
    const char *programs; /* the folder with them */
    const char *library;  /* for LD_PRELOAD */
    const char *emulator; /* words in front of each program, or NULL */
    long timeout;         /* of one run, in seconds */
    long jobs;
    bool list, verbose, timeout_given;
    char folder[200]; /* of this run; removed with all that is in it */
};
extern struct settings settings;

/* A line on stderr. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- cases.c ---- */

struct verdict;

struct a_case {
    char *program, *name; /* "sem", "a_post_wakes" */
    int times;            /* iterations */
    struct verdict *verdict;
};

/* What a program is called for. */
struct request {
    const char *program;
    const char *name;     /* the test; NULL: a question */
    const char *question; /* CONF_ASK */
    const char *folder;   /* its own, as TMPDIR and current directory */
    bool patched;
};

/* All cases that one of the patterns matches, in the order of their names; a
 * program that cannot say what it has, or that some of it cannot be tried here,
 * has a case without a name.  False: none could be found, and that was said. */
bool cases_find(char **patterns, int count);
/* The first of the patterns that nothing is called by, or NULL. */
const char *cases_not_found(void);
extern struct a_case *cases;
extern int case_count;
/* In the child: become that program. */
_Noreturn void request_execute(const struct request *request);
/* "sem/a_post_wakes" */
const char *case_title(const struct a_case *one);

/* ---- run.c: one program, in a session of its own ---- */

enum { TEXT = 6000, HEAD = 1500, REASON = 200 };

struct run {
    bool started, in_time;
    int status; /* as wait() has it */
    int skips;  /* lines that say "skipped: ..." */
    int left;   /* processes that it left running, and that were killed */
    long milliseconds;
    long stalled;        /* ms that the machine, or this process, stood still */
    char reason[REASON]; /* of the first of the skips */
    size_t length,
        cut; /* of the text; bytes that were left out of its middle */
    char text[TEXT + 1]; /* stdout and stderr, the head and the end */
};

/* Called once in a process that starts programs: it becomes the parent of all
 * that they leave.  A worker is told to end by SIGTERM alone, the process above
 * also by a terminal; what that ignores, by nohup or a shell's `&`, it goes on
 * to. */
void run_prepare(bool is_worker);
extern volatile sig_atomic_t stopped_by; /* the signal */
extern sigset_t run_outside; /* the mask for waits; SIGCHLD ends them, too */
/* Kill and reap what is left as children of this process; how many. */
int run_clear(void);
/* Start it and wait; nothing of it is there afterwards.  False: this process
 * was told to end.  Time for which all of the machine stood still does not
 * count. */
bool run_program(const struct request *request, long seconds, struct run *run);
bool run_passed(const struct run *run);
/* "passed", "exit status 1", ... */
const char *run_told(const struct run *run, char text[100]);
/* Remove a folder with all that is in it. */
void remove_folder(const char *path);

/* ---- judge.c: one case, both ways ---- */

enum outcome { PASSED, FAILED, SKIPPED, UNKNOWN };

struct verdict {
    enum outcome outcome; /* UNKNOWN: it fails without Vireo */
    char reason[REASON + 40];
    bool again; /* the first native run failed */
    bool was_patched;
    bool passes_again; /* it failed preloaded, and did not when run once more */
    struct run native, patched;
};
void judge(const struct a_case *one, const char *folder,
           struct verdict *verdict);

/* ---- probe.c: the machine, and whether anything can run on it ---- */

struct surroundings {
    struct machine machine;
    bool emulated;    /* by qemu's user mode */
    bool interrupted; /* threads that compute */
    char fallbacks[200];
};
extern struct surroundings surroundings;

/* Returns ALL_PASSED, or an exit status after "Bail out!". */
int probe(void);

/* ---- report.c ---- */

void report_begin(void);
void report_case(int number, const struct a_case *one);
/* Returns the exit status. */
int report_end(void);

/* ---- jobs.c: several cases at a time ---- */

/* Judges all cases and reports them in their order.  Returns 0, or the signal
 * that ends this process, or -1: the report cannot be written. */
int jobs_run(void);

#endif
