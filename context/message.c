/* message.c - messages of any number of values (G-020)
 *
 * One block for the fields and one array for all values, in the order in which
 * they were added; those by position and those by keyword are told apart by
 * their names. */
#include "context/greenlet_impl.h"
#include "context/testhook.h"

#include <errno.h>
#include <string.h>

struct value {
    char *name; /* NULL: by position */
    void *data;
    void (*destroy)(void *data);
};

struct greenlet_message {
    struct value *values;
    size_t count, room, positional;
    struct value few[4]; /* where most messages fit */
};

static size_t messages; /* atomic: made and not freed */

size_t greenlet__messages_made(void)
{
    return __atomic_load_n(&messages, __ATOMIC_RELAXED);
}

struct greenlet_message *greenlet_message_new(void)
{
    struct greenlet_message *message = greenlet__malloc(sizeof *message);

    if (message == NULL)
        return NULL;
    message->values = message->few;
    message->count = message->positional = 0;
    message->room = sizeof message->few / sizeof *message->few;
    __atomic_add_fetch(&messages, 1, __ATOMIC_RELAXED);
    return message;
}

void greenlet_message_free(struct greenlet_message *message)
{
    if (message == NULL)
        return;
    for (size_t i = 0; i < message->count; i++) {
        struct value *value = &message->values[i];

        free(value->name);
        if (value->destroy != NULL)
            value->destroy(value->data);
    }
    if (message->values != message->few)
        free(message->values);
    free(message);
    __atomic_sub_fetch(&messages, 1, __ATOMIC_RELAXED);
}

static const struct value *find(const struct greenlet_message *message,
                                const char *name)
{
    for (size_t i = 0; i < message->count; i++)
        if (message->values[i].name != NULL &&
            strcmp(message->values[i].name, name) == 0)
            return &message->values[i];
    return NULL;
}

static int grow(struct greenlet_message *message)
{
    size_t room = message->room * 2;
    struct value *old =
        message->values != message->few ? message->values : NULL;
    struct value *larger;

    if (message->count < message->room)
        return 0;
    larger = greenlet__realloc(old, room * sizeof *larger);
    if (larger == NULL)
        return -ENOMEM;
    if (old == NULL)
        memcpy(larger, message->few, sizeof message->few);
    message->values = larger;
    message->room = room;
    return 0;
}

int greenlet_message_add(struct greenlet_message *message, const char *name,
                         void *data, void (*destroy)(void *data))
{
    char *copy = NULL;

    if (name != NULL && find(message, name) != NULL)
        return greenlet__fail(-EEXIST, &greenlet_type_class,
                              "got multiple values for a keyword");
    if (name != NULL) {
        copy = greenlet__malloc(strlen(name) + 1);
        if (copy == NULL)
            return -ENOMEM;
        strcpy(copy, name);
    }
    if (grow(message) < 0) {
        free(copy);
        return -ENOMEM;
    }
    message->values[message->count++] = (struct value){ copy, data, destroy };
    message->positional += name == NULL;
    return 0;
}

size_t greenlet_message_positional(const struct greenlet_message *message)
{
    return message->positional;
}

size_t greenlet_message_keywords(const struct greenlet_message *message)
{
    return message->count - message->positional;
}

static const struct value *nth(const struct greenlet_message *message,
                               bool named, size_t n)
{
    for (size_t i = 0; i < message->count; i++)
        if ((message->values[i].name != NULL) == named && n-- == 0)
            return &message->values[i];
    return NULL;
}

void *greenlet_message_at(const struct greenlet_message *message, size_t i)
{
    const struct value *value = nth(message, false, i);

    return value != NULL ? value->data : NULL;
}

int greenlet_message_get(const struct greenlet_message *message,
                         const char *name, void **data)
{
    const struct value *value = find(message, name);

    if (value == NULL)
        return -ENODATA;
    *data = value->data;
    return 0;
}

const char *greenlet_message_keyword(const struct greenlet_message *message,
                                     size_t i, void **data)
{
    const struct value *value = nth(message, true, i);

    if (value == NULL)
        return NULL;
    if (data != NULL)
        *data = value->data;
    return value->name;
}

enum greenlet_shape
greenlet_message_shape(const struct greenlet_message *message)
{
    size_t keywords = message->count - message->positional;

    if (keywords != 0)
        return message->positional != 0 ? GREENLET_BOTH : GREENLET_DICT;
    if (message->positional == 1)
        return GREENLET_SINGLE;
    return message->positional == 0 ? GREENLET_EMPTY : GREENLET_TUPLE;
}

struct greenlet_message *greenlet_received(void)
{
    struct greenlet__thread *thread = greenlet__thread_peek();
    struct greenlet *self = thread != NULL ? thread->current : NULL;

    if (self == NULL || !(self->arrival & RECEIVED_BEFORE))
        return NULL;
    self->arrival &= (uint8_t)~RECEIVED_BEFORE;
    return self->received;
}
