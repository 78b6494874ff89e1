/* stress_model.c - what is sent, and the check that it is what arrives */
#include "stress.h"

#include <errno.h>
#include <string.h>

__thread struct thread *self;
struct live live;
struct greenlet_var *vars[4];

/* Something with an owner: destroyed once. */
struct box {
    uint64_t magic;
    long *counter;
};
enum { BOX = 0x0b0c5e11, GONE = 0x0dead0 };

static const struct greenlet_class sub_exit = {"sub exit", &greenlet_exit_class,
                                               0};
static const struct greenlet_class failure = {"failure",
                                              &greenlet_exception_class, -EIO};
static const struct greenlet_class plain_base = {"base", &greenlet_base_class,
                                                 -EINTR};

void count(long *what, long by)
{
    __atomic_add_fetch(what, by, __ATOMIC_RELAXED);
}

uint64_t draw(void)
{
    uint64_t z = self->random += 0x9E3779B97F4A7C15u;

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

size_t below(size_t n)
{
    return (size_t)((draw() >> 16) % n);
}

bool chance(unsigned percent)
{
    return below(100) < percent;
}

struct node *node_of(const struct greenlet *g)
{
    struct node *node = greenlet_main(g) ? NULL : greenlet_userdata(g);

    CHECK(node == NULL || node->magic == BOX);
    return node;
}

/* ---- boxes ---- */

static void *box_new(long *counter)
{
    struct box *box = malloc(sizeof *box);

    CHECK(box != NULL);
    *box = (struct box){BOX, counter};
    count(counter, 1);
    return box;
}

static void box_free(void *memory)
{
    struct box *box = memory;

    CHECK(box->magic == BOX);
    box->magic = GONE;
    count(box->counter, -1);
    free(box);
}

void *value_new(void)
{
    return box_new(&live.values);
}

void value_free(void *value)
{
    box_free(value);
}

/* ---- sending ---- */

void send_plain(struct greenlet *g)
{
    void *value = NULL;
    int rc;

    self->sent = (struct sent){
        .what = PLAIN, .plain = ++self->number, .held = greenlet_ref(g)};
    rc = greenlet_switch(g, (void *)self->sent.plain, &value);
    arrived(rc, value);
}

static struct greenlet_message *make_message(struct sent *sent)
{
    static const char *const names[] = {"a", "b", "c"};
    struct greenlet_message *message = greenlet_message_new();
    size_t i;

    CHECK(message != NULL);
    *sent = (struct sent){.what = MESSAGE,
                          .positional = below(4),
                          .keywords = chance(30) ? below(4) : 0};
    for (i = 0; i < sent->positional + sent->keywords; i++) {
        void *box = box_new(&live.boxes);

        if (i == 0)
            sent->first = box;
        CHECK(greenlet_message_add(
                  message,
                  i < sent->positional ? NULL : names[i - sent->positional],
                  box, box_free) == 0);
    }
    return message;
}

void send_message(struct greenlet *g)
{
    struct greenlet_message *message = make_message(&self->sent);
    void *value = NULL;
    int rc;

    self->sent.held = greenlet_ref(g);
    rc = greenlet_switch_message(g, message, &value);
    arrived(rc, value);
}

static struct greenlet_exception make_record(struct sent *sent)
{
    const struct greenlet_class *classes[] = {&greenlet_exit_class, &sub_exit,
                                              &failure, &plain_base};
    struct greenlet_exception record = {.cls = classes[below(4)],
                                        .payload = box_new(&live.records),
                                        .destroy = box_free,
                                        .error = -ECANCELED};

    if (!greenlet_class_is(record.cls, &greenlet_exit_class))
        record.error = -EIO;
    *sent = (struct sent){.what = RECORD,
                          .first = record.payload,
                          .exit = record.error == -ECANCELED};
    return record;
}

void send_record(struct greenlet *g)
{
    struct greenlet_exception record = make_record(&self->sent);
    void *value = NULL;
    int rc;

    self->sent.held = greenlet_ref(g);
    rc = greenlet_throw(g, &record, &value);
    arrived(rc, value);
}

int raise_record(void)
{
    struct greenlet *held = self->sent.held;
    struct greenlet_exception record = make_record(&self->sent);

    self->sent.held = held;
    return greenlet_raise(&record);
}

void send_foreign(struct greenlet *g)
{
    struct sent before = self->sent, foreign;
    struct greenlet_exception record = {0};
    int rc;

    if (chance(50)) {
        rc = greenlet_switch_message(g, make_message(&foreign), NULL);
    } else if (chance(50)) {
        record = make_record(&foreign);
        rc = greenlet_throw(g, &record, NULL);
    } else {
        rc = greenlet_switch(g, NULL, NULL);
    }
    CHECK(rc == -EXDEV || rc == -ESRCH);
    CHECK(greenlet_caught(&record));
    CHECK(greenlet_class_is(record.cls, &greenlet_error_class));
    greenlet_exception_clear(&record);
    self->sent = before;
}

/* ---- arriving ---- */

static void check_message(const struct greenlet_message *message,
                          const void *value)
{
    const struct sent *sent = &self->sent;
    void *first = greenlet_message_at(message, 0);

    CHECK(sent->what == MESSAGE);
    CHECK(greenlet_message_positional(message) == sent->positional);
    CHECK(greenlet_message_keywords(message) == sent->keywords);
    if (sent->positional == 0)
        greenlet_message_keyword(message, 0, &first);
    CHECK(sent->first == NULL || first == sent->first);
    if (greenlet_message_shape(message) == GREENLET_SINGLE)
        CHECK(value == sent->first);
    else
        CHECK(value == (const void *)message);
}

static void check_record(const struct greenlet_exception *record, int rc)
{
    if (self->sent.what != RECORD)
        fprintf(stderr, "%s: %s\n", record->cls->name,
                record->text != NULL ? record->text : "no text");
    CHECK(self->sent.what == RECORD);
    CHECK(record->payload == self->sent.first);
    CHECK(rc == record->error || (rc == 0 && self->sent.exit));
}

/* A kill is an exit without a payload: nobody else throws one here.  What was
 * sent is still on its way then, to whom the killer is. */
void arrived(int rc, void *value)
{
    struct node *node = node_of(greenlet_current());
    struct greenlet_exception record = {0};
    struct greenlet_message *message;
    struct greenlet *held;
    bool caught;

    if (chance(5)) /* a kill must leave alone what was not yet taken */
        drop_one();
    message = greenlet_received();
    caught = greenlet_caught(&record);
    if (rc == -ECANCELED && caught && record.payload == NULL) {
        CHECK(node != NULL && message == NULL);
        node->dies = true;
        return;
    }
    if (message != NULL) {
        CHECK(rc == 0 && !caught);
        check_message(message, value);
    } else if (caught) {
        check_record(&record, rc);
    } else {
        CHECK(rc == 0 && self->sent.what == PLAIN);
        CHECK((uintptr_t)value == self->sent.plain);
    }
    held = self->sent.held;
    self->sent = (struct sent){.what = NOTHING};
    greenlet_message_free(message);
    greenlet_exception_clear(&record);
    let_go(held);
}
