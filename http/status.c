/* status.c - status lines, and the words in them */
#include "http/http_impl.h"

#include <stdio.h>

/* RFC 9110 15, and the registry. */
#define STATUSES(S)                           \
    S(100, "Continue")                        \
    S(101, "Switching Protocols")             \
    S(102, "Processing")                      \
    S(103, "Early Hints")                     \
    S(200, "OK")                              \
    S(201, "Created")                         \
    S(202, "Accepted")                        \
    S(203, "Non-Authoritative Information")   \
    S(204, "No Content")                      \
    S(205, "Reset Content")                   \
    S(206, "Partial Content")                 \
    S(207, "Multi-Status")                    \
    S(208, "Already Reported")                \
    S(226, "IM Used")                         \
    S(300, "Multiple Choices")                \
    S(301, "Moved Permanently")               \
    S(302, "Found")                           \
    S(303, "See Other")                       \
    S(304, "Not Modified")                    \
    S(305, "Use Proxy")                       \
    S(307, "Temporary Redirect")              \
    S(308, "Permanent Redirect")              \
    S(400, "Bad Request")                     \
    S(401, "Unauthorized")                    \
    S(402, "Payment Required")                \
    S(403, "Forbidden")                       \
    S(404, "Not Found")                       \
    S(405, "Method Not Allowed")              \
    S(406, "Not Acceptable")                  \
    S(407, "Proxy Authentication Required")   \
    S(408, "Request Timeout")                 \
    S(409, "Conflict")                        \
    S(410, "Gone")                            \
    S(411, "Length Required")                 \
    S(412, "Precondition Failed")             \
    S(413, "Content Too Large")               \
    S(414, "URI Too Long")                    \
    S(415, "Unsupported Media Type")          \
    S(416, "Range Not Satisfiable")           \
    S(417, "Expectation Failed")              \
    S(421, "Misdirected Request")             \
    S(422, "Unprocessable Content")           \
    S(423, "Locked")                          \
    S(424, "Failed Dependency")               \
    S(425, "Too Early")                       \
    S(426, "Upgrade Required")                \
    S(428, "Precondition Required")           \
    S(429, "Too Many Requests")               \
    S(431, "Request Header Fields Too Large") \
    S(451, "Unavailable For Legal Reasons")   \
    S(500, "Internal Server Error")           \
    S(501, "Not Implemented")                 \
    S(502, "Bad Gateway")                     \
    S(503, "Service Unavailable")             \
    S(504, "Gateway Timeout")                 \
    S(505, "HTTP Version Not Supported")      \
    S(506, "Variant Also Negotiates")         \
    S(507, "Insufficient Storage")            \
    S(508, "Loop Detected")                   \
    S(511, "Network Authentication Required")

struct line {
    const char *text; /* NULL: nobody knows it */
    uint16_t size;
};

#define FIRST 100
#define LAST  599

static const struct line lines[LAST + 1 - FIRST] = {
#define LINE(number, words)                                   \
    [(number)-FIRST] = {"HTTP/1.1 " #number " " words "\r\n", \
                        sizeof "HTTP/1.1 " #number " " words "\r\n" - 1},
    STATUSES(LINE)
#undef LINE
};

const char *http_response_reason(int status)
{
    switch (status) {
#define WORDS(number, words) \
    case number:             \
        return words;
        STATUSES(WORDS)
#undef WORDS
    default:
        return "Status";
    }
}

/* One that has no words of its own is made in `room`, 32 bytes. */
const char *http__status_line(int status, char *room, size_t *size)
{
    const struct line *line = &lines[status - FIRST];

    if (likely(line->text != NULL)) {
        *size = line->size;
        return line->text;
    }
    *size = (size_t)snprintf(room, 32, "HTTP/1.1 %d Status\r\n", status);
    return room;
}
