/* Losses over candidates in training: which sequences there are, what is drawn,
 * equal bits for any number of workers, what is refused. */
#include "train/objective.h"

#include <string.h>

#include "data/prepared.h"
#include "train/candidates.h"
#include "train/fixture.h"

#define FIELDS                                                     \
    "fields:\n"                                                    \
    "  history: {side: query, type: sequence, of: item, max: 8}\n" \
    "  user: {side: query, type: categorical}\n"                   \
    "  item: {side: item, type: categorical}\n"                    \
    "  genres: {side: item, type: multi}\n"
#define REST                                                   \
    "tables: {user: 4, item: 4}\n"                             \
    "train: {global_batch: 12, micro_batches: 4, epochs: 2}\n" \
    "optimizer: {adam: 1.0e-2}\n"
#define SEQ                                                             \
    "towers: {seq: {type: transformer, query: history, item: item, "    \
    "dropout: 0.2, ff: 8}, mf: {type: dot, query: user, item: item}}\n" \
    "fusion: {type: weighted}\n"
#define CHANGES \
    "augment: {crop: 0.6, mask: 0.3, reorder: 0.5, probability: 0.8}"
#define WITH_CHANGES(more)                                                    \
    "train: {" more "global_batch: 12, micro_batches: 4, epochs: 2, " CHANGES \
    "}\n"
#define SEQUENCE                                            \
    FIELDS "tables: {item: 4}\noptimizer: {adam: 1.0e-2}\n" \
           "towers: {seq: {type: gru, query: history, item: item}}\n"
#define MASKED(loss)                                                     \
    FIELDS REST                                                          \
        "towers: {seq: {type: transformer, query: history, item: item, " \
        "mask: 0.4, ff: 8}, mf: {type: dot, query: user, item: item}}\n" \
        "fusion: {type: weighted}\n"                                     \
        "stages: [{train: [seq], loss: " loss "}]\n"
#define JOB(loss) FIELDS REST SEQ "stages: [{train: [seq], loss: " loss "}]\n"

static struct workload *open_workload(const char *rest, struct yaml **job)
{
    *job =
        fixture_yaml(fixture_text(fixture_data("loo-full"), "implicit", rest));
    return fixture_workload(*job);
}

static void a_sequence_ends_at_the_last_event(void)
{
    struct yaml *job;
    struct workload *w = open_workload(JOB("full_softmax"), &job);
    const struct objectives *o = &w->objectives;
    struct plan p;

    REQUIRE(o->stages[0].every && o->every && o->ends);
    CHECK(o->stages[0].longest == 8);
    CHECK(o->most_candidates == dataset_n_items(w->data) - 1);
    for (uint64_t i = 0; i < o->n_ends; i++) {
        uint32_t q = dataset_query(w->data, SPLIT_TRAIN, o->ends[i]);

        CHECK(q != VOCAB_UNKNOWN);
        for (uint64_t k = 0; k < dataset_rows(w->data, SPLIT_TRAIN); k++)
            if (dataset_query(w->data, SPLIT_TRAIN, k) == q)
                CHECK(dataset_events_before(w->data, SPLIT_TRAIN, k) <=
                      dataset_events_before(w->data, SPLIT_TRAIN, o->ends[i]));
        CHECK(dataset_event(w->data, q,
                            dataset_events_before(w->data, SPLIT_TRAIN,
                                                  o->ends[i])) == o->ends[i]);
    }
    REQUIRE(workload_plan(w, 0, &p, NULL) == FUSOR_OK);
    CHECK(p.n_rows == o->n_ends && o->n_ends <= FIXTURE_USERS);
    workload_destroy(w);
    yaml_destroy(job);
}

/* Of sequences longer than the field some event ends the window; shorter ones
 * are whole. */
static void a_random_window_moves(void)
{
    struct yaml *job;
    struct workload *w = open_workload(
        FIELDS "tables: {item: 4}\n"
               "towers: {seq: {type: gru, query: history, item: item}}\n"
               "loss: full_softmax\ntrain: {window: random}\n",
        &job);
    const struct objectives *o = &w->objectives;
    struct plan p;
    uint32_t rows[FIXTURE_USERS + 1], n = (uint32_t)o->n_ends, moved = 0;
    double positions = 0;

    /* Servers count a unit's micro-batches by the job alone. */
    REQUIRE(workload_plan(w, 0, &p, NULL) == FUSOR_OK);
    CHECK(p.micro_batches ==
          plan_micro_batches((uint32_t)w->options.train.global_batch));
    for (uint64_t epoch = 0; epoch < 4; epoch++) {
        for (uint32_t i = 0; i < n; i++)
            rows[i] = i;
        objectives_rows(o, &o->stages[0], w->data, epoch, rows, n);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t before =
                dataset_events_before(w->data, SPLIT_TRAIN, rows[i]);

            moved += rows[i] != o->ends[i];
            CHECK(rows[i] == o->ends[i] || before >= 8);
            CHECK(dataset_query(w->data, SPLIT_TRAIN, rows[i]) ==
                  dataset_query(w->data, SPLIT_TRAIN, o->ends[i]));
            positions += before < 8 ? before : 8;
        }
    }
    CHECK(moved > n);
    CHECK(objective_positions(o, &o->stages[0], w->data, SPLIT_TRAIN, 3, rows,
                              n) == positions / 4);
    workload_destroy(w);
    yaml_destroy(job);
}

/* Whatever train.order says, of train and of validation rows; no query has as
 * many rows as a run takes. */
static void a_loss_over_lists_keeps_queries_together(void)
{
    struct yaml *job;
    struct workload *w =
        open_workload(FIELDS REST SEQ
                      "stages: [{train: [mf], loss: listnet}, "
                      "{train: [fusion], rows: validation, loss: lambdarank}, "
                      "{train: [fusion], rows: validation, loss: mse}]\n",
                      &job);

    for (uint32_t s = 0; s < 3; s++) {
        unsigned char seen[FIXTURE_USERS + 1] = {0};
        uint32_t rows[1000], last = UINT32_MAX, again = 0;
        struct plan_order *o = NULL;
        struct plan p;

        REQUIRE(workload_plan(w, s, &p, NULL) == FUSOR_OK);
        CHECK(p.split == (s ? SPLIT_VALID : SPLIT_TRAIN));
        CHECK(p.n_rows == dataset_rows(w->data, p.split) && p.n_rows < 1000);
        CHECK(w->objectives.stages[s].listwise == (s < 2));
        REQUIRE(plan_order_build(&p, w->data, 5, &o, NULL) == FUSOR_OK);
        plan_order_rows(o, 0, (uint32_t)p.n_rows, rows);
        for (uint64_t i = 0; i < p.n_rows; i++) {
            uint32_t q = dataset_query(w->data, p.split, rows[i]);

            again += q != last && seen[q];
            seen[q] = 1;
            last = q;
        }
        CHECK(s < 2 ? again == 0 : again > 0);
        plan_order_destroy(o);
    }
    workload_destroy(w);
    yaml_destroy(job);
}

static void candidates_are_distinct_and_hold_the_targets(void)
{
    static const char *const losses[] = {
        JOB("{sampled_softmax: {n: 9, from: uniform}}"),
        JOB("{sampled_softmax: {n: 9, from: popularity}}"),
        JOB("{sampled_softmax: {from: in_batch}}"),
        MASKED("{sampled_softmax: {n: 9, from: uniform}}")};
    struct candidate_list l;
    uint32_t rows[3] = {0, 5, 9}, target[3];
    struct batcher *batcher;
    struct batch b;

    for (int k = 0; k < 4; k++) {
        struct yaml *job;
        struct workload *w = open_workload(losses[k], &job);
        uint32_t f = 0;

        for (int i = 0; i < 3; i++)
            target[i] = dataset_item(w->data, SPLIT_TRAIN, rows[i]);
        REQUIRE(batcher_create(w->data, 3, &batcher, NULL) == FUSOR_OK);
        REQUIRE(batcher_fill(batcher, SPLIT_TRAIN, rows, 3, &b, NULL) ==
                FUSOR_OK);
        REQUIRE(candidate_list_init(&l, w->model, w->data,
                                    w->objectives.most_candidates,
                                    NULL) == FUSOR_OK);
        for (uint64_t draw = 0; draw < 5; draw++) {
            REQUIRE(candidate_list_draw(&l, &w->objectives,
                                        &w->objectives.stages[0], &b, target, 0,
                                        draw, NULL) == FUSOR_OK);
            CHECK(l.n <= l.cap && l.n_negatives <= l.n && l.batch.n == l.n);
            CHECK(k == 2 ? l.n_negatives == l.n : l.n_negatives <= 9);
            for (uint32_t i = 0; i < l.n; i++) {
                CHECK(l.place[l.ids[i]] == i && l.ids[i] != VOCAB_UNKNOWN);
                CHECK(l.log_q[i] <= 0);
            }
            for (int i = 0; i < 3; i++)
                CHECK(l.place[target[i]] < l.n);
            for (uint32_t j = b.fields[f].offsets[0] + (k != 3);
                 j < b.fields[f].offsets[1]; j++)
                CHECK(l.place[b.fields[f].ids[j]] < l.n);
        }
        candidate_list_clear(&l);
        batcher_destroy(batcher);
        workload_destroy(w);
        yaml_destroy(job);
    }
}

static uint64_t digest(const char *job, unsigned n_threads)
{
    struct training t;
    struct training_options options = {.name = "run", .n_threads = n_threads};
    uint64_t d;

    training_run(&t, fixture_text(fixture_data("loo-full"), "implicit", job),
                 &options);
    if (t.status != FUSOR_OK)
        fprintf(stderr, "%s\n", t.err.text);
    REQUIRE(t.status == FUSOR_OK);
    d = training_digest(&t, "latest");
    training_clear(&t);
    return d;
}

static void any_number_of_workers_gives_the_same_bits(void)
{
    static const char *const jobs[] = {
        JOB("full_softmax"),
        JOB("{sampled_softmax: {n: 7, from: popularity}}"),
        JOB("{gbce: {n: 5}}"),
        MASKED("full_softmax"),
        SEQUENCE "loss: full_softmax\n" WITH_CHANGES(""),
        SEQUENCE "loss: bce\n" WITH_CHANGES("negatives: 2, "),
        MASKED("{sampled_softmax: {n: 7, from: popularity}}"),
        FIELDS REST SEQ "loss: bpr\nstages: [{train: [mf]}, "
                        "{train: [mf, seq], loss: {sampled_softmax: "
                        "{from: in_batch, temperature: 0.5}}}]\n",
    };

    for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++)
        CHECK(digest(jobs[i], 1) == digest(jobs[i], 3));
}

/* A crop leaves half of each sequence, rounded down but never to nothing; a
 * shuffle leaves all. */
static void positions_that_are_cut_off_do_not_count(void)
{
    static const char *const more[] = {"augment: {crop: 0.5, probability: 1}",
                                       "augment: {reorder: 1, probability: 1}"};
    uint32_t rows[FIXTURE_USERS + 1];
    double positions[3];

    for (int k = 0; k < 3; k++) {
        char text[1024];
        struct yaml *job;
        struct workload *w;

        snprintf(text, sizeof(text),
                 SEQUENCE "loss: full_softmax\ntrain: {%s}\n",
                 k < 2 ? more[k] : "depth: 1");
        w = open_workload(text, &job);
        for (uint32_t i = 0; i < w->objectives.n_ends; i++)
            rows[i] = w->objectives.ends[i];
        positions[k] = objective_positions(
            &w->objectives, &w->objectives.stages[0], w->data, SPLIT_TRAIN, 1,
            rows, (uint32_t)w->objectives.n_ends);
        workload_destroy(w);
        yaml_destroy(job);
    }
    CHECK(positions[1] == positions[2]);
    CHECK(positions[0] <= 0.5 * positions[2]);
    CHECK(positions[0] > 0.4 * positions[2]);
}

static void refuses(const char *rest, const char *why)
{
    struct yaml *job =
        fixture_yaml(fixture_text(fixture_data("loo-full"), "implicit", rest));
    struct workload *w;
    struct fusor_error err = {0};

    CHECK(workload_create(job, &w, &err) == FUSOR_EUSAGE);
    CHECK(strncmp(err.text, "job.yaml:", 9) == 0);
    CHECK(strstr(err.text, why) != NULL);
    yaml_destroy(job);
}

static void what_does_not_fit_is_refused(void)
{
    refuses(FIELDS REST SEQ "loss: full_softmax\n"
                            "stages: [{train: [fusion]}]\n",
            "fusion");
    refuses(FIELDS "tables: {user: 4, item: 4}\n" SEQ "loss: full_softmax\n"
                   "train: {samples: sequences}\n"
                   "stages: [{train: [mf]}]\n",
            "reads no sequence");
    refuses(FIELDS "tables: {user: 4, item: 4}\n" SEQ "loss: mse\n"
                   "train: {samples: sequences}\n"
                   "stages: [{train: [seq]}]\n",
            "no form");
    refuses(SEQUENCE "loss: full_softmax\ntrain: {augment: {crop: 0}}\n",
            "above 0");
    refuses(SEQUENCE "loss: full_softmax\ntrain: {augment: {crop: 2}}\n",
            "crop");
    refuses("fields: {user: {side: query, type: categorical}, item: {side: "
            "item, type: categorical}}\ntables: {user: 4, item: 4}\n"
            "towers: {mf: {type: dot, query: user, item: item}}\n"
            "train: {augment: {crop: 0.5}}\n",
            "no field is one");
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a sequence ends at the last event",
         a_sequence_ends_at_the_last_event},
        {"a random window moves", a_random_window_moves},
        {"a loss over lists keeps queries together",
         a_loss_over_lists_keeps_queries_together},
        {"candidates are distinct and hold the targets",
         candidates_are_distinct_and_hold_the_targets},
        {"positions that are cut off do not count",
         positions_that_are_cut_off_do_not_count},
        {"any number of workers gives the same bits",
         any_number_of_workers_gives_the_same_bits},
        {"what does not fit is refused", what_does_not_fit_is_refused},
    };

    return TEST_RUN("train.objective", cases);
}
