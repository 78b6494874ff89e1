/* values.c - exceptions and messages of greenlet scripts, and how they look */
#include "world.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct greenlet_class exit2_class = {"exit2", &greenlet_exit_class,
                                           -ECANCELED};
const struct greenlet_class err_class = {"err", &greenlet_exception_class,
                                         -EIO};
const struct greenlet_class err2_class = {"err2", &err_class, -EIO};
const struct greenlet_class base_class = {"base", &greenlet_base_class, -EINTR};

static const struct {
    const char *name;
    const struct greenlet_class *cls;
} classes[] = {
    {"exit", &greenlet_exit_class},
    {"exit2", &exit2_class},
    {"err", &err_class},
    {"err2", &err2_class},
    {"base", &base_class},
    {"any", &greenlet_base_class},
    {"exception", &greenlet_exception_class},
    {"attribute", &greenlet_attribute_class},
    {"type", &greenlet_type_class},
    {"value", &greenlet_value_class},
    {"error", &greenlet_error_class},
};
enum { CLASS_COUNT = sizeof classes / sizeof *classes };

/* A value with an owner; each must be destroyed once. */
struct box {
    long number;
};

const struct greenlet_class *class_named(const char *name)
{
    for (size_t i = 0; i < CLASS_COUNT; i++)
        if (strcmp(classes[i].name, name) == 0)
            return classes[i].cls;
    return NULL;
}

static const char *name_of(const struct greenlet_class *cls)
{
    for (size_t i = 0; i < CLASS_COUNT; i++)
        if (classes[i].cls == cls)
            return classes[i].name;
    return cls != NULL ? cls->name : "nothing";
}

static struct box *box_new(const char *word, long *count)
{
    struct box *box = malloc(sizeof *box);

    if (box == NULL)
        abort();
    box->number = strtol(word, NULL, 10);
    ++*count;
    return box;
}

static void box_end(struct box *box, long *count)
{
    box->number = -1;
    free(box);
    --*count;
}

static void free_payload(void *payload)
{
    box_end(payload, &live.payloads);
}

static void free_box(void *box)
{
    box_end(box, &live.boxes);
}

/* ---- exceptions ---- */

/* Payloads of the library's own records are texts, not boxes. */
void add_exception(const struct greenlet_exception *exception)
{
    event_add("%s", name_of(exception->cls));
    if (exception->payload != NULL && exception->destroy == free_payload) {
        event_add(":%ld", ((struct box *)exception->payload)->number);
    } else if (exception->cause != NULL) {
        event_add("(");
        add_exception(exception->cause);
        event_add(")");
    } else {
        event_add(":-");
    }
}

struct greenlet_exception make_exception(const struct greenlet_class *cls,
                                         const char *number)
{
    struct greenlet_exception exception = {.cls = cls};

    if (number != NULL) {
        exception.payload = box_new(number, &live.payloads);
        exception.destroy = free_payload;
    }
    return exception;
}

struct greenlet_exception take_caught(void)
{
    struct greenlet_exception exception = {0};

    greenlet_caught(&exception);
    return exception;
}

/* ---- values ---- */

void *plain(const char *word)
{
    if (word == NULL || strcmp(word, "none") == 0)
        return NULL;
    return (void *)(intptr_t)strtol(word, NULL, 10);
}

void add_plain(const void *value)
{
    if (value == NULL)
        event_add("None");
    else
        event_add("%ld", (long)(intptr_t)value);
}

static void add_to_message(struct greenlet_message *message, const char *word)
{
    const char *equals = strchr(word, '=');
    const char *number = equals != NULL ? equals + 1 : word;
    char key[MAX_NAME] = "";
    void *box = NULL;

    if (equals != NULL)
        snprintf(key, sizeof key, "%.*s", (int)(equals - word), word);
    if (strcmp(number, "none") != 0)
        box = box_new(number, &live.boxes);
    if (greenlet_message_add(message, equals != NULL ? key : NULL, box,
                             box != NULL ? free_box : NULL) < 0) {
        say("a message refused a value");
        if (box != NULL)
            free_box(box);
    }
}

struct greenlet_message *make_message(char *const words[], int count)
{
    struct greenlet_message *message;

    if (count == 0)
        return NULL;
    message = greenlet_message_new();
    for (int i = 0; i < count; i++)
        add_to_message(message, words[i]);
    return message;
}

static void add_box(const void *box)
{
    if (box == NULL)
        event_add("None");
    else
        event_add("%ld", ((const struct box *)box)->number);
}

static void add_positional(const struct greenlet_message *message)
{
    size_t count = greenlet_message_positional(message);

    event_add("(");
    for (size_t i = 0; i < count; i++) {
        event_add(i == 0 ? "" : " ");
        add_box(greenlet_message_at(message, i));
    }
    event_add(")");
}

static void add_keywords(const struct greenlet_message *message)
{
    size_t count = greenlet_message_keywords(message);

    event_add("{");
    for (size_t i = 0; i < count; i++) {
        void *box = NULL;
        const char *name = greenlet_message_keyword(message, i, &box);

        event_add(i == 0 ? "%s=" : " %s=", name);
        add_box(box);
    }
    event_add("}");
}

static void add_message(const struct greenlet_message *message, void *value)
{
    switch (greenlet_message_shape(message)) {
    case GREENLET_EMPTY:
    case GREENLET_TUPLE:
        add_positional(message);
        break;
    case GREENLET_SINGLE:
        add_box(greenlet_message_at(message, 0));
        if (value != greenlet_message_at(message, 0))
            event_add(" but its pointer is another");
        return;
    case GREENLET_DICT:
        add_keywords(message);
        break;
    case GREENLET_BOTH:
        event_add("(");
        add_positional(message);
        event_add(" ");
        add_keywords(message);
        event_add(")");
        break;
    }
    if (value != (void *)message)
        event_add(" but its pointer is another");
}

void add_arrival(void *value)
{
    struct greenlet_message *message = greenlet_received();
    struct greenlet_exception exit = take_caught();

    if (message != NULL) {
        add_message(message, value);
    } else if (exit.cls != NULL) {
        event_add("<");
        add_exception(&exit);
        event_add(">");
        if (value != exit.payload)
            event_add(" but its pointer is another");
    } else {
        add_plain(value);
    }
    greenlet_message_free(message);
    greenlet_exception_clear(&exit);
}

/* ---- context variables ---- */

void *value_new(const char *word)
{
    return box_new(word, &live.values);
}

long value_of(const void *value)
{
    return ((const struct box *)value)->number;
}

void value_free(void *value)
{
    box_end(value, &live.values);
}
