/* Views by value: what each kind calls. */
#include "../unit.h"

#include "http/view.h"

#include <errno.h>

static struct http_request *const request = (void *)0x10;
static struct http_response *const response = (void *)0x20;

static int plain(struct http_request *got, struct http_response *answer)
{
    ck_assert_ptr_eq(got, request);
    ck_assert_ptr_eq(answer, response);
    return 204;
}

static int task(void *arg, void **result)
{
    *result = arg;
    return 0;
}

static int scoped(struct http_request *got, struct http_response *answer,
                  struct hub_scope *scope)
{
    ck_assert_ptr_eq(got, request);
    ck_assert_ptr_eq(answer, response);
    ck_assert_int_eq(hub_task_create(scope, NULL, task, NULL, NULL), 0);
    return -EIO;
}

START_TEST(a_sync_view_is_called_with_request_and_response)
{
    struct http_view view = http_view_sync(plain);

    ck_assert_int_eq(view.call(&view, request, response), 204);
}
END_TEST

START_TEST(an_async_view_has_a_scope_of_its_own)
{
    struct http_view view = http_view_async(scoped);

    ck_assert_int_eq(view.call(&view, request, response), -EIO);
    hub_yield(); /* what has ended is let go */
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_sync_view_is_called_with_request_and_response);
    tcase_add_test(tcase, an_async_view_has_a_scope_of_its_own);
    return unit_run("view", tcase);
}
