/* doctor.h - what the files of `vireo doctor` share */
#ifndef DOCTOR_H
#define DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

enum doctor_mark {
    DOCTOR_OK,
    DOCTOR_NOTE, /* works, and one should know */
    DOCTOR_WARN, /* may not work as it does natively */
    DOCTOR_NO    /* threads would not be mapped */
};

/* One line: what is looked at, and what was found. */
void doctor_say(enum doctor_mark mark, const char *what, const char *format,
                ...) __attribute__((format(printf, 3, 4)));

/* Some of its threads stay the kernel's; a line has said which. */
extern bool doctor_some_native;

/* ---- cmd_doctor_files.c: the program and its libraries ---- */

void doctor_files(const char *program, const char *loader);

/* ---- cmd_doctor_machine.c: limits, kernel, processor ---- */

void doctor_machine(void);

/* ---- cmd_doctor_python.c ---- */

/* `program` is an interpreter of Python: the greenlet module that it would load. */
void doctor_python(const char *program);

#endif
