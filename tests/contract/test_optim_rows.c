/* What optim_apply_rows() owes its callers, for each rule of the registry: the
 * bits of optim_apply() row by row, of floats and of halves, on every CPU, for
 * every width; rows of nobody left alone, clocks that rise, nothing written
 * beside a row. */
#include <stdint.h>
#include <string.h>

#include "base/cpu.h"
#include "base/rng.h"
#include "harness.h"
#include "optim/bf16.h"
#include "optim/optim.h"

#define WIDTH_MAX 70
#define N 37      /* over twice what is fetched ahead */
#define STRIDE 64 /* in 16 bytes: the widest row and a margin */
#define STREAM 0x5bd1e995u
#define MARGIN 0xa5

/* Rows as a table of floats or of halves has them, and their gradients. */
struct rows {
    _Alignas(16) unsigned char memory[(N + 1) * STRIDE * 16];
    uint32_t refs[N];
    float packed[N * WIDTH_MAX];
    float *grads[N];
    float scratch[WIDTH_MAX];
    struct optim_rows call;
    size_t end; // of what is used of a row
};

static unsigned char *row_of(struct rows *r, size_t i)
{
    return r->memory + (size_t)r->refs[i] * 16;
}

static uint32_t *clock_of(struct rows *r, size_t i)
{
    return (uint32_t *)(void *)(row_of(r, i) + r->call.clock_at);
}

static float *state_of(struct rows *r, size_t i)
{
    return (float *)(void *)(row_of(r, i) + r->call.state_at);
}

static void place(struct rows *r, const struct optim *o, size_t width,
                  int halves)
{
    size_t end = 16 + width * (halves ? sizeof(uint16_t) : sizeof(float));

    r->call = (struct optim_rows){.base = r->memory,
                                  .refs = r->refs,
                                  .n = N,
                                  .packed = r->packed,
                                  .width = width,
                                  .halves = halves,
                                  .values_at = 16,
                                  .state_at = (uint32_t)((end + 3) / 4 * 4),
                                  .clock_at = 12,
                                  .clock = 8,
                                  .scratch = r->scratch,
                                  .stream = STREAM};
    r->end =
        r->call.state_at + optim_state_width(&o->spec, width) * sizeof(float);
    r->call.bytes = (uint32_t)r->end;
}

/* Every third row from the second on is nobody's. */
static void fill(struct rows *r, const struct optim *o, size_t width,
                 int halves)
{
    struct rng g = rng_stream(7, RNG_TEST, width, 0);

    memset(r, 0, sizeof(*r));
    memset(r->memory, MARGIN, sizeof(r->memory));
    place(r, o, width, halves);
    for (uint32_t i = 0; i < N; i++) {
        float values[WIDTH_MAX];
        uint64_t key = rng_u64(&g);

        r->refs[i] = i % 3 == 1 ? 0 : (i + 1) * STRIDE;
        r->grads[i] = r->packed + i * width;
        for (size_t k = 0; k < width; k++) {
            values[k] = (float)rng_normal(&g);
            r->grads[i][k] = (float)rng_normal(&g);
        }
        if (!r->refs[i])
            continue;
        memcpy(row_of(r, i), &key, sizeof(key));
        *clock_of(r, i) = i;
        optim_init_state(o, values, state_of(r, i), width);
        if (halves)
            bf16_ops()->nearest(values, (void *)(row_of(r, i) + 16), width);
        else
            memcpy(row_of(r, i) + 16, values, width * sizeof(float));
    }
}

static void step_singly(struct rows *r, const struct optim *o,
                        const struct optim_step *step)
{
    size_t width = r->call.width;

    for (size_t i = 0; i < N; i++) {
        void *values = row_of(r, i) + 16;
        uint64_t key;

        if (!r->refs[i])
            continue;
        memcpy(&key, row_of(r, i), sizeof(key));
        if (r->call.halves) {
            bf16_ops()->widen(values, r->scratch, width);
            optim_apply(o, r->scratch, state_of(r, i), r->grads[i], width,
                        step);
            bf16_ops()->round(r->scratch, values, width,
                              optim_stream(STREAM, key));
        } else {
            optim_apply(o, values, state_of(r, i), r->grads[i], width, step);
        }
        *clock_of(r, i) = i < 8 ? 8 : (uint32_t)i;
    }
}

static struct optim prepare(int kind, int with_terms)
{
    struct optim_spec spec;
    struct optim o;
    int general = kind != OPTIM_FTRL && kind != OPTIM_EMA;

    optim_spec_default((enum optim_kind)kind, &spec);
    if (with_terms) {
        spec.l2 = general ? 0.01 : 0;
        spec.l2_scope = general ? OPTIM_L2_ROW : OPTIM_L2_NONE;
        spec.l1 = kind == OPTIM_ADAM || kind == OPTIM_EMA ? 0 : 0.02;
        spec.clip_row = kind == OPTIM_EMA ? 0 : 1.5;
    }
    REQUIRE(optim_init(&o, &spec, NULL) == FUSOR_OK);
    return o;
}

/* The plain loops, row by row, against all rows at once on this CPU. */
static void compare(int kind, int terms, size_t width, int halves)
{
    static struct rows singly, at_once;
    enum cpu_level level = cpu_level();
    struct optim o = prepare(kind, terms), plain;
    struct optim_step step;

    cpu_limit_level(CPU_PLAIN);
    plain = prepare(kind, terms);
    fill(&singly, &plain, width, halves);
    cpu_limit_level(level);
    fill(&at_once, &o, width, halves);
    for (uint64_t clock = 0; clock < 3; clock++) {
        step = optim_step_make(&o.spec, clock, 0, 10, 1);
        optim_apply_rows(&o, &at_once.call, &step);
        cpu_limit_level(CPU_PLAIN);
        step_singly(&singly, &plain, &step);
        cpu_limit_level(level);
        at_once.call.grads = clock ? NULL : at_once.grads;
        at_once.call.packed = clock ? at_once.packed : NULL;
    }
    CHECK(memcmp(singly.memory, at_once.memory, sizeof(singly.memory)) == 0);
}

static void compare_all(enum cpu_level level)
{
    cpu_limit_level(level);
    for (int kind = 0; kind < OPTIM_N_KINDS; kind++)
        for (size_t width = 1; width <= WIDTH_MAX; width++)
            for (int which = 0; which < 4; which++)
                compare(kind, which / 2, width, which % 2);
    cpu_limit_level(CPU_AVX512);
}

static void rows_at_once_are_rows_one_by_one(void)
{
    for (int level = CPU_PLAIN; level <= CPU_AVX512; level++)
        compare_all((enum cpu_level)level);
}

static void nothing_beside_a_row_is_written(void)
{
    for (int kind = 0; kind < OPTIM_N_KINDS; kind++)
        for (size_t width = 1; width <= WIDTH_MAX; width++) {
            static struct rows r;
            struct optim o = prepare(kind, 1);
            struct optim_step step = optim_step_make(&o.spec, 0, 0, 10, 1);
            size_t wrong = 0;

            fill(&r, &o, width, width % 2);
            optim_apply_rows(&o, &r.call, &step);
            for (size_t at = 0; at < sizeof(r.memory); at++)
                if (at < STRIDE * 16 || at % (STRIDE * 16) >= r.end)
                    wrong += r.memory[at] != MARGIN;
            CHECK(wrong == 0);
        }
}

static void no_rows_are_fine(void)
{
    static struct rows r;
    struct optim o = prepare(OPTIM_SGD, 0);
    struct optim_step step = optim_step_make(&o.spec, 0, 0, 10, 1);
    unsigned char before;

    fill(&r, &o, 16, 1);
    before = *(row_of(&r, 0) + 16);
    r.call.n = 0;
    optim_apply_rows(&o, &r.call, &step);
    CHECK(*(row_of(&r, 0) + 16) == before);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"rows at once are rows one by one, bit for bit",
         rows_at_once_are_rows_one_by_one},
        {"nothing beside a row is written", nothing_beside_a_row_is_written},
        {"no rows are fine", no_rows_are_fine},
    };

    return TEST_RUN("contract.optim_rows", cases);
}
