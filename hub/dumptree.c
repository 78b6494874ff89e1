/* dumptree.c - the greenlets of one hub under those that spawned them
 *
 * All are collected, ordered by their spawner, and each is printed before its own.
 * A dump may be made in a signal handler: see print.h for what it may call. */
#include "hub/dump.h"
#include "hub/sight.h"

#include <sys/mman.h>

#define DEEPEST 40 /* further down there is no more indentation */

struct node {
    const struct greenlet *spawner; /* NULL: it is a root */
    struct greenlet *g;
    bool printed;
};

struct tree {
    struct hub__print print;
    struct hub__symbols *symbols;
    struct hub *hub;
    struct node *nodes;
    size_t count, room;
};

static int count_each(struct greenlet *g, void *data)
{
    struct tree *tree = data;

    if (greenlet__read(g->thread) == tree->hub->os->first &&
        g != tree->hub->greenlet)
        tree->room++;
    return 0;
}

static int add_each(struct greenlet *g, void *data)
{
    struct tree *tree = data;

    if (greenlet__read(g->thread) == tree->hub->os->first &&
        g != tree->hub->greenlet && tree->count < tree->room)
        tree->nodes[tree->count++] =
            (struct node){ hub__born_peek(g).spawner, g, false };
    return 0;
}

static bool is_before(const struct node *a, const struct node *b)
{
    if (a->spawner != b->spawner)
        return (uintptr_t)a->spawner < (uintptr_t)b->spawner;
    return (uintptr_t)a->g < (uintptr_t)b->g;
}

/* By Shell: in place, and nothing is called. */
static void order(struct node *nodes, size_t count)
{
    size_t gap = 1;

    while (gap < count / 3)
        gap = gap * 3 + 1;
    for (; gap > 0; gap /= 3)
        for (size_t i = gap; i < count; i++) {
            struct node moved = nodes[i];
            size_t at = i;

            for (; at >= gap && is_before(&moved, &nodes[at - gap]); at -= gap)
                nodes[at] = nodes[at - gap];
            nodes[at] = moved;
        }
}

/* The first of those that it spawned. */
static size_t find(const struct tree *tree, const struct greenlet *spawner)
{
    size_t low = 0, high = tree->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if ((uintptr_t)tree->nodes[middle].spawner < (uintptr_t)spawner)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void print_place(struct tree *tree, struct greenlet *g, int indent)
{
    struct hub__born_seen born = hub__born_peek(g);
    struct hub__symbol symbol;

    symbol.name = NULL;
    for (int i = 0; i < born.count; i++) {
        hub__symbols_find(tree->symbols, (const char *)born.frames[i] - 1,
                          &symbol);
        if (!symbol.ours)
            break;
    }
    if (symbol.name == NULL)
        return;
    for (int i = 0; i < indent + 2; i++)
        hub__print(&tree->print, " ");
    hub__print(&tree->print, "spawned in %s+0x%lx\n", symbol.name,
               (unsigned long)symbol.offset + 1);
}

static void print_under(struct tree *tree, const struct greenlet *spawner,
                        int depth)
{
    for (size_t i = find(tree, spawner);
         i < tree->count && tree->nodes[i].spawner == spawner; i++) {
        struct node *node = &tree->nodes[i];

        if (node->printed)
            continue;
        node->printed = true;
        hub__print_line(&tree->print, tree->hub, node->g, depth * 2);
        print_place(tree, node->g, depth * 2);
        if (depth < DEEPEST)
            print_under(tree, node->g, depth + 1);
    }
}

/* A spawner that is not on the list makes a root: the loop, one of another
 * hub. */
static void find_roots(struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        const struct greenlet *spawner = tree->nodes[i].spawner;

        if (spawner != NULL &&
            (spawner == tree->hub->greenlet ||
             greenlet__read(spawner->thread) != tree->hub->os->first))
            tree->nodes[i].spawner = NULL;
    }
}

static void collect(struct tree *tree)
{
    size_t size;

    greenlet_each(count_each, tree);
    size = tree->room * sizeof *tree->nodes;
    if (size == 0)
        return;
    tree->nodes = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (tree->nodes == MAP_FAILED) {
        tree->room = 0;
        return;
    }
    greenlet_each(add_each, tree);
    find_roots(tree);
    order(tree->nodes, tree->count);
}

/* The oldest spawner of g that is there. */
static const struct greenlet *root_of(const struct tree *tree,
                                      const struct greenlet *g)
{
    for (size_t steps = 0; steps < tree->count; steps++) {
        const struct greenlet *spawner = hub__born_peek((struct greenlet *)g)
                                             .spawner;

        if (spawner == NULL || spawner == tree->hub->greenlet)
            break;
        g = spawner;
    }
    return g;
}

void hub__dump_tree(struct hub *hub, const struct greenlet *of, int fd)
{
    struct tree tree = { .hub = hub };
    int before = errno;

    hub__print_open(&tree.print, fd);
    tree.symbols = hub__symbols_open();
    collect(&tree);
    if (of != NULL)
        of = root_of(&tree, of);
    if (of != NULL && of != hub->main) {
        hub__print_line(&tree.print, hub, (struct greenlet *)of, 0);
        print_under(&tree, of, 1);
    } else {
        hub__print(&tree.print, "hub %u of thread %d\n", hub->id,
                   (int)hub->sight->tid);
        hub__print_line(&tree.print, hub, hub->main, 2);
        print_under(&tree, hub->main, 2);
        print_under(&tree, NULL, 1);
        for (size_t i = 0; i < tree.count; i++) /* too deep, or in a circle */
            print_under(&tree, tree.nodes[i].spawner, DEEPEST);
    }
    hub__print_flush(&tree.print);
    hub__symbols_close(tree.symbols);
    if (tree.room > 0)
        munmap(tree.nodes, tree.room * sizeof *tree.nodes);
    errno = before;
}
