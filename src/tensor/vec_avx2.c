/* The loops of vec.h for CPUs with AVX2; CMakeLists.txt sets the option. */
#define VEC_TABLE vec_avx2
#include "tensor/vec_loops.h"
