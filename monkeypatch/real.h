/* real.h - the functions of libc that ours hide
 *
 * mp__real.name is the original of every symbol of symbols.def that is not
 * PASS; NULL where this libc has none.  PASS functions may be called by their
 * plain names. */
#ifndef REAL_H
#define REAL_H

#include <aio.h>
#include <aliases.h>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <gshadow.h>
#include <mntent.h>
#include <mqueue.h>
#include <netdb.h>
#include <netinet/ether.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <resolv.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <shadow.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>
#include <utmpx.h>
#include <wchar.h>
#include <wordexp.h>

/* Liburing's, whose headers need not be here. */
struct io_uring;
struct io_uring_cqe;
struct __kernel_timespec;

/* With optimisation the headers have macros of these names. */
#undef fread_unlocked
#undef fwrite_unlocked

/* Readers of symbols.def that leave PASS out say
 * MP_UNLESS_PASS(KIND)(text): the text, or nothing. */
#define MP_UNLESS_PASS_COOPERATIVE(...) __VA_ARGS__
#define MP_UNLESS_PASS_TRACKED(...) __VA_ARGS__
#define MP_UNLESS_PASS_BY_HAND(...) __VA_ARGS__
#define MP_UNLESS_PASS_REFUSES(...) __VA_ARGS__
#define MP_UNLESS_PASS_OFFLOAD(...) __VA_ARGS__
#define MP_UNLESS_PASS_OFFLOAD_LONG(...) __VA_ARGS__
#define MP_UNLESS_PASS_OFFLOAD_NONE(...) __VA_ARGS__
#define MP_UNLESS_PASS_OFFLOAD_VOID(...) __VA_ARGS__
#define MP_UNLESS_PASS_OFFLOAD_PLAIN(...) __VA_ARGS__
#define MP_UNLESS_PASS_STORAGE(...) __VA_ARGS__
#define MP_UNLESS_PASS_PASS(...)
#define MP_UNLESS_PASS(kind) MP_UNLESS_PASS_##kind

struct mp__real {
#define MP_SYMBOL(group, kind, ret, name, params, args) \
    MP_UNLESS_PASS(kind)(ret (*name) params;)
#include "monkeypatch/symbols.def"
};

extern struct mp__real mp__real __attribute__((visibility("hidden")));

/* __sigsetjmp() and getcontext(), for sigsetjmp.S. */
extern void *mp__real_sigsetjmp __attribute__((visibility("hidden")));
extern void *mp__real_getcontext __attribute__((visibility("hidden")));

/* Fill mp__real; again is harmless.  Works before libc's and anybody's
 * constructors. */
void mp__real_resolve(void);

/* The original of any name, the other spellings too, or NULL. */
void *mp__real_next(const char *name);
/* A function of libc's that no header has, or NULL. */
void *mp__real_symbol(const char *name);
/* The symbol of a library that is opened for it and stays open, or NULL. */
void *mp__real_symbol_of(const char *path, int flags, const char *name);

/* The other spellings of a function, written below its definition:
 * MP_SPELLING(read, __read); for each MP_ALIAS(read, __read) of the table.  The
 * names for the compiler are others: headers redirect some of them. */
#if defined(__has_attribute) && __has_attribute(copy)
#define MP_COPY(real) copy(real),
#else
#define MP_COPY(real)
#endif
#define MP_SPELLING(real, alias_name)                                         \
    extern __typeof__(real) mp__spelling_##alias_name __asm__(#alias_name)    \
        __attribute__((MP_COPY(real) alias(#real), visibility("default")))

#endif
