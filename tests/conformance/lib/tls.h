/* tls.h - the calling thread's variables of tls.c */
#ifndef CONFORMANCE_LIB_TLS_H
#define CONFORMANCE_LIB_TLS_H

long *tls_initialised(void); /* 1234 until somebody changes it */
long *tls_zeroed(void);      /* 0 */
char *tls_aligned(void);     /* "aligned", on a multiple of 64 */

#endif
