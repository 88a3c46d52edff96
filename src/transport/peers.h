/* The peers an endpoint may talk to: those it connected to and those that spoke
 * to it. Shared by both networks, so that they judge alike. Private to the
 * layer. Owner: one endpoint. */
#ifndef TRANSPORT_PEERS_H
#define TRANSPORT_PEERS_H

#include <stddef.h>

#include "transport/transport.h"

#define PEERS_MAX 65536 /* a stranger cannot make the table grow for ever */

struct peer_entry {
    struct peer peer; // as named in connect(), or its newest incarnation heard
    int connected;    // by us
    int cut;          // ignored from now on
    void *link;       // the network's own
};

struct peer_table {
    struct peer_entry *entries; // ascending (kind, number)
    size_t n;
    size_t cap;
};

/** @return NULL when unknown; valid until the next add */
struct peer_entry *peer_table_find(const struct peer_table *t, struct peer p);
/** Find or add; a new entry is neither connected nor cut. */
enum fusor_status peer_table_add(struct peer_table *t, struct peer p,
                                 struct peer_entry **out,
                                 struct fusor_error *err);
void peer_table_clear(struct peer_table *t); // links are the network's

/** May a message from this peer be heard? Learns new peers and newer
 * incarnations of known ones (which are not cut any more).
 * @return FUSOR_OK, or FUSOR_ECLOSED: cut, an older incarnation, or no room */
enum fusor_status peer_table_hear(struct peer_table *t, struct peer from);
/** The entry to send to.
 * @return FUSOR_ECLOSED: unknown, cut, or another incarnation than asked */
enum fusor_status peer_table_route(const struct peer_table *t, struct peer to,
                                   struct peer_entry **out,
                                   struct fusor_error *err);
/** Cut off a peer; one that is unknown or has a newer incarnation is left. */
void peer_table_cut(struct peer_table *t, struct peer who);

/** "worker 3" for logs and errors; writes to out[32]. */
const char *peer_text(struct peer p, char out[32]);

/** Are header and payload of a size that may be sent?
 * @return FUSOR_EINVAL if not */
enum fusor_status message_check(size_t header_size,
                                const struct payload *payload,
                                struct fusor_error *err);

#endif
