/* step6_parser.c - a recursive-descent parser that waits for more input
 *
 * The parser is written as if the whole text were there.  When it runs out, it
 * switches to who feeds it, from the depth of its recursion, and goes on there
 * when the next piece has come, as pieces come from a socket.
 *
 *     sum = product { "+" product } .     product = atom { "*" atom } .
 *     atom = number | "(" sum ")" . */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <vireo/greenlet.h>

struct parser {
    const char *at; /* what is left of the piece */
    struct greenlet *feeder;
    int pieces;
    bool ended;
};

static int sum(struct parser *parser);

/* The next character; 0 at the end of the text, which is an empty piece. */
static int peek(struct parser *parser)
{
    void *piece;

    while (*parser->at == 0 && !parser->ended) {
        if (greenlet_switch(parser->feeder, NULL, &piece) < 0)
            return 0;
        parser->at = piece;
        parser->ended = *parser->at == 0;
        parser->pieces += !parser->ended;
    }
    return (unsigned char)*parser->at;
}

static int atom(struct parser *parser)
{
    int value = 0;

    if (peek(parser) == '(') {
        parser->at++;
        value = sum(parser);
        if (peek(parser) == ')')
            parser->at++;
        return value;
    }
    while (isdigit(peek(parser)))
        value = 10 * value + (*parser->at++ - '0');
    return value;
}

static int product(struct parser *parser)
{
    int value = atom(parser);

    while (peek(parser) == '*') {
        parser->at++;
        value *= atom(parser);
    }
    return value;
}

static int sum(struct parser *parser)
{
    int value = product(parser);

    while (peek(parser) == '+') {
        parser->at++;
        value += product(parser);
    }
    return value;
}

static int parse(void *piece, void **result)
{
    static int value;
    struct parser parser = { piece, greenlet_parent(greenlet_current()), 1,
                             false };

    value = sum(&parser);
    printf("parsed %d pieces\n", parser.pieces);
    *result = &value;
    return 0;
}

int main(void)
{
    static char *pieces[] = { "2", "*(1", "0+", "3*(1+1", "))+1", "00", "" };
    struct greenlet *g = greenlet_new(parse, NULL, 0);
    void *value = NULL;

    for (int i = 0; !greenlet_dead(g); i++) {
        printf("feed \"%s\"\n", pieces[i]);
        if (greenlet_switch(g, pieces[i], &value) < 0)
            return 1;
    }
    printf("= %d\n", *(int *)value);
    greenlet_unref(g);
    return 0;
}
