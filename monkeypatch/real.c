/* real.c - finds the functions of libc that ours hide */
#include "monkeypatch/real.h"

#include <dlfcn.h>

struct mp__real mp__real;

/* Functions of which libc keeps an old version with another meaning.  dlsym()
 * gives the default one, which is right for all others. */
#if defined(__x86_64__)
#define COND_VERSION "GLIBC_2.3.2"
#elif defined(__aarch64__)
#define COND_VERSION "GLIBC_2.17"
#else
#error "which version of pthread_cond_wait() is the current one here?"
#endif

struct name {
    const char *name;
    void **where;
};

static const struct name names[] = {
#define MP_SYMBOL(group, kind, ret, name, params, args) \
    MP_UNLESS_PASS(kind)({#name, (void **)&mp__real.name},)
#include "monkeypatch/symbols.def"
};

static const struct name conds[] = {
    {"pthread_cond_init", (void **)&mp__real.pthread_cond_init},
    {"pthread_cond_destroy", (void **)&mp__real.pthread_cond_destroy},
    {"pthread_cond_wait", (void **)&mp__real.pthread_cond_wait},
    {"pthread_cond_timedwait", (void **)&mp__real.pthread_cond_timedwait},
    {"pthread_cond_signal", (void **)&mp__real.pthread_cond_signal},
    {"pthread_cond_broadcast", (void **)&mp__real.pthread_cond_broadcast},
};

void mp__real_resolve(void)
{
    static int done;
    size_t i;

    if (done)
        return;
    done = 1;
    for (i = 0; i < sizeof names / sizeof *names; i++)
        *names[i].where = dlsym(RTLD_NEXT, names[i].name);
    for (i = 0; i < sizeof conds / sizeof *conds; i++) {
        void *found = dlvsym(RTLD_NEXT, conds[i].name, COND_VERSION);
        if (found != NULL)
            *conds[i].where = found;
    }
}

void *mp__real_symbol(const char *name)
{
    return dlsym(RTLD_DEFAULT, name);
}

void *mp__real_symbol_of(const char *path, int flags, const char *name)
{
    void *library = mp__real.dlopen(path, flags);

    return library != NULL ? dlsym(library, name) : NULL;
}
