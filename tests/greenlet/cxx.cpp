// cxx.cpp - throws and catches, for the cases of G-146
#include "cxx.h"

#include <exception>
#include <stdexcept>

namespace
{

struct thrown_by {
    long number;
};

struct counts_unwinding {
    long &count;
    ~counts_unwinding()
    {
        count++;
    }
};

void to_parent()
{
    greenlet_switch(greenlet_parent(greenlet_current()), nullptr, nullptr);
}

void descend(long number, int depth, long &unwound)
{
    counts_unwinding here{unwound};

    if (depth == 0) {
        to_parent();
        throw thrown_by{number};
    }
    descend(number, depth - 1, unwound);
}

} // namespace

long cxx_catches_its_own(long number, int depth)
{
    long unwound = 0;

    try {
        descend(number, depth, unwound);
    } catch (const thrown_by &first) {
        if (first.number != number)
            return -1;
        to_parent();
        try {
            descend(number + 100, 2, unwound);
        } catch (const thrown_by &second) {
            to_parent();
            if (second.number != number + 100)
                return -2;
        }
        // Still in the handler of the first one: it can be thrown again.
        try {
            throw;
        } catch (const thrown_by &again) {
            if (again.number != number)
                return -3;
        }
    }
    return cxx_is_handling() ? -4 : unwound;
}

int cxx_uncaught(void)
{
    return std::uncaught_exceptions();
}

int cxx_is_handling(void)
{
    return std::current_exception() != nullptr;
}

int cxx_throws_std(void *, void **)
{
    throw std::runtime_error("nobody catches this");
}

int cxx_throws_int(void *, void **)
{
    throw 5;
}

int cxx_catches(void)
{
    try {
        throw std::runtime_error("caught");
    } catch (const std::exception &) {
        return 1;
    }
}
