/* symbols.h - names for code addresses, from the files that are mapped
 *
 * backtrace_symbols() knows what is exported alone, takes ld.so's lock and
 * allocates.  This reads /proc/self/maps and the symbol tables of the files, and
 * may be used where print.h may. */
#ifndef HUB_SYMBOLS_H
#define HUB_SYMBOLS_H

#include "hub/print.h"

#include <stdbool.h>

struct hub__symbols; /* what one dump has mapped */

struct hub__symbol {
    const char *name; /* borrowed from the session; NULL: not known */
    const char *file; /* its last component; NULL: not known */
    uintptr_t offset; /* from name, else from the beginning of the file */
    bool ours;        /* code of this library */
};

/* NULL: no memory; addresses then stay numbers, and all the others below take
 * it. */
struct hub__symbols *hub__symbols_open(void);
/* The same of another process: what its /proc/PID/maps says is read from `maps`,
 * and its files are found below `root`.  Nothing is "of this library" then. */
struct hub__symbols *hub__symbols_open_of(int maps, const char *root);
void hub__symbols_close(struct hub__symbols *symbols);
/* A number that no other has; 0 of NULL. */
uint64_t hub__symbols_session(const struct hub__symbols *symbols);
void hub__symbols_find(struct hub__symbols *symbols, const void *address,
                       struct hub__symbol *symbol);

/* The file that an address of code is from, for who looks for more in it. */
struct hub__image {
    const char *bytes;
    size_t size;
    uintptr_t virtual; /* what the address is in the file's own terms */
};
bool hub__symbols_image(struct hub__symbols *symbols, const void *address,
                        struct hub__image *image);

/* Does it lie in the code of this library?  False also where that cannot be told
 * from the program (the static one). */
bool hub__symbols_in_library(struct hub__symbols *symbols, const void *address);
/* Is it code at all? */
bool hub__symbols_is_code(struct hub__symbols *symbols, const void *address);

/* One line for each frame, innermost first.  Those of this library are left out
 * at both ends, but for the function that the program called.  `interrupted`: the
 * first is where the program was, not where it returns to. */
void hub__print_frames(struct hub__print *print, struct hub__symbols *symbols,
                       void *const *frames, int count, bool interrupted);

#endif
