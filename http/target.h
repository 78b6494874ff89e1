/* target.h - which form a request's target has, and whether it is one */
#ifndef HTTP_TARGET_H
#define HTTP_TARGET_H

#include "http/strict.h"

/* Look at the target of *head, and set its form, path and host.  Its bytes are
 * printable ASCII without '#', and one other follows.  Returns 0 or -400. */
int http__target(const char *data, struct http__head *head);

/* Is this uri-host [":" port], or nothing (RFC 9110 7.2)? */
bool http__host_valid(const char *host, size_t length);

#endif
