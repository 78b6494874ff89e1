/* memory.c - what tests refuse memory by */
#include "http/memory.h"

#ifdef VIREO_TEST_HOOKS
bool (*http__test_fails)(void);
#else
typedef int http__no_test_hooks; /* a file is never empty */
#endif
