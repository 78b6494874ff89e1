/* testhook.h - the hub's ways for tests to vary it; nothing in a release build */
#ifndef HUB_TESTHOOK_H
#define HUB_TESTHOOK_H

#include "context/testhook.h"
#include "hub/hub.h"

#ifdef VIREO_TEST_HOOKS

struct hub;

/* From now on the hub of this thread runs whoever is ready in the random order of
 * `seed`; 0: in theirs.  The environment's VIREO_TEST_SHUFFLE does it for all. */
HUB_API void hub_test_shuffle(uint64_t seed);

void hub__shuffle_start(struct hub *hub);
/* Puts who is to run first; true: the loop is.  Only where hub->shuffle is set. */
bool hub__shuffle(struct hub *hub);

#define HUB__SHUFFLES(hub) __builtin_expect((hub)->shuffle != 0, 0)

#else

#define hub__shuffle_start(hub) ((void)(hub))
#define hub__shuffle(hub) ((void)(hub), false)
#define HUB__SHUFFLES(hub) 0

#endif
#endif
