/* Opens endpoints as the boot record says and speaks to the coordinator. */
#include "job/link.h"

#include <string.h>

#include "base/mem.h"
#include "coord/deadline.h"
#include "transport/mux.h"

#define FLUSH_MS 1000      /* last words leave before the process does */
#define FAIL_AGAIN_MS 1000 /* between two tries to be heard */

/* Of the two ways, those that this job uses. */
static enum fusor_status create_transport(struct link *l,
                                          const struct transport_zmq_options *z,
                                          struct fusor_error *err)
{
    char text[SHM_TEXT_MAX];
    struct transport_shm_options shm = {
        .job = z->job, .self = z->self, .bind = z->bind ? text : NULL};

    if (!boot_uses_shm(l->boot))
        return transport_zmq_create(z, &l->transport, err);
    boot_shm_address(l->boot, z->self, text);
    if (!boot_uses_zmq(l->boot))
        return transport_shm_create(&shm, &l->transport, err);
    return transport_mux_create(&shm, z, &l->transport, err);
}

static enum fusor_status open_transport(struct link *l, struct peer self,
                                        const struct boot_endpoint *bind,
                                        int listen_fd, struct fusor_error *err)
{
    const struct boot *b = l->boot;
    struct transport_zmq_options options = {
        .job = b->job,
        .self = self,
        .bind = bind ? bind->text : NULL,
        .listen_fd = listen_fd,
        .keys = b->secure ? &b->keys : NULL,
        .flush_ms = FLUSH_MS,
    };
    const char **allowed = NULL;
    enum fusor_status rc;

    if (b->secure) {
        allowed = mem_alloc(b->n_ranks, sizeof(*allowed));
        if (!allowed)
            return mem_fail(err, "keys", b->n_ranks * sizeof(*allowed));
        for (uint32_t r = 0; r < b->n_ranks; r++)
            allowed[r] = b->ranks[r].public_key;
        options.allowed = allowed;
        options.n_allowed = b->n_ranks;
    }
    rc = create_transport(l, &options, err);
    mem_free(allowed);
    return rc;
}

/* Connect to an endpoint of a rank the way the two of us speak. */
static enum fusor_status connect_to(struct link *l, struct peer to,
                                    const struct boot_endpoint *e,
                                    uint32_t rank, struct fusor_error *err)
{
    char near_by[SHM_TEXT_MAX], far_off[TRANSPORT_ENDPOINT_MAX];

    if (boot_is_near(l->boot, rank)) {
        boot_shm_address(l->boot, to, near_by);
        return transport_connect(l->transport, to, near_by, err);
    }
    boot_address(l->boot, e, rank, far_off);
    return transport_connect(l->transport, to, far_off, err);
}

static enum fusor_status join_coordinator(struct link *l, struct peer self,
                                          struct fusor_error *err)
{
    struct member_config config = {
        .self = self, .job = l->boot->job, .messenger = l->messenger};

    FUSOR_TRY(connect_to(l, (struct peer){.kind = PEER_COORDINATOR},
                         &l->boot->coordinator, 0, err));
    return member_create(&config, &l->member, err);
}

enum fusor_status link_open(const struct boot *boot, struct peer self,
                            const struct boot_endpoint *bind, int listen_fd,
                            uint64_t memory, struct link *out,
                            struct fusor_error *err)
{
    struct link l = {.boot = boot};
    enum fusor_status rc = open_transport(&l, self, bind, listen_fd, err);

    if (rc == FUSOR_OK)
        rc = messenger_create(l.transport, (size_t)memory / 2, &l.messenger,
                              err);
    if (rc == FUSOR_OK && self.kind != PEER_COORDINATOR)
        rc = join_coordinator(&l, self, err);
    if (rc != FUSOR_OK) {
        link_close(&l);
        return rc;
    }
    *out = l;
    return FUSOR_OK;
}

void link_close(struct link *l)
{
    member_destroy(l->member);
    messenger_destroy(l->messenger);
    transport_destroy(l->transport);
    memset(l, 0, sizeof(*l));
}

enum fusor_status link_connect_shards(struct link *l, struct fusor_error *err)
{
    for (uint32_t s = 0; s < l->boot->n_shards; s++)
        FUSOR_TRY(connect_to(l, (struct peer){.kind = PEER_SHARD, .number = s},
                             &l->boot->shards[s],
                             boot_rank_of_shard(l->boot, s), err));
    return FUSOR_OK;
}

static enum link_event on_coordinator(struct link *l, const struct message *msg,
                                      struct command *command,
                                      struct fusor_error *err)
{
    int what = member_on_message(l->member, msg, command, err);

    if (what < 0)
        err->text[0] = '\0'; // the coordinator has told the user
    return what < 0 ? LINK_OVER : what > 0 ? LINK_COMMAND : LINK_NOTHING;
}

enum link_event link_step(struct link *l, int timeout_ms, struct message *msg,
                          struct command *command, struct fusor_error *err)
{
    int wait = member_timeout_ms(l->member);
    enum link_event event = LINK_NOTHING;
    enum fusor_status rc;

    if (timeout_ms >= 0 && timeout_ms < wait)
        wait = timeout_ms;
    rc = messenger_receive(l->messenger, msg, wait, err);
    if (rc == FUSOR_OK)
        event = msg->from.kind == PEER_COORDINATOR
                    ? on_coordinator(l, msg, command, err)
                    : LINK_MESSAGE;
    else if (rc != FUSOR_EAGAIN)
        return LINK_OVER;
    if (event == LINK_OVER)
        return event;
    return member_tick(l->member, err) == FUSOR_OK ? event : LINK_OVER;
}

int link_fail(struct link *l, const struct fusor_error *why)
{
    int64_t now = clock_now_ms(&clock_real);
    int64_t end = now + DEADLINE_SUSPECT_MS, again = now;
    struct command command;
    struct fusor_error err;
    struct message msg;

    while (now < end) {
        if (now >= again) {
            member_fail(l->member, why);
            again = now + FAIL_AGAIN_MS;
        }
        if (link_step(l, FAIL_AGAIN_MS, &msg, &command, &err) == LINK_OVER)
            return err.text[0] == '\0';
        now = clock_now_ms(&clock_real);
    }
    return 0;
}
