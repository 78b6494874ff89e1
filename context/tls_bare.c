/* tls_bare.c - TLS blocks for threads that a raw clone() makes
 *
 * Such a thread would share the block of its maker, which may be a mapped thread:
 * two OS threads would then be taken for one.  With a block of its own it is a
 * real thread like any other, whom libc alone does not know. */
#include "context/greenlet_impl.h"
#include "context/tls_impl.h"
#include "thread_pointer.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char *pthread_of(char *pointer)
{
    return pointer + greenlet__tls.pthread_start;
}

size_t greenlet__bare_size(void)
{
    return greenlet__tls.static_size + greenlet__tls.pthread_size +
           2 * greenlet__tls.static_align + 256;
}

char *greenlet__bare_new(void *memory, const struct greenlet__bare_words *words)
{
    const struct greenlet__tls_layout *tls = &greenlet__tls;
    char *start, *pointer, *own = greenlet__thread_pointer();

    pointer = greenlet__tls_place((char *)memory + greenlet__bare_size(),
                                  &start);
    memset(pthread_of(pointer), 0, tls->pthread_size);
#ifndef __x86_64__
    memset(pointer, 0, 16);
#endif
    if (greenlet__dtv_allocate(pointer) == NULL)
        return NULL;
    greenlet__tls_fill(pthread_of(pointer), pthread_of(own), NULL);
    for (unsigned i = 0; i < tls->shared_count; i++)
        memcpy(pointer + tls->shared[i], &words->words[i], sizeof(uintptr_t));
    return pointer;
}

void greenlet__bare_end(char *pointer, struct greenlet__bare_words *words)
{
    for (unsigned i = 0; i < greenlet__tls.shared_count; i++)
        memcpy(&words->words[i], pointer + greenlet__tls.shared[i],
               sizeof(uintptr_t));
    greenlet__dl_deallocate(pointer, false);
}

/* The kernel knows no robust list of it yet. */
void greenlet__bare_enter(void)
{
    char *pthread = pthread_of(greenlet__thread_pointer());
    int32_t tid = (int32_t)syscall(SYS_gettid);

    memcpy(pthread + greenlet__tls.tid, &tid, sizeof tid);
    if (greenlet__tls.robust >= 0)
        syscall(SYS_set_robust_list, pthread + greenlet__tls.robust, 24);
    greenlet__tls_enter();
}
