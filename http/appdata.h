/* appdata.h - what a view of an application asks of its request, and answers
 * with
 *
 * Texts are borrowed from the request, end with a 0, and are good until it is
 * gone. What is malformed is refused: the error of a function, returned by the
 * view, is answered by the status beside it. */
#ifndef VIREO_APPDATA_H
#define VIREO_APPDATA_H

#include "http/request.h"
#include "http/response.h"

#ifdef __cplusplus
extern "C" {
#endif

struct json_t; /* <jansson.h> */

/* ---- what was matched ---- */

/* The application; the endpoint, NULL: no rule matched.  Borrowed. */
HTTP_API struct http_app *http_request_app(const struct http_request *request);
HTTP_API const char *http_request_endpoint(const struct http_request *request);

/* The text that matched <name>, decoded, or a default of the rule; NULL: there
 * is no such argument. */
HTTP_API const char *http_request_path_arg(const struct http_request *request,
                                           const char *name);
/* The same of <int:name>.  Returns 0; -ENOENT; -EINVAL: no number, -ERANGE. */
HTTP_API int http_request_path_int(const struct http_request *request,
                                   const char *name, int64_t *value);

/* The path of a rule by its endpoint, with names and values for its arguments,
 * up to a NULL; those that the rule lacks become the query.  ".name" is an
 * endpoint of the same blueprint.  NULL: no rule of that endpoint takes them;
 * or no memory. */
HTTP_API const char *http_request_url_for(struct http_request *request,
                                          const char *endpoint, ...)
    __attribute__((sentinel));

/* What it is called in lines of the log: the X-Request-Id that it came with, if that
 * is at most 64 letters, digits and "-_.", or one of ours.  Borrowed. */
HTTP_API const char *http_request_id(struct http_request *request);

/* ---- errors ---- */

/* The status or (negative) errno that is being handled, or was: for handlers
 * and teardown; 0: none. */
HTTP_API int http_request_error(const struct http_request *request);

/* End the view, hook or handler with that status (300 ... 599), from any depth
 * below it; does not return.  What it and its callees deferred since by
 * greenlet_defer() is run, the last first; then their frames are unwound: C++
 * destructors run, and cleanup attributes of C that was built with
 * -fexceptions; then scopes that they entered (timeout.h, task.h) are left.
 *
 * Frames of a library that knows nothing of this (a callback of libcurl's) are
 * not unwound, nor is there anything to unwind to in another greenlet than the
 * view's: the process then ends by abort(), with a line that says so. */
HTTP_API void http_request_abort(struct http_request *request, int status)
    __attribute__((noreturn));

/* ---- the current request, and what belongs to it ---- */

/* The request of the view that runs, also in the tasks that it created; NULL:
 * none.  Borrowed: as long as the greenlet's context has it. */
HTTP_API struct http_request *http_request_current(void);

/* Values of the current request (Flask's g), each under a name: good until it
 * is gone, when drop(value) is called, unless drop is NULL. set: value is
 * given, also when this fails; the old one is dropped.  Returns 0, -ENOENT:
 * there is no current request, -ENOMEM.  get: NULL: none. */
HTTP_API int http_g_set(const char *name, void *value,
                        void (*drop)(void *value));
HTTP_API void *http_g_get(const char *name);

/* ---- arguments, forms, cookies ---- */

/* Read the query, for who wants to refuse a malformed one.  Done by the first
 * that asks.  Returns 0; -EBADMSG: a '%' without two digits, or a NUL (400),
 * -EMSGSIZE: more than 1,000 (413), -ENOMEM. */
HTTP_API int http_request_args(struct http_request *request);
/* An argument of the query, the first of that name, decoded: '+' is a blank.
 * NULL: none, or the query is malformed. */
HTTP_API const char *http_request_arg(struct http_request *request,
                                      const char *name);
/* The i-th of all; NULL beyond the last. */
HTTP_API const char *http_request_arg_at(struct http_request *request, size_t i,
                                         const char **value);

/* A cookie of that name, as it came; NULL: none. */
HTTP_API const char *http_request_cookie(struct http_request *request,
                                         const char *name);

/* Read the body as a form: application/x-www-form-urlencoded or
 * multipart/form-data.  Done by the first that asks.  Switches.
 * Returns 0; -EPROTOTYPE: it is of another type (415); -EBADMSG: it is
 * malformed (400); -EMSGSIZE: too much (413); or as http_request_read(). */
HTTP_API int http_request_form(struct http_request *request);
/* A field of the form; NULL: none, or it could not be read. */
HTTP_API const char *http_request_form_field(struct http_request *request,
                                             const char *name);
HTTP_API const char *http_request_form_at(struct http_request *request,
                                          size_t i, const char **value);

/* A file of a form.  Borrowed. */
struct http_form_file {
    const char *field;        /* the name in the form */
    const char *name;         /* what the client calls it: not to be trusted */
    const char *content_type; /* "application/octet-stream" if it says none */
    const char *data;
    size_t size;
};
HTTP_API const struct http_form_file *
http_request_file(struct http_request *request, const char *field);
HTTP_API const struct http_form_file *
http_request_file_at(struct http_request *request, size_t i);

/* ---- JSON ---- */

enum { HTTP_JSON_DEPTH = 64 }; /* arrays and objects in each other, at most */

/* The body as JSON.  Switches.
 * Ownership: borrowed from the request.
 * Returns 0; -EPROTOTYPE: Content-Type is neither application/json nor one with
 * +json (415); -EBADMSG: malformed, or nested too deeply (400, and
 * http_request_json_error() says where); or as http_request_read(). */
HTTP_API int http_request_json(struct http_request *request,
                               struct json_t **value);
/* Why it is malformed, "line 1, column 5: ..."; NULL: it is not. */
HTTP_API const char *
http_request_json_error(const struct http_request *request);

/* A JSON text as the body, and its Content-Type; value is given, also when this
 * fails.  Returns 0, -EINVAL for NULL or what cannot be written, -ENOMEM. */
HTTP_API int http_response_json(struct http_response *response,
                                struct json_t *value);
/* The same of what json_pack(format, ...) makes ("o" gives a value); -EILSEQ: a
 * text that is no UTF-8, as what a client sends may be. */
HTTP_API int http_response_jsonf(struct http_response *response,
                                 const char *format, ...);

/* ---- the session ---- */

/* Texts that a client brings back, in a cookie that it can read and not change
 * (http_app_set_secrets()).  get: borrowed until it is set; NULL: there is
 * none. set: value NULL takes it away.  Returns 0; -ENOTSUP: there are no
 * secrets; -EILSEQ: no UTF-8; -ESHUTDOWN, -ENOMEM. */
HTTP_API const char *http_request_session_get(struct http_request *request,
                                              const char *name);
HTTP_API int http_request_session_set(struct http_request *request,
                                      const char *name, const char *value);
/* It is empty; its cookie is deleted.  Returns as set. */
HTTP_API int http_request_session_clear(struct http_request *request);

/* ---- answers ---- */

/* A file below a folder, as http_response_file(); its type by the ending of its name,
 * unless one is set.  No way leads out of the folder: "..", a symbolic link, a NUL.
 * Returns 0; 404, for the view to return: there is no such file, or not for us;
 * another error of opening it. */
HTTP_API int http_response_send_from(struct http_response *response,
                                     const char *folder, const char *name);

/* Location, and that status (301, 302, 303, 307, 308).
 * Returns it, for the view to return; -EINVAL; -ENOMEM. */
HTTP_API int http_response_redirect(struct http_response *response,
                                    const char *location, int status);

/* All zero, with the path "/", is a cookie until the browser ends. */
struct http_response_cookie {
    const char *path, *domain; /* NULL: "/", and the host alone */
    int64_t max_age;           /* seconds; 0: none; negative: delete it */
    const char *same_site;     /* "Lax", "Strict", "None"; NULL: not said */
    bool secure, http_only;
};
/* Add a Set-Cookie field; how NULL: as all zero.
 * Returns 0; -EINVAL: a name that is no token, or a value that no cookie can
 * have (RFC 6265 4.1.1), "None" without secure; -ENOMEM, -ESHUTDOWN. */
HTTP_API int http_response_set_cookie(struct http_response *response,
                                      const char *name, const char *value,
                                      const struct http_response_cookie *how);

/* Call view once, behind this request's view and before the after hooks.
 * Returns 0, -EINVAL, -ENOMEM. */
HTTP_API int http_request_after_this(struct http_request *request,
                                     struct http_view view);

#ifdef __cplusplus
}
#endif
#endif
