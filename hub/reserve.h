/* reserve.h - numbers of ours that the program wants, or that are given up */
#ifndef HUB_RESERVE_H
#define HUB_RESERVE_H

#include "hub/hub_impl.h"

/* The program wants it: none of ours goes there from now on.  HUB__FD_LEAVES: another
 * thread is closing it. */
enum hub__fd_use { HUB__FD_FREE, HUB__FD_OURS, HUB__FD_COPY, HUB__FD_LEAVES };
int hub__fd_copy_to_top(int fd); /* as hub__fd_to_top(), HUB__FD_COPY */
enum hub__fd_use hub__fd_want(int fd);
bool hub__fd_may_be_ours(int fd); /* or may just be becoming it */
/* hub__fd_forget() and close: nobody takes it for free before it is. */
void hub__fd_drop(int fd);

#endif
