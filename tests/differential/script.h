/* script.h - greenlet scripts as a tree (README.md has the language) */
#ifndef DIFFERENTIAL_SCRIPT_H
#define DIFFERENTIAL_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

enum { MAX_WORDS = 12, MAX_NAME = 16 };

/* A list of operations in order. */
struct nodes {
    struct node *first, **end;
};

struct node {
    struct node *next;
    char *text; /* the line, words separated by one blank */
    int count;
    char *words[MAX_WORDS]; /* NULL beyond the last */
    struct nodes inner, handler;
};

struct body {
    struct body *next;
    char *name;
    struct nodes nodes;
};

struct script {
    struct body *bodies; /* main is the first */
    long limit;
    char error[64]; /* "" when it is fine */
};

/* `text` is changed.  Always gives a script; look at error. */
struct script *script_parse(char *text);
void script_free(struct script *script);
/* The first operation of a body; NULL for one that there is not. */
const struct node *script_body(const struct script *script, const char *name);

#endif
