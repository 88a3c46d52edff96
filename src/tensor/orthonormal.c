/* G = A^T A = L L^T, then A L^-T, panel by panel of rows. */
#include "tensor/orthonormal.h"

#include <assert.h>
#include <limits.h>

#include <cblas.h>

#include "base/mem.h"
#include "tensor/cholesky.h"

#define PANEL 512 /* rows in double at once */

static void widen(const float *a, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (double)a[i];
}

static void narrow(const double *a, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)a[i];
}

static size_t rows_of(size_t N, size_t first)
{
    return N - first < PANEL ? N - first : PANEL;
}

enum fusor_status orthonormal_columns(float *a, size_t N, size_t D,
                                      struct fusor_error *err)
{
    double *gram = mem_alloc(D * D, sizeof(*gram));
    double *panel = mem_alloc_raw(PANEL * D, sizeof(*panel));
    int d = (int)D;
    enum fusor_status rc = FUSOR_OK;

    assert(D <= INT_MAX);
    if (!gram || !panel)
        rc = mem_fail(err, "basis", (D + PANEL) * D * sizeof(*gram));
    for (size_t i = 0; rc == FUSOR_OK && D && i < N; i += PANEL) {
        widen(a + i * D, rows_of(N, i) * D, panel);
        cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, d,
                    (int)rows_of(N, i), 1, panel, d, 1, gram, d);
    }
    if (rc == FUSOR_OK)
        rc = cholesky_factor(gram, D, err);
    for (size_t i = 0; rc == FUSOR_OK && D && i < N; i += PANEL) {
        widen(a + i * D, rows_of(N, i) * D, panel);
        cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans,
                    CblasNonUnit, (int)rows_of(N, i), d, 1, gram, d, panel, d);
        narrow(panel, rows_of(N, i) * D, a + i * D);
    }
    mem_free(gram);
    mem_free(panel);
    return rc;
}
