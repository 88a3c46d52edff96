/* The loops of vec.h for any CPU: the reference. */
#define VEC_TABLE vec_plain
#include "tensor/vec_loops.h"
