/* pep440.h - versions of Python packages, and what is required of them */
#ifndef GREENLET_PEP440_H
#define GREENLET_PEP440_H

/* Order of two versions as in PEP 440: *order is < 0, 0 or > 0.  Returns 0, or
 * -EINVAL if either is no version.  Thread-safe, as the other one. */
int greenlet__version_compare(const char *a, const char *b, int *order);

/* Does `version` of the package `name` meet `requirement`: the name,
 * comparisons separated by commas, or both?  Names are compared without case.
 * Pre-releases are compared like any version.
 *
 * Returns 1, 0, or -EINVAL for a requirement that is none, or that is about
 * another package. */
int greenlet__version_meets(const char *name, const char *version,
                            const char *requirement);

#endif
