/* async_result.c - a value, or a failure, that any number wait for
 *
 * A failure that is replaced is destroyed outside of the lock, since that may
 * call the program. */
#include "hub/sync_impl.h"

#include <string.h>

enum { VALUE = 4, FAILED = 8 };

struct result {
    uint64_t word;
    struct hub__link *links;
    void *value;
    struct greenlet_exception failure;
    struct greenlet *source; /* counted: `failure` is a copy of what it owns */
};
_Static_assert(sizeof(struct result) <= sizeof(struct hub_async_result),
               "struct hub_async_result has room for it");

static struct result *inside(const struct hub_async_result *result)
{
    return (struct result *)(uintptr_t)result;
}

static const struct hub__wait_kind waits_for_result = { "result", NULL };

static bool is_there(const void *result)
{
    return (hub__word_read(&((const struct result *)result)->word) &
            (VALUE | FAILED)) != 0;
}

void hub_async_result_init(struct hub_async_result *result)
{
    memset(result, 0, sizeof *result);
}

int hub_async_result_destroy(struct hub_async_result *result)
{
    struct result *r = inside(result);
    struct greenlet_exception failure;
    struct greenlet *source;

    if (hub__sync_waited(&r->word, &r->links))
        return -EBUSY;
    failure = r->failure;
    source = r->source;
    hub_async_result_init(result);
    greenlet_exception_clear(&failure);
    greenlet_unref(source);
    return 0;
}

/* ---- setting ---- */

int hub_async_result_set(struct hub_async_result *result, void *value)
{
    struct result *r = inside(result);
    struct hub__held held;
    int rc;

    if (result == NULL)
        return -EINVAL;
    rc = hub__sync_lock(&held, &r->word);
    if (rc < 0)
        return rc;
    __atomic_store_n(&r->value, value, __ATOMIC_RELAXED);
    held.value = VALUE | (held.value & FAILED);
    if (r->links != NULL)
        hub__sync_wake_all(&r->links, 0);
    hub__sync_unlock(&held);
    return 0;
}

/* Takes over what it is given. */
static int fail_with(struct result *r, const struct greenlet_exception *failure,
                     struct greenlet *source)
{
    struct greenlet_exception old = *failure;
    struct greenlet *old_source = source;
    struct hub__held held;
    int rc = r == NULL ? -EINVAL : hub__sync_lock(&held, &r->word);

    if (rc == 0) {
        old = r->failure;
        old_source = r->source;
        r->failure = *failure;
        r->source = source;
        held.value = FAILED | (held.value & VALUE);
        if (r->links != NULL)
            hub__sync_wake_all(&r->links, 0);
        hub__sync_unlock(&held);
    }
    greenlet_exception_clear(&old);
    greenlet_unref(old_source);
    return rc;
}

int hub_async_result_set_exception(struct hub_async_result *result,
                                   const struct greenlet_exception *exception)
{
    struct greenlet_exception record;

    if (exception == NULL)
        return -EINVAL;
    record = *exception;
    if (record.cls == NULL) {
        greenlet_exception_clear(&record);
        return -EINVAL;
    }
    if (record.origin == NULL)
        record.origin = __builtin_return_address(0);
    return fail_with(inside(result), &record, NULL);
}

int hub_async_result_set_from(struct hub_async_result *result,
                              struct greenlet *g)
{
    const struct greenlet_exception *failed;
    struct greenlet_exception copy = { .cls = &greenlet_error_class };
    void *value = NULL;
    int rc;

    if (result == NULL || g == NULL)
        return -EINVAL;
    if (!hub_ready(g))
        return -EAGAIN;
    rc = hub_get(g, 0, &value);
    if (rc == 0)
        return hub_async_result_set(result, value);
    failed = hub_exception(g);
    if (failed != NULL) {
        copy = *failed;
        copy.destroy = NULL; /* payload and cause stay g's */
        copy.cause = NULL;
    }
    copy.error = rc;
    return fail_with(inside(result), &copy, greenlet_ref(g));
}

void hub_async_result_link(struct hub_object source, void *result)
{
    hub_async_result_set_from(result, source.pointer);
}

/* ---- getting ---- */

/* Something is there.  What the result owns may be gone when the program looks.
 */
static int take(struct result *r, void **value)
{
    struct greenlet_exception copy;
    struct hub__held held;
    bool owned;
    int rc;

    if (likely((hub__word_read(&r->word) & VALUE) != 0)) {
        if (value != NULL)
            *value = __atomic_load_n(&r->value, __ATOMIC_RELAXED);
        hub__sync_settle(&r->word);
        return 0;
    }
    rc = hub__sync_lock(&held, &r->word);
    if (rc < 0)
        return rc;
    copy = r->failure;
    owned = copy.destroy != NULL || r->source != NULL;
    hub__sync_unlock(&held);
    copy.cause = NULL;
    if (owned)
        copy.text = copy.payload = NULL;
    copy.destroy = NULL;
    return greenlet_raise(&copy);
}

/* Waits; 0 when something is there. */
static HUB__SWITCHES __attribute__((noinline)) int wait_for(struct result *r,
                                                            int64_t deadline_ns)
{
    struct hub__wait wait;
    struct hub__held held;
    int rc = hub__wait_begin(&wait, &waits_for_result, r);

    if (rc == 0)
        rc = hub__sync_lock(&held, &r->word);
    if (unlikely(rc < 0))
        return is_there(r) ? 0 : rc;
    if (held.value & (VALUE | FAILED)) {
        hub__sync_unlock(&held);
        return 0;
    }
    hub__link_add(&r->links, &wait.link);
    hub__sync_unlock(&held);
    rc = hub__park_cancelable_inline(&wait.waiter, deadline_ns);
    if (rc != 0)
        hub__sync_unlink(&r->word, &r->links, &wait.link);
    hub__sync_settle(&r->word);
    return rc;
}

int hub_async_result_get(struct hub_async_result *result, int64_t deadline_ns,
                         void **value)
{
    int rc = hub_async_result_wait(result, deadline_ns);

    return rc == 0 ? take(inside(result), value) : rc;
}

int hub_async_result_try_get(struct hub_async_result *result, void **value)
{
    struct result *r = inside(result);

    if (result == NULL)
        return -EINVAL;
    return is_there(r) ? take(r, value) : -EAGAIN;
}

int hub_async_result_wait(struct hub_async_result *result, int64_t deadline_ns)
{
    struct result *r = inside(result);

    if (result == NULL)
        return -EINVAL;
    return likely(is_there(r)) ? 0 : wait_for(r, deadline_ns);
}

bool hub_async_result_ready(const struct hub_async_result *result)
{
    return result != NULL && is_there(inside(result));
}

bool hub_async_result_successful(const struct hub_async_result *result)
{
    return result != NULL &&
           (hub__word_read(&inside(result)->word) & VALUE) != 0;
}

const struct greenlet_exception *
hub_async_result_exception(const struct hub_async_result *result)
{
    struct result *r = inside(result);

    if (r == NULL || (hub__word_read(&r->word) & (VALUE | FAILED)) != FAILED)
        return NULL;
    return &r->failure;
}

/* ---- as an object ---- */

HUB__IS_SHARED(result, links);
static const struct hub_object_ops ops = { &waits_for_result, is_there,
                                           hub__shared_link,
                                           hub__shared_unlink };

struct hub_object hub_async_result_object(struct hub_async_result *result)
{
    struct hub_object object = { &ops, result };

    return object;
}
