/* X-Forwarded-For and Forwarded: who is named is one of the list or the peer,
 * and nothing is read beyond a value's end. */
#include "fuzz.h"

#include "http/forwarded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_trust *trust;
    static struct hub_address peer;
    struct http__forwarded result;

    if (trust == NULL) {
        struct sockaddr *any = (struct sockaddr *)&peer.storage;

        any->sa_family = AF_UNIX;
        peer.length = sizeof any->sa_family;
        fuzz_check(http_trust_new("unix, 10.0.0.0/8, ::1", &trust) == 0);
    }
    for (int kind = 0; kind < 2; kind++) {
        char *copy = fuzz_copy((const char *)data, size);
        const struct http__forwarded_value value = {copy, size};
        const struct http__forwarded_list list = {&value, 1};
        const struct http__forwarded_fields fields = {list, list, list};

        http__forwarded_read((enum http__forwarded_kind)kind, trust, &peer,
                             &fields, &result);
        fuzz_check(result.host == NULL ||
                   (result.host >= copy &&
                    result.host + result.host_size <= copy + size &&
                    result.host_size <= 255));
        free(copy);
    }
    return 0;
}
