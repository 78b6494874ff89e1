/* step7_context.c - context variables: who am I working for? */
#include <stdio.h>
#include <vireo/contextvar.h>

static struct greenlet_var *user;

/* Deep in the program, and nobody has passed it an argument. */
static void log_line(const char *text)
{
    printf("[%s] %s\n", (char *)greenlet_var_get_or(user, "nobody"), text);
}

static int request(void *name, void **result)
{
    (void)result;
    log_line("a new greenlet has an empty context");
    greenlet_var_set(user, name, NULL);
    log_line("begins");
    greenlet_switch(greenlet_parent(greenlet_current()), NULL, NULL);
    log_line("goes on");
    return 0;
}

static int helper(void *value, void **result)
{
    (void)value;
    (void)result;
    log_line("a helper that was given a copy");
    greenlet_var_set(user, "changed by the helper", NULL);
    return 0;
}

static int scoped(void *arg)
{
    greenlet_var_set(user, arg, NULL);
    log_line("inside");
    return 0;
}

/* Start a helper with a copy of the caller's context. */
static void start_helper(void)
{
    struct greenlet *g = greenlet_new(helper, NULL, 0);
    struct greenlet_context *copy = greenlet_context_copy(NULL);

    greenlet_set_context(g, copy);
    greenlet_context_unref(copy);
    greenlet_switch(g, NULL, NULL);
    greenlet_unref(g);
}

int main(void)
{
    struct greenlet *ada = greenlet_new(request, NULL, 0);
    struct greenlet *grace = greenlet_new(request, NULL, 0);
    struct greenlet_context *empty = greenlet_context_new();

    user = greenlet_var_new("user", NULL);
    greenlet_var_set(user, "main", NULL);
    greenlet_switch(ada, "ada", NULL);
    greenlet_switch(grace, "grace", NULL);
    greenlet_switch(ada, NULL, NULL);
    greenlet_switch(grace, NULL, NULL);
    start_helper();
    greenlet_context_run(empty, scoped, "somebody", NULL);
    log_line("outside");

    greenlet_context_unref(empty);
    greenlet_unref(ada);
    greenlet_unref(grace);
    greenlet_var_unref(user);
    return 0;
}
