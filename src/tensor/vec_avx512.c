/* The loops of vec.h for CPUs with AVX-512; CMakeLists.txt sets the options. */
#define VEC_TABLE vec_avx512
#include "tensor/vec_loops.h"
