/* What this CPU can do, asked once; kernels choose by it. FUSOR_CPU=plain|avx2|
 * avx512 (read by whoever owns the configuration) lowers the choice. */
#ifndef BASE_CPU_H
#define BASE_CPU_H

#include <stddef.h>

enum cpu_level { CPU_PLAIN, CPU_AVX2, CPU_AVX512 }; // avx2 includes fma

enum cpu_level cpu_level(void);
/** Lower (or restore) the level used by every later choice of a kernel. */
void cpu_limit_level(enum cpu_level level);
const char *cpu_level_name(enum cpu_level level);
/** Processors this process may run on (its affinity), at least 1. */
int cpu_count(void);
/** The model name from /proc/cpuinfo; writes to out. */
void cpu_model(char *out, size_t size);

#endif
