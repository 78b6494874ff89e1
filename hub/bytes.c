/* bytes.c - a buffer that is taken from at the front and added to at the end */
#include "hub/stream_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int hub__bytes_reserve(struct hub__bytes *bytes, size_t size)
{
    size_t count = hub__bytes_count(bytes), room;
    char *data;

    if (bytes->room - bytes->end >= size)
        return 0;
    if (bytes->room - count >= size && bytes->start >= count) {
        if (count > 0)
            memcpy(bytes->data, bytes->data + bytes->start, count);
        bytes->start = 0;
        bytes->end = count;
        return 0;
    }
    if (size > SIZE_MAX / 2 - count)
        return -ENOMEM;
    room = count + size > 2 * count ? count + size : 2 * count;
    data = greenlet__malloc(room);
    if (data == NULL)
        return -ENOMEM;
    if (count > 0)
        memcpy(data, bytes->data + bytes->start, count);
    free(bytes->data);
    *bytes = (struct hub__bytes){data, 0, count, room};
    return 0;
}

int hub__bytes_append(struct hub__bytes *bytes, const void *data, size_t size)
{
    if (size == 0)
        return 0;
    if (hub__bytes_reserve(bytes, size) < 0)
        return -ENOMEM;
    memcpy(bytes->data + bytes->end, data, size);
    bytes->end += size;
    return 0;
}

int hub__bytes_prepend(struct hub__bytes *bytes, const void *data, size_t size)
{
    size_t count = hub__bytes_count(bytes);

    if (size == 0)
        return 0;
    if (bytes->start < size) {
        if (hub__bytes_reserve(bytes, bytes->room - bytes->end + size) < 0)
            return -ENOMEM;
        memmove(bytes->data + bytes->start + size, bytes->data + bytes->start,
                count);
        bytes->start += size;
        bytes->end += size;
    }
    bytes->start -= size;
    memcpy(bytes->data + bytes->start, data, size);
    return 0;
}

size_t hub__bytes_take(struct hub__bytes *bytes, void *buffer, size_t size)
{
    size_t count = hub__bytes_count(bytes);

    if (size > count)
        size = count;
    if (size > 0)
        memcpy(buffer, bytes->data + bytes->start, size);
    hub__bytes_drop(bytes, size);
    return size;
}

void hub__bytes_drop(struct hub__bytes *bytes, size_t size)
{
    bytes->start += size;
    if (bytes->start < bytes->end)
        return;
    bytes->start = bytes->end = 0;
    if (bytes->room > HUB__STREAM_KEEP)
        hub__bytes_free(bytes);
}

void hub__bytes_free(struct hub__bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct hub__bytes){NULL, 0, 0, 0};
}
