/* Stands in for what has not landed. */
#include "http/connection.h"
#define WEAK __attribute__((weak))
WEAK const char *http_request_verb(struct http_request *r) { (void)r; return "GET"; }
WEAK int http_request_minor(const struct http_request *r) { (void)r; return 1; }
WEAK int64_t http_request_length(const struct http_request *r) { (void)r; return 0; }
WEAK size_t http_request_headers(const struct http_request *r) { (void)r; return 0; }
WEAK const char *http_request_header_at(struct http_request *r, size_t i, const char **v) { (void)r; (void)i; (void)v; return NULL; }
WEAK void *http_request_alloc(struct http_request *r, size_t n) { (void)r; (void)n; return NULL; }
WEAK int http_response_text(struct http_response *r, const char *t) { (void)r; (void)t; return 0; }
WEAK int http_response_set_header(struct http_response *r, const char *n, const char *v) { (void)r; (void)n; (void)v; return 0; }
WEAK int http__response_upgrade(struct http_response *r, const char *p, http__upgraded *f, void *d, void (*drop)(void *)) { (void)r; (void)p; (void)f; (void)d; (void)drop; return 0; }
WEAK struct http__wire *http__connection_wire(struct http__connection *c) { (void)c; return NULL; }
WEAK size_t http__connection_early(struct http__connection *c, void *b, size_t n) { (void)c; (void)b; (void)n; return 0; }
WEAK void http__connection_release(struct http__connection *c) { (void)c; }
WEAK void http__connection_on_stop(struct http__connection *c, void (*f)(void *), void *d) { (void)c; (void)f; (void)d; }
WEAK void http__connection_idle(struct http__connection *c, bool i) { (void)c; (void)i; }
