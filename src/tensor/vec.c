/* The choice of loops for this CPU. */
#include "tensor/vec.h"

#include "base/cpu.h"
#include "tensor/vec_tables.h"

const struct vec_ops *vec_ops(void)
{
    static const struct vec_ops *const tables[] = {
        [CPU_PLAIN] = &vec_plain,
#if defined(__x86_64__)
        [CPU_AVX2] = &vec_avx2,
        [CPU_AVX512] = &vec_avx512,
#endif
    };

    return tables[cpu_level()];
}
