/* httpdate.c - dates of HTTP (RFC 9110 5.6.7) */
#include "http/http_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed",
                                "Thu", "Fri", "Sat"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void http__date_format(int64_t seconds, char text[30])
{
    time_t when = (time_t)seconds;
    struct tm tm;

    if (gmtime_r(&when, &tm) == NULL || tm.tm_year > 9999 - 1900 ||
        tm.tm_year < -1900) {
        when = 0;
        gmtime_r(&when, &tm);
    }
    snprintf(text, 30, "%s, %02u %s %04u %02u:%02u:%02u GMT",
             days[(unsigned)tm.tm_wday % 7], (unsigned)tm.tm_mday % 100,
             months[(unsigned)tm.tm_mon % 12],
             (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
             (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}

static int month_of(const char name[4])
{
    for (int i = 0; i < 12; i++)
        if (memcmp(name, months[i], 3) == 0)
            return i;
    return -1;
}

/* The three forms; %n says that all of it was read. */
static bool scan(const char *text, struct tm *tm, char month[4])
{
    int end = 0, year, short_year;

    if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n",
               &tm->tm_mday, month, &year, &tm->tm_hour, &tm->tm_min,
               &tm->tm_sec, &end) == 6 &&
        end > 0 && text[end] == '\0') {
        tm->tm_year = year - 1900;
        return true;
    }
    if (sscanf(text, "%*[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n",
               &tm->tm_mday, month, &short_year, &tm->tm_hour, &tm->tm_min,
               &tm->tm_sec, &end) == 6 &&
        end > 0 && text[end] == '\0') {
        tm->tm_year = short_year < 70 ? short_year + 100 : short_year;
        return true;
    }
    if (sscanf(text, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", month,
               &tm->tm_mday, &tm->tm_hour, &tm->tm_min, &tm->tm_sec, &year,
               &end) == 6 &&
        end > 0 && text[end] == '\0') {
        tm->tm_year = year - 1900;
        return true;
    }
    return false;
}

int http__date_parse(const char *text, int64_t *seconds)
{
    struct tm tm = {0};
    char month[4] = "";

    if (!scan(text, &tm, month))
        return -EINVAL;
    tm.tm_mon = month_of(month);
    if (tm.tm_mon < 0 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
        tm.tm_min > 59 || tm.tm_sec > 60)
        return -EINVAL;
    *seconds = (int64_t)timegm(&tm);
    return 0;
}
