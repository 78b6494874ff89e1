/* link.c - who is told when an object is ready: a circle of links per object
 *
 * The owner keeps the newest; its next is the oldest. */
#include "hub/hub_impl.h"

void hub__link_add(struct hub__link **list, struct hub__link *link)
{
    struct hub__link *newest = *list;

    if (newest == NULL) {
        link->next = link->prev = link;
    } else {
        link->next = newest->next;
        link->prev = newest;
        newest->next->prev = link;
        newest->next = link;
    }
    *list = link;
}

void hub__link_remove(struct hub__link **list, struct hub__link *link)
{
    if (link->next == link) {
        *list = NULL;
    } else {
        link->next->prev = link->prev;
        link->prev->next = link->next;
        if (*list == link)
            *list = link->prev;
    }
    link->next = link->prev = NULL;
}

struct hub__link *hub__link_take(struct hub__link **list)
{
    struct hub__link *oldest = *list != NULL ? (*list)->next : NULL;

    if (oldest != NULL)
        hub__link_remove(list, oldest);
    return oldest;
}

/* Those that are added while others are told wait for the next time. */
void hub__link_notify(struct hub__link **list)
{
    struct hub__link *taken = *list, *link;

    *list = NULL;
    while ((link = hub__link_take(&taken)) != NULL)
        link->notify(link);
}

void hub__wait_link_notify(struct hub__link *link)
{
    hub__wake(container_of(link, struct hub__wait_link, link)->waiter, 0);
}
