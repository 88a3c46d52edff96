/* A network in one process with virtual time: everything random is drawn from
 * the seed, so a run is a pure function of (seed, what its endpoints do).
 *
 * Messages between two endpoints arrive in order, each after a random delay;
 * different pairs overtake each other. They are lost with a probability, while
 * the link is cut (when sent or when due), and when either side crashes.
 * Nothing arrives twice. A payload is read and released when its message
 * arrives or is lost, not at send: whoever reuses it early sees the damage.
 *
 * The driver loops: sim_step(), then let the endpoint it names receive with
 * timeout 0 until EAGAIN and look at its deadlines, then sim_set_timer(). A
 * receive with timeout > 0 turns the clock itself until something arrives.
 *
 * Threads: one for the whole network, except transport_wake(). */
#ifndef TRANSPORT_SIM_H
#define TRANSPORT_SIM_H

#include <stdint.h>

#include "transport/transport.h"

#define SIM_NEVER INT64_MAX

struct sim;

/** Defaults: delay 50..500 us, no loss, 256 messages per direction of a pair,
 * time 0. */
enum fusor_status sim_create(uint64_t seed, struct sim **out,
                             struct fusor_error *err);
/** Destroys the endpoints that are left, too. */
void sim_destroy(struct sim *sim);

void sim_set_delay(struct sim *sim, int64_t min_ns, int64_t max_ns);
void sim_set_loss(struct sim *sim, double probability);
/** Messages one side may have unreceived at the other before send gives
 * EAGAIN. */
void sim_set_capacity(struct sim *sim, unsigned messages);

/** Bring a peer to life. A living one of the same kind and number crashes
 * first. Freed by transport_destroy().
 * @param self incarnation above all earlier ones of this kind and number,
 * else FUSOR_EINVAL */
enum fusor_status sim_endpoint(struct sim *sim, struct peer self,
                               struct transport **out, struct fusor_error *err);
/** Kill a peer (incarnation ignored): all in flight to and from it is lost and
 * what it had not yet received too. Its endpoint answers FUSOR_ECLOSED to
 * everything from now on; the driver still destroys it. */
void sim_crash(struct sim *sim, struct peer who);
/** Cut the link between two peers, both ways, until now + for_ns; 0 mends it.
 * Survives their deaths (incarnations ignored). */
enum fusor_status sim_cut(struct sim *sim, struct peer a, struct peer b,
                          int64_t for_ns, struct fusor_error *err);

/** Ask for sim_step() to name this endpoint at a time at the latest; one timer
 * an endpoint, the last call counts. @param at_ns SIM_NEVER: none */
void sim_set_timer(struct transport *t, int64_t at_ns);
/** The earliest delivery or timer, or SIM_NEVER. */
int64_t sim_next_wakeup(const struct sim *sim);
/** Turn the clock to the next event and let it happen.
 * @return the endpoint that has something to receive or whose timer went off
 * (its timer is cleared), or NULL: nothing will ever happen */
struct transport *sim_step(struct sim *sim);
/** Turn the clock to a time, letting all deliveries on the way happen; timers
 * stay due. */
void sim_advance(struct sim *sim, int64_t to_ns);

int64_t sim_now_ns(const struct sim *sim);
const struct clock_source *sim_clock(const struct sim *sim);

struct sim_stats {
    uint64_t sent, delivered, lost;
    uint64_t in_flight; // not yet arrived
};
struct sim_stats sim_stats(const struct sim *sim);

#endif
