// greenlets.cpp - the same in C++, with an exception that crosses a switch
#include <vireo/greenlet.h>
#include <vireo/hub.h>

#include <cstdio>
#include <stdexcept>
#include <vector>

namespace {

struct Job {
    int number;
    std::vector<int> *order;
};

void sleeper(void *arg)
{
    auto *job = static_cast<Job *>(arg);

    try {
        job->order->push_back(job->number);
        throw std::runtime_error("late");
    } catch (const std::exception &) {
        if (hub_sleep(job->number * 50000000) == 0)
            job->order->push_back(job->number);
    }
}

} // namespace

int main()
{
    std::vector<int> order;
    Job jobs[] = {{2, &order}, {1, &order}};
    greenlet *both[] = {hub_spawn_raw(sleeper, &jobs[0]),
                        hub_spawn_raw(sleeper, &jobs[1])};

    for (greenlet *each : both) {
        if (each == nullptr || hub_join(each, HUB_FOREVER) != 0)
            return 1;
        greenlet_unref(each);
    }
    for (const int &number : order)
        std::printf("%d%s", number, &number == &order.back() ? "\n" : " ");
    return 0;
}
