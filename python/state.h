/* state.h - what of CPython's thread state is a greenlet's own
 *
 * One file for each release that differs.  Each has struct pyg__state and
 *   save(state, tstate)    the running greenlet is about to be suspended
 *   load(state, tstate, tracing) it runs again
 *   finalizing()           the interpreter is at its end
 *   begin(...)             one runs for the first time, on a fresh stack
 *   end(state, tstate)     the running one is at its end: its context stays with it
 *   tracing(tstate)        what load() and begin() of the next one get
 *   frame(state, tstate)   the innermost frame of a suspended one: new, or NULL
 *   traverse(state, ...)   what a suspended one refers to, for the collector
 *   abandon(state)         a suspended one will never run again; false: its frames are
 *                          seen from elsewhere, and its stack has to stay
 *
 * Which field is whose, release by release ("own": a greenlet's; "copied": goes with
 * whoever runs next; "thread": the thread's; "-": not there):
 *
 *   field                     3.11      3.13
 *   cframe                    own       -
 *   cframe->use_tracing       copied    -
 *   current_frame             by cframe own
 *   exc_info, its bottom item own       own
 *   context (context_ver: +1) own       own
 *   recursion_remaining       own       py_recursion_remaining, own
 *   c_recursion_remaining     -         own
 *   recursion_headroom        own       own
 *   trash_delete_nesting      own       -
 *   delete_later              thread    own
 *   datastack_*               own       own
 *   tracing, c_tracefunc, ... thread    thread
 *   curexc_*, current_exception: nothing is pending at a switch
 *   async_gen_*, coroutine_*, dict, async_exc: thread */
#ifndef PYTHON_STATE_H
#define PYTHON_STATE_H

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

#if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030C0000
#include "state_311.h"
#elif PY_VERSION_HEX >= 0x030D0000 && PY_VERSION_HEX < 0x030E0000
#include "state_313.h"
#else
#error "python/state.h: no file for this release of CPython"
#endif

#endif
