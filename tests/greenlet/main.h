/* main.h - what the files of vireo-conformance share, besides the cases */
#ifndef VIREO_TESTS_GREENLET_MAIN_H
#define VIREO_TESTS_GREENLET_MAIN_H

#include "case.h"
#include "machine.h"

/* Exit statuses of the process that runs a case. */
enum {
    CASE_PASSED = 0,
    CASE_FAILED = 1,
    CASE_LEAKED = 2,   /* tortured: it passed, and left something behind */
    CASE_SURVIVED = 3, /* tortured: an allocation failed, and it passed */
    CASE_SKIPPED = 77
};

/* case.c: run it between two counts, and end this process. */
_Noreturn void case_run(const struct case_entry *entry);
/* A line on stderr. */
void case_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- run.c ---- */

enum outcome { PASSED, FAILED, SKIPPED };

struct verdict {
    enum outcome outcome;
    char text[2048]; /* what the case said: why it failed, or was skipped */
    long milliseconds;
};
/* Run a case in a process of its own and wait for it. */
void run_case(const struct case_entry *entry, struct verdict *verdict);
/* The same with each allocation failing in turn, in one process each: the case
 * may pass, or find that there was no memory, but not crash, hang or leak. */
void torture_case(const struct case_entry *entry, struct verdict *verdict);

/* ---- report.c ---- */

struct report {
    bool json;
    int number, passed, failed, skipped;
    struct machine machine;
};
void report_begin(struct report *report, int count);
void report_case(struct report *report, const struct case_entry *entry,
                 const struct verdict *verdict);
void report_end(struct report *report);

/* "G-023" of a case that is called G_023b. */
const char *case_id(const struct case_entry *entry, char id[8]);

#endif
