/* Loops that are written once and compiled for each kind of CPU: private to
 * src/optim.
 *
 * An OPTIM_LOOP becomes part of a function that has one of these targets; the
 * compiler may only change how many elements it does at once, never an
 * operation (-ffp-contract=off, no -ffast-math), so every level gives the bits
 * of the plain one. */
#ifndef OPTIM_VECTOR_H
#define OPTIM_VECTOR_H

#define OPTIM_INLINE static inline __attribute__((always_inline))
#define OPTIM_LOOP OPTIM_INLINE void

/* GCC would unroll a loop of a known length before it looks for vectors, and
 * then find none. */
#if defined(__clang__)
#define OPTIM_VECTOR _Pragma("clang loop vectorize(assume_safety)")
#else
#define OPTIM_VECTOR _Pragma("GCC ivdep") _Pragma("GCC unroll 1")
#endif

#define OPTIM_PLAIN
#define OPTIM_AVX2 __attribute__((target("avx2")))
#define OPTIM_AVX512 \
    __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq")))

#endif
