/* What a client is made of: for client*.c only. */
#ifndef PS_CLIENT_PRIVATE_H
#define PS_CLIENT_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/queue.h"
#include "ps/cache.h"
#include "ps/client.h"
#include "ps/exchange.h"
#include "ps/lead.h"
#include "ps/recode.h"
#include "ps/split.h"
#include "store/block_slice.h"

#define AHEAD_MAX 10 // announced steps of one worker
#define PUSHES_MAX 4 // unacknowledged ones: what is kept for a resend

struct announced {
    struct exchange *exchange;
    const struct step_keys *keys; // [n_tables] the worker's
    struct table_split *tables;   // [n_tables]
    float *joints;                // [joints_cap] rows that two pieces share
    size_t joints_cap;
};

struct client_worker {
    struct queue *inbox;
    char token; // in the inbox: lead, the network thread rests
    atomic_int token_is_out;
    atomic_int waits;
    atomic_uint delivered;             // exchanges put into the inbox
    unsigned taken;                    // of them
    struct exchange *fetched;          // by its thread while it led
    struct announced ahead[AHEAD_MAX]; // ring: first is the oldest
    unsigned first, n_ahead;
    struct announced *valued; // the step whose values are in use
    unsigned pushes_open;
    uint64_t push_bytes;   // of them
    _Atomic uint64_t owed; // 1 + the index of the last of them; 0: none
    atomic_int lacks;      // waits for room for a request
    uint64_t let_go;       // the latest of pushes that came back (exchange.h)
    struct exchange *free;
    float *dense;    // [n_dense]
    float *residual; // [n_dense] shard by shard: what rounding has left over
    struct lease lease;
    uint64_t epoch;
    uint64_t index;   // of the next push
    float **grads_at; // [n_shards] write position while a push is made
    uint64_t **keys_at;
    uint32_t **places_at;
    uint32_t *counts;      // [PARAM_MAX_NODES][n_tables][n_shards]
    struct cache *cache;   // NULL: none
    enum pull_mode cached; // what its values were read for
};

struct client_room { // for compute threads that lack some
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    atomic_uint n_lacking;
    int made;
};

struct client {
    struct param_store store; // first: the contract's handle
    struct client_config config;
    struct exchange_core *core;
    struct exchange *stranded; // network thread: came back too late
    struct queue *submissions;
    struct client_worker *workers; // [n_workers]
    uint16_t map[BUCKET_COUNT];
    struct block_segment **segments; // [n_shards][n_segments]
    size_t *n_segments;
    uint64_t *dense_size; // [n_shards]
    uint64_t *dense_at;   // [n_shards] sum of those before
    struct lead lead;     // who may use messenger, core and submissions
    struct client_room room;
    struct fusor_error lost; // why a compute thread could not receive
    atomic_int stopped;
    int resting;           // the network thread rested last, and may go on
    pthread_mutex_t mutex; // guards why
    struct fusor_error why;
};

static inline struct recode client_recode(const struct client *c, uint32_t s)
{
    return (struct recode){c->config.params, c->segments[s], c->n_segments[s],
                           c->dense_size[s]};
}

static inline struct client *client_of(struct param_store *s)
{
    return (struct client *)(void *)s;
}

/* Hand-over between threads. */

/** A fresh exchange of this worker's.
 * @return NULL with *err: no memory */
struct exchange *client_take_free(struct client *c, struct client_worker *w,
                                  struct fusor_error *err);
void client_give_back(struct client *c, struct client_worker *w,
                      struct exchange *x);
/** Hand an exchange to the network thread; on failure it is given back. */
enum fusor_status client_submit(struct client *c, struct client_worker *w,
                                struct exchange *x, struct fusor_error *err);
/** Take back an exchange of this worker's. A push that returns is done with;
 * keys stay until their values have been used.
 * @return FUSOR_ECLUSTER: the push was refused */
enum fusor_status client_accept(struct client *c, struct client_worker *w,
                                struct exchange *x, struct fusor_error *err);
/** Wait for one to come back. */
enum fusor_status client_take_one(struct client *c, struct client_worker *w,
                                  struct fusor_error *err);

/** What this worker's thread is told its phases to; or NULL. */
static inline struct profile *client_profile(const struct client *c,
                                             const struct client_worker *w)
{
    return c->store.profiles ? &c->store.profiles[w - c->workers] : NULL;
}

/** Of a wait since `began` ticks, what passed until a request that was held
 * back left was the credit's. */
void client_blame_credit(struct profile *p, uint32_t phase, uint64_t began,
                         uint64_t let_go);

/** Count the bytes of the requests of an exchange. */
void client_count_sent(const struct client *c, const struct client_worker *w,
                       const struct exchange *x);

/** Why a wait came back with nothing. */
enum fusor_status client_stopped(struct client *c, struct fusor_error *err);

/* client_lead.c */
/** Send it from this thread if nobody else uses the endpoint.
 * @return 1: the network thread is not needed */
int client_lead_submit(struct client *c, struct exchange *x);
/** Begin to send one whose requests are still to be written, if nobody else
 * uses the endpoint: until client_lead_end() it is this thread's. If it is the
 * network thread that has it, that is asked to rest: try again soon.
 * @return 1: begun; its legs leave by exchange_core_written() */
int client_lead_begin(struct client *c, struct exchange *x);
void client_lead_end(struct client *c, struct exchange *x);
/** Wait for an answer of this worker's, as leader where that is possible.
 * @return NULL: stopped, or the time is over */
struct exchange *client_lead_wait(struct client *c, struct client_worker *w);
/** Whoever leads: give answered exchanges to their workers.
 * @param leader whose thread this is, or NULL: the network thread */
void client_deliver_done(struct client *c, struct client_worker *leader);

/* client_pull.c */
enum fusor_status client_announce(struct param_store *store, unsigned worker,
                                  enum pull_mode mode, uint64_t clock,
                                  const struct step_keys *tables,
                                  struct fusor_error *err);
enum fusor_status client_values(struct param_store *store, unsigned worker,
                                struct step_rows *tables, const float **dense,
                                struct fusor_error *err);
/** The values of the step valued last are not needed any more. */
void client_drop_valued(struct client *c, struct client_worker *w);

/* client_values.c */
/** Bring the answers of a step to its rows and to the worker's dense values.
 * Rows stay where they came, so the exchange stays, too.
 * @return FUSOR_EPROTO: they are not what was asked for; FUSOR_ENOMEM */
enum fusor_status client_read_values(struct client *c, struct client_worker *w,
                                     struct announced *a,
                                     struct step_rows *tables,
                                     struct fusor_error *err);

/* client_cache.c */

/** Of the keys cut just now, find those whose values are held: the values need
 * not travel. They are held until client_release_rows().
 * @return the oldest clock of those, or UINT64_MAX: none are */
uint64_t client_hold_rows(struct client *c, struct client_worker *w,
                          struct announced *a, enum pull_mode mode,
                          uint64_t clock);
void client_release_rows(struct client *c, struct client_worker *w,
                         struct announced *a);
/** Values have come: offer them to the cache. */
void client_keep_rows(struct client *c, struct client_worker *w,
                      struct announced *a, const struct step_rows *tables);
/** A worker's; see client_forget_rows(). */
void client_forget_worker(struct client *c, struct client_worker *w);

/* client_room.c */

/** What the requests of a push hold. */
uint64_t client_push_bytes(const struct client *c, const struct exchange *x);
/** @param what such as "values"
 * @return FUSOR_ENOMEM: no message may be so large */
enum fusor_status client_check_part(const struct client *c, const char *what,
                                    uint32_t shard, uint64_t size,
                                    struct fusor_error *err);
/** The same of all shards' parts. @param sizes [n_shards] */
enum fusor_status client_check_parts(const struct client *c, const char *what,
                                     const size_t *sizes,
                                     struct fusor_error *err);
/** The failure of a step that does not fit into this process. */
enum fusor_status client_fail_step(const struct client *c, const char *what,
                                   uint64_t need, struct fusor_error *err);
/** Buffers for the requests of an exchange, as soon as there is room.
 * @param sizes [n_shards]
 * @param what such as "gradients"
 * @return also FUSOR_ENOMEM: there will be none */
enum fusor_status client_take_parts(struct client *c, struct client_worker *w,
                                    struct exchange *x, const size_t *sizes,
                                    const char *what, struct fusor_error *err);
/** Something was given back, or a thread gives nothing back until others do:
 * who lacks room looks again. */
void client_room_changed(struct client *c);
enum fusor_status client_room_init(struct client_room *r,
                                   struct fusor_error *err);
void client_room_clear(struct client_room *r); // of zeros is fine

/* client_push.c */
/** Wait until no more than `most` pushes are open. */
enum fusor_status client_wait_acks(struct client *c, struct client_worker *w,
                                   unsigned most, struct fusor_error *err);
enum fusor_status client_push(struct param_store *store, unsigned worker,
                              const struct step_grads *g,
                              struct fusor_error *err);
enum fusor_status client_drain(struct param_store *store, unsigned worker,
                               struct fusor_error *err);

#endif
