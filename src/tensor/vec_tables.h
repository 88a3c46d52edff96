/* The tables of loops, one for each kind of CPU. Private to src/tensor. */
#ifndef TENSOR_VEC_TABLES_H
#define TENSOR_VEC_TABLES_H

#include "tensor/vec.h"

extern const struct vec_ops vec_plain;
#if defined(__x86_64__)
extern const struct vec_ops vec_avx2;
extern const struct vec_ops vec_avx512;
#endif

#endif
