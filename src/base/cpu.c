/* What the CPU can do (cpuid through the compiler) and what Linux says of it.
 * The one variable is the limit that the configuration sets. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "base/cpu.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static atomic_int limit = CPU_AVX512;

static enum cpu_level detect(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return CPU_PLAIN;
    if (__builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        return CPU_AVX512;
    return CPU_AVX2;
#else
    return CPU_PLAIN;
#endif
}

enum cpu_level cpu_level(void)
{
    enum cpu_level can = detect();
    enum cpu_level may =
        (enum cpu_level)atomic_load_explicit(&limit, memory_order_relaxed);

    return can < may ? can : may;
}

void cpu_limit_level(enum cpu_level level)
{
    atomic_store_explicit(&limit, (int)level, memory_order_relaxed);
}

const char *cpu_level_name(enum cpu_level level)
{
    static const char *const names[] = {"plain", "avx2", "avx512"};

    return (unsigned)level < 3 ? names[level] : "unknown";
}

int cpu_count(void)
{
    cpu_set_t set;
    long n;

    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        return CPU_COUNT(&set) > 0 ? CPU_COUNT(&set) : 1;
    n = sysconf(_SC_NPROCESSORS_ONLN); // more processors than a set holds
    return n > 0 ? (int)n : 1;
}

void cpu_model(char *out, size_t size)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[256];

    snprintf(out, size, "unknown CPU");
    while (f && fgets(line, sizeof(line), f)) {
        char *text = strchr(line, ':');

        if (!text || strncmp(line, "model name", 10))
            continue;
        text += 1 + strspn(text + 1, " \t");
        text[strcspn(text, "\n")] = '\0';
        snprintf(out, size, "%s", text);
        break;
    }
    if (f)
        fclose(f);
}
