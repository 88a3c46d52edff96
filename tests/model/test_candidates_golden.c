/* Losses over candidates against values and gradients by PyTorch:
 * tests/golden/make_candidates.py wrote them, a line each,
 *
 *   case LOSS NEGATIVES TEMPERATURE CORRECTED
 *   loss V, then dq, dv and dbias with a value for each place
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "harness.h"
#include "model/fixture.h"
#include "model/registry.h"

#define M 6
#define K 9
#define D 4

/* Some tens of products below 1, each rounded at 6e-8, over a temperature of
 * at least 0.2. */
#define TOLERANCE 1e-5

static const uint32_t target[M] = {8, 3, 1, 7, 3, 2};
static const float weight[M] = {1, 0.5f, 2, 1, 0.25f, 1};

struct problem {
    struct candidates c;
    float q[M * D], v[K * D], bias[K], log_q[K];
    float dq[M * D], dv[K * D], dbias[K];
    double loss;
};

static void fill(uint32_t t, float *x, uint32_t n, uint32_t width)
{
    for (uint32_t i = 0; i < n * width; i++)
        x[i] = fixture_value(t, i / width, i % width);
}

/* Compute the case that the line describes. */
static void run(const char *line, struct problem *p)
{
    char name[32];
    unsigned n;
    double temperature;
    int corrected;
    const struct loss_kind *l;

    REQUIRE(sscanf(line, "case %31s %u %lf %d", name, &n, &temperature,
                   &corrected) == 4);
    l = registry_loss(name);
    REQUIRE(l && l->over);
    fill(1, p->q, M, D);
    fill(2, p->v, K, D);
    fill(3, p->bias, K, 1);
    for (int j = 0; j < K; j++)
        p->log_q[j] = -1 - 0.25f * (float)j;
    p->c = (struct candidates){
        .m = M,
        .k = K,
        .d = D,
        .n_negatives = n,
        .q = p->q,
        .v = p->v,
        .bias = p->bias,
        .log_q = corrected ? p->log_q : NULL,
        .target = target,
        .weight = weight,
        .scale = 0.5f,
        .temperature = (float)temperature,
        .beta = 0.4f,
        .own = 2,
        .stream = rng_stream(1, RNG_TEST, 1, 0),
        .dq = p->dq,
        .dv = p->dv,
        .dbias = p->dbias,
        .scratch = mem_alloc(candidates_scratch(K, D), sizeof(float)),
    };
    REQUIRE(p->c.scratch != NULL);
    p->loss = l->over(&p->c);
    mem_free(p->c.scratch);
}

static void compare(const char *line, const float *got, int n)
{
    const char *at = strchr(line, ' ');

    for (int i = 0; i < n; i++) {
        char *end;
        double want;

        REQUIRE(at != NULL);
        want = strtod(at, &end);
        REQUIRE(end != at);
        CHECK(test_close((double)got[i], want, TOLERANCE, TOLERANCE));
        at = end;
    }
    CHECK(strspn(at, " \n") == strlen(at));
}

static void values_and_gradients_agree(void)
{
    static char line[1 << 14];
    static struct problem p;
    FILE *f = fopen(GOLDEN_DIR "/candidates.txt", "r");
    int cases = 0, lines = 0;

    REQUIRE(f != NULL);
    while (fgets(line, sizeof(line), f)) {
        lines++;
        if (!strncmp(line, "case ", 5)) {
            run(line, &p);
            cases++;
        } else if (!strncmp(line, "loss ", 5)) {
            CHECK_CLOSE(p.loss, strtod(line + 5, NULL), TOLERANCE);
        } else if (!strncmp(line, "dq ", 3)) {
            compare(line, p.dq, M * D);
        } else if (!strncmp(line, "dv ", 3)) {
            compare(line, p.dv, K * D);
        } else if (!strncmp(line, "dbias ", 6)) {
            compare(line, p.dbias, K);
        }
    }
    fclose(f);
    CHECK(cases == 8 && lines == 5 * cases);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"values and gradients agree", values_and_gradients_agree},
    };

    return TEST_RUN("model.candidates_golden", cases);
}
