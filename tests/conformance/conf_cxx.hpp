/* conf_cxx.hpp - the helpers, for programs in C++ */
#ifndef CONFORMANCE_CXX_HPP
#define CONFORMANCE_CXX_HPP

/* First, so that nothing of theirs is declared as C below. */
#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

extern "C" {
#include "conf_threads.h"
}

/* Check's old name for ck_abort() is a member of the standard streams. */
#undef fail

#endif
