/* Products by AVX-512: the loops around the register tiles, after Goto and van
 * de Geijn, Anatomy of High-Performance Matrix Multiplication (2008), with the
 * left operand read in place. */
#include "tensor/gemm_job.h"

#include "tensor/gemm_pack_avx512.h"
#include "tensor/gemm_tile_avx512.h"

/* Of M: a panel of 48 columns fills L1 (48 KB). Of N: 1 MB of the left operand
 * stays in L2. With fewer rows than PACK_ROWS a copy of the right operand costs
 * more than aligned loads bring. */
#define BLOCK_INNER 256
#define BLOCK_ROWS 1024
#define PACK_ROWS 128
#define PANEL (16 * TILE_VECTORS)

#define WIDE(R, V)                                     \
    static void rows_##R##x##V(const struct tile *t)   \
    {                                                  \
        tile_body(t, R, V, 1);                         \
    }                                                  \
    static void turned_##R##x##V(const struct tile *t) \
    {                                                  \
        tile_body(t, R, V, 0);                         \
    }
#define WIDE_1(R) WIDE(R, 1)
#define WIDE_2(R) WIDE(R, 2)
#define WIDE_3(R) WIDE(R, 3)
#define WIDE_4(R) WIDE(R, 4)
#define NARROW(R)                                    \
    static void narrow_##R##x2(const struct tile *t) \
    {                                                \
        narrow_body(t, R, 2);                        \
    }                                                \
    static void narrow_##R##x4(const struct tile *t) \
    {                                                \
        narrow_body(t, R, 4);                        \
    }
#define EACH_6(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define EACH_8(X) EACH_6(X) X(7) X(8)
#define EACH_16(X) EACH_8(X) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16)

EACH_16(WIDE_1)
EACH_8(WIDE_2)
EACH_8(WIDE_3)
EACH_6(WIDE_4)
EACH_8(NARROW)

#define LIST_6(kind, V)                                                   \
    kind##_1x##V, kind##_2x##V, kind##_3x##V, kind##_4x##V, kind##_5x##V, \
        kind##_6x##V
#define LIST_8(kind, V) LIST_6(kind, V), kind##_7x##V, kind##_8x##V
#define LIST_16(kind, V)                                            \
    LIST_8(kind, V), kind##_9x##V, kind##_10x##V, kind##_11x##V,    \
        kind##_12x##V, kind##_13x##V, kind##_14x##V, kind##_15x##V, \
        kind##_16x##V

/* Tiles of 1 .. max rows. */
struct tiles {
    size_t max;
    tile_fn *fn[TILE_ROWS]; // [rows - 1]
};

/* [vectors - 1][a is turned] */
static const struct tiles wide[TILE_VECTORS][2] = {
    {{16, {LIST_16(rows, 1)}}, {16, {LIST_16(turned, 1)}}},
    {{8, {LIST_8(rows, 2)}}, {8, {LIST_8(turned, 2)}}},
    {{8, {LIST_8(rows, 3)}}, {8, {LIST_8(turned, 3)}}},
    {{6, {LIST_6(rows, 4)}}, {6, {LIST_6(turned, 4)}}},
};
/* [parts / 4] */
static const struct tiles narrow[2] = {{8, {LIST_8(narrow, 2)}},
                                       {8, {LIST_8(narrow, 4)}}};

static void tall_1x4(const struct tile *t, size_t n)
{
    tall_body(t, 1, 4, n);
}

static void tall_3x4(const struct tile *t, size_t n)
{
    tall_body(t, 3, 4, n);
}

static void tall_1x8(const struct tile *t, size_t n)
{
    tall_body(t, 1, 8, n);
}

static void tall_3x8(const struct tile *t, size_t n)
{
    tall_body(t, 3, 8, n);
}

/* A piece of a job: its rows and inner range, and the columns of one panel. */
struct piece {
    const struct gemm_job *job;
    size_t n0, n;    // rows
    size_t k0, k;    // inner
    int first, last; // of the inner pieces
};

static struct tile piece_tile(const struct piece *p, size_t h)
{
    const struct gemm_job *j = p->job;
    struct tile t = {.K = p->k,
                     .a_stride = j->a_stride,
                     .out = j->out + p->n0 * j->out_stride + h,
                     .out_stride = j->out_stride,
                     .alpha = j->alpha,
                     .beta = p->first ? j->beta : 1.0f,
                     .bias = p->last && j->bias ? j->bias + h : NULL,
                     .relu = p->last && j->relu};

    t.a = j->form == BLAS_TN ? j->a + p->k0 * j->a_stride + p->n0
                             : j->a + p->n0 * j->a_stride + p->k0;
    return t;
}

static const float *piece_b(const struct piece *p, size_t h)
{
    const struct gemm_job *j = p->job;

    return j->form == BLAS_NT ? j->b + h * j->b_stride + p->k0
                              : j->b + p->k0 * j->b_stride + h;
}

/* All rows of a piece, in tiles. */
static void down_the_rows(struct tile *t, const struct tiles *tiles, size_t n,
                          size_t a_row)
{
    while (n > 0) {
        size_t rows = n < tiles->max ? n : tiles->max;

        tiles->fn[rows - 1](t);
        t->a += rows * a_row;
        t->out += rows * t->out_stride;
        n -= rows;
    }
}

/* Columns h .. h + n - 1, n <= PANEL, in vectors of 16. */
static void wide_panel(const struct piece *p, size_t h, size_t n, float *pack)
{
    const struct gemm_job *j = p->job;
    size_t V = (n + 15) / 16;
    int turned = j->form == BLAS_TN;
    struct tile t = piece_tile(p, h);

    t.b = piece_b(p, h);
    t.b_stride = j->b_stride;
    t.mask = (__mmask16)(0xffffu >> (16 * V - n));
    if (j->form == BLAS_NT || n < 16 * V || p->n >= PACK_ROWS) {
        pack_wide(t.b, j->b_stride, j->form == BLAS_NT, n, p->k, V, pack);
        t.b = pack;
        t.b_stride = 16 * V;
    }
    down_the_rows(&t, &wide[V - 1][turned], p->n, turned ? 1 : j->a_stride);
}

/* Columns h .. h + n - 1, n <= 8, of a product whose a lies along k. */
static void narrow_panel(const struct piece *p, size_t h, size_t n, float *pack)
{
    const struct gemm_job *j = p->job;
    size_t parts = n > 4 ? 2 : 4;
    struct tile t = piece_tile(p, h);

    pack_narrow(piece_b(p, h), j->b_stride, j->form == BLAS_NT, n, p->k, parts,
                pack);
    t.b = pack;
    t.mask = (__mmask16)((1u << n) - 1);
    down_the_rows(&t, &narrow[parts / 4], p->n, j->a_stride);
}

/* The same where a lies along the rows. */
static void tall_panel(const struct piece *p, size_t h, size_t n, float *pack)
{
    const struct gemm_job *j = p->job;
    size_t C = n > 4 ? 8 : 4;
    struct tile t = piece_tile(p, h);

    pack_columns(piece_b(p, h), j->b_stride, n, p->k, C, pack);
    t.b = pack;
    for (size_t row = 0; row < p->n;) {
        size_t left = p->n - row, rows = left > 32 ? 48 : 16;

        t.mask = (__mmask16)(rows <= left ? 0xffffu : 0xffffu >> (rows - left));
        if (rows == 48)
            (C == 8 ? tall_3x8 : tall_3x4)(&t, n);
        else
            (C == 8 ? tall_1x8 : tall_1x4)(&t, n);
        t.a += rows;
        t.out += rows * t.out_stride;
        row += rows;
    }
}

/* Vectors of the next panel when `left` are to do: threes, and twos or a four
 * rather than a single one at the end. */
static size_t panel_vectors(size_t left)
{
    if (left == 4 || left == 7 || left == 8)
        return 4;
    return left < 3 ? left : 3;
}

static void run_piece(const struct piece *p, float *pack)
{
    size_t H = p->job->H, rest = H % 16;
    size_t wide_columns = rest >= 1 && rest <= 8 ? H - rest : H;
    size_t h = 0;

    while (h < wide_columns) {
        size_t V = panel_vectors((wide_columns - h + 15) / 16);
        size_t n = wide_columns - h < 16 * V ? wide_columns - h : 16 * V;

        wide_panel(p, h, n, pack);
        h += n;
    }
    if (h < H && p->job->form == BLAS_TN)
        tall_panel(p, h, H - h, pack);
    else if (h < H)
        narrow_panel(p, h, H - h, pack);
}

void gemm_avx512(const struct gemm_job *job)
{
    _Alignas(64) float pack[BLOCK_INNER * PANEL];
    size_t pieces = (job->M + BLOCK_INNER - 1) / BLOCK_INNER;
    /* Equal pieces, whole groups of 4 in all but the last. */
    size_t step = ((job->M + pieces - 1) / pieces + 3) / 4 * 4;
    struct piece p = {.job = job};

    for (p.n0 = 0; p.n0 < job->N; p.n0 += p.n) {
        p.n = job->N - p.n0 < BLOCK_ROWS ? job->N - p.n0 : BLOCK_ROWS;
        for (p.k0 = 0; p.k0 < job->M; p.k0 += p.k) {
            p.k = job->M - p.k0 < step ? job->M - p.k0 : step;
            p.first = p.k0 == 0;
            p.last = p.k0 + p.k == job->M;
            run_piece(&p, pack);
        }
    }
}
