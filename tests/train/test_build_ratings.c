/* Expected ratings of neighbours: a small matrix worked out by hand, a larger
 * one against the formulas written plainly, edges of a file, and what a job
 * gets wrong. */
#include "train/build.h"

#include <stdio.h>
#include <string.h>

#include "data/prepared.h"
#include "harness.h"
#include "train/fixture.h"

#define FIELDS                                            \
    "fields: {user: {side: query}, item: {side: item}}\n" \
    "evaluate: [rmse]\nloss: mse\n"

static struct workload *open_job(const char *tower, struct yaml **job)
{
    char text[1024];

    snprintf(text, sizeof(text), FIELDS "towers: {nn: {type: knn, %s}}\n",
             tower);
    *job = fixture_yaml(fixture_text(fixture_data("loo-full"), "none", text));
    return fixture_workload(*job);
}

/* ---- plainly ---- */

static double rating[FIXTURE_USERS][FIXTURE_ITEMS]; // NAN: none
static double base_of_user[FIXTURE_USERS], base_of_item[FIXTURE_ITEMS], mean;

static void read_ratings(void)
{
    uint64_t n;
    const struct event *e = fixture_events(SPLIT_TRAIN, &n);

    for (int u = 0; u < FIXTURE_USERS; u++)
        for (int i = 0; i < FIXTURE_ITEMS; i++)
            rating[u][i] = NAN;
    for (uint64_t k = 0; k < n; k++)
        rating[e[k].user][e[k].item] = (double)e[k].label;
}

static void set_means(int by_query)
{
    int n_all = 0;

    mean = 0;
    memset(base_of_user, 0, sizeof(base_of_user));
    memset(base_of_item, 0, sizeof(base_of_item));
    for (int u = 0; u < FIXTURE_USERS; u++)
        for (int i = 0; i < FIXTURE_ITEMS; i++)
            if (!isnan(rating[u][i])) {
                mean += rating[u][i];
                n_all++;
            }
    mean /= n_all;
    for (int a = 0; a < (by_query ? FIXTURE_USERS : FIXTURE_ITEMS); a++) {
        double sum = 0;
        int n = 0;

        for (int b = 0; b < (by_query ? FIXTURE_ITEMS : FIXTURE_USERS); b++) {
            double r = by_query ? rating[a][b] : rating[b][a];

            if (isnan(r))
                continue;
            sum += r;
            n++;
        }
        (by_query ? base_of_user : base_of_item)[a] = n ? sum / n - mean : 0;
    }
}

static double rest(int u, int i)
{
    return rating[u][i] - mean - base_of_user[u] - base_of_item[i];
}

/* What a and b of one kind have in common, 0 below `least`. */
static double pearson(int by_query, int a, int b, double shrink, int least)
{
    double x[64], y[64], mx = 0, my = 0, xy = 0, xx = 0, yy = 0;
    int n = 0;

    for (int c = 0; c < (by_query ? FIXTURE_ITEMS : FIXTURE_USERS); c++) {
        double p = by_query ? rest(a, c) : rest(c, a);
        double q = by_query ? rest(b, c) : rest(c, b);

        if (isnan(p) || isnan(q))
            continue;
        x[n] = p;
        y[n++] = q;
        mx += p;
        my += q;
    }
    if (n < 2 || n < least)
        return 0;
    for (int k = 0; k < n; k++) {
        xy += (x[k] - mx / n) * (y[k] - my / n);
        xx += (x[k] - mx / n) * (x[k] - mx / n);
        yy += (y[k] - my / n) * (y[k] - my / n);
    }
    return xx < 1e-9 || yy < 1e-9 || fabs(xy) < 1e-9
               ? 0
               : xy / sqrt(xx * yy) * n / (n + shrink);
}

/* Taking the best of those left, most times over. */
static double expected(int by_query, int u, int i, int most, double shrink,
                       int least)
{
    int n = by_query ? FIXTURE_USERS : FIXTURE_ITEMS;
    double weight[64], sum = 0, below = 0;

    for (int v = 0; v < n; v++) {
        int rated = !isnan(by_query ? rating[v][i] : rating[u][v]);

        weight[v] = rated && v != (by_query ? u : i)
                        ? pearson(by_query, by_query ? u : i, v, shrink, least)
                        : 0;
    }
    for (int k = 0; k < most; k++) {
        int best = 0;

        for (int v = 1; v < n; v++)
            if (weight[v] > weight[best])
                best = v;
        if (!(weight[best] > 0))
            break;
        sum += weight[best] * (by_query ? rest(best, i) : rest(u, best));
        below += weight[best];
        weight[best] = 0;
    }
    return mean + base_of_user[u] + base_of_item[i] +
           (below > 0 ? sum / below : 0);
}

static void check_all(const char *tower, int by_query, int most, int least)
{
    struct yaml *job;
    struct workload *w = open_job(tower, &job);
    struct build b;
    struct crew crew = {2, NULL};
    int wrong = 0;

    read_ratings();
    set_means(by_query);
    REQUIRE(build_compute(w, 0, &crew, &b, NULL) == FUSOR_OK);
    REQUIRE(b.n_parts == 1 && b.parts[0].rows == FIXTURE_USERS);
    REQUIRE(b.parts[0].width == FIXTURE_ITEMS);
    for (int u = 0; u < FIXTURE_USERS; u++)
        for (int i = 0; i < FIXTURE_ITEMS; i++)
            /* Floats of sums of up to 40 numbers below 5. */
            wrong += fabs((double)b.parts[0].values[u * FIXTURE_ITEMS + i] -
                          expected(by_query, u, i, most, 3, least)) > 2e-5;
    CHECK(wrong == 0);
    build_clear(&b);
    workload_destroy(w);
    yaml_destroy(job);
}

/* All of them: some users rate alike, and who of two equals is nearer is left
 * to the last bit. */
static void neighbours_by_query_agree_with_the_formula(void)
{
    check_all("by: query, query: user, item: item, centre: mean, neighbours: "
              "64, similarity: pearson, shrink: 3",
              1, 64, 0);
    check_all("by: query, query: user, item: item, centre: mean, neighbours: "
              "64, similarity: pearson, shrink: 3, overlap: 9",
              1, 64, 9);
}

static void neighbours_by_item_agree_with_the_formula(void)
{
    check_all("query: user, item: item, centre: mean, neighbours: 6, "
              "similarity: pearson, shrink: 3",
              0, 6, 0);
}

/* The least squares of Koren 2010, section 2.1, are where no number of a user
 * or an item would move: (n + shrink) b = sum of what is left. */
static void a_baseline_is_where_nothing_moves(void)
{
    struct yaml *job;
    /* Nobody shares so much: what is expected is the baseline itself. */
    struct workload *w = open_job(
        "by: query, query: user, item: item, centre: baseline, overlap: 1000",
        &job);
    struct build b;
    struct crew crew = {1, NULL};
    const float *v;

    read_ratings();
    set_means(1);
    REQUIRE(build_compute(w, 0, &crew, &b, NULL) == FUSOR_OK);
    v = b.parts[0].values;
    for (int u = 1; u < FIXTURE_USERS; u++) {
        double left = 0, own = (double)v[u * FIXTURE_ITEMS] - mean;

        for (int i = 0; i < FIXTURE_ITEMS; i++)
            if (!isnan(rating[u][i]))
                left += rating[u][i] - (double)v[u * FIXTURE_ITEMS + i];
        /* (n + 15) b_u = sum (r - mean - b_i), so sum of what is left = 15 b_u;
         * item 0, nobody's, adds nothing to the user's. */
        CHECK_CLOSE(left, 15 * own, 1e-3);
    }
    build_clear(&b);
    workload_destroy(w);
    yaml_destroy(job);
}

/* ---- by hand ---- */

/* Users 1 to 4 and items 1 to 4 as in the example of Resnick et al. 1994:
 *
 *        1  2  3  4
 *   u1   5  3  4  .      mean 4
 *   u2   3  1  2  3      mean 2.25
 *   u3   4  3  4  3      mean 3.5
 *   u4   1  5  3  2      mean 2.75
 *
 * Over items 1 to 3 u1 has (1, -1, 0) about its mean there; u2 the same shape:
 * pearson 1; u3 (1/3, -2/3, 1/3): 1 / sqrt(2 * 2/3) = .8660; u4 (-2, 2, 0): -1.
 * So u1 rates item 4: 4 + (1 (3 - 2.25) + .8660 (3 - 3.5)) / 1.8660 = 4.16987;
 * with the nearest alone 4.75. */
static const struct event hand[] = {
    {1, 1, 5, 1, 0}, {1, 2, 3, 1, 0}, {1, 3, 4, 1, 0}, {2, 1, 3, 1, 0},
    {2, 2, 1, 1, 0}, {2, 3, 2, 1, 0}, {2, 4, 3, 1, 0}, {3, 1, 4, 1, 0},
    {3, 2, 3, 1, 0}, {3, 3, 4, 1, 0}, {3, 4, 3, 1, 0}, {4, 1, 1, 1, 0},
    {4, 2, 5, 1, 0}, {4, 3, 3, 1, 0}, {4, 4, 2, 1, 0}};

/* What the tower expects of user 1 and item 4; NaN: it was not built. */
static double by_hand(const char *tower, struct fusor_error *err)
{
    struct prepared p = {.n_users = 5,
                         .n_items = 5,
                         .train = hand,
                         .n_train = 15,
                         .test = hand,
                         .n_test = 1};
    struct crew crew = {1, NULL};
    struct yaml *job;
    struct workload *w;
    struct build b;
    char text[1024];
    double value = NAN;

    prepared_write(&p, "hand");
    snprintf(text, sizeof(text),
             FIELDS "towers: {nn: {type: knn, query: user, item: item, "
                    "%s%s}}\n",
             tower, strstr(tower, "edges") ? "" : ", similarity: pearson");
    job = fixture_yaml(fixture_text(p.dir, "none", text));
    w = fixture_workload(job);
    if (build_compute(w, 0, &crew, &b, err) == FUSOR_OK) {
        value = (double)b.parts[0].values[1 * 5 + 4];
        /* The unknown user is expected to rate as all do. */
        CHECK_CLOSE(b.parts[0].values[0], 46.0 / 15, 1e-6);
        build_clear(&b);
    }
    workload_destroy(w);
    yaml_destroy(job);
    return value;
}

static void a_small_matrix_agrees_by_hand(void)
{
    double r = sqrt(0.75); // .8660

    CHECK_CLOSE(by_hand("by: query, centre: mean", NULL),
                4 + (0.75 - 0.5 * r) / (1 + r), 1e-6);
    CHECK_CLOSE(by_hand("by: query, centre: mean, shrink: 7", NULL),
                4 + (0.75 - 0.5 * r) / (1 + r), 1e-6);
    CHECK_CLOSE(by_hand("by: query, centre: mean, neighbours: 1", NULL), 4.75,
                1e-6);
    CHECK_CLOSE(by_hand("by: query, centre: mean, overlap: 4", NULL), 4, 1e-6);
    /* Item 4 over users 2 to 4 is like item 1 (.9449), unlike 2, and has
     * nothing to do with 3: 8/3 + (5 - 3.25). */
    CHECK_CLOSE(by_hand("centre: mean", NULL), 8.0 / 3 + 1.75, 1e-6);
}

static const char *edges_of(const char *text)
{
    static char path[FS_PATH_MAX];

    fs_join(path, test_tmpdir(), "edges.tsv");
    REQUIRE(fs_write_atomic(path, text, strlen(text), NULL) == FUSOR_OK);
    return path;
}

static double by_edges(const char *text, struct fusor_error *err)
{
    char tower[FS_PATH_MAX + 64];

    snprintf(tower, sizeof(tower), "by: query, centre: mean, edges: %s",
             edges_of(text));
    return by_hand(tower, err);
}

/* u1 trusts u4 twice as much as u3. */
static void edges_take_the_place_of_likeness(void)
{
    struct fusor_error err = {0};

    CHECK_CLOSE(by_edges("1\t4\t2\n1\t3\t1\n3\t1\t5\n", &err),
                4 + (2 * -0.75 - 0.5) / 3, 1e-6);
    CHECK_CLOSE(by_edges("1, 4, 1\n\n1 3\n9,1,1\n1,1,7\n1,2,-3\n", &err),
                4 + (-0.75 - 0.5) / 2, 1e-6);
    CHECK_CLOSE(by_edges("2\t4\t2\n", &err), 4, 1e-6);
    CHECK(isnan(by_edges("1\t4\t2\n1\tx\ty\n", &err)));
    CHECK(strstr(err.text, "edges.tsv:2: expected user, user, weight") != NULL);
    CHECK(isnan(by_edges("1\t4\t2\t3\n", &err)));
    CHECK(strstr(err.text, ":1: expected") != NULL);
    CHECK(isnan(by_edges("77\t4\t2\n1 1 1\n", &err)));
    CHECK(strstr(err.text, "no line joins two users") != NULL);
    CHECK(
        isnan(by_hand("by: query, centre: mean, edges: /nowhere/e.tsv", &err)));
    CHECK(strstr(err.text, "/nowhere/e.tsv") != NULL);
}

/* ---- a training, and what is refused ---- */

static void any_number_of_threads_gives_the_same_bits(void)
{
    static const unsigned threads[] = {1, 3};
    struct training t[2];
    const char *job = fixture_text(
        fixture_data("time-split"), "none",
        FIELDS
        "towers:\n"
        "  uu: {type: knn, by: query, query: user, item: item, centre: mean,\n"
        "       similarity: pearson, shrink: 2}\n"
        "  ii: {type: knn, query: user, item: item, centre: baseline}\n"
        "fusion: {type: weighted}\n"
        "train: {global_batch: 96, micro_batches: 6}\n");

    for (int i = 0; i < 2; i++) {
        struct training_options o = {i ? "b" : "a", threads[i], 0, {NULL}};

        training_run(&t[i], job, &o);
        if (t[i].status != FUSOR_OK)
            fprintf(stderr, "%s\n", t[i].err.text);
        REQUIRE(t[i].status == FUSOR_OK);
    }
    CHECK(training_digest(&t[0], "latest") == training_digest(&t[1], "latest"));
    CHECK(training_number(t[0].result.s, "rmse") ==
          training_number(t[1].result.s, "rmse"));
    training_clear(&t[0]);
    training_clear(&t[1]);
}

static void refuse(const char *tower, const char *why)
{
    char text[1024];
    struct yaml *job;
    struct workload *w = NULL;
    struct fusor_error err = {0};

    snprintf(text, sizeof(text), FIELDS "towers: {nn: {type: knn, %s}}\n",
             tower);
    job = fixture_yaml(fixture_text(fixture_data("loo-full"), "none", text));
    CHECK(workload_create(job, &w, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, why) != NULL);
    if (!strstr(err.text, why))
        fprintf(stderr, "%s\n", err.text);
    yaml_destroy(job);
}

static void wrong_jobs_are_refused_with_the_reason(void)
{
    refuse("item: item, centre: mean", "no query");
    refuse("query: user, item: item, centre: mead", "did you mean mean?");
    refuse("query: user, item: item", "centre: mean");
    refuse("query: user, item: item, centre: mean, history: h",
           "delete history");
    refuse("query: user, item: item, centre: mean, edges: e.tsv", "by: query");
    refuse("by: query, query: user, item: item, edges: e.tsv", "centre: mean");
    refuse("by: query, query: user, item: item, centre: mean, edges: e.tsv, "
           "shrink: 3",
           "delete shrink");
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a small matrix agrees with what was worked out by hand",
         a_small_matrix_agrees_by_hand},
        {"neighbours by query agree with the formula",
         neighbours_by_query_agree_with_the_formula},
        {"neighbours by item agree with the formula",
         neighbours_by_item_agree_with_the_formula},
        {"a baseline is where nothing moves",
         a_baseline_is_where_nothing_moves},
        {"edges of a file take the place of likeness",
         edges_take_the_place_of_likeness},
        {"any number of threads gives the same bits",
         any_number_of_threads_gives_the_same_bits},
        {"wrong jobs are refused with the reason",
         wrong_jobs_are_refused_with_the_reason},
    };
    return TEST_RUN("train.build_ratings", cases);
}
