/* field.h - the fields that say how a message is framed and routed */
#ifndef HTTP_FIELD_H
#define HTTP_FIELD_H

#include "http/strict.h"

/* Looks at a field that is well-formed.  Returns 0 or a status, negated. */
typedef int http__field_function(struct http__strict *strict, const char *data,
                                 const struct http__field *field,
                                 struct http__head *head);

/* Of a head: notes in it what the field says. */
http__field_function http__field_look;
/* Of a trailer: those that mean something in a head only are refused. */
http__field_function http__field_trailing;

#endif
