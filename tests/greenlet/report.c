/* report.c - the results as TAP 13, or as one JSON document */
#include "main.h"

static const char *const outcomes[] = {"passed", "failed", "skipped"};

const char *case_id(const struct case_entry *entry, char id[8])
{
    snprintf(id, 8, "%.5s", entry->name);
    id[1] = '-';
    return id;
}

static void put_json(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c == '\n')
            fputs("\\n", stdout);
        else if (c < ' ' || c >= 0x7f)
            printf("\\u%04x", c); /* bytes, whatever they mean */
        else
            putchar(c);
    }
    putchar('"');
}

/* Every line behind a mark; the last newline may be missing. */
static void put_lines(const char *text)
{
    while (*text != '\0') {
        int length = (int)strcspn(text, "\n");

        printf("# %.*s\n", length, text);
        text += length + (text[length] == '\n');
    }
}

void report_begin(struct report *report, int count)
{
    machine_look(&report->machine);
    if (report->json)
        printf("{\"cases\": [");
    else
        printf("TAP version 13\n1..%d\n", count);
}

static void tap_case(struct report *report, const struct case_entry *entry,
                     const struct verdict *verdict)
{
    char id[8];

    printf("%s %d - %s %s", verdict->outcome == FAILED ? "not ok" : "ok",
           report->number, case_id(entry, id), entry->text);
    if (verdict->outcome == SKIPPED)
        printf(" # SKIP %.*s", (int)strcspn(verdict->text, "\n"),
               verdict->text);
    putchar('\n');
    if (verdict->outcome == FAILED)
        put_lines(verdict->text);
}

static void json_case(struct report *report, const struct case_entry *entry,
                      const struct verdict *verdict)
{
    char id[8];

    printf("%s\n  {\"id\": \"%s\", \"text\": ", report->number > 1 ? "," : "",
           case_id(entry, id));
    put_json(entry->text);
    printf(", \"result\": \"%s\", \"milliseconds\": %ld",
           outcomes[verdict->outcome], verdict->milliseconds);
    if (verdict->outcome != PASSED) {
        printf(", \"detail\": ");
        put_json(verdict->text);
    }
    putchar('}');
}

void report_case(struct report *report, const struct case_entry *entry,
                 const struct verdict *verdict)
{
    report->number++;
    report->passed += verdict->outcome == PASSED;
    report->failed += verdict->outcome == FAILED;
    report->skipped += verdict->outcome == SKIPPED;
    if (report->json)
        json_case(report, entry, verdict);
    else
        tap_case(report, entry, verdict);
    fflush(stdout);
}

static void tap_machine(const struct machine *machine)
{
    char features[200];

    machine_features(machine, features, sizeof features);
    printf("# architecture %s, kernel %s, libc %s, features: %s\n",
           machine->architecture, machine->kernel, machine->libc, features);
}

static void json_machine(const struct machine *machine)
{
    printf(" \"architecture\": ");
    put_json(machine->architecture);
    printf(", \"kernel\": ");
    put_json(machine->kernel);
    printf(", \"libc\": ");
    put_json(machine->libc);
    printf(",\n \"features\": {");
    for (int i = 0; i < machine->feature_count; i++)
        printf("%s\"%s\": %s", i > 0 ? ", " : "", machine->features[i].name,
               machine->features[i].found ? "true" : "false");
    printf("},\n");
}

void report_end(struct report *report)
{
    if (report->json) {
        printf("\n ],\n");
        json_machine(&report->machine);
        printf(" \"passed\": %d, \"failed\": %d, \"skipped\": %d}\n",
               report->passed, report->failed, report->skipped);
        return;
    }
    tap_machine(&report->machine);
    printf("%d passed, %d failed", report->passed, report->failed);
    if (report->skipped > 0)
        printf(", %d skipped", report->skipped);
    putchar('\n');
}
