/* main.c - vireo-conformance: is what runs here greenlet?
 *
 * `vireo conformance` and `vireo gate` run this program.  It makes no greenlet
 * itself: each case is a process of its own. */
#include "main.h"

#include <getopt.h>

static const char usage[] =
    "usage: vireo conformance [--list] [--only G-xxx[,G-xxx...]] [--json]\n"
    "       vireo gate REQUIREMENT\n"
    "\n"
    "conformance runs the cases of the greenlet semantics on this machine and\n"
    "prints TAP, what the machine has, and `N passed, M failed`.\n"
    "\n"
    "  --list         print the cases and run nothing\n"
    "  --only=LIST    run only these cases\n"
    "  --json         print one JSON document instead\n"
    "  --torture      run each case once for each of the library's allocations\n"
    "                 in it, which fails; needs a build with tests\n"
    "\n"
    "gate prints `yes` if what runs here satisfies a requirement such as\n"
    "'greenlet>=1.0', else a line for each failing case.\n"
    "\n"
    "The exit status is 0, 1 if a case fails, 2 for a wrong command line.\n";

enum { FINE = 0, SOME_FAILED = 1, USAGE = 2 };

static struct case_entry *cases; /* in the order of their names */

void case_register(struct case_entry *entry)
{
    struct case_entry **at = &cases;

    while (*at != NULL && strcmp((*at)->name, entry->name) < 0)
        at = &(*at)->next;
    entry->next = *at;
    *at = entry;
}

static int refuse(const char *what, const char *why)
{
    fprintf(stderr, "vireo: %s%s; see `vireo --help`\n", what, why);
    return USAGE;
}

/* Is the case one of the list?  NULL lists all. */
static bool wanted(const struct case_entry *entry, const char *only)
{
    char id[8];

    if (only == NULL)
        return true;
    case_id(entry, id);
    while (*only != '\0') {
        size_t length = strcspn(only, ",");

        if (length == strlen(id) && memcmp(only, id, length) == 0)
            return true;
        only += length + (only[length] == ',');
    }
    return false;
}

/* The first id of the list that no case has, or NULL. */
static const char *unknown(const char *only)
{
    static char id[32];

    while (*only != '\0') {
        size_t length = strcspn(only, ",");
        const struct case_entry *entry;

        snprintf(id, sizeof id, "%.*s", (int)length, only);
        for (entry = cases; entry != NULL && !wanted(entry, id);)
            entry = entry->next;
        if (entry == NULL)
            return id;
        only += length + (only[length] == ',');
    }
    return NULL;
}

static int list_cases(const char *only)
{
    char id[8];

    for (const struct case_entry *at = cases; at != NULL; at = at->next)
        if (wanted(at, only))
            printf("%s %s\n", case_id(at, id), at->text);
    return FINE;
}

static int run_cases(const char *only, bool json, bool torture)
{
    struct report report = {.json = json};
    static struct verdict verdict;
    int count = 0;

    for (const struct case_entry *at = cases; at != NULL; at = at->next)
        count += wanted(at, only);
    report_begin(&report, count);
    for (const struct case_entry *at = cases; at != NULL; at = at->next)
        if (wanted(at, only)) {
            (torture ? torture_case : run_case)(at, &verdict);
            report_case(&report, at, &verdict);
        }
    report_end(&report);
    return report.failed > 0 ? SOME_FAILED : FINE;
}

/* Text for people goes to stdout where it answers the question. */
static int gate(const char *requirement)
{
    struct greenlet_gate_report report;
    int rc = greenlet_gate(requirement, &report);

    if (rc == 0) {
        puts("yes");
        return FINE;
    }
    if (rc == -EINVAL)
        return refuse(requirement, ": not a requirement");
    for (int i = 0; i < report.failed && i < GREENLET_GATE_MAX; i++)
        printf("%s %s\n", report.failures[i].id, report.failures[i].what);
    if (rc != -ENOTSUP || report.failed == 0)
        printf("%s%s\n", rc == -ENOTSUP ? "" : "no: ",
               rc == -ENOTSUP ? report.line : strerror(-rc));
    return SOME_FAILED;
}

static const struct option options[] = {
    {"list", no_argument, NULL, 'l'}, {"only", required_argument, NULL, 'o'},
    {"json", no_argument, NULL, 'j'}, {"gate", required_argument, NULL, 'g'},
    {"torture", no_argument, NULL, 't'}, {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int obey(int argc, char **argv)
{
    const char *only = NULL, *requirement = NULL;
    bool list = false, json = false, torture = false;
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, "+:h", options, NULL)) != -1)
        switch (option) {
        case 'l':
            list = true;
            break;
        case 'o':
            if (only != NULL)
                return refuse("--only", " is given twice");
            only = optarg;
            break;
        case 'j':
            json = true;
            break;
        case 't':
            torture = true;
            break;
        case 'g':
            requirement = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return FINE;
        case ':':
            return refuse(argv[optind - 1], " needs a value");
        default:
            return refuse(argv[optind - 1], ": no such option");
        }
    if (optind < argc)
        return refuse(argv[optind], ": no argument is expected");
    if (requirement != NULL)
        return gate(requirement);
    if (only != NULL && (*only == '\0' || unknown(only) != NULL))
        return *only != '\0' ? refuse(unknown(only), ": no such case")
                             : refuse("--only", " needs a value");
    if (torture && greenlet_test_fail == NULL)
        return refuse("--torture", " needs a library built with tests");
    return list ? list_cases(only) : run_cases(only, json, torture);
}

/* An answer that could not be written is none. */
int main(int argc, char **argv)
{
    int status = obey(argc, argv);

    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fputs("vireo: cannot write on standard output\n", stderr);
    return status == FINE ? SOME_FAILED : status;
}
