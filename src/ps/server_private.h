/* What a server is made of: for server*.c only. */
#ifndef PS_SERVER_PRIVATE_H
#define PS_SERVER_PRIVATE_H

#include "ps/credit.h"
#include "ps/credit_peers.h"
#include "ps/lane.h"
#include "ps/payloads.h"
#include "ps/recode.h"
#include "ps/server.h"

/* Values that are looked up, then copied. */
#define SERVER_PIECE_BYTES ((size_t)1 << 15)

struct server {
    struct server_config config;
    struct lane *lanes; // [n_workers]
    uint64_t edge;      // units of the epoch: all below it are applied
    uint64_t epoch;
    uint64_t clock;           // units applied before this epoch
    uint64_t n_units;         // of the epoch
    uint64_t n_applied;       // in this epoch
    uint64_t samples;         // in this epoch
    int open;                 // between begin and cut
    struct push_view *views;  // [n_workers]
    struct server_unit *unit; // what the store is to apply
    float *piece; // [SERVER_PIECE_BYTES / 4 + ROW_WIDTH_MAX] to be encoded
    struct ticket_book peeks; // one ticket: a peek is answered at once
    struct credit_peers peers;
    struct server_counters counters;
    struct bucket_load *load; // [BUCKET_COUNT]
};

static inline struct recode server_recode(const struct server *s)
{
    struct recode r = {.params = s->config.params,
                       .dense_size = shard_dense_size(s->config.shard)};

    r.segments = shard_segments(s->config.shard, &r.n_segments);
    return r;
}

/* The optimizer's clock: units applied so far. */
static inline uint64_t server_now(const struct server *s)
{
    return s->clock + s->n_applied;
}

/** Rows that a unit at or above the edge asked for stay: before rows are made,
 * for others may go for them. */
void server_set_floor(struct server *s);

/** Look up the rows of the keys of a push that stand in a payload.
 * @param at where the keys begin in it
 * @param unit of the epoch that the keys are for
 * @param refs [n] filled
 * @return FUSOR_EINVAL (a key of another shard), FUSOR_ENOMEM */
enum fusor_status server_resolve(struct server *s, uint32_t table,
                                 const struct payload_view *in, size_t at,
                                 size_t n, uint64_t unit, uint32_t *refs,
                                 struct fusor_error *err);
/** Before server_use_ticket(): where the table admits, the keys of these rows
 * that had no row when they were pulled count, and may get one.
 * @return FUSOR_ENOMEM */
enum fusor_status server_admit(struct server *s, const struct ticket *ticket,
                               uint32_t table, const struct push_rows *rows,
                               struct fusor_error *err);
/** The rows of a push whose ticket knows them.
 * @param out [rows->n] where references go if the push has places; may be those
 *        themselves
 * @return FUSOR_EPROTO: places that the ticket does not have */
enum fusor_status server_use_ticket(const struct ticket *ticket, uint32_t table,
                                    struct push_rows *rows, uint32_t *out,
                                    struct fusor_error *err);
/** The header of an answer. */
struct wire_header server_answer(const struct server *s,
                                 const struct wire_header *h,
                                 enum wire_kind kind);
/** Count and name a message that makes no sense. */
void server_drop(struct server *s, const struct message *msg,
                 const struct fusor_error *why);
/** Answer a worker that asks which chunks of a request are here. */
void server_tell_missing(struct server *s, const struct message *msg);
/** Is the unit of a message one that its lease may speak of? */
int server_unit_is_sound(const struct server *s, const struct wire_header *h);

/* server_values.c */

/* Keys that have no references yet. */
struct lookup {
    const struct message *msg;
    enum resolve_mode mode;
    enum fusor_status status; // why it failed
};

/** Look up keys [at, at + n) of a table, from the message into the ticket. */
enum fusor_status server_look_up(struct server *s, struct lookup *l,
                                 const struct ticket *ticket, uint32_t table,
                                 const uint64_t *keys, size_t at, size_t n,
                                 struct fusor_error *err);
/** Send the values of a pull, which the clock allows.
 * @param lookup NULL: its rows are known
 * @return FUSOR_EAGAIN: no room for the answer now, its readers are slow: it is
 * asked for again; FUSOR_ENOMEM: nor will there be, or its keys found no room;
 * or why else they could not be looked up */
enum fusor_status server_answer_pull(struct server *s,
                                     const struct lane_pull *pull,
                                     struct lookup *lookup,
                                     struct fusor_error *err);

/* server_pull.c */
enum fusor_status server_on_keys(struct server *s, const struct message *msg,
                                 struct fusor_error *err);
/** Answer what the clock now allows. */
void server_serve_pulls(struct server *s);

/* server_apply.c */
enum fusor_status server_unit_create(const struct server_config *c,
                                     struct server_unit **out,
                                     struct fusor_error *err);
void server_unit_destroy(struct server_unit *u); // NULL is fine
/** Apply what views [first, first + n) show as one unit. */
enum fusor_status server_apply(struct server *s, uint32_t first, uint32_t n,
                               struct fusor_error *err);

/* server_room.c */

/** A push finds no room: will it, once all that goes has gone?
 * @param need what it takes
 * @return FUSOR_ENOMEM: never, as the pushes of its unit do not fit together */
enum fusor_status server_check_push(struct server *s, uint32_t lease,
                                    uint64_t need, struct fusor_error *err);
/** The same of values to train on for the unit under way. */
enum fusor_status server_check_values(const struct server *s, uint32_t lease,
                                      uint64_t need, struct fusor_error *err);
/** An epoch begins: do the dense floats of a unit fit? */
enum fusor_status server_check_dense(const struct server *s, uint64_t n_units,
                                     struct fusor_error *err);

/* server_push.c */
/** Or a worker asks what is here of a push (WIRE_ASK). */
enum fusor_status server_on_push(struct server *s, const struct message *msg,
                                 struct fusor_error *err);

#endif
