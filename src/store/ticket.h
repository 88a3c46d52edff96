/* Tickets: where the rows of a pull are, remembered by the shard that looked
 * them up, so that the push of the same step names its rows by their place in
 * the pull and carries no keys. A ticket is a hint and nothing else: one that
 * is gone (another lease term, a restart, no room) costs the holder a message
 * with the keys.
 *
 * A book is what one lease has. Rows never move, so the references of a ticket
 * stay right until the shard drops rows; then ticket_book_close_all().
 *
 * Threads: one owner. */
#ifndef STORE_TICKET_H
#define STORE_TICKET_H

#include <stddef.h>
#include <stdint.h>

#include "store/slab.h"

#define TICKETS_MAX 16 /* of one lease: steps announced and not yet pushed */

struct ticket_name {
    uint64_t owner; // the process, its incarnation included
    uint64_t id;    // what that process called the pull; not 0
    uint32_t term;  // of the lease it spoke for
};

struct ticket {
    struct ticket_name name; // id 0: free
    uint64_t clock;          // unit of the pull
    uint64_t opened;         // counts up: the smallest is the oldest
    int in_use;              // a pull or a push that waits needs it
    size_t *begin;           // [n_tables + 1] each table's first reference
    size_t *held;            // [n_tables] of each table's last ones, so many
                             // whose values the holder has already
    uint32_t *refs;          // [begin[n_tables]]
    uint64_t *keys;          // [begin[n_tables]] where the book keeps them
    size_t cap;
};

struct ticket_book {
    uint32_t n_tables;
    int keep_keys;
    struct budget *budget; // the shard's; NULL: nobody counts
    uint64_t n_opened;
    size_t *begins;
    struct ticket tickets[TICKETS_MAX];
};

/** @param keep_keys tickets have room for keys: where a table admits rows, a
 * reference 0 has to be looked up again
 * @param budget counts all memory of references; outlives the book */
enum fusor_status ticket_book_init(struct ticket_book *b, uint32_t n_tables,
                                   int keep_keys, struct budget *budget,
                                   struct fusor_error *err);
/** A book of zeros is fine. */
void ticket_book_clear(struct ticket_book *b);

/** @return NULL: unknown, or no longer */
struct ticket *ticket_find(struct ticket_book *b,
                           const struct ticket_name *name);
/** A ticket to be filled: the one of this name again, a free one, or the oldest
 * that nobody waits for.
 * @param n_refs room for so many in all; begin, refs and keys are the caller's
 * to fill, and held, which is zeros
 * @return FUSOR_OK, FUSOR_EAGAIN (all, or the one of this name, are in use),
 * FUSOR_ENOMEM (the cap: the text names memory.per_server) */
enum fusor_status ticket_open(struct ticket_book *b,
                              const struct ticket_name *name, uint64_t clock,
                              size_t n_refs, struct ticket **out,
                              struct fusor_error *err);
void ticket_close(struct ticket *t);
/** The unit has been pushed: close what nobody waits for, up to its clock. */
void ticket_book_close_upto(struct ticket_book *b, uint64_t clock);
/** Close everything, waited for or not; memory is kept. */
void ticket_book_close_all(struct ticket_book *b);
/** Tickets now open. */
unsigned ticket_book_open(const struct ticket_book *b);

/** References of one table. */
static inline uint32_t *ticket_refs(const struct ticket *t, uint32_t table,
                                    size_t *n)
{
    *n = t->begin[table + 1] - t->begin[table];
    return t->refs + t->begin[table];
}

/** Their keys; NULL unless the book keeps them. */
static inline const uint64_t *ticket_keys(const struct ticket *t,
                                          uint32_t table)
{
    return t->keys ? t->keys + t->begin[table] : NULL;
}

#endif
