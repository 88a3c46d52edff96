/* What the files of the shared-memory transport share. Private to the layer.
 *
 * shm.c          the transport contract on top
 * shm_send.c     its sending half
 * shm_receive.c  its receiving half
 * shm_ring.c     messages in one ring
 * shm_segment.c  memory with two rings
 * shm_loan.c     payloads that stay where they are
 * shm_socket.c   unix sockets: names, who is there, descriptors through them
 * shm_conn.c     the life of a connection: greeting, opening, its end */
#ifndef TRANSPORT_SHM_ENDPOINT_H
#define TRANSPORT_SHM_ENDPOINT_H

#include <sys/socket.h>
#include <sys/un.h>

#include "transport/peers.h"
#include "transport/shm.h"
#include "transport/shm_ring.h"
#include "transport/spin.h"

#define SHM_CONNS_MAX 4096

/* A mapped segment: [control of ring 0][control of ring 1], a page; then the
 * bytes of ring 0, then those of ring 1. Who made it sends through ring 0. */
struct shm_segment {
    void *base; // NULL: none
    size_t size;
    uint64_t capacity; // of each ring
};

/* What one side has mapped of a connection: the segment, and the memory whose
 * payloads the other side lends. It lives until the connection and the last
 * loan have let go of it. */
struct shm_home {
    atomic_uint refs;
    struct shm_segment segment;
    struct shm_control *in; // of the ring that loans come through
    const uint8_t *theirs;  // NULL: they lend nothing
    size_t their_size;
    struct shm_borrowed {
        struct shm_home *home;
        uint32_t id;
    } borrowed[SHM_LOANS];
};

/* What this side has lent through a connection. */
struct shm_lent {
    struct payload payloads[SHM_LOANS];
    uint16_t ids[SHM_LOANS]; // the first n are lent, the others free
    unsigned n;
    size_t bytes;
};

/* The first packet, with the descriptors of the segment, of the client's bell
 * and of the memory it lends from (without one: the bell's again). */
struct shm_hello {
    char magic[8];
    uint64_t job;
    uint64_t capacity;
    uint64_t region_bytes; // 0: it lends nothing
    uint32_t kind, number, incarnation, zero;
    char key[SHM_KEY_MAX];
};

/* The answer, with the descriptors of the server's bell and of the memory it
 * lends from if status is 0. */
struct shm_answer {
    char magic[8];
    uint64_t status; // 1: refused
    uint64_t region_bytes;
    uint64_t borrows; // what the client lends
};

struct shm_address {
    struct sockaddr_un name;
    socklen_t name_size;
    char key[SHM_KEY_MAX];
    char text[SHM_TEXT_MAX]; // without the key, for words
};

enum shm_state {
    SHM_APART,    // ours: the server is not there yet, or has gone
    SHM_GREETING, // one side waits for the other's word
    SHM_OPEN,
    SHM_GONE // the other side has closed; what it wrote may be read
};

struct shm_conn {
    uint64_t id; // what epoll calls it
    struct peer peer;
    int ours; // we connected
    int shut; // nothing is sent or heard any more: refused, or no sense
    enum shm_state state;
    int fd;   // socket, or -1
    int bell; // the other side's eventfd, or -1: knock at the socket
    struct shm_segment segment; // home's
    struct shm_home *home;
    int may_lend; // the other side has mapped our memory
    struct shm_lent lent;
    int segment_fd; // to be handed over, or -1
    struct shm_sender out;
    struct shm_receiver in;
    int starved;                // a send found the ring full
    struct shm_address address; // ours
    int64_t try_ms;             // when to connect
    int pause_ms;               // then
};

struct shm_endpoint {
    struct transport base;
    uint64_t job;
    struct peer self;
    uint64_t ring_bytes;
    int epoll_fd;
    int bell;  // our eventfd: senders and wake()
    int spare; // let go to take in a connection when descriptors are used up
    int listen_fd;
    struct shm_address address; // where we listen
    atomic_int woken;
    struct shm_conn **conns;
    size_t n_conns, cap_conns;
    size_t next_conn;      // where to look first, so that all get their turn
    uint64_t next_id;      // of a connection
    struct shm_conn *held; // whose record the last receive gave out
    unsigned looks;        // receives since the sockets were looked at
    struct spin spin;
    struct peer_table peers;
    struct shm_record record;
    struct shared_memory shared; // what we lend from; size 0: nothing
    struct transport_shm_stats stats;
};

#define SHM_ID_BELL 0
#define SHM_ID_LISTENER 1
#define SHM_ID_FIRST 2

static inline struct shm_endpoint *shm_endpoint_of(const struct transport *t)
{
    return (struct shm_endpoint *)(uintptr_t)t; // base is the first member
}

/* shm_send.c */
/** A peer whose ring makes no sense is not heard any more.
 * @return status */
enum fusor_status shm_malformed(struct shm_endpoint *e, struct shm_conn *c,
                                enum fusor_status status,
                                struct fusor_error *err);
/* As in struct transport_ops. */
enum fusor_status shm_endpoint_send(struct transport *t, struct peer to,
                                    const void *header, size_t header_size,
                                    const struct payload *payload,
                                    struct fusor_error *err);
void shm_endpoint_share(struct transport *t,
                        const struct shared_memory *memory);
int shm_endpoint_may_lend(struct transport *t, struct peer to,
                          const struct payload *payload);
enum fusor_status shm_endpoint_lend(struct transport *t, struct peer to,
                                    const void *header, size_t header_size,
                                    const struct payload *payload,
                                    struct fusor_error *err);

/* shm_receive.c */
/** As in struct transport_ops. */
enum fusor_status shm_endpoint_receive(struct transport *t, struct delivery *d,
                                       int timeout_ms, struct fusor_error *err);
/** Give back the room of what the last receive gave out. */
void shm_receive_end(struct shm_endpoint *e);

/* shm_segment.c */
/** Make a segment that cannot change its size.
 * @param fd set to its descriptor, the caller's */
enum fusor_status shm_segment_make(uint64_t capacity, struct shm_segment *out,
                                   int *fd, struct fusor_error *err);
/** Map a segment that came from outside; fd stays the caller's.
 * @return FUSOR_EPROTO: not of this size, or its size could change */
enum fusor_status shm_segment_map(int fd, uint64_t capacity,
                                  struct shm_segment *out,
                                  struct fusor_error *err);
void shm_segment_unmap(struct shm_segment *s);
/** @param first 1: who made the segment */
void shm_segment_rings(const struct shm_segment *s, int first,
                       struct shm_sender *out, struct shm_receiver *in);

/* shm_loan.c */
/** Take over a segment, in the name of a connection.
 * @return NULL: no memory, the segment stays the caller's */
struct shm_home *shm_home_make(const struct shm_segment *s,
                               struct shm_control *in);
/** Map what the other side lends from; fd stays the caller's.
 * @return 0, or -1: it cannot be, or its size could change */
int shm_home_map(struct shm_home *h, int fd, uint64_t size);
/** NULL is fine. */
void shm_home_unref(struct shm_home *h);
/** A loan has come: it is the receiver's to give back.
 * @return 0, or -1: it makes no sense */
int shm_loan_take(struct shm_home *h, const struct shm_loan_note *note,
                  struct payload *out);
void shm_lent_init(struct shm_lent *l);
/** May this payload be lent? */
int shm_may_lend(const struct shm_endpoint *e, const struct shm_conn *c,
                 const struct payload *payload);
/** Write a message whose payload may be lent. @return as shm_sender_put() */
enum fusor_status shm_lend(const struct shm_endpoint *e, struct shm_conn *c,
                           const void *header, size_t header_size,
                           const struct payload *payload);
/** Release what has been given back. */
void shm_lent_look(struct shm_conn *c);
/** Release all: who borrowed it has gone. */
void shm_lent_drop(struct shm_conn *c);

/* shm_socket.c */
enum fusor_status shm_address_parse(const char *text, struct shm_address *out,
                                    struct fusor_error *err);
enum fusor_status shm_listen(const struct shm_address *at, int *fd,
                             struct fusor_error *err);
/** @return a connected socket, or -1: nobody is there, or not this user's */
int shm_dial(const struct shm_address *at);
/** Is the process on the other side this user's? */
int shm_is_ours(int fd);
/** Send one packet and up to three descriptors. @return 0 or -1 */
int shm_packet_send(int fd, const void *data, size_t size, const int *fds,
                    size_t n_fds);
/** Take one packet of exactly this size with n_fds descriptors (close-on-exec,
 * the caller's) or with none (all set to -1).
 * @return 1, 0: none there, -1: closed or something else came */
int shm_packet_take(int fd, void *data, size_t size, int *fds, size_t n_fds);

/* shm_conn.c */
/** Make a connection to a listener; it is dialled by shm_conn_dial(). */
enum fusor_status shm_conn_make(struct shm_endpoint *e, struct peer to,
                                const char *endpoint, struct shm_conn **out,
                                struct fusor_error *err);
/** Take in who waits at the listener. */
void shm_conns_accept(struct shm_endpoint *e);
/** Connect if it is time. */
void shm_conn_dial(struct shm_endpoint *e, struct shm_conn *c, int64_t now);
/** The socket has something to say.
 * @return FUSOR_OK; FUSOR_ECLUSTER: we are refused (said once) */
enum fusor_status shm_conn_hear(struct shm_endpoint *e, struct shm_conn *c,
                                struct fusor_error *err);
/** Wake the other side. */
void shm_conn_ring(const struct shm_conn *c);
/** Let go of the socket, and never come back: the other side makes no sense.
 */
void shm_conn_shut(struct shm_conn *c);
/** After what a peer left has been read: ours starts anew, others end.
 * @return 1: c is no more */
int shm_conn_renew(struct shm_endpoint *e, struct shm_conn *c);
/** Free it; nothing else points to it. NULL is fine. */
void shm_conn_free(struct shm_conn *c);

#endif
