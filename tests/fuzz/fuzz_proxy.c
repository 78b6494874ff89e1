/* The PROXY protocol: every beginning of an input is read as the whole is, and
 * never beyond its end. */
#include "fuzz.h"

#include "http/proxy.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http__proxy whole, part;
    size_t length = 0, again;
    int rc;

    if (size > 2 * HTTP__PROXY_MAX)
        return 0;
    rc = http__proxy_parse(data, size, &length, &whole);
    fuzz_check(rc == 0 || rc == 1 || rc == -EBADMSG);
    fuzz_check(rc != 1 || (length <= size && length <= HTTP__PROXY_MAX));
    fuzz_check(rc == 1 || !whole.known);
    for (size_t n = 0; n < size; n += n < 256 ? 1 : 97) {
        char *copy = fuzz_copy((const char *)data, n);
        int early = http__proxy_parse(copy, n, &again, &part);

        if (rc == 1)
            fuzz_check(early == (n >= length));
        if (rc == 0)
            fuzz_check(early == 0);
        free(copy);
    }
    return 0;
}
