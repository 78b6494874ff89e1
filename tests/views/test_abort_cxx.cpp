/* http_request_abort() through C++: destructors run, and catch (...) sees it
 * pass (V-16). */
#include <check.h>

#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>

#pragma GCC diagnostic ignored "-Wshadow" /* functions named as structs */
#include "../runner.h"
#include "../sanitizers.h"
#include "http/http.h"
#include "hub/hub.h"

extern "C" {
#include "../http/serve.h"
}

/* Check's old name for ck_abort() is a member of the standard streams. */
#undef fail

namespace
{

std::string notes;

struct Noted {
    std::string name;

    explicit Noted(std::string text) : name(std::move(text))
    {
    }
    ~Noted() noexcept
    {
        notes += name + " ";
    }
    Noted(const Noted &) = delete;
    Noted &operator=(const Noted &) = delete;
};

/* Leaves its timeout as C++ does: by a destructor. */
struct Limit {
    hub_timeout timeout;

    Limit()
    {
        hub_timeout_begin(&timeout, hub_deadline(HUB_MILLISECOND));
    }
    ~Limit() noexcept
    {
        hub_timeout_end(&timeout);
    }
    Limit(const Limit &) = delete;
    Limit &operator=(const Limit &) = delete;
};

void deferred(void *)
{
    notes += "deferred ";
}

void deep(http_request *request, int n);
void (*volatile deeper)(http_request *, int) = deep; /* of unknown depth */

void deep(http_request *request, int n)
{
    Noted noted(std::to_string(n));
    Limit limit;

    if (n == 0) {
        greenlet_defer(deferred, nullptr);
        http_request_abort(request, 403);
    }
    deeper(request, n - 1);
}

int aborts(http_request *request, http_response *)
{
    Noted noted("view");

    try {
        deep(request, 3);
    } catch (...) {
        notes += "caught ";
        throw; /* as it must be */
    }
    return 0;
}

int throws(http_request *, http_response *response)
{
    Noted noted("view");

    try {
        throw std::runtime_error("mine");
    } catch (const std::runtime_error &error) {
        return http_response_text(response, error.what());
    }
}

START_TEST(v16_abort_runs_the_destructors_of_cxx)
    {
        http_app *app = http_app_new();

        http_app_route(app, "GET", "/", "index", http_view_sync(aborts));
        http_app_route(app, "GET", "/throws", "throws", http_view_sync(throws));
        ck_assert_int_eq(http_app_error(app, nullptr), 0);
        serve_start_view(http_app_view(app), nullptr);
        for (int i = 0; i < 3; i++) {
            notes.clear();
            ck_assert_int_eq(
                serve_status(serve_exchange("GET / HTTP/1.1\r\nHost: a\r\n"
                                            "Connection: close\r\n\r\n")),
                403);
            ck_assert_str_eq(notes.c_str(), "deferred 0 1 2 3 caught view ");
            notes.clear();
            ck_assert_str_eq(
                serve_body(serve_exchange("GET /throws HTTP/1.1\r\nHost: a\r\n"
                                          "Connection: close\r\n\r\n")),
                "mine");
            ck_assert_str_eq(notes.c_str(), "view ");
        }
        serve_stop();
        http_app_free(app);
    }
END_TEST

} // namespace

int main()
{
    TCase *tcase = tcase_create("cxx");

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, v16_abort_runs_the_destructors_of_cxx);
    return runner_run("abort_cxx", tcase, CK_FORK_GETENV);
}
