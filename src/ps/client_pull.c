/* The compute threads' side of a pull: keys cut over the shards, and the wait
 * for their values. */

#include "ps/client_private.h"
#include "ps/payloads.h"

static void write_held(const struct announced *a, uint32_t n_tables,
                       uint32_t shard, struct payload_writer *writer)
{
    uint64_t *held = payload_reserve_u64s(writer, n_tables);

    for (uint32_t t = 0; held && t < n_tables; t++)
        held[t] = a->tables[t].n_of[shard] - a->tables[t].want_of[shard];
}

/* A push needs the keys of held rows too; a peek has none.
 * @param held some are */
static enum fusor_status write_keys(struct client *c, struct client_worker *w,
                                    struct announced *a, int peek, int held,
                                    struct fusor_error *err)
{
    uint32_t n_tables = c->config.params->n_tables, n = c->config.n_shards;
    struct payload_writer writer[SHARD_MAX];
    size_t sizes[SHARD_MAX];

    for (uint32_t s = 0; s < n; s++) {
        sizes[s] = 8 + payload_section_bytes(n_tables, 8);
        for (uint32_t t = 0; t < n_tables; t++)
            sizes[s] += payload_section_bytes(a->tables[t].n_of[s], 8);
    }
    FUSOR_TRY(client_check_parts(c, "keys", sizes, err));
    FUSOR_TRY(client_take_parts(c, w, a->exchange, sizes, "keys", err));
    for (uint32_t s = 0; s < n; s++)
        payload_writer_init_buffer(&writer[s], a->exchange->legs[s].out);
    for (uint32_t t = 0; t < n_tables; t++) {
        const struct table_split *split = &a->tables[t];
        const uint32_t *n_of = peek ? split->want_of : split->n_of;

        for (uint32_t s = 0; s < n; s++)
            w->keys_at[s] = payload_reserve_u64s(&writer[s], n_of[s]);
        for (uint32_t i = 0; i < split->n; i++)
            if (split->place[i] < n_of[split->shard[i]])
                w->keys_at[split->shard[i]][split->place[i]] =
                    a->keys[t].keys[i];
    }
    for (uint32_t s = 0; s < n && held; s++)
        write_held(a, n_tables, s, &writer[s]);
    for (uint32_t s = 0; s < n; s++)
        FUSOR_TRY(
            payload_writer_finish(&writer[s], a->exchange->legs[s].out, err));
    return FUSOR_OK;
}

/* Bytes of a shard's answer. */
static size_t answer_size(const struct client *c, const struct announced *a,
                          uint32_t shard, enum encoding e)
{
    struct recode r = client_recode(c, shard);
    size_t wanted[PARAM_MAX_TABLES];

    for (uint32_t t = 0; t < c->config.params->n_tables; t++)
        wanted[t] = a->tables[t].want_of[shard];
    return recode_values_bytes(&r, e, wanted, 1);
}

static enum fusor_status expect_answers(const struct client *c,
                                        struct announced *a,
                                        struct fusor_error *err)
{
    enum encoding e = recode_encoding(a->exchange->header.flags);

    for (uint32_t s = 0; s < c->config.n_shards; s++) {
        struct exchange_leg *leg = &a->exchange->legs[s];
        size_t size = answer_size(c, a, s, e);

        leg->causes = payload_buffer_cost(size);
        FUSOR_TRY(client_check_part(c, "values", s, size, err));
    }
    return FUSOR_OK;
}

static void drop_announced(struct client *c, struct client_worker *w,
                           struct announced *a)
{
    client_release_rows(c, w, a);
    client_give_back(c, w, a->exchange);
    a->exchange = NULL;
}

enum fusor_status client_announce(struct param_store *store, unsigned worker,
                                  enum pull_mode mode, uint64_t clock,
                                  const struct step_keys *tables,
                                  struct fusor_error *err)
{
    struct client *c = client_of(store);
    struct client_worker *w = &c->workers[worker];
    struct announced *a = &w->ahead[(w->first + w->n_ahead) % AHEAD_MAX];
    enum fusor_status rc = FUSOR_OK;
    int peek = mode == PULL_PEEK, held;
    uint64_t oldest;

    if (w->n_ahead == AHEAD_MAX - 1)
        return fusor_fail(err, FUSOR_EINVAL, "more than %d steps announced",
                          AHEAD_MAX - 1);
    a->exchange = client_take_free(c, w, err);
    if (!a->exchange)
        return FUSOR_ENOMEM;
    a->keys = tables;
    for (uint32_t t = 0; rc == FUSOR_OK && t < c->config.params->n_tables; t++)
        rc = table_split_keys(&a->tables[t], t, &tables[t], c->map,
                              c->config.n_shards, err);
    oldest =
        rc == FUSOR_OK ? client_hold_rows(c, w, a, mode, clock) : UINT64_MAX;
    held = !peek && oldest != UINT64_MAX;
    if (rc == FUSOR_OK)
        rc = write_keys(c, w, a, peek, held, err);
    if (rc != FUSOR_OK) {
        drop_announced(c, w, a);
        return rc;
    }
    a->exchange->header = (struct wire_header){
        .kind = WIRE_KEYS,
        .epoch = (uint32_t)w->epoch,
        .lease = w->lease.id,
        .term = w->lease.term,
        .clock = clock,
        .index = held ? oldest : 0,
        .flags = (peek ? PS_PEEK : recode_flags(c->config.encoding)) |
                 PS_WANT_DENSE | (held ? PS_HELD : 0),
    };
    rc = expect_answers(c, a, err);
    if (rc != FUSOR_OK) {
        drop_announced(c, w, a);
        return rc;
    }
    client_count_sent(c, w, a->exchange);
    rc = client_submit(c, w, a->exchange, err);
    if (rc == FUSOR_OK)
        w->n_ahead++;
    else {
        client_release_rows(c, w, a);
        a->exchange = NULL;
    }
    return rc;
}

/* Until the oldest announced step is answered by all shards. The time until it
 * left is the credit's, that in which the slowest shard kept it back is the
 * rule's, the rest is the way's. */
static enum fusor_status wait_values(struct client *c, struct client_worker *w,
                                     struct announced *a,
                                     struct fusor_error *err)
{
    struct profile *p = client_profile(c, w);
    uint64_t held = 0, began;

    if (!a->exchange->returned) {
        profile_enter(p, PROFILE_WAIT_SHARDS);
        began = profile_ticks();
        while (!a->exchange->returned)
            FUSOR_TRY(client_take_one(c, w, err));
        profile_enter(p, PROFILE_VALUES);
        for (uint32_t s = 0; s < c->config.n_shards; s++)
            if (a->exchange->legs[s].held_ns > held)
                held = a->exchange->legs[s].held_ns;
        client_blame_credit(p, PROFILE_WAIT_SHARDS, began, a->exchange->let_go);
        profile_move(p, PROFILE_WAIT_SHARDS, PROFILE_WAIT_RULE, held, began);
    }
    profile_enter(p, PROFILE_VALUES);
    for (uint32_t s = 0; p && s < c->config.n_shards; s++)
        p->received += a->exchange->legs[s].reply.view.size;
    return FUSOR_OK;
}

void client_drop_valued(struct client *c, struct client_worker *w)
{
    if (!w->valued)
        return;
    client_release_rows(c, w, w->valued);
    client_give_back(c, w, w->valued->exchange);
    w->valued->exchange = NULL;
    w->valued = NULL;
}

enum fusor_status client_values(struct param_store *store, unsigned worker,
                                struct step_rows *tables, const float **dense,
                                struct fusor_error *err)
{
    struct client *c = client_of(store);
    struct client_worker *w = &c->workers[worker];
    struct announced *a = &w->ahead[w->first];

    if (w->n_ahead == 0)
        return fusor_fail(err, FUSOR_EINVAL, "no step was announced");
    client_drop_valued(c, w); // a peek has no push that would end it
    FUSOR_TRY(wait_values(c, w, a, err));
    w->first = (w->first + 1) % AHEAD_MAX;
    w->n_ahead--;
    w->valued = a;
    *dense = w->dense;
    FUSOR_TRY(client_read_values(c, w, a, tables, err));
    client_keep_rows(c, w, a, tables);
    return FUSOR_OK;
}
