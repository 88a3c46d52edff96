/* What a shard remembers of one lease: who speaks for it, which of its pushes
 * were taken, the pulls that wait for the clock and, at staleness 0, the push
 * that waits for the rest of its unit. */
#ifndef PS_LANE_H
#define PS_LANE_H

#include "base/params.h"
#include "ps/body.h"
#include "store/ticket.h"

#define LANE_PULLS 16 /* announced steps of one worker: depth is at most 8 */

struct lane_pull {
    struct peer peer;
    struct wire_header header; // of its KEYS, for the answer
    struct ticket *ticket;     // its rows; in use until answered
    int64_t came_ns;           // when
};

/* What a push lies in, and its rows. The arrays outlive it. */
struct push_body {
    struct body in;
    uint32_t *refs; // [refs_cap]
    size_t refs_cap;
};

struct lane {
    uint32_t term; // newest seen
    uint64_t next; // lowest index not yet taken
    uint32_t n_pulls;
    struct lane_pull pulls[LANE_PULLS]; // waiting
    uint64_t read_clock[LANE_PULLS];    // + 1: steps valued last, and
    uint64_t read_edge[LANE_PULLS];     // the edge their values were read at
    uint32_t next_read;                 // where the next one is noted
    struct peer push_peer;              // staleness 0: the push that waits
    struct wire_header push_header;
    int has_push;
    uint64_t lacks; // bytes that its next push takes, which found no room
    struct push_body push;      // of that, or of the one being looked at
    struct ticket *push_ticket; // its rows; NULL: it brought keys
    struct ticket_book tickets;
    /* Requests of one process only rise: a copy of a push of an epoch that is
     * over is known by them. They outlive an epoch. */
    struct peer last_peer;
    uint64_t last_request; // of the push taken last
};

/** @param keep_keys, budget see ticket_book_init() */
enum fusor_status lane_init(struct lane *l, uint32_t n_tables, int keep_keys,
                            struct budget *budget, struct fusor_error *err);
/** A lane of zeros is fine. */
void lane_clear(struct lane *l);

/** Room for n references in b->refs; what is in it is lost. */
enum fusor_status push_body_room(struct push_body *b, size_t n,
                                 struct fusor_error *err);
/** What a pull's ticket is called.
 * @param id its KEYS' request */
struct ticket_name lane_ticket_name(struct peer from,
                                    const struct wire_header *h, uint64_t id);
/** Remember a pull, copied; its ticket is in use from now on.
 * @return 0, or -1: too many wait */
int lane_add_pull(struct lane *l, const struct lane_pull *pull);
/** Is this pull of this peer waiting? Then it was only sent again; its attempt
 * is noted so that the answer fits. */
int lane_note_repeat(struct lane *l, struct peer from,
                     const struct wire_header *h);
/** Its ticket is not in use any more, but stays open for the push. */
void lane_remove_pull(struct lane *l, uint32_t i);
/** Note at which edge the values of a step were read. */
void lane_note_read(struct lane *l, uint64_t clock, uint64_t edge);
/** The edge noted for a step. @return 0 when it was not valued here, or so long
 * ago that LANE_PULLS others were since */
int lane_find_read(const struct lane *l, uint64_t clock, uint64_t *edge);
/** Is this push a late copy from an epoch that is over? */
int lane_is_late(const struct lane *l, struct peer from,
                 const struct wire_header *h);
/** Forget everything but the last request: a new epoch. Memory is kept. */
void lane_reset(struct lane *l);

#endif
