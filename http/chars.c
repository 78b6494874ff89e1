/* chars.c - the table of chars.h, by its rules */
#include "http/chars.h"

#define IN(c, first, last) ((c) >= (first) && (c) <= (last))
#define DIGIT(c)           IN(c, '0', '9')
#define ALPHA(c)           (IN(c, 'a', 'z') || IN(c, 'A', 'Z'))
#define HEX(c)             (DIGIT(c) || IN(c, 'a', 'f') || IN(c, 'A', 'F'))
#define TEXT(c)            ((c) == '\t' || IN(c, ' ', '~') || (c) >= 0x80)

#define TOKEN(c)                                                             \
    (ALPHA(c) || DIGIT(c) || (c) == '!' || IN(c, '#', '\'') || (c) == '*' || \
     (c) == '+' || (c) == '-' || (c) == '.' || IN(c, '^', '`') ||            \
     (c) == '|' || (c) == '~')
#define TARGET(c) (IN(c, '!', '~') && (c) != '#')
/* unreserved, sub-delims, and the percent sign of what is escaped */
#define HOST(c)                                                \
    (ALPHA(c) || DIGIT(c) || (c) == '!' || IN(c, '$', '\'') || \
     IN(c, '(', '.') || (c) == ';' || (c) == '=' || (c) == '_' || (c) == '~')
#define QUOTED(c)  (TEXT(c) && (c) != '"' && (c) != '\\')
#define ADDRESS(c) ((HOST(c) && (c) != '%') || (c) == ':')

#define CLASS(c)                                                               \
    (uint8_t)(                                                                 \
        (TOKEN(c) ? HTTP__CHAR_TOKEN : 0) | (TEXT(c) ? HTTP__CHAR_VALUE : 0) | \
        (TARGET(c) ? HTTP__CHAR_TARGET : 0) |                                  \
        (HOST(c) ? HTTP__CHAR_HOST : 0) |                                      \
        (QUOTED(c) ? HTTP__CHAR_QUOTED : 0) |                                  \
        (DIGIT(c) ? HTTP__CHAR_DIGIT : 0) | (HEX(c) ? HTTP__CHAR_HEX : 0) |    \
        (ADDRESS(c) ? HTTP__CHAR_ADDRESS : 0))
#define ROW(c)                                                  \
    CLASS((c)), CLASS((c) + 1), CLASS((c) + 2), CLASS((c) + 3), \
        CLASS((c) + 4), CLASS((c) + 5), CLASS((c) + 6), CLASS((c) + 7)
#define ROWS(c) ROW(c), ROW((c) + 8), ROW((c) + 16), ROW((c) + 24)

const uint8_t http__chars[256] = {ROWS(0x00), ROWS(0x20), ROWS(0x40),
                                  ROWS(0x60), ROWS(0x80), ROWS(0xa0),
                                  ROWS(0xc0), ROWS(0xe0)};
