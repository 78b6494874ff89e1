/* span.c - lists and tokens in the values of fields (RFC 9110, 5.6) */
#include "http/websocket/handshake.h"

#include <string.h>
#include <strings.h>

bool http__span_is(struct http__span span, const char *word)
{
    return span.size == strlen(word) &&
           strncasecmp(span.data, word, span.size) == 0;
}

void http__span_blanks(struct http__span *text)
{
    while (text->size > 0 && (*text->data == ' ' || *text->data == '\t')) {
        text->data++;
        text->size--;
    }
}

/* RFC 9110, 5.6.2. */
static bool is_token(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
           (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool http__span_token(struct http__span *text, struct http__span *token)
{
    *token = (struct http__span){ text->data, 0 };
    while (text->size > 0 && is_token(*text->data)) {
        token->size++;
        text->data++;
        text->size--;
    }
    return token->size > 0;
}

bool http__span_byte(struct http__span *text, char byte)
{
    if (text->size == 0 || *text->data != byte)
        return false;
    text->data++;
    text->size--;
    return true;
}

void http__span_element(struct http__span *list)
{
    do
        http__span_blanks(list);
    while (http__span_byte(list, ','));
}

/* What else an element has, "websocket/1;x", makes it another one. */
static bool list_has(struct http__span list, const char *word)
{
    struct http__span element;
    const char *comma;
    size_t size;

    for (;;) {
        http__span_blanks(&list);
        comma = list.size > 0 ? memchr(list.data, ',', list.size) : NULL;
        size = comma != NULL ? (size_t)(comma - list.data) : list.size;
        element = (struct http__span){ list.data, size };
        while (element.size > 0 && (element.data[element.size - 1] == ' ' ||
                                    element.data[element.size - 1] == '\t'))
            element.size--;
        if (http__span_is(element, word))
            return true;
        if (comma == NULL)
            return false;
        list.data += size + 1;
        list.size -= size + 1;
    }
}

bool http__fields_list_has(const struct http__fields *fields, const char *name,
                           const char *word)
{
    struct http__span value;

    for (size_t n = 0; fields->find(fields->request, name, n, &value); n++)
        if (list_has(value, word))
            return true;
    return false;
}
