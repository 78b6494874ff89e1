/* openmp.c - OpenMP in threads: loops, sections, critical sections and tasks in
 * each of eight pthreads at once.  Prints the same line in each run. */
#include <omp.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { THREADS = 8, ROUNDS = 20, NUMBERS = 10000, TASKS = 10 };

static long in_loop(void)
{
    long sum = 0;

#pragma omp parallel for reduction(+ : sum) num_threads(4) schedule(dynamic, 100)
    for (int i = 0; i < NUMBERS; i++)
        sum += i;
    return sum;
}

static long in_tasks(void)
{
    long sum = 0;

#pragma omp parallel num_threads(3)
    {
#pragma omp single
        for (int i = 0; i < TASKS; i++) {
#pragma omp task shared(sum) firstprivate(i)
            {
#pragma omp atomic
                sum += i;
            }
        }
#pragma omp barrier
#pragma omp critical
        sum++;
    }
    return sum;
}

static void *work(void *result)
{
    long sum = 0;

    for (int i = 0; i < ROUNDS; i++) {
        sum += in_loop() + in_tasks();
        usleep(1000);
    }
    *(long *)result = sum;
    return result;
}

int main(void)
{
    pthread_t threads[THREADS];
    long sums[THREADS + 1], wanted, right = 0;

    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, &sums[i]);
    work(&sums[THREADS]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    wanted = ROUNDS *
             ((long)NUMBERS * (NUMBERS - 1) / 2 + TASKS * (TASKS - 1) / 2 + 3);
    for (int i = 0; i <= THREADS; i++)
        right += sums[i] == wanted;
    printf("right %ld\n", right);
    return 0;
}
