/* Whatever can be waited for, and links: calls when it is ready. */
#include "sync.h"

#include "hub/sync_impl.h"

static struct hub_event event;
static struct hub_link link_a, link_b;

static void unset(void)
{
    hub_event_init(&event);
    memset(&link_a, 0, sizeof link_a);
    memset(&link_b, 0, sizeof link_b);
}

static void called(struct hub_object object, void *arg)
{
    ck_assert(object.pointer != NULL);
    ck_assert_ptr_eq(greenlet_current(), hub_greenlet(hub_current()));
    note(*(const char *)arg);
}

static int link_event(struct hub_link *link, const char *name)
{
    return hub_rawlink(link, hub_event_object(&event), called, (void *)name);
}

START_TEST(a_link_is_called_once_in_the_loop_when_it_is_ready)
{
    ck_assert_int_eq(link_event(&link_a, "a"), 0);
    ck_assert_int_eq(link_event(&link_b, "b"), 0);
    settle();
    ck_assert_str_eq(order, "");
    hub_event_set(&event);
    ck_assert_str_eq(order, ""); /* never synchronously */
    settle();
    hub_event_set(&event);
    settle();
    ck_assert_str_eq(order, "ab");
    ck_assert_int_eq(hub_unlink(&link_a), -ENOENT);
}
END_TEST

START_TEST(a_link_to_what_is_ready_is_called_soon)
{
    hub_event_set(&event);
    ck_assert(hub_object_ready(hub_event_object(&event)));
    ck_assert_int_eq(link_event(&link_a, "a"), 0);
    ck_assert_str_eq(order, "");
    settle();
    ck_assert_str_eq(order, "a");
}
END_TEST

START_TEST(what_is_unlinked_is_not_called)
{
    link_event(&link_a, "a");
    link_event(&link_b, "b");
    ck_assert_int_eq(hub_unlink(&link_a), 0);
    hub_event_set(&event);
    ck_assert_int_eq(hub_unlink(&link_b), 0); /* it lay on the ready list */
    settle();
    ck_assert_str_eq(order, "");
    ck_assert_int_eq(link_event(&link_a, "c"), 0);
    settle();
    ck_assert_str_eq(order, "c");
}
END_TEST

static void links_again(struct hub_object object, void *arg)
{
    note(*(const char *)arg);
    hub_event_clear(&event);
    ck_assert_int_eq(hub_rawlink(&link_a, object, called, (void *)"2"), 0);
}

START_TEST(a_link_may_be_used_again_in_its_own_call)
{
    hub_rawlink(&link_a, hub_event_object(&event), links_again, (void *)"1");
    hub_event_set(&event);
    settle();
    ck_assert_str_eq(order, "1");
    hub_event_set(&event);
    settle();
    ck_assert_str_eq(order, "12");
}
END_TEST

static void waits(void *arg)
{
    hub_event_wait(&event, HUB_FOREVER);
    note(*(const char *)arg);
}

START_TEST(links_and_waits_are_served_in_one_order)
{
    struct greenlet *one, *two;

    one = hub_spawn_raw(waits, "1");
    hub_yield();
    link_event(&link_a, "a");
    two = hub_spawn_raw(waits, "2");
    hub_yield();
    link_event(&link_b, "b");
    hub_event_set(&event);
    finish(one);
    finish(two);
    settle();
    ck_assert_str_eq(order, "1a2b");
}
END_TEST

START_TEST(mistakes_are_refused)
{
    struct hub_object nothing = { NULL, NULL };

    ck_assert_int_eq(hub_rawlink(&link_a, nothing, called, NULL), -EINVAL);
    ck_assert_int_eq(
        hub_rawlink(&link_a, hub_event_object(NULL), called, NULL), -EINVAL);
    ck_assert_int_eq(
        hub_rawlink(NULL, hub_event_object(&event), called, NULL), -EINVAL);
    ck_assert_int_eq(
        hub_rawlink(&link_a, hub_event_object(&event), NULL, NULL), -EINVAL);
    ck_assert_int_eq(hub_unlink(NULL), -ENOENT);
    ck_assert_int_eq(hub_unlink(&link_a), -ENOENT);
    ck_assert(!hub_object_ready(nothing));
    link_event(&link_a, "a");
    ck_assert_int_eq(link_event(&link_a, "a"), -EBUSY);
    ck_assert_int_eq(hub_unlink(&link_a), 0);
}
END_TEST

START_TEST(each_object_is_ready_and_not_ready)
{
    struct hub_semaphore semaphore;
    struct hub_async_result result;
    struct hub_queue queue;
    struct hub_channel channel;
    struct hub_rlock lock;
    struct hub_object objects[5];
    struct hub_link links[5];

    memset(links, 0, sizeof links);
    hub_semaphore_init(&semaphore, 0);
    hub_async_result_init(&result);
    hub_queue_init(&queue, 2);
    hub_channel_init(&channel);
    hub_rlock_init(&lock);
    hub_rlock_acquire(&lock, 0);
    objects[0] = hub_semaphore_object(&semaphore);
    objects[1] = hub_async_result_object(&result);
    objects[2] = hub_queue_object(&queue);
    objects[3] = hub_channel_object(&channel);
    objects[4] = hub_rlock_object(&lock);
    for (int i = 0; i < 5; i++) {
        ck_assert(!hub_object_ready(objects[i]));
        hub_rawlink(&links[i], objects[i], called, &"01234"[i]);
    }
    ck_assert_int_eq(hub_channel_try_put(&channel, NULL), -EAGAIN);
    settle();
    ck_assert_str_eq(order, "");
    ck_assert_int_eq(hub_semaphore_release(&semaphore), 1);
    hub_async_result_set(&result, NULL);
    hub_queue_put(&queue, NULL, 0);
    hub_channel_shutdown(&channel);
    hub_rlock_release(&lock);
    for (int i = 0; i < 5; i++)
        ck_assert(hub_object_ready(objects[i]));
    settle();
    ck_assert_str_eq(order, "01234");
    ck_assert_int_eq(hub_semaphore_count(&semaphore), 1); /* nothing is taken */
    ck_assert_int_eq(hub_queue_size(&queue), 1);
    ck_assert_int_eq(hub_queue_destroy(&queue), 0);
}
END_TEST

/* ---- threads ---- */

static void *sets(void *arg)
{
    (void)arg;
    usleep(2000);
    hub_event_set(&event);
    return NULL;
}

START_TEST(a_link_is_called_in_its_hub_whoever_sets)
{
    pthread_t setter;

    link_event(&link_a, "a");
    setter = thread(sets, NULL);
    ck_assert_int_eq(hub_event_wait(&event, hub_deadline(20 * HUB_SECOND)), 0);
    pthread_join(setter, NULL);
    for (int i = 0; order[0] == '\0' && i < 20000; i++)
        hub_sleep(MS); /* the loop takes what other threads have queued */
    ck_assert_str_eq(order, "a");
}
END_TEST

START_TEST(what_another_thread_has_notified_can_be_unlinked)
{
    for (int i = 0; i < 20; i++) {
        pthread_t setter;

        link_event(&link_a, "a");
        setter = thread(sets, NULL);
        usleep(2000);
        ck_assert_int_eq(hub_unlink(&link_a), 0);
        pthread_join(setter, NULL);
        hub_event_clear(&event);
    }
    settle();
    ck_assert_str_eq(order, "");
}
END_TEST

static char refusal[200], its_hub[32];

static void *unlinks(void *arg)
{
    const struct greenlet_exception *why;

    ck_assert_ptr_nonnull(hub_current());
    *(int *)arg = hub_unlink(&link_a);
    why = greenlet_caught_peek();
    ck_assert_ptr_eq(why->cls, &hub_invalid_thread_class);
    snprintf(its_hub, sizeof its_hub, "hub %u", hub_id(hub_current()));
    snprintf(refusal, sizeof refusal, "%s", why->text);
    return NULL;
}

START_TEST(another_hub_is_refused_by_a_text_that_names_both)
{
    char mine[32];
    int rc = 0;

    link_event(&link_a, "a");
    pthread_join(thread(unlinks, &rc), NULL);
    ck_assert_int_eq(rc, -EXDEV);
    snprintf(mine, sizeof mine, "hub %u,", hub_id(hub_current()));
    ck_assert_msg(strstr(refusal, mine) != NULL, "%s", refusal);
    ck_assert_msg(strstr(refusal, its_hub) != NULL, "%s", refusal);
    hub_unlink(&link_a);
}
END_TEST

int main(void)
{
    TCase *tcase = sync_case();

    tcase_add_checked_fixture(tcase, unset, NULL);
    tcase_add_test(tcase, a_link_is_called_once_in_the_loop_when_it_is_ready);
    tcase_add_test(tcase, a_link_to_what_is_ready_is_called_soon);
    tcase_add_test(tcase, what_is_unlinked_is_not_called);
    tcase_add_test(tcase, a_link_may_be_used_again_in_its_own_call);
    tcase_add_test(tcase, links_and_waits_are_served_in_one_order);
    tcase_add_test(tcase, mistakes_are_refused);
    tcase_add_test(tcase, each_object_is_ready_and_not_ready);
    tcase_add_test(tcase, a_link_is_called_in_its_hub_whoever_sets);
    tcase_add_test(tcase, what_another_thread_has_notified_can_be_unlinked);
    tcase_add_test(tcase, another_hub_is_refused_by_a_text_that_names_both);
    return unit_run("object", tcase);
}
