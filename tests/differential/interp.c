/* interp.c - run greenlet scripts on our API and print what happens
 *
 * usage: differential [-u] [FILE]
 *
 * FILE (else stdin) is a batch: `=== name` before each script.  The event log
 * is that of interp.py, line by line.  -u prints each line at once, for a
 * script that may end the process. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void unraisable(struct greenlet *g,
                       const struct greenlet_exception *exception)
{
    event_begin("unraisable %s ", label_of(g));
    add_exception(exception);
    event_end();
}

static void run_main(void)
{
    const struct node *node = script_body(world->script, "main");

    for (; node != NULL; node = node->next) {
        struct status status = run_node(node, NULL);

        caught(&status, &greenlet_base_class);
    }
    say("end");
    drop_slots(true);
    world->dry = true;
    sweep();
}

static void run_script(const char *name, char *text)
{
    struct script *script = script_parse(text);

    say("=== %s", name);
    if (script->error[0] != '\0') {
        say("bad script: %s", script->error);
        script_free(script);
    } else {
        struct entry *entries;

        world_open(script);
        run_main();
        entries = world->entries;
        world_close();
        if (entries == NULL)
            script_free(script);
    }
    log_flush();
}

static char *read_all(FILE *stream)
{
    size_t size = 1 << 16, used = 0, got;
    char *text = malloc(size);

    while (text != NULL &&
           (got = fread(text + used, 1, size - used - 1, stream)) > 0) {
        used += got;
        if (size - used < 2)
            text = realloc(text, size *= 2);
    }
    if (text == NULL)
        abort();
    text[used] = '\0';
    return text;
}

/* Each `=== name` line is cut off the text of the script before it. */
static void run_batch(char *text)
{
    char *at = strncmp(text, "=== ", 4) == 0 ? text : strstr(text, "\n=== ");

    while (at != NULL) {
        char *name = at + (*at == '\n' ? 5 : 4);
        char *body = name + strcspn(name, "\n");

        if (*body != '\0')
            *body++ = '\0';
        at = strncmp(body, "=== ", 4) == 0 ? body : strstr(body, "\n=== ");
        if (at != NULL && *at == '\n')
            *at++ = '\0';
        run_script(name, body);
    }
}

int main(int argc, char **argv)
{
    FILE *stream = stdin;
    char *text;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-u") == 0)
            log_unbuffered = true;
        else if ((stream = fopen(argv[i], "r")) == NULL) {
            perror(argv[i]);
            return EXIT_FAILURE;
        }
    }
    text = read_all(stream);
    greenlet_set_unraisable(unraisable);
    run_batch(text);
    free(text);
    return EXIT_SUCCESS;
}
