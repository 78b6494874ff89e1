/* step3_generator.c - a generator: a walk over a tree, one node at a time
 *
 * The caller becomes the generator's parent before each resume, so that
 * generators can be used inside generators (G-089). */
#include <stdbool.h>
#include <stdio.h>
#include <vireo/greenlet.h>

struct node {
    const char *name;
    struct node *left, *right;
};

/* In a generator: hand out a value. */
static int yield(void *value)
{
    return greenlet_switch(greenlet_parent(greenlet_current()), value, NULL);
}

/* Ask a generator for its next value; false when it has ended. */
static bool next(struct greenlet *generator, void *argument, void **value)
{
    greenlet_set_parent(generator, greenlet_current());
    if (greenlet_switch(generator, argument, value) < 0)
        return false;
    return !greenlet_dead(generator);
}

/* Recursion is what a state machine cannot do. */
static int walk(struct node *node)
{
    int rc;

    if (node == NULL)
        return 0;
    rc = walk(node->left);
    if (rc == 0)
        rc = yield(node);
    if (rc == 0)
        rc = walk(node->right);
    return rc;
}

static int in_order(void *tree, void **result)
{
    (void)result;
    return walk(tree);
}

/* A generator over another: every second node. */
static int every_second(void *tree, void **result)
{
    struct greenlet *all = greenlet_new(in_order, NULL, 0);
    void *node;

    (void)result;
    for (int i = 0; next(all, tree, &node); i++)
        if (i % 2 == 0 && yield(node) < 0)
            break;
    greenlet_unref(all); /* ends it, wherever it is */
    return 0;
}

static void show(greenlet_run *run, struct node *tree)
{
    struct greenlet *generator = greenlet_new(run, NULL, 0);
    void *node;

    while (next(generator, tree, &node))
        printf(" %s", ((struct node *)node)->name);
    printf("\n");
    greenlet_unref(generator);
}

int main(void)
{
    struct node a = { "a", NULL, NULL }, c = { "c", NULL, NULL };
    struct node e = { "e", NULL, NULL }, b = { "b", &a, &c };
    struct node d = { "d", &b, &e };

    show(in_order, &d);
    show(every_second, &d);
    return 0;
}
