/* From rows to distinct keys. */
#include "train/step.h"

#include "base/mem.h"
#include "train/fixture.h"

#include "harness.h"

#define ROWS 40

static struct workload *open_deep(struct yaml **job)
{
    *job = fixture_yaml(
        fixture_text(fixture_data("time-split"), "none", FIXTURE_DEEP));
    return fixture_workload(*job);
}

static void fill(struct step *s, uint32_t micro, uint32_t first)
{
    struct step_micro *m = step_next_micro(s, micro);
    uint32_t rows[ROWS];

    for (uint32_t i = 0; i < ROWS; i++)
        rows[i] = first + i;
    REQUIRE(batcher_fill(m->batcher, SPLIT_TRAIN, rows, ROWS, &m->batch,
                         NULL) == FUSOR_OK);
    REQUIRE(step_add_keys(s, m, NULL) == FUSOR_OK);
}

/* Every value of every lookup stands at its own key. */
static int positions_fit(const struct workload *w, const struct step *s,
                         const struct step_micro *m)
{
    uint32_t n;
    const struct model_lookup *l = model_lookups(w->model, &n);

    for (uint32_t i = 0; i < n; i++) {
        const uint64_t *ids = m->batch.fields[l[i].field].ids;

        for (uint32_t k = 0; k < m->n_values[i]; k++)
            if (ids[k] == BATCH_NO_ID
                    ? m->positions[i][k] != KEYSET_NONE
                    : s->keys[l[i].table].keys[m->positions[i][k]] !=
                          ids[k] + l[i].salt)
                return 0;
    }
    return 1;
}

static void keys_of_all_micro_batches_are_joined(void)
{
    struct yaml *job;
    struct workload *w = open_deep(&job);
    struct step s;

    REQUIRE(step_init(&s, w->model, w->data, 3, ROWS, NULL) == FUSOR_OK);
    for (uint64_t round = 0; round < 3; round++) { // used again
        step_reset(&s, round);
        for (uint32_t m = 0; m < 3; m++)
            fill(&s, m + 4, m * 20 + (uint32_t)round * 100);
        REQUIRE(step_seal(&s, NULL) == FUSOR_OK);
        CHECK(s.clock == round && s.n_micros == 3 && s.n_samples == 3 * ROWS);
        CHECK(s.micros[2].number == 6);
        for (uint32_t m = 0; m < 3; m++)
            CHECK(positions_fit(w, &s, &s.micros[m]));
        for (uint32_t t = 0; t < s.n_tables; t++)
            for (uint32_t i = 0; i < s.keys[t].n; i++)
                for (uint32_t j = 0; j < i; j++)
                    CHECK(s.keys[t].keys[i] != s.keys[t].keys[j]);
    }
    step_reset(&s, 9);
    REQUIRE(step_seal(&s, NULL) == FUSOR_OK);
    CHECK(s.n_samples == 0 && s.keys[0].n == 0); // nothing to do is fine
    step_clear(&s);
    workload_destroy(w);
    yaml_destroy(job);
}

static void every_failed_allocation_is_an_error(void)
{
    struct yaml *job;
    struct workload *w = open_deep(&job);
    enum fusor_status rc = FUSOR_ENOMEM;
    size_t used = mem_used();
    struct step s;

    for (long n = 1; rc != FUSOR_OK && n < 1000; n++) {
        mem_fail_after(n);
        rc = step_init(&s, w->model, w->data, 2, ROWS, NULL);
        mem_fail_after(0);
        if (rc == FUSOR_OK)
            step_clear(&s);
        CHECK(rc == FUSOR_OK || rc == FUSOR_ENOMEM);
        CHECK(mem_used() == used);
    }
    CHECK(rc == FUSOR_OK);
    workload_destroy(w);
    yaml_destroy(job);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"keys of all micro-batches are joined",
         keys_of_all_micro_batches_are_joined},
        {"every failed allocation is an error",
         every_failed_allocation_is_an_error},
    };

    return TEST_RUN("train.step", cases);
}
