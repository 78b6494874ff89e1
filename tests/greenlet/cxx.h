/* cxx.h - what the cases need that must be C++ (cxx.cpp) */
#ifndef VIREO_TESTS_GREENLET_CXX_H
#define VIREO_TESTS_GREENLET_CXX_H

#include <vireo/greenlet.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Go `depth` deep, switch to the parent, throw, catch half-way up, switch
 * again inside the handler, and return the number of frames that were unwound
 * through; negative: what was caught was another's. */
long cxx_catches_its_own(long number, int depth);
/* How many exceptions the calling greenlet has thrown and not caught, and
 * whether it is in a handler. */
int cxx_uncaught(void);
int cxx_is_handling(void);
/* Throw through the last frame there is: a std::exception, or an int. */
int cxx_throws_std(void *value, void **result);
int cxx_throws_int(void *value, void **result);
/* Throw, and catch; whether it came. */
int cxx_catches(void);

#ifdef __cplusplus
}
#endif
#endif
