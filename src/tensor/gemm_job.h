/* One product as the kernels of src/tensor see it. Private to src/tensor. */
#ifndef TENSOR_GEMM_JOB_H
#define TENSOR_GEMM_JOB_H

#include "tensor/gemm.h"

/** out[N,H] = act(alpha op(a) op(b) + beta out + bias); rows of every array
 * begin stride floats apart. N, H, M > 0. */
struct gemm_job {
    enum blas_form form;
    size_t N, H, M;
    float alpha, beta;
    const float *a, *b;
    float *out;
    size_t a_stride, b_stride, out_stride;
    const float *bias; // [H] or NULL
    int relu;          // act is max(., 0); else nothing
};

#if defined(__x86_64__)
/** By 512-bit registers; needs CPU_AVX512. */
void gemm_avx512(const struct gemm_job *job);
/** By AMX, factors rounded to bfloat16; after gemm_ask() granted it. */
void gemm_bf16_run(const struct gemm_job *job);
#endif

#endif
