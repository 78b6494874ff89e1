/* A function of the program's, or of a sanitizer's, stands before pthread_mutex_lock()
 * and unlock(), and goes on to the next of that name, which is the preload library's:
 * libvireo.so's own locks are libc's all the same, as its conditions are. */
#include "../conformance/conf_waits.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <vireo/hub.h>
#include <vireo/threadpool.h>

enum { TASKS = 5000 };

typedef int operation(pthread_mutex_t *mutex);

static unsigned locked;

static operation *next_of(operation **known, const char *name)
{
    if (*known == NULL)
        *known = (operation *)dlsym(RTLD_NEXT, name);
    return *known;
}

__attribute__((visibility("default"))) int
pthread_mutex_lock(pthread_mutex_t *mutex)
{
    static operation *next;

    __atomic_add_fetch(&locked, 1, __ATOMIC_RELAXED);
    return next_of(&next, "pthread_mutex_lock")(mutex);
}

/* Who was told of work waits for the lock meanwhile. */
__attribute__((visibility("default"))) int
pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    static operation *next;

    for (int i = 0; i < 3; i++)
        sched_yield();
    return next_of(&next, "pthread_mutex_unlock")(mutex);
}

static int nothing(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return 0;
}

START_TEST(work_of_a_pool_is_done)
{
    struct hub_threadpool *pool = hub_threadpool_default();

    ck_assert_ptr_nonnull(pool);
    for (int i = 0; i < TASKS; i++)
        ck_assert_int_eq(hub_threadpool_apply(pool, nothing, NULL,
                                              hub_deadline(20 * HUB_SECOND),
                                              NULL),
                         0);
}
END_TEST

START_TEST(the_programs_own_calls_go_by_its_function)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    unsigned before = locked;

    ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    ck_assert_uint_gt(locked, before);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, work_of_a_pool_is_done, 1);
    conf_test(tcase, the_programs_own_calls_go_by_its_function, 1);
}

int main(void)
{
    return conf_main("linked_interposed", add, 0);
}
