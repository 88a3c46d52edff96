/* The flow of a step (DESIGN section 3): rows -> micro-batches -> keys ahead ->
 * values when the clock allows -> forward, loss, backward -> tree -> push. */
#include "train/worker.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tensor/vec.h"
#include "train/fold.h"

/* Of a micro-batch: in steps of 2^-20 it fits 63 bits. */
#define LOSS_MAX 4e12

/* Lists of candidates, when some stage needs them. */
static enum fusor_status init_candidates(const struct worker *w, struct step *s,
                                         struct fusor_error *err)
{
    const struct objectives *o = &w->workload->objectives;

    if (o->most_candidates == 0)
        return FUSOR_OK;
    return step_init_candidates(s, w->workload->data, o->most_candidates,
                                !o->counts, w->micro_rows, err);
}

enum fusor_status worker_init(struct worker *w, const struct workload *workload,
                              struct param_store *store, unsigned number,
                              uint32_t max_micros, uint32_t micro_rows,
                              struct fusor_error *err)
{
    enum fusor_status rc = FUSOR_OK;

    memset(w, 0, sizeof(*w));
    w->workload = workload;
    w->store = store;
    w->number = number;
    w->max_micros = max_micros;
    w->micro_rows = micro_rows;
    w->n_ring = (unsigned)workload->options.train.depth + 1;
    w->ring = mem_alloc(w->n_ring, sizeof(*w->ring));
    w->rows = mem_alloc(micro_rows, sizeof(*w->rows));
    w->items = mem_alloc(micro_rows, sizeof(*w->items));
    w->drawn = mem_alloc(micro_rows, sizeof(*w->drawn));
    w->scores = mem_alloc(micro_rows, sizeof(*w->scores));
    w->outputs = mem_alloc(micro_rows, sizeof(*w->outputs));
    if (!w->ring || !w->rows || !w->items || !w->drawn || !w->scores ||
        !w->outputs)
        rc = mem_fail(err, "worker", (size_t)micro_rows * 20);
    for (unsigned i = 0; rc == FUSOR_OK && i < w->n_ring; i++)
        rc = step_init(&w->ring[i], workload->model, workload->data, max_micros,
                       micro_rows, err);
    for (unsigned i = 0; rc == FUSOR_OK && i < w->n_ring; i++)
        rc = init_candidates(w, &w->ring[i], err);
    for (unsigned i = 0; rc == FUSOR_OK && i < w->n_ring; i++)
        if (workload->options.n_folds)
            rc = step_init_given(&w->ring[i], micro_rows, err);
    if (rc == FUSOR_OK)
        rc = model_run_create(workload->model, micro_rows, &w->run, err);
    if (rc == FUSOR_OK)
        rc = grads_init(&w->grads, workload->model, max_micros, err);
    if (rc == FUSOR_OK && workload->options.privacy.clip > 0)
        rc = private_grads_init(&w->by_sample, workload->model,
                                &workload->options.privacy, err);
    if (rc != FUSOR_OK)
        worker_clear(w);
    return rc;
}

void worker_clear(struct worker *w)
{
    for (unsigned i = 0; w->ring && i < w->n_ring; i++)
        step_clear(&w->ring[i]);
    grads_clear(&w->grads);
    private_grads_clear(&w->by_sample);
    model_run_destroy(w->run);
    mem_free(w->ring);
    mem_free(w->rows);
    mem_free(w->items);
    mem_free(w->drawn);
    mem_free(w->scores);
    mem_free(w->outputs);
    memset(w, 0, sizeof(*w));
}

struct epoch { // what the functions below share
    const struct lease *lease;
    const struct plan *plan;
    const struct plan_order *order;
    const struct command *command;
    const struct objective *objective;
    const struct negatives *negatives;
    enum split split;
    uint64_t number; // of the epoch, distinct over stages
    uint64_t drawn;  // negatives are by this number
};

/* The rows at these places of the plan. */
static void planned_rows(const struct worker *w, const struct epoch *e,
                         uint64_t first, uint32_t n, uint32_t *rows)
{
    plan_order_rows(e->order, first, n, rows);
    if (e->objective->every)
        objectives_rows(&w->workload->objectives, e->objective,
                        w->workload->data, e->number, rows, n);
    if (e->objective->pairs)
        text_pairs_items(e->objective->pairs, rows, n);
}

/* The batch is filled: what a loss over candidates compares it with. */
static enum fusor_status fill_candidates(const struct worker *w,
                                         const struct epoch *e, struct step *s,
                                         struct step_micro *m, uint64_t unit,
                                         struct fusor_error *err)
{
    const struct objective *o = e->objective;
    struct candidate_list *l = step_candidates(s);

    m->candidates = l;
    candidate_list_see(l, o->pairs ? &o->pairs->fields : NULL);
    for (uint32_t i = 0; i < m->batch.n; i++)
        m->target[i] =
            o->pairs ? w->rows[i]
                     : dataset_item(w->workload->data, e->split, w->rows[i]);
    if (o->setting.from == CANDIDATES_ALL)
        return candidate_list_all(l, err);
    return candidate_list_draw(l, &w->workload->objectives, o, &m->batch,
                               m->target, e->number,
                               unit * PLAN_MICRO_BATCHES + m->number, err);
}

/* Train on changed sequences, where the job says so. */
static void augment(const struct worker *w, const struct epoch *e,
                    const struct step_micro *m)
{
    const struct augment *a = &w->workload->options.augment;

    if (a->probability > 0)
        batcher_augment(m->batcher, a, e->number);
}

/* The rows of the plan, or the items whose texts make pairs, in w->rows. */
static enum fusor_status fill_batch(const struct worker *w,
                                    const struct epoch *e, struct step_micro *m,
                                    uint32_t n, struct fusor_error *err)
{
    const struct text_pairs *pairs = e->objective->pairs;

    if (pairs)
        return batcher_fill_texts(m->batcher, &pairs->fields, w->rows, n,
                                  &m->batch, err);
    FUSOR_TRY(batcher_fill(m->batcher, e->split, w->rows, n, &m->batch, err));
    augment(w, e, m);
    return FUSOR_OK;
}

static enum fusor_status fill_micro(struct worker *w, const struct epoch *e,
                                    struct step *s, uint64_t unit,
                                    uint32_t micro, struct fusor_error *err)
{
    struct step_micro *m = step_next_micro(s, micro);
    uint64_t first;
    uint32_t n;

    profile_enter(w->profile, PROFILE_DATA);
    plan_micro_range(e->plan, unit, micro, &first, &n);
    if (n == 0)
        return FUSOR_OK;
    if (!e->negatives->per_row) {
        planned_rows(w, e, first, n, w->rows);
        FUSOR_TRY(fill_batch(w, e, m, n, err));
        if (e->objective->over)
            FUSOR_TRY(fill_candidates(w, e, s, m, unit, err));
        if (w->given)
            fold_gather(w->given, w->rows, n, m->given);
        profile_enter(w->profile, PROFILE_KEYS);
        return step_add_keys(s, m, err);
    }
    plan_order_rows(e->order, first, n, w->drawn);
    n = negatives_expand(e->negatives, w->workload->data, e->split,
                         w->workload->options.train.seed, e->drawn, w->drawn, n,
                         w->rows, w->items);
    if (n == 0)
        return FUSOR_OK; // no positive among them
    FUSOR_TRY(batcher_fill_items(m->batcher, e->split, w->rows, w->items, n,
                                 &m->batch, err));
    augment(w, e, m);
    if (w->given)
        fold_gather(w->given, w->rows, n, m->given);
    profile_enter(w->profile, PROFILE_KEYS);
    return step_add_keys(s, m, err);
}

/* 1 / the sum of the weights of the unit's samples, other workers' included. */
static float unit_scale(struct worker *w, const struct epoch *e, uint64_t unit)
{
    const struct dataset *ds = w->workload->data;
    uint64_t first = unit * e->plan->global_batch;
    uint32_t left = plan_unit_rows(e->plan, unit);
    double sum = 0;

    if (w->workload->options.privacy.clip > 0) // how many there are is not told
        return 1.0f / (float)e->plan->global_batch;
    if (e->objective->pairs ||
        (!e->negatives->per_row && !e->objective->every &&
         !dataset_schema(ds)->has_weight))
        return 1.0f / (float)left;
    while (left) {
        uint32_t n = left < w->micro_rows ? left : w->micro_rows;

        planned_rows(w, e, first, n, w->drawn);
        sum += e->objective->every
                   ? objective_positions(&w->workload->objectives, e->objective,
                                         ds, e->split, e->number, w->drawn, n)
                   : negatives_weight(e->negatives, ds, e->split, w->drawn, n);
        first += n;
        left -= n;
    }
    return sum > 0 ? (float)(1.0 / sum) : 0.0f;
}

/* Prepare step i of the lease and send its keys ahead. */
static enum fusor_status announce(struct worker *w, const struct epoch *e,
                                  uint64_t i, struct fusor_error *err)
{
    struct step *s = &w->ring[i % w->n_ring];
    uint64_t unit = e->lease->first + i * e->lease->stride;

    profile_enter(w->profile, PROFILE_DATA);
    step_reset(s, unit);
    s->grad_scale = unit_scale(w, e, unit);
    if (e->objective->every) // the mean over positions, a sample's share
        s->loss_scale = s->grad_scale * (float)plan_unit_rows(e->plan, unit);
    for (uint32_t m = e->lease->micro_lo; m < e->lease->micro_hi; m++)
        FUSOR_TRY(fill_micro(w, e, s, unit, m, err));
    if (w->workload->options.privacy.clip > 0 && e->lease->micro_lo == 0)
        FUSOR_TRY(private_grads_add_keys(&w->by_sample, s, err));
    FUSOR_TRY(step_seal(s, err));
    profile_enter(w->profile, PROFILE_ANNOUNCE);
    return w->store->ops->announce(w->store, w->number, PULL_TRAIN, unit,
                                   s->keys, err);
}

static enum fusor_status check_loss(const struct epoch *e, const struct step *s,
                                    double loss, struct fusor_error *err)
{
    if (isfinite(loss) && fabs(loss) < LOSS_MAX)
        return FUSOR_OK;
    return fusor_fail(err, FUSOR_EDIVERGED,
                      "training diverged: the loss is %g at step %llu of epoch "
                      "%llu; lower the learning rate, or set clip_row",
                      loss, (unsigned long long)s->clock + 1,
                      (unsigned long long)e->command->epoch + 1);
}

static void count_weights(struct worker *w, uint32_t n_samples)
{
    double sums[RESULT_TOWERS_MAX] = {0};
    uint32_t n = model_n_towers(w->workload->model);

    if (n > 1 && n <= RESULT_TOWERS_MAX &&
        model_add_fusion_weights(w->run, MODEL_ALL_LABELS, sums))
        epoch_result_weigh(&w->result, sums, n, n_samples);
}

static struct model_candidates candidates_of(const struct worker *w,
                                             const struct epoch *e,
                                             const struct step *s,
                                             const struct step_micro *m)
{
    const struct candidate_list *l = m->candidates;

    return (struct model_candidates){
        .batch = &l->batch,
        .positions = (const uint32_t *const *)l->positions,
        .n_negatives = l->n_negatives,
        .place = l->place,
        .log_q = l->corrected ? l->log_q : NULL,
        .target = m->target,
        .every = e->objective->every,
        .own = e->objective->own,
        .n_items = (uint32_t)dataset_n_items(w->workload->data) - 1,
        .draw = s->clock * PLAN_MICRO_BATCHES + m->number,
    };
}

/* One batch through the model and back. */
static enum fusor_status pass(struct worker *w, const struct epoch *e,
                              const struct step *s, const struct model_step *in,
                              double *sum, struct fusor_error *err)
{
    double loss;

    FUSOR_TRY(model_forward(w->run, in, NULL, NULL, err));
    if (!in->candidates) // which the fusion has no part in
        count_weights(w, in->batch->n);
    FUSOR_TRY(model_loss(w->run, in, &loss, err));
    FUSOR_TRY(check_loss(e, s, loss, err));
    *sum += loss;
    return model_backward(w->run, in, err);
}

/* Each sample's gradient by itself, cut; then the unit's noise. */
static enum fusor_status pass_by_sample(struct worker *w, const struct epoch *e,
                                        const struct step *s,
                                        const struct step_micro *m,
                                        const struct model_step *in,
                                        double *sum, struct fusor_error *err)
{
    struct private_grads *p = &w->by_sample;
    struct model_step one;

    if (m->number == 0)
        grads_touch_all(&w->grads, s);
    vec_ops()->fill(in->dense_grad, 0.0f, w->workload->params->n_dense);
    for (uint32_t i = 0; i < m->batch.n; i++) {
        FUSOR_TRY(private_grads_window(p, s, m, in, i, &one, err));
        FUSOR_TRY(pass(w, e, s, &one, sum, err));
        private_grads_add(p, in);
    }
    if (m->number == 0)
        private_grads_noise(p, s, e->number, in);
    return FUSOR_OK;
}

static enum fusor_status compute_micro(struct worker *w, const struct epoch *e,
                                       const struct step *s,
                                       const struct step_micro *m,
                                       const float *dense,
                                       struct fusor_error *err)
{
    struct model_step in = {
        .batch = &m->batch,
        .positions = (const uint32_t *const *)m->positions,
        .dense = dense,
        .grad_scale = s->grad_scale,
        .training = 1,
        .epoch = e->command->epoch,
        .matmul = w->workload->options.train.matmul,
        .profile = w->profile,
        .given = w->given ? m->given : NULL,
    };
    struct model_candidates candidates;
    double loss = 0;

    if (m->candidates) {
        candidates = candidates_of(w, e, s, m);
        in.candidates = &candidates;
    }
    profile_enter(w->profile, PROFILE_COMBINE);
    in.tables = grads_begin_micro(&w->grads, s, m, &in.dense_grad);
    if (w->workload->options.privacy.clip > 0)
        FUSOR_TRY(pass_by_sample(w, e, s, m, &in, &loss, err));
    else
        FUSOR_TRY(pass(w, e, s, &in, &loss, err));
    result_add_loss(&w->result.loss,
                    llround(loss * (double)s->loss_scale * RESULT_LOSS_ONE));
    return FUSOR_OK;
}

/* All micro-batches of the step, node by node of the tree. */
static enum fusor_status compute(struct worker *w, const struct epoch *e,
                                 const struct step *s, const float *dense,
                                 struct step_grads *out,
                                 struct fusor_error *err)
{
    struct tree_node nodes[PARAM_MAX_NODES];
    unsigned n = tree_nodes(e->lease->micro_lo, e->lease->micro_hi, nodes);
    uint32_t next = 0;

    *out = (struct step_grads){.clock = s->clock, .n_samples = s->n_samples};
    profile_enter(w->profile, PROFILE_COMBINE);
    FUSOR_TRY(grads_begin_step(&w->grads, s, err));
    for (unsigned i = 0; i < n; i++) {
        uint32_t end = nodes[i].lo + nodes[i].span;

        if (next == s->n_micros || s->micros[next].number >= end)
            continue; // the last unit may leave micro-batches empty
        while (next < s->n_micros && s->micros[next].number < end)
            FUSOR_TRY(compute_micro(w, e, s, &s->micros[next++], dense, err));
        profile_enter(w->profile, PROFILE_COMBINE);
        grads_finish_node(&w->grads, s, nodes[i].lo, nodes[i].span, out);
    }
    return FUSOR_OK;
}

static enum fusor_status train_step(struct worker *w, const struct epoch *e,
                                    uint64_t i, struct fusor_error *err)
{
    struct step *s = &w->ring[i % w->n_ring];
    int64_t asked = clock_now_ns(&clock_real), got;
    const float *dense;

    profile_enter(w->profile, PROFILE_LOOKUP);
    FUSOR_TRY(w->store->ops->values(w->store, w->number, s->rows, &dense, err));
    got = clock_now_ns(&clock_real);
    FUSOR_TRY(compute(w, e, s, dense, &w->pushed, err));
    profile_enter(w->profile, PROFILE_PUSH);
    FUSOR_TRY(w->store->ops->push(w->store, w->number, &w->pushed, err));
    profile_enter(w->profile, PROFILE_OTHER);
    w->result.samples += s->n_samples;
    w->result.wait_ns += (uint64_t)(got - asked);
    atomic_store_explicit(&w->samples, w->result.samples, memory_order_relaxed);
    atomic_store_explicit(&w->loss, w->result.loss, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->steps, 1, memory_order_relaxed);
    return FUSOR_OK;
}

enum fusor_status worker_train(struct worker *w, const struct lease *lease,
                               const struct plan *plan,
                               const struct plan_order *order,
                               const struct command *c, struct fusor_error *err)
{
    uint64_t stage = w->workload->options.stages[c->stage].number;
    struct negatives negatives =
        w->workload->objectives.stages[c->stage].negatives;
    struct epoch e = {
        .lease = lease,
        .plan = plan,
        .order = order,
        .command = c,
        .objective = &w->workload->objectives.stages[c->stage],
        .negatives = &negatives,
        .split = w->workload->options.stages[c->stage].split,
        .number = c->epoch + (stage << 32),
    };
    uint64_t announced = 0;
    int64_t began = clock_now_ns(&clock_real), drained;

    if (negatives.mined)
        negatives.found = w->mined;
    e.drawn = w->given ? fold_draw_number(w->workload) : e.number;
    for (unsigned i = 0; i < w->n_ring; i++)
        w->ring[i].given = w->given != NULL;
    memset(&w->result, 0, sizeof(w->result));
    if (w->store->profiles)
        w->profile = &w->store->profiles[w->number];
    profile_begin(w->profile);
    grads_set_trained(&w->grads);
    for (uint64_t i = 0; i < lease->count; i++) {
        profile_step(w->profile);
        while (announced < lease->count && announced < i + w->n_ring)
            FUSOR_TRY(announce(w, &e, announced++, err));
        FUSOR_TRY(train_step(w, &e, i, err));
    }
    for (unsigned i = 0; i < w->n_ring; i++)
        w->ring[i].given = 0;
    drained = clock_now_ns(&clock_real);
    w->result.busy_ns = (uint64_t)(drained - began) - w->result.wait_ns;
    FUSOR_TRY(w->store->ops->drain(w->store, w->number, err));
    w->result.wait_ns += (uint64_t)(clock_now_ns(&clock_real) - drained);
    if (w->profile)
        profile_read(w->profile, &w->result.profile);
    profile_rest(w->profile);
    return FUSOR_OK;
}

enum fusor_status worker_peek(struct worker *w, struct step_micro *m,
                              struct model_step *out, struct fusor_error *err)
{
    struct step *s = &w->ring[0];
    struct model_tables *views = w->grads.views;
    const float *dense;

    FUSOR_TRY(step_add_keys(s, m, err));
    FUSOR_TRY(step_seal(s, err));
    FUSOR_TRY(w->store->ops->announce(w->store, w->number, PULL_PEEK, 0,
                                      s->keys, err));
    FUSOR_TRY(w->store->ops->values(w->store, w->number, s->rows, &dense, err));
    for (uint32_t t = 0; t < s->n_tables; t++)
        views[t] = (struct model_tables){
            .rows = (const float *const *)s->rows[t].rows};
    *out = (struct model_step){
        .batch = &m->batch,
        .positions = (const uint32_t *const *)m->positions,
        .tables = views,
        .dense = dense,
    };
    w->dense = dense;
    atomic_fetch_add_explicit(&w->samples, m->batch.n, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->steps, 1, memory_order_relaxed);
    return FUSOR_OK;
}

enum fusor_status worker_score(struct worker *w, struct step_micro *m,
                               struct fusor_error *err)
{
    struct model_step in;

    FUSOR_TRY(worker_peek(w, m, &in, err));
    return model_forward(w->run, &in, w->scores, w->outputs, err);
}
