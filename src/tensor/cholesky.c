/* Cholesky factorisation by columns of blocks (Golub and Van Loan, Matrix
 * Computations, 4th ed., section 4.2.6): the diagonal block here, the panel
 * below it and what is left by level-3 BLAS. */
#include "tensor/cholesky.h"

#include <assert.h>
#include <limits.h>
#include <math.h>

#include <cblas.h>

#define BLOCK 64

/* The diagonal block, its first row being row `first` of the whole matrix. */
static enum fusor_status factor_block(double *a, size_t stride, size_t rows,
                                      size_t first, size_t n,
                                      struct fusor_error *err)
{
    for (size_t j = 0; j < rows; j++) {
        double *row_j = a + j * stride, pivot = row_j[j];

        for (size_t k = 0; k < j; k++)
            pivot -= row_j[k] * row_j[k];
        if (!(pivot > 0 && pivot < INFINITY))
            return fusor_fail(err, FUSOR_EDATA,
                              "least squares: pivot %zu of %zu is %g, so the "
                              "matrix is not positive definite: raise the "
                              "ridge (lambda), or drop a column that others "
                              "add up to",
                              first + j, n, pivot);
        row_j[j] = sqrt(pivot);
        for (size_t i = j + 1; i < rows; i++) {
            double *row_i = a + i * stride, sum = row_i[j];

            for (size_t k = 0; k < j; k++)
                sum -= row_i[k] * row_j[k];
            row_i[j] = sum / row_j[j];
        }
    }
    return FUSOR_OK;
}

enum fusor_status cholesky_factor(double *a, size_t n, struct fusor_error *err)
{
    int stride = (int)n;

    assert(n <= INT_MAX);
    for (size_t j = 0; j < n; j += BLOCK) {
        size_t rows = n - j < BLOCK ? n - j : BLOCK, rest = n - j - rows;
        double *diagonal = a + j * n + j, *panel = diagonal + rows * n;

        FUSOR_TRY(factor_block(diagonal, n, rows, j, n, err));
        if (rest == 0)
            break;
        cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans,
                    CblasNonUnit, (int)rest, (int)rows, 1, diagonal, stride,
                    panel, stride);
        cblas_dsyrk(CblasRowMajor, CblasLower, CblasNoTrans, (int)rest,
                    (int)rows, -1, panel, stride, 1, panel + rows, stride);
    }
    return FUSOR_OK;
}

void cholesky_solve(const double *l, size_t n, double *b, size_t k)
{
    assert(n <= INT_MAX && k <= INT_MAX);
    if (n == 0 || k == 0)
        return;
    cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans,
                CblasNonUnit, (int)n, (int)k, 1, l, (int)n, b, (int)k);
    cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit,
                (int)n, (int)k, 1, l, (int)n, b, (int)k);
}
