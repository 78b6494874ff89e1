/* late_plugin.cpp - what late.c loads: holds an exception in each of two
 * greenlets */
#include <vireo/greenlet.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>

static int holds(void *value, void **)
{
    try {
        throw std::runtime_error(static_cast<const char *>(value));
    } catch (const std::exception &) {
        greenlet_switch(greenlet_parent(greenlet_current()), nullptr, nullptr);
        try {
            throw;
        } catch (const std::exception &error) {
            if (std::strcmp(error.what(), static_cast<const char *>(value)))
                std::printf("%s instead of %s\n", error.what(),
                            static_cast<const char *>(value));
        }
    }
    return 0;
}

extern "C" int check()
{
    char first[] = "the first", second[] = "the second";
    greenlet *one = greenlet_new(holds, nullptr, 0);
    greenlet *two = greenlet_new(holds, nullptr, 0);

    greenlet_switch(one, first, nullptr);
    if (std::current_exception() != nullptr)
        std::puts("main has an exception that is not its own");
    greenlet_switch(two, second, nullptr);
    greenlet_switch(one, nullptr, nullptr);
    greenlet_switch(two, nullptr, nullptr);
    std::puts(greenlet_dead(one) && greenlet_dead(two) ? "fine" : "not dead");
    greenlet_unref(one);
    greenlet_unref(two);
    return 0;
}
