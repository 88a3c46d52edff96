/* Built towers: their rows satisfy the equations they solve, any number of
 * threads gives the same bits, and what a job gets wrong is told. */
#include "train/build.h"

#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "index/similar.h"
#include "train/fixture.h"

#define FIELDS                 \
    "fields:\n"                \
    "  user: {side: query}\n"  \
    "  item: {side: item}\n"   \
    "  genres: {side: item}\n" \
    "  price: {side: item}\n"  \
    "  rated: {side: query, type: bag, of: item}\n"
#define EASE "  ease: {type: ease, item: item, history: rated, lambda: 3}\n"
#define KNN "  knn: {type: knn, item: item, history: rated, neighbours: 7}\n"
#define UU                                                                   \
    "  uu: {type: knn, by: query, query: user, item: item, neighbours: 5,\n" \
    "       similarity: pearson, shrink: 2}\n"
#define IALS_OF(more)                                                     \
    "  ials: {type: ials, query: user, item: item, dim: 5, alpha: 0.2,\n" \
    "         lambda: 0.02, " more "}\n"
#define IALS IALS_OF("sweeps: 3")
#define CONTENT                                                            \
    "  like: {type: content, item: item, history: rated, neighbours: 6,\n" \
    "         fields: [genres, price]}\n"
#define MIX "fusion: {type: weighted}\n"
#define EVALUATE "evaluate: [ndcg@10]\n"

static struct workload *open_job(const char *towers, struct yaml **job)
{
    char text[2048];

    snprintf(text, sizeof(text), FIELDS "towers:\n%s" MIX EVALUATE, towers);
    *job =
        fixture_yaml(fixture_text(fixture_data("loo-full"), "implicit", text));
    return fixture_workload(*job);
}

static void close_job(struct workload *w, struct yaml *job)
{
    workload_destroy(w);
    yaml_destroy(job);
}

static double at(const struct csr *m, uint32_t row, uint32_t col)
{
    for (uint64_t k = m->offsets[row]; k < m->offsets[row + 1]; k++)
        if (m->cols[k] == col)
            return m->values[k];
    return 0;
}

/* Users that had both. */
static double gram(const struct csr *m, uint32_t a, uint32_t b)
{
    double sum = 0;

    for (uint32_t u = 0; u < m->n_rows; u++)
        sum += at(m, u, a) * at(m, u, b);
    return sum;
}

/* Off the diagonal, (G + lambda I) B = G (Steck 2019, eq. 5). */
static void ease_solves_its_equations(void)
{
    struct yaml *job;
    struct workload *w = open_job(EASE, &job);
    struct build b;
    struct csr events;
    struct crew crew = {2, NULL};
    uint32_t n;

    REQUIRE(build_compute(w, 0, &crew, &b, NULL) == FUSOR_OK);
    REQUIRE(build_events(w->data, TAKE_HAD, &events, NULL) == FUSOR_OK);
    REQUIRE(b.n_parts == 1 && b.parts[0].rows == b.parts[0].width);
    n = b.parts[0].rows;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n; j++) {
            const float *column = b.parts[0].values + (size_t)j * n;
            double sum = 3.0 * column[i];

            for (uint32_t k = 0; k < n; k++)
                sum += gram(&events, i, k) * column[k];
            /* Floats of sums of up to 40 users. */
            CHECK_CLOSE(i == j ? gram(&events, i, j) : sum, gram(&events, i, j),
                        1e-4);
            CHECK(i != j || column[i] == 0);
        }
    csr_clear(&events);
    build_clear(&b);
    close_job(w, job);
}

/* The gradient of the objective by an item's row is 0 after the last half
 * sweep, which was theirs. */
static void items_are_best(const char *tower)
{
    struct yaml *job;
    struct workload *w = open_job(tower, &job);
    struct build b;
    struct csr events;
    struct crew crew = {1, NULL};
    const float *p, *q;
    uint32_t users, items;

    REQUIRE(build_compute(w, 0, &crew, &b, NULL) == FUSOR_OK);
    REQUIRE(build_events(w->data, TAKE_HAD, &events, NULL) == FUSOR_OK);
    p = b.parts[0].values;
    q = b.parts[1].values;
    users = b.parts[0].rows;
    items = b.parts[1].rows;
    REQUIRE(b.parts[0].width == 5 && b.parts[1].width == 5);
    for (uint32_t i = 0; i < items; i++)
        for (int k = 0; k < 5; k++) {
            double sum = 0, had = 0;

            for (uint32_t u = 0; u < users; u++) {
                double x = at(&events, u, i), score = 0;

                for (int l = 0; l < 5; l++)
                    score += (double)p[u * 5 + l] * q[i * 5 + l];
                had += x;
                sum += (x * (score - 1) + 0.2 * score) * p[u * 5 + k];
            }
            sum += 0.02 * (had + 0.2 * users) * q[i * 5 + k];
            CHECK(had == 0 ? q[i * 5 + k] == 0 : fabs(sum) < 1e-4);
        }
    csr_clear(&events);
    build_clear(&b);
    close_job(w, job);
}

static void ials_ends_where_items_are_best(void)
{
    items_are_best(IALS);
}

/* As many steps as a row has numbers end at the solution, but for rounding. */
static void conjugate_gradients_end_there_too(void)
{
    items_are_best(IALS_OF("solver: cg, steps: 8"));
}

/* Few steps are nearly there: after some sweeps scores are the same. */
static void few_steps_are_nearly_there(void)
{
    static const char *const towers[] = {IALS_OF("sweeps: 12"),
                                         IALS_OF("sweeps: 12, solver: cg")};
    struct build b[2];
    struct workload *w[2];
    struct yaml *job[2];
    struct crew crew = {2, NULL};
    double off = 0, size = 0;

    for (int k = 0; k < 2; k++) {
        w[k] = open_job(towers[k], &job[k]);
        REQUIRE(build_compute(w[k], 0, &crew, &b[k], NULL) == FUSOR_OK);
    }
    for (uint32_t u = 0; u < b[0].parts[0].rows; u++)
        for (uint32_t i = 0; i < b[0].parts[1].rows; i++) {
            double score[2] = {0, 0};

            for (int k = 0; k < 2; k++)
                for (int l = 0; l < 5; l++)
                    score[k] += (double)b[k].parts[0].values[u * 5 + l] *
                                b[k].parts[1].values[i * 5 + l];
            off += pow(score[0] - score[1], 2);
            size += pow(score[0], 2);
        }
    CHECK(off < 1e-3 * size);
    CHECK(off > 0);
    for (int k = 0; k < 2; k++) {
        build_clear(&b[k]);
        close_job(w[k], job[k]);
    }
}

static void neighbours_by_query_score_what_they_had(void)
{
    struct yaml *job;
    struct workload *w = open_job(UU, &job);
    struct similar s = {.kind = SIMILAR_PEARSON, .shrink = 2};
    struct similar_scratch *x;
    struct build b;
    struct csr events, by_item;
    struct crew crew = {2, NULL};
    uint32_t ids[5], n;
    float weights[5];

    REQUIRE(build_compute(w, 0, &crew, &b, NULL) == FUSOR_OK);
    REQUIRE(build_events(w->data, TAKE_LIKED, &events, NULL) == FUSOR_OK);
    REQUIRE(csr_transpose(&events, &by_item, NULL) == FUSOR_OK);
    s.rows = &events;
    s.by_col = &by_item;
    REQUIRE(similar_init(&s, NULL) == FUSOR_OK);
    REQUIRE(similar_scratch_create(&s, &x, NULL) == FUSOR_OK);
    for (uint32_t u = 0; u < b.parts[0].rows; u++) {
        n = similar_top(&s, x, u, 5, ids, weights);
        for (uint32_t i = 0; i < b.parts[0].width; i++) {
            double want = 0;

            for (uint32_t k = 0; k < n; k++)
                want += weights[k] * at(&events, ids[k], i);
            CHECK_CLOSE(b.parts[0].values[u * b.parts[0].width + i], want,
                        1e-6);
        }
    }
    similar_scratch_destroy(x);
    similar_clear(&s);
    csr_clear(&by_item);
    csr_clear(&events);
    build_clear(&b);
    close_job(w, job);
}

static void any_number_of_threads_gives_the_same_bits(void)
{
    static const unsigned threads[] = {1, 3, 6};
    struct training t[3];
    char text[2048], name[3][8];
    const char *job;

    snprintf(text, sizeof(text),
             FIELDS "towers:\n" EASE KNN UU IALS CONTENT MIX EVALUATE
                    "train: {global_batch: 96, micro_batches: 6}\n");
    job = fixture_text(fixture_data("loo-full"), "implicit", text);
    for (int i = 0; i < 3; i++) {
        struct training_options o = {name[i], threads[i], 0, {NULL}};

        snprintf(name[i], sizeof(name[i]), "t%u", threads[i]);
        training_run(&t[i], job, &o);
        if (t[i].status != FUSOR_OK)
            fprintf(stderr, "%s\n", t[i].err.text);
        REQUIRE(t[i].status == FUSOR_OK);
        CHECK(training_digest(&t[i], "latest") ==
              training_digest(&t[0], "latest"));
        CHECK(training_number(t[i].result.s, "ndcg@10") ==
              training_number(t[0].result.s, "ndcg@10"));
    }
    CHECK(training_number(t[0].result.s, "ndcg@10") > 0.1);
    for (int i = 0; i < 3; i++)
        training_clear(&t[i]);
}

/* The store's rows are the values to the last bit (but the sign of 0). */
static void a_checkpoint_holds_the_rows(void)
{
    struct training t;
    struct training_options o = {"rows", 2, 0, {NULL}};
    struct crew crew = {1, NULL};
    struct build b;
    struct shard *shard;
    uint32_t width;
    int wrong = 0;

    training_run(&t,
                 fixture_text(fixture_data("loo-full"), "implicit",
                              FIELDS "towers:\n" EASE EVALUATE),
                 &o);
    REQUIRE(t.status == FUSOR_OK);
    REQUIRE(build_compute(t.workload, 0, &crew, &b, NULL) == FUSOR_OK);
    shard = training_load(&t, "latest");
    width = b.parts[0].width;
    for (uint64_t key = 0; key < b.parts[0].rows; key++) {
        uint32_t ref = 0;

        shard_resolve(shard, 0, &key, 1, RESOLVE_PEEK, 0, &ref, NULL);
        wrong += ref == 0;
        for (uint32_t i = 0; ref && i < width; i++)
            wrong += shard_row_values(shard_base(shard), ref)[i] !=
                     b.parts[0].values[key * width + i];
    }
    CHECK(wrong == 0);
    shard_destroy(shard);
    build_clear(&b);
    training_clear(&t);
}

/* ---- what a job gets wrong ---- */

static void refuse(const char *rest, const char *why)
{
    struct yaml *job =
        fixture_yaml(fixture_text(fixture_data("loo-full"), "implicit", rest));
    struct workload *w = NULL;
    struct fusor_error err;

    REQUIRE(job != NULL);
    CHECK(workload_create(job, &w, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, why) != NULL);
    if (!strstr(err.text, why))
        fprintf(stderr, "%s\n", err.text);
    CHECK(strchr(err.text, '\n') == NULL);
    yaml_destroy(job);
}

#define MF "  mf: {type: dot, query: user, item: item}\n"
#define TABLES "tables: {user: 4, item: 4}\n"

static void wrong_jobs_are_refused_with_the_reason(void)
{
    refuse(FIELDS TABLES "towers:\n" EASE MF MIX, "by none");
    refuse(FIELDS "towers:\n" EASE "stages: [{train: [ease]}]\n",
           "built, not trained");
    refuse(FIELDS TABLES "towers:\n" EASE MF MIX
                         "stages: [{build: [ease, mf]}]\n",
           "trained, not built");
    refuse(FIELDS "towers:\n" EASE
                  "stages: [{build: [ease]}, {build: [ease]}]\n",
           "more than once");
    refuse(FIELDS "towers:\n" EASE "stages: [{build: [ease], epochs: 2}]\n",
           "nothing else");
    refuse(FIELDS "  more: {side: query, type: bag, of: item}\n"
                  "towers:\n  e: {type: ease, item: item}\n",
           "no history"); // which of the two?
    refuse(FIELDS "towers:\n  e: {type: ease, item: item, history: genres}\n",
           "no list of items");
    refuse(FIELDS "towers:\n  e: {type: ease, item: rated, history: rated}\n",
           "is a bag field");
    refuse(FIELDS "towers:\n  e: {type: ease, item: item, history: rated, "
                  "lambda: 0}\n",
           "lambda");
    refuse(FIELDS "towers:\n  k: {type: knn, item: item, query: user}\n",
           "by: query");
    refuse(FIELDS "towers:\n  c: {type: content, item: item, history: rated, "
                  "fields: [user]}\n",
           "side item");
}

int main(void)
{
    static const struct test_case cases[] = {
        {"ease solves its equations", ease_solves_its_equations},
        {"ials ends where items are best", ials_ends_where_items_are_best},
        {"conjugate gradients end there too",
         conjugate_gradients_end_there_too},
        {"few steps are nearly there", few_steps_are_nearly_there},
        {"neighbours by query score what they had",
         neighbours_by_query_score_what_they_had},
        {"any number of threads gives the same bits",
         any_number_of_threads_gives_the_same_bits},
        {"a checkpoint holds the rows", a_checkpoint_holds_the_rows},
        {"wrong jobs are refused with the reason",
         wrong_jobs_are_refused_with_the_reason},
    };
    return TEST_RUN("train.build", cases);
}
