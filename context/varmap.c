/* varmap.c - immutable maps from context variables to their values
 *
 * A hash array mapped trie: each node has a bit for each of the
 * GREENLET__VARMAP_WIDTH ways down and a child for each bit that is set.  Below
 * the last level, where the hash is used up, a node without bits lists
 * variables whose hashes are equal.
 *
 * There is one shape for each content: a node other than the root never has a
 * binding as its only child. */
#include "context/varmap.h"
#include "context/testhook.h"
#include "context/varcell.h"

#include <errno.h>
#include <stdlib.h>

enum { BITS = GREENLET__VARMAP_BITS, DEPTH = GREENLET__VARMAP_DEPTH };
enum { SMALL = 3 }; /* children of a node that is in a cell */

/* A node, or a binding if the lowest bit is set. */
typedef uintptr_t child;

struct greenlet__varnode {
    int refs;        /* atomic */
    uint16_t bits;   /* which ways have a child; 0 below the last level */
    uint16_t room;   /* children that there is memory for, at most WIDTH */
    uint32_t length; /* how many children */
    child children[];
};

_Static_assert(sizeof(struct greenlet__varnode) + SMALL * sizeof(child) <=
                   GREENLET__CELL_SIZE,
               "a small node fits a cell");

/* From the root to the place where a variable is or would be. */
struct path {
    const struct greenlet__varnode *nodes[DEPTH + 1];
    uint32_t at[DEPTH + 1]; /* position in each node's children */
    unsigned length;        /* nodes */
    struct greenlet__binding
        *found; /* in that place: this or another variable */
};

static bool is_binding(child of)
{
    return (of & 1) != 0;
}

static struct greenlet__binding *binding_of(child of)
{
    return (struct greenlet__binding *)(of & ~(uintptr_t)1);
}

static struct greenlet__varnode *node_of(child of)
{
    return (struct greenlet__varnode *)of;
}

static child from_binding(struct greenlet__binding *binding)
{
    return (uintptr_t)binding | 1;
}

static unsigned way(uint32_t hash, unsigned level)
{
    return hash >> (level * BITS) & ((1U << BITS) - 1);
}

/* ---- counting
 * ---------------------------------------------------------------- */

static child child_ref(child of)
{
    greenlet__count(is_binding(of) ? &binding_of(of)->refs
                                   : &node_of(of)->refs);
    return of;
}

struct greenlet__binding *
greenlet__binding_ref(struct greenlet__binding *binding)
{
    greenlet__count(&binding->refs);
    return binding;
}

void greenlet__binding_drop(struct greenlet__binding *binding,
                            struct greenlet__binding **dead)
{
    if (!greenlet__was_last(&binding->refs))
        return;
    binding->next_dead = *dead;
    *dead = binding;
}

static void child_drop(child of, struct greenlet__binding **dead)
{
    struct greenlet__varnode *node = node_of(of);

    if (is_binding(of)) {
        greenlet__binding_drop(binding_of(of), dead);
        return;
    }
    if (!greenlet__was_last(&node->refs))
        return;
    for (uint32_t i = 0; i < node->length; i++)
        child_drop(node->children[i], dead);
    if (node->room == SMALL)
        greenlet__cell_give(node);
    else
        free(node);
}

struct greenlet__varmap
greenlet__varmap_copy(const struct greenlet__varmap *map)
{
    if (map->root != NULL)
        greenlet__count(&map->root->refs);
    return *map;
}

void greenlet__varmap_drop(struct greenlet__varmap *map,
                           struct greenlet__binding **dead)
{
    if (map->root != NULL)
        child_drop((child)map->root, dead);
    *map = (struct greenlet__varmap){0};
}

/* ---- looking
 * ----------------------------------------------------------------- */

/* Where a way's child is, or would be inserted. */
static uint32_t position(const struct greenlet__varnode *node, unsigned to)
{
    unsigned before = node->bits & ((1U << to) - 1);

    /* Not every machine has an instruction for it, and few are most often none. */
    return before != 0 ? (uint32_t)__builtin_popcount(before) : 0;
}

/* In a list of variables with equal hashes; its length if it is not there. */
static uint32_t position_listed(const struct greenlet__varnode *node,
                                const struct greenlet_var *var)
{
    uint32_t i = 0;

    while (i < node->length && binding_of(node->children[i])->var != var)
        i++;
    return i;
}

struct greenlet__binding *
greenlet__varmap_find(const struct greenlet__varmap *map,
                      const struct greenlet_var *var)
{
    const struct greenlet__varnode *node = map->root;
    child top;

    if (node == NULL || !(node->bits >> way(var->hash, 0) & 1))
        return NULL;
    top = node->children[position(node, way(var->hash, 0))];
    if (likely(is_binding(top)))
        return binding_of(top)->var == var ? binding_of(top) : NULL;
    node = node_of(top);
    for (unsigned level = 1; node != NULL; level++) {
        unsigned to = way(var->hash, level % DEPTH);
        uint32_t at =
            level < DEPTH ? position(node, to) : position_listed(node, var);
        child next;

        if (level < DEPTH ? !(node->bits >> to & 1) : at == node->length)
            return NULL;
        next = node->children[at];
        if (is_binding(next))
            return binding_of(next)->var == var ? binding_of(next) : NULL;
        node = node_of(next);
    }
    return NULL;
}

static void find_path(const struct greenlet__varmap *map,
                      const struct greenlet_var *var, struct path *path)
{
    const struct greenlet__varnode *node = map->root;

    path->length = 0;
    path->found = NULL;
    while (node != NULL) {
        unsigned level = path->length++;
        unsigned to = way(var->hash, level % DEPTH);
        uint32_t at =
            level < DEPTH ? position(node, to) : position_listed(node, var);

        path->nodes[level] = node;
        path->at[level] = at;
        if (level < DEPTH ? !(node->bits >> to & 1) : at == node->length)
            return;
        if (is_binding(node->children[at])) {
            path->found = binding_of(node->children[at]);
            return;
        }
        node = node_of(node->children[at]);
    }
}

static int node_each(const struct greenlet__varnode *node,
                     int (*each)(struct greenlet_var *var, void *value,
                                 void *data),
                     void *data)
{
    int rc = 0;

    for (uint32_t i = 0; i < node->length && rc == 0; i++) {
        child next = node->children[i];

        rc = is_binding(next)
                 ? each(binding_of(next)->var, binding_of(next)->value, data)
                 : node_each(node_of(next), each, data);
    }
    return rc;
}

int greenlet__varmap_each(const struct greenlet__varmap *map,
                          int (*each)(struct greenlet_var *var, void *value,
                                      void *data),
                          void *data)
{
    return map->root == NULL ? 0 : node_each(map->root, each, data);
}

/* ---- making
 * ------------------------------------------------------------------ */

/* A small one has room for another child, and so have every second: blocks of
 * malloc() are as long as an odd number of children needs. */
static struct greenlet__varnode *node_make(uint16_t bits, uint32_t length)
{
    uint32_t room = length <= SMALL ? SMALL : length | 1;
    struct greenlet__varnode *node =
        length <= SMALL
            ? greenlet__cell_take()
            : greenlet__malloc(sizeof *node + room * sizeof(child));

    if (node == NULL)
        return NULL;
    node->refs = 1;
    node->bits = bits;
    node->room = (uint16_t)(room < GREENLET__VARMAP_WIDTH
                                ? room
                                : GREENLET__VARMAP_WIDTH);
    node->length = length;
    return node;
}

/* A copy of `node` whose child at `at` is `with`, which is given.  0: no
 * memory. */
static child copy_replacing(const struct greenlet__varnode *node, uint32_t at,
                            child with)
{
    struct greenlet__varnode *copy = node_make(node->bits, node->length);

    if (copy == NULL)
        return 0;
    for (uint32_t i = 0; i < node->length; i++)
        copy->children[i] = i == at ? with : child_ref(node->children[i]);
    return (child)copy;
}

/* A copy with one child more, before the one that is at `at` now. */
static child copy_inserting(const struct greenlet__varnode *node, uint32_t at,
                            uint16_t bit, child more)
{
    struct greenlet__varnode *copy =
        node_make(node->bits | bit, node->length + 1);

    if (copy == NULL)
        return 0;
    for (uint32_t i = 0; i < at; i++)
        copy->children[i] = child_ref(node->children[i]);
    copy->children[at] = more;
    for (uint32_t i = at; i < node->length; i++)
        copy->children[i + 1] = child_ref(node->children[i]);
    return (child)copy;
}

static child copy_removing(const struct greenlet__varnode *node, uint32_t at,
                           uint16_t bit)
{
    struct greenlet__varnode *copy =
        node_make(node->bits & (uint16_t)~bit, node->length - 1);

    if (copy == NULL)
        return 0;
    for (uint32_t i = 0; i < at; i++)
        copy->children[i] = child_ref(node->children[i]);
    for (uint32_t i = at + 1; i < node->length; i++)
        copy->children[i - 1] = child_ref(node->children[i]);
    return (child)copy;
}

/* The bit of a hash at a level; there are none in a list. */
static uint16_t bit_of(uint32_t hash, unsigned level)
{
    return level < DEPTH ? (uint16_t)(1U << way(hash, level)) : 0;
}

/* What is to be dropped again has owners besides us: nothing of it dies. */
static void undo(child made)
{
    struct greenlet__binding *none = NULL;

    child_drop(made, &none);
}

/* A node for `level` that has both bindings, and more nodes between as long as
 * the ways are the same.  Counts both.  0: no memory. */
static child join(struct greenlet__binding *a, struct greenlet__binding *b,
                  unsigned level)
{
    uint32_t hash_a = a->var->hash, hash_b = b->var->hash;
    unsigned at = level;
    bool swap;
    struct greenlet__varnode *node;

    while (at < DEPTH && way(hash_a, at) == way(hash_b, at))
        at++;
    node = node_make(bit_of(hash_a, at) | bit_of(hash_b, at), 2);
    if (node == NULL)
        return 0;
    swap = bit_of(hash_a, at) > bit_of(hash_b, at);
    node->children[swap] = child_ref(from_binding(a));
    node->children[!swap] = child_ref(from_binding(b));
    while (at > level) {
        struct greenlet__varnode *above = node_make(bit_of(hash_a, --at), 1);

        if (above == NULL) {
            undo((child)node);
            return 0;
        }
        above->children[0] = (child)node;
        node = above;
    }
    return (child)node;
}

/* `made` (given) is what the place at the end of the first `length` nodes of
 * the path has now: copy these nodes.  A binding alone in a node moves up, as
 * far as it can.  Returns the new root; NULL: no memory. */
static struct greenlet__varnode *copy_path(const struct path *path,
                                           unsigned length, child made)
{
    while (length > 0) {
        const struct greenlet__varnode *node = path->nodes[--length];
        child copy;

        if (is_binding(made) && node->length == 1 && length > 0)
            continue;
        copy = copy_replacing(node, path->at[length], made);
        if (copy == 0) {
            undo(made);
            return NULL;
        }
        made = copy;
    }
    return node_of(made);
}

/* A variable that the map did not have: what takes the place of the last node
 * of the path.  0: no memory. */
static child add(const struct path *path, struct greenlet__binding *binding)
{
    unsigned level = path->length - 1;
    child more, copy;

    if (path->found != NULL)
        more = join(path->found, binding, path->length);
    else
        more = child_ref(from_binding(binding));
    if (more == 0)
        return 0;
    if (path->found != NULL)
        copy = copy_replacing(path->nodes[level], path->at[level], more);
    else
        copy = copy_inserting(path->nodes[level], path->at[level],
                              bit_of(binding->var->hash, level), more);
    if (copy == 0)
        undo(more);
    return copy;
}

static struct greenlet__varnode *first(child binding)
{
    struct greenlet__varnode *root =
        node_make(bit_of(binding_of(binding)->var->hash, 0), 1);

    if (root != NULL)
        root->children[0] = binding;
    return root;
}

int greenlet__varmap_of(struct greenlet__binding *binding,
                        struct greenlet__varmap *to)
{
    struct greenlet__varnode *root = first(from_binding(binding));

    if (root == NULL)
        return -ENOMEM;
    *to = (struct greenlet__varmap){root, 1};
    return 0;
}

int greenlet__varmap_set(const struct greenlet__varmap *from,
                         struct greenlet__binding *binding,
                         struct greenlet__varmap *to)
{
    struct path path;
    struct greenlet__varnode *root;
    bool is_new;

    find_path(from, binding->var, &path);
    is_new = path.found == NULL || path.found->var != binding->var;
    if (path.length == 0) {
        root = first(from_binding(binding));
        if (root != NULL)
            greenlet__binding_ref(binding);
    } else if (is_new) {
        child made = add(&path, binding);

        root = made == 0 ? NULL : copy_path(&path, path.length - 1, made);
    } else {
        root = copy_path(&path, path.length, child_ref(from_binding(binding)));
    }
    if (root == NULL)
        return -ENOMEM;
    *to = (struct greenlet__varmap){root, from->size + is_new};
    return 0;
}

/* Acquire: who gave up the last other reference has read all that it wanted. */
bool greenlet__varmap_set_here(struct greenlet__varmap *map,
                               struct greenlet__binding *binding,
                               struct greenlet__binding **replaced)
{
    struct greenlet__varnode *root = map->root;
    unsigned to = way(binding->var->hash, 0);
    uint32_t at;

    if (root == NULL || __atomic_load_n(&root->refs, __ATOMIC_ACQUIRE) != 1)
        return false;
    at = position(root, to);
    *replaced = NULL;
    if (root->bits >> to & 1) {
        child now = root->children[at];

        if (!is_binding(now) || binding_of(now)->var != binding->var)
            return false;
        *replaced = binding_of(now);
    } else {
        if (root->length >= root->room)
            return false;
        for (uint32_t i = root->length++; i > at; i--)
            root->children[i] = root->children[i - 1];
        root->bits |= (uint16_t)(1U << to);
        map->size++;
    }
    root->children[at] = from_binding(binding);
    return true;
}

int greenlet__varmap_remove(const struct greenlet__varmap *from,
                            const struct greenlet_var *var,
                            struct greenlet__varmap *to)
{
    struct path path;
    const struct greenlet__varnode *last;
    struct greenlet__varnode *root = NULL;
    uint32_t at;
    child made;

    find_path(from, var, &path);
    if (path.found == NULL || path.found->var != var) {
        *to = greenlet__varmap_copy(from);
        return 0;
    }
    last = path.nodes[path.length - 1];
    at = path.at[path.length - 1];
    if (last->length == 1) { /* the root, and its only variable */
        *to = (struct greenlet__varmap){0};
        return 0;
    }
    if (last->length == 2 && path.length > 1 && is_binding(last->children[!at]))
        made = child_ref(last->children[!at]);
    else
        made = copy_removing(last, at, bit_of(var->hash, path.length - 1));
    if (made != 0)
        root = copy_path(&path, path.length - 1, made);
    if (root == NULL)
        return -ENOMEM;
    *to = (struct greenlet__varmap){root, from->size - 1};
    return 0;
}
