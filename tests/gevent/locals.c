/* locals.c - values of a greenlet, context variables, the thread pool */
#include "script.h"

#include <vireo/contextvar.h>

static struct hub_local mine;

static const char *mine_get(void)
{
    void *value = NULL;

    hub_local_get(&mine, &value);
    return value;
}

BODY(has_one)
{
    say(s->who, "has one: %s", yes(mine_get() != NULL));
    hub_local_set(&mine, (void *)s->who);
    hub_sleep(0);
    say(s->who, "%s", mine_get());
    return 0;
}

SCRIPT(values_of_each_greenlet)
{
    hub_local_init(&mine, NULL, NULL, NULL);
    hub_local_set(&mine, "main");
    spawn(has_one, "a", 0, NULL);
    spawn(has_one, "b", 0, NULL);
    hub_sleep(0);
    hub_sleep(0);
    say("main", "%s", mine_get());
    hub_local_destroy(&mine);
}

static void says_freed(void *value, void *arg)
{
    (void)arg;
    say(value, "freed");
}

BODY(sets_one)
{
    hub_local_set(&mine, "value");
    hub_sleep(0);
    say("g", "ends");
    return 0;
}

SCRIPT(values_go_with_their_greenlet)
{
    struct greenlet *g;

    hub_local_init(&mine, NULL, says_freed, NULL);
    g = hub_spawn(sets_one, step("g", 0, NULL));
    enough(g != NULL);
    join(g);
    greenlet_unref(g);
    hub_sleep(0);
    say("main", "back");
    hub_local_destroy(&mine);
}

static struct greenlet_var *var;

static const char *var_get(void)
{
    return greenlet_var_get_or(var, "nothing");
}

BODY(sets_var)
{
    say(s->who, "%s", var_get());
    greenlet_var_set(var, (void *)s->who, NULL);
    hub_sleep(0);
    say(s->who, "%s", var_get());
    return 0;
}

SCRIPT(context_variables_of_each_greenlet)
{
    var = greenlet_var_new("var", NULL);
    enough(var != NULL);
    greenlet_var_set(var, "main", NULL);
    spawn(sets_var, "a", 0, NULL);
    spawn(sets_var, "b", 0, NULL);
    hub_sleep(0);
    hub_sleep(0);
    say("main", "%s", var_get());
    greenlet_var_unref(var);
}

/* ---- calls on real threads ---- */

static struct hub_threadpool *new_pool(uint32_t threads, uint32_t queue)
{
    struct hub_threadpool *p = hub_threadpool_new(threads, queue);

    enough(p != NULL);
    return p;
}

static int sleeps_there(void *arg, void **result)
{
    const struct step *s = arg;

    usleep((useconds_t)(s->n / 1000));
    *result = "value";
    return 0;
}

SCRIPT(pool_of_threads_lets_others_run)
{
    struct hub_threadpool *p = new_pool(1, 0);
    struct greenlet *g = spawn_naps("g", T);
    void *value = NULL;

    hub_threadpool_apply(p, sleeps_there, step("slow", 3 * T, NULL),
                         HUB_FOREVER, &value);
    say("main", "%s", (char *)value);
    join(g);
    hub_threadpool_kill(p, HUB_FOREVER);
    hub_threadpool_unref(p);
}

static int fails_there(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return lost.cls->error;
}

SCRIPT(pool_of_threads_raises_at_get)
{
    struct hub_threadpool *p = new_pool(1, 0);
    struct hub_work *work;

    enough(hub_threadpool_spawn(p, fails_there, NULL, HUB_FOREVER, &work) ==
           0);
    attempt("main", hub_work_get(work, HUB_FOREVER, NULL));
    hub_work_unref(work);
    hub_threadpool_kill(p, HUB_FOREVER);
    hub_threadpool_unref(p);
}

BODY(applies)
{
    int rc = hub_threadpool_apply(s->object, sleeps_there, s, HUB_FOREVER,
                                  NULL);

    say(s->who, "has its result");
    return rc;
}

SCRIPT(pool_of_threads_wakes_in_the_order_of_ends)
{
    struct hub_threadpool *p = new_pool(2, 0);
    struct greenlet *both[] = { spawn(applies, "a", 3 * T, p),
                                spawn(applies, "b", T, p) };

    join_all(both, 2);
    hub_threadpool_kill(p, HUB_FOREVER);
    hub_threadpool_unref(p);
}

static struct hub_work *spawn_there(struct hub_threadpool *p)
{
    struct hub_work *work = NULL;

    enough(hub_threadpool_spawn(p, sleeps_there, step("slow", 2 * T, NULL),
                                HUB_FOREVER, &work) == 0);
    return work;
}

static void says_whether_ended(const char *which, struct hub_work *work)
{
    say("main", "the %s has ended: %s", which, yes(hub_work_ready(work)));
}

SCRIPT(pool_of_threads_spawn_waits_while_busy)
{
    struct hub_threadpool *p = new_pool(1, 1);
    struct hub_work *work[3];

    spawn_says("other", "runs");
    work[0] = spawn_there(p);
    work[1] = spawn_there(p);
    say("main", "has spawned two");
    work[2] = spawn_there(p);
    says_whether_ended("first", work[0]);
    says_whether_ended("second", work[1]);
    hub_work_get(work[2], HUB_FOREVER, NULL);
    for (int i = 0; i < 3; i++)
        hub_work_unref(work[i]);
    hub_threadpool_kill(p, HUB_FOREVER);
    hub_threadpool_unref(p);
}
