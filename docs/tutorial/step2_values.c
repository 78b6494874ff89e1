/* step2_values.c - values go both ways with each switch */
#include <stdio.h>
#include <vireo/greenlet.h>

/* Adds up what it is sent, and answers with the sum, until it is sent NULL. */
static int adder(void *value, void **result)
{
    struct greenlet *parent = greenlet_parent(greenlet_current());
    int sum = 0;

    while (value != NULL) {
        sum += *(int *)value;
        if (greenlet_switch(parent, &sum, &value) < 0)
            return 0;
    }
    *result = "that was all";
    return 0;
}

/* A message has any number of values, by position and by keyword. */
static int greeter(void *value, void **result)
{
    struct greenlet_message *message = greenlet_received();
    void *name = "nobody";

    (void)value;
    (void)result;
    greenlet_message_get(message, "name", &name);
    printf("%s, %s\n", (char *)greenlet_message_at(message, 0), (char *)name);
    greenlet_message_free(message);
    return 0;
}

static void send_message(void)
{
    struct greenlet *g = greenlet_new(greeter, NULL, 0);
    struct greenlet_message *message = greenlet_message_new();

    greenlet_message_add(message, NULL, "good morning", NULL);
    greenlet_message_add(message, "name", "world", NULL);
    greenlet_switch_message(g, message, NULL);
    greenlet_unref(g);
}

int main(void)
{
    struct greenlet *g = greenlet_new(adder, NULL, 0);
    void *answer;

    for (int number = 1; number <= 4; number++) {
        if (greenlet_switch(g, &number, &answer) < 0)
            return 1;
        printf("sent %d, got %d\n", number, *(int *)answer);
    }
    greenlet_switch(g, NULL, &answer);
    printf("sent NULL, got \"%s\"\n", (char *)answer);
    greenlet_unref(g);
    send_message();
    return 0;
}
