/* develop.c - pages for who develops an application (V-25): a view that failed,
 * a program that does not compile
 *
 * They tell what nobody else is to know: only clients on this machine get them,
 * that no proxy speaks for, and that name this machine (a page of another site,
 * whose name leads here, does not). */
#include "http/app/app_impl.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <netinet/in.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unwind.h>

#include "hub/process.h"

/* ---- who asks ---- */

static bool is_loopback(const struct hub_address *peer)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&peer->storage;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&peer->storage;

    if (peer->storage.ss_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    return peer->storage.ss_family == AF_INET6 &&
           (IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
            (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) &&
             v6->sin6_addr.s6_addr[12] == 127));
}

static bool names_this_machine(const char *host)
{
    static const char *const names[] = {"localhost", "[::1]"};
    struct in_addr address;
    char text[INET_ADDRSTRLEN];
    size_t length;

    if (host == NULL)
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        length = strlen(names[i]);
        if (strncasecmp(host, names[i], length) == 0 &&
            (host[length] == '\0' || host[length] == ':'))
            return true;
    }
    length = strcspn(host, ":");
    if (length >= sizeof text)
        return false;
    memcpy(text, host, length);
    text[length] = '\0';
    return inet_pton(AF_INET, text, &address) == 1 &&
           ntohl(address.s_addr) >> 24 == 127;
}

bool http__request_is_local(struct http_request *request)
{
    static const char *const of_proxies[] = {
        "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via"};

    for (size_t i = 0; i < sizeof of_proxies / sizeof *of_proxies; i++)
        if (http_request_header(request, of_proxies[i]) != NULL)
            return false;
    return is_loopback(http_request_peer(request)) &&
           names_this_machine(http_request_host(request));
}

/* A browser that asks for a page. */
static bool wants_html(struct http_request *request)
{
    const char *accept = http_request_header(request, "Accept");

    return accept != NULL && strstr(accept, "text/html") != NULL;
}

/* ---- the page ---- */

static const char style[] =
    "<style>:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}"
    "body{max-width:60em;margin:2em auto;padding:0 1em}"
    "h1{font-size:1.5em;margin-bottom:0}"
    "pre{overflow:auto;padding:1em;border-radius:.5em;font-size:.875em;"
    "background:color-mix(in srgb,CanvasText 7%,Canvas)}"
    "table{border-spacing:0}"
    "th{text-align:left;font-weight:normal;padding-right:1.5em;"
    "vertical-align:top;opacity:.7}td{overflow-wrap:anywhere}"
    "footer{opacity:.7;font-size:.875em;margin-top:2em}</style>";

static void say(struct http_response *response, const char *text)
{
    http_response_write(response, text, strlen(text));
}

/* Text that may say anything: from a request, a compiler. */
static void put(struct http_response *response, const char *text, bool html)
{
    for (; html && *text != '\0'; text++) {
        size_t plain = strcspn(text, "<>&\"'");

        http_response_write(response, text, plain);
        text += plain;
        if (*text == '\0')
            return;
        http_response_printf(response, "&#%d;", *text);
    }
    if (!html)
        http_response_write(response, text, strlen(text));
}

static void begin_page(struct http_response *response, const char *title,
                       bool html, bool again)
{
    http_response_set_header(response, "Content-Type",
                             html ? "text/html; charset=utf-8"
                                  : "text/plain; charset=utf-8");
    http_response_set_header(response, "Cache-Control", "no-store");
    http_response_set_header(response, "Content-Security-Policy",
                             "default-src 'none'; style-src 'unsafe-inline'");
    if (html) {
        http_response_printf(
            response,
            "<!DOCTYPE html><html lang=en><meta charset=utf-8>"
            "<meta name=viewport content=\"width=device-width\">%s<title>",
            again ? "<meta http-equiv=refresh content=2>" : "");
        put(response, title, true);
        http_response_printf(response, "</title>%s<h1>", style);
    }
    put(response, title, html);
    say(response, html ? "</h1>" : "\n");
}

static void put_text(struct http_response *response, const char *text,
                     bool html)
{
    if (html)
        say(response, "<pre>");
    put(response, text, html);
    say(response, html ? "</pre>" : "\n");
}

/* ---- names of code ---- */

/* As addr2line has it, "name at file:line"; where there is none, what the
 * dynamic linker knows. */
static char *ask_addr2line(const char *file, const char *const *addresses,
                           size_t count)
{
    const char *argv[HTTP__TRACE + 6] = {"addr2line", "-f", "-p",
                                         "-C",        "-e", file};
    struct hub_process_options options = {.argv = argv,
                                          .in = HUB_PROCESS_NULL,
                                          .out = HUB_PROCESS_PIPE,
                                          .err = HUB_PROCESS_NULL};
    struct hub_process_output output = {0};
    int code = -1;

    memcpy(argv + 6, addresses, count * sizeof *addresses);
    if (hub_process_run(&options, NULL, 0, hub_deadline(5 * HUB_SECOND),
                        &output, &code) < 0 ||
        code != 0) {
        free(output.out);
        return NULL;
    }
    return output.out;
}

/* As the file says it: from its beginning, unless it is loaded where it says.
 */
static uintptr_t address_in(const Dl_info *info, const void *frame)
{
    const ElfW(Ehdr) *head = info->dli_fbase;

    return head->e_type == ET_EXEC
               ? (uintptr_t)frame
               : (uintptr_t)frame - (uintptr_t)info->dli_fbase;
}

static void put_frame(struct http_response *response, void *frame, bool html)
{
    char address[24], file[40], line[512];
    const char *const addresses[] = {address};
    const char *name;
    char *found = NULL;
    Dl_info info;

    if (dladdr(frame, &info) == 0) {
        snprintf(line, sizeof line, "%p\n", frame);
        put(response, line, html);
        return;
    }
    name = strrchr(info.dli_fname, '/');
    snprintf(address, sizeof address, "0x%lx",
             (unsigned long)address_in(&info, frame));
    snprintf(file, sizeof file, "/proc/%ld/exe", (long)getpid());
    if (strstr(info.dli_fname, ".so") == NULL)
        found = ask_addr2line(file, addresses, 1);
    if (found != NULL && strncmp(found, "??", 2) != 0)
        snprintf(line, sizeof line, "%s", found);
    else
        snprintf(line, sizeof line, "%s in %s+%s\n",
                 info.dli_sname != NULL ? info.dli_sname : "?",
                 name != NULL ? name + 1 : info.dli_fname, address);
    free(found);
    put(response, line, html);
}

struct walk {
    struct http__call *call;
    const void *from, *view;
};

static _Unwind_Reason_Code note(struct _Unwind_Context *context, void *arg)
{
    struct walk *walk = arg;
    struct http__call *call = walk->call;
    void *at = (void *)_Unwind_GetIP(context);

    if ((const char *)_Unwind_GetCFA(context) > (const char *)walk->view ||
        call->trace_count == HTTP__TRACE)
        return _URC_END_OF_STACK;
    if (call->trace_count > 0 || at == walk->from)
        call->trace[call->trace_count++] = at;
    return _URC_NO_REASON;
}

void http__debug_trace(struct http__call *call, const void *from,
                       const void *view)
{
    struct walk walk = {call, from, view};

    if (call->app == NULL || !call->app->debug)
        return;
    call->trace_count = 0;
    call->trace = http__arena_alloc(http__call_arena(call),
                                    HTTP__TRACE * sizeof *call->trace);
    if (call->trace != NULL)
        _Unwind_Backtrace(note, &walk);
}

static bool is_of_library(const void *frame)
{
    Dl_info ours, info;

    return dladdr((void *)(uintptr_t)http__debug_trace, &ours) != 0 &&
           dladdr((void *)(uintptr_t)frame, &info) != 0 &&
           info.dli_fbase == ours.dli_fbase &&
           strstr(info.dli_fname, ".so") != NULL;
}

static void put_trace(struct http__call *call, bool html)
{
    for (int i = 0; i < call->trace_count; i++)
        if (!is_of_library(call->trace[i]))
            put_frame(call->response, (char *)call->trace[i] - 1, html);
}

/* ---- a view that failed ---- */

static void describe(int error, char *text, size_t size)
{
    const char *name = NULL;

#ifdef __GLIBC__
    if (error < 0)
        name = strerrorname_np(-error);
#endif
    if (error < 0)
        snprintf(text, size, "%s (%s)", name != NULL ? name : "an errno",
                 error < -4095 ? "" : strerror(-error));
    else
        snprintf(text, size, "%d %s", error, http_response_reason(error));
}

static void put_request(struct http__call *call, bool html)
{
    struct http_request *request = call->request;
    struct http_response *response = call->response;

    say(response, html ? "<h2>Request</h2><pre>" : "Request\n");
    put(response, http_request_verb(request), html);
    say(response, " ");
    put(response, http_request_target(request), html);
    say(response, "\n");
    for (size_t i = 0; i < http_request_headers(request); i++) {
        const char *value = "",
                   *name = http_request_header_at(request, i, &value);
        bool secret = name == NULL || strcasecmp(name, "Cookie") == 0 ||
                      strcasecmp(name, "Authorization") == 0;

        if (name == NULL)
            continue;
        put(response, name, html);
        say(response, ": ");
        put(response, secret ? "(not shown)" : value, html);
        say(response, "\n");
    }
    say(response, html ? "</pre>" : "");
}

bool http__debug_page(struct http__call *call, int error)
{
    struct http_response *response = call->response;
    const char *endpoint = http_request_endpoint(call->request);
    bool html = wants_html(call->request);
    char what[128], title[256];

    if (!call->app->debug || !http__request_is_local(call->request))
        return false;
    describe(error, what, sizeof what);
    snprintf(title, sizeof title, "%s: %s",
             endpoint != NULL ? endpoint : "no endpoint", what);
    begin_page(response, title, html, false);
    say(response,
        html ? "<h2>Where</h2><pre>" : "Where (most recent call first)\n");
    if (call->trace != NULL)
        put_trace(call, html);
    else
        say(response, "returned by\n");
    if (call->trace == NULL && call->route != NULL)
        put_frame(response, (void *)(uintptr_t)call->route->original.function,
                  html);
    say(response, html ? "</pre>" : "\n");
    put_request(call, html);
    if (html)
        say(response, "<footer>This page is for clients on this machine, with "
                      "--debug.</footer>");
    return http_response_set_status(response, error >= 500 ? error : 500) == 0;
}

/* ---- a program that does not compile ---- */

/* What the compiler said; NULL: it compiles.  Given. */
static char *read_output(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat state;
    char *text = NULL;
    ssize_t got;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &state) == 0 && state.st_size > 0 && state.st_size < 1 << 24)
        text = http__malloc((size_t)state.st_size + 1);
    if (text != NULL) {
        got = read(fd, text, (size_t)state.st_size);
        text[got > 0 ? got : 0] = '\0';
    }
    close(fd);
    return text;
}

bool http__reload_page(struct http__call *call)
{
    struct http_response *response = call->response;
    int saved = errno;
    char *text;

    if (!wants_html(call->request) || !http__request_is_local(call->request))
        return false;
    text = read_output(call->app->reload_file);
    errno = saved;
    if (text == NULL)
        return false;
    begin_page(response, "The program does not compile", true, true);
    put_text(response, text, true);
    say(response, "<footer>The program as it was goes on serving; this page is "
                  "for browsers on this machine.</footer>");
    free(text);
    return http_response_set_status(response, 500) == 0;
}
