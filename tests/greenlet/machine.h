/* machine.h - what is under the cases: CPU, kernel, libc */
#ifndef VIREO_TESTS_MACHINE_H
#define VIREO_TESTS_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

struct machine {
    char architecture[65], kernel[65], libc[80];
    struct {
        const char *name;
        bool found;
    } features[8];
    int feature_count;
};
/* The libc is that of the program that asks. */
void machine_look(struct machine *machine);
/* The features that were found, or "none". */
void machine_features(const struct machine *machine, char *text, size_t size);
/* Do guard markers work here?  By effect: emulators answer and do nothing. */
bool machine_guard_markers(void);

#endif
