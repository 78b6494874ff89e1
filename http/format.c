/* format.c - text by printf(), in the caller's room, or in memory if it is
 * longer */
#include "http/memory.h"
#include "http/stream_impl.h"

#include <errno.h>
#include <stdio.h>

int http__format(char **text, size_t size, const char *format, va_list args)
{
    va_list again;
    int length;

    va_copy(again, args);
    length = vsnprintf(*text, size, format, again);
    va_end(again);
    if (length < 0)
        return -EINVAL;
    if ((size_t)length < size)
        return length;
    *text = http__malloc((size_t)length + 1);
    if (*text == NULL)
        return -ENOMEM;
    vsnprintf(*text, (size_t)length + 1, format, args);
    return length;
}
