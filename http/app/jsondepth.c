/* jsondepth.c - how deep a JSON text is
 *
 * Jansson goes as deep as 2,048 arrays, which is 164 KB of stack: more than a
 * connection has.  So the depth is looked at before. */
#include "http/app/app_impl.h"

ssize_t http__json_too_deep(const char *text, size_t length, unsigned most)
{
    unsigned depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < length; i++) {
        char c = text[i];

        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            if (depth++ == most)
                return (ssize_t)i;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return -1;
}
