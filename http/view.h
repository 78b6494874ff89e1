/* view.h - views: functions that answer requests */
#ifndef VIREO_VIEW_H
#define VIREO_VIEW_H

#include "hub/hub.h"
#include "hub/task.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HTTP_API __attribute__((visibility("default")))

struct http_request;
struct http_response;

/* A view runs in the greenlet that is with its connection and may wait.  It returns
 *   0             the response is as it was filled, 200 unless it says otherwise
 *   200 ... 599   that status; from 400 on, with no body set, a page that names it
 *   negative      an errno: 500, and a line in the log */
typedef int http_view_function(struct http_request *request,
                               struct http_response *response);
/* One that has a scope for tasks; what is left of them when it returns is
 * cancelled before the response is sent. */
typedef int http_view_async_function(struct http_request *request,
                                     struct http_response *response,
                                     struct hub_scope *scope);

/* A view, by value: call(view, request, response) runs it. */
struct http_view {
    int (*call)(const struct http_view *view, struct http_request *request,
                struct http_response *response);
    void (*function)(void);
    void *data;
};

/* One of each kind, for what takes a view. */
HTTP_API struct http_view http_view_sync(http_view_function *function);
HTTP_API struct http_view http_view_async(http_view_async_function *function);

#ifdef __cplusplus
}
#endif
#endif
