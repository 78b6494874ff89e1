/* thread_name.c - names of threads, and what else prctl() keeps for one
 *
 * The kernel's own name is the main thread's, as ps shows it; mapped threads
 * have theirs in struct mp__thread, empty for the one they were born with. */
#include "monkeypatch/native_threads.h"
#include "monkeypatch/io_impl.h"
#include "monkeypatch/per_thread.h"
#include "monkeypatch/sys.h"

#include <string.h>
#include <sys/prctl.h>

enum { NAME_SIZE = 16 }; /* TASK_COMM_LEN: with the NUL */

/* The mapped thread whose name we keep; NULL: the kernel does. */
static struct mp__thread *named(pthread_t handle)
{
    struct mp__thread *thread = mp__thread_of(handle);

    return thread == &mp__main ? NULL : thread;
}

static void get_name(const struct mp__thread *thread, char *buf)
{
    if (thread->name[0] != '\0')
        memcpy(buf, thread->name, NAME_SIZE);
    else
        SYS_CALL(SYS_prctl, PR_GET_NAME, buf, 0, 0, 0, 0);
}

MP_EXPORT int pthread_setname_np(pthread_t handle, const char *name)
{
    struct mp__thread *thread;
    size_t size;

    mp__init();
    thread = named(handle);
    if (thread == NULL)
        return mp__real.pthread_setname_np(handle, name);
    size = strlen(name) + 1;
    if (size > NAME_SIZE)
        return ERANGE;
    if (thread->ended)
        return ENOENT; /* libc opens a file in /proc */
    memset(thread->name, 0, NAME_SIZE);
    memcpy(thread->name, name, size);
    mp__native_thread_named(thread->start, name);
    return 0;
}

MP_EXPORT int pthread_getname_np(pthread_t handle, char *buf, size_t room)
{
    struct mp__thread *thread;

    mp__init();
    thread = named(handle);
    if (thread == NULL)
        return mp__real.pthread_getname_np(handle, buf, room);
    if (room < NAME_SIZE)
        return ERANGE;
    if (thread->ended)
        return ENOENT;
    get_name(thread, buf);
    return 0;
}

bool mp__prctl_recorded(int option, unsigned long value, long *result)
{
    struct mp__thread *self = mp__self;
    char *text = (char *)value;

    if (self == NULL || self == &mp__main)
        return false;
    *result = 0;
    switch (option) {
    case PR_SET_NAME:
        memset(self->name, 0, NAME_SIZE);
        strncpy(self->name, text, NAME_SIZE - 1);
        mp__native_thread_named(self->start, self->name);
        return true;
    case PR_GET_NAME:
        get_name(self, text);
        return true;
    case PR_SET_TIMERSLACK: /* has no effect: waits are timed by the hub */
        *result = mp__slack_set(value);
        return true;
    case PR_GET_TIMERSLACK:
        *result = mp__slack_get();
        return true;
    case PR_GET_TID_ADDRESS:
        if (text == NULL || !mp__readable(text, sizeof(void *)))
            return false;
        *(void **)(void *)text = mp__words_tid_address(self);
        return true;
    default:
        return false;
    }
}
