/* tls.c - a library with thread-local variables, built once per TLS model */
#include "tls.h"

static __thread long initialised = 1234;
static __thread long zeroed[20];
static __thread char aligned[64] __attribute__((aligned(64))) = "aligned";

long *tls_initialised(void)
{
    return &initialised;
}

long *tls_zeroed(void)
{
    return &zeroed[10];
}

char *tls_aligned(void)
{
    return aligned;
}
