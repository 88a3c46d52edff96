/* The member's side of commands, results and pings; see the header. */
#include "coord/member.h"

#include <string.h>

#include "base/mem.h"
#include "coord/deadline.h"

struct member {
    struct member_config config;
    const struct clock_source *clock;
    int64_t heard_ms;  // from the coordinator
    int64_t tick_ms;   // of the last tick
    int64_t ping_ms;   // when the next ping is due
    int64_t resend_ms; // when the result goes again
    int64_t backoff_ms;
    uint64_t sequence;  // of the newest command taken
    int busy;           // doing it
    int unacknowledged; // its result is on the way
    int finishing;      // the command is FINISH
    struct payload_buffer *result;
    uint32_t attempt; // of the result
    struct member_progress progress;
    int heard_once;
};

const char *wait_reason_text(enum wait_reason reason)
{
    static const char *const texts[] = {
        [WAIT_NOTHING] = "nothing",
        [WAIT_VALUES] = "values from shard",
        [WAIT_ACKS] = "acknowledgement from shard",
        [WAIT_CREDIT] = "credit of shard",
        [WAIT_PUSHES] = "gradients from worker",
        [WAIT_DISK] = "the disk of shard",
    };

    if ((size_t)reason >= sizeof(texts) / sizeof(texts[0]))
        return "an unknown cause";
    return texts[reason];
}

static const struct peer coordinator = {.kind = PEER_COORDINATOR};

enum fusor_status member_create(const struct member_config *config,
                                struct member **out, struct fusor_error *err)
{
    struct member *m = mem_alloc(1, sizeof(*m));

    if (!m)
        return mem_fail(err, "member", sizeof(*m));
    m->config = *config;
    m->clock = messenger_clock(config->messenger);
    m->heard_ms = m->tick_ms = clock_now_ms(m->clock);
    *out = m;
    return FUSOR_OK;
}

void member_destroy(struct member *m)
{
    if (!m)
        return;
    payload_buffer_unref(m->result);
    mem_free(m);
}

static struct wire_header header_of(const struct member *m, enum wire_kind kind)
{
    return (struct wire_header){
        .kind = kind,
        .job = m->config.job,
        .worker = m->config.self.number,
        .incarnation = m->config.self.incarnation,
        .request = m->sequence,
    };
}

/* A lost ping or result is sent again, so a send that fails needs no answer
 * here: the silence it leaves is what the deadlines are for. */
static void send_now(struct member *m, const struct wire_header *h,
                     struct payload_buffer *payload)
{
    messenger_send(m->config.messenger, coordinator, h, payload, NULL);
}

static void send_result(struct member *m)
{
    struct wire_header h = header_of(m, WIRE_RESULT);

    h.attempt = m->attempt++;
    send_now(m, &h, m->result);
    m->backoff_ms = m->backoff_ms ? m->backoff_ms * 2 : DEADLINE_RESEND_MS;
    if (m->backoff_ms > DEADLINE_RESEND_MAX_MS)
        m->backoff_ms = DEADLINE_RESEND_MAX_MS;
    m->resend_ms = clock_now_ms(m->clock) + m->backoff_ms;
}

static void send_ack(struct member *m)
{
    struct wire_header h = header_of(m, WIRE_ACK);

    send_now(m, &h, NULL);
}

static int take_command(struct member *m, const struct message *msg,
                        struct command *command)
{
    struct command c;

    if (command_decode(msg->data, msg->size, &c, NULL) != FUSOR_OK)
        return 0; // counted by nobody: the coordinator sends it again
    if (c.sequence < m->sequence)
        return 0;
    if (c.sequence == m->sequence) { // our answer to it was lost
        if (m->unacknowledged)
            send_result(m);
        else if (m->busy)
            send_ack(m);
        return 0;
    }
    *command = c;
    m->sequence = c.sequence;
    m->busy = 1;
    m->unacknowledged = 0;
    m->finishing = c.kind == COMMAND_FINISH;
    memset(&m->progress, 0, sizeof(m->progress));
    send_ack(m);
    return 1;
}

static int remote_failure(const struct message *msg, struct fusor_error *err)
{
    enum fusor_status status = (enum fusor_status)msg->header.status;

    if (status == FUSOR_OK)
        status = FUSOR_ECLUSTER;
    fusor_fail(err, status, "%.*s", (int)msg->size, (const char *)msg->data);
    return -1;
}

int member_on_message(struct member *m, const struct message *msg,
                      struct command *command, struct fusor_error *err)
{
    if (msg->from.kind != PEER_COORDINATOR || msg->header.job != m->config.job)
        return 0;
    m->heard_ms = clock_now_ms(m->clock);
    m->heard_once = 1;
    switch (msg->header.kind) {
    case WIRE_COMMAND:
        return take_command(m, msg, command);
    case WIRE_ACK:
        if (msg->header.request == m->sequence)
            m->unacknowledged = 0;
        return 0;
    case WIRE_FAIL:
        return remote_failure(msg, err);
    default:
        return 0; // a pong: that it came is all it says
    }
}

static void send_ping(struct member *m)
{
    struct wire_header h = header_of(m, m->heard_once ? WIRE_PING : WIRE_HELLO);

    h.b = m->progress.samples;
    h.index = m->progress.steps;
    h.clock = (uint64_t)m->progress.reason << 32 | m->progress.waits_for;
    memcpy(&h.a, &m->progress.loss_sum, sizeof(h.a));
    send_now(m, &h, NULL);
}

/* The last acknowledgement may get lost with the one who sends it: once the
 * result of FINISH is out, a coordinator that is silent has left. */
static int has_left(const struct member *m, int64_t now)
{
    return m->finishing && m->unacknowledged &&
           now - m->heard_ms >= DEADLINE_SAY_MS;
}

enum fusor_status member_tick(struct member *m, struct fusor_error *err)
{
    int64_t now = clock_now_ms(m->clock);
    int64_t patience = m->heard_once ? DEADLINE_SUSPECT_MS : DEADLINE_HANG_MS;

    m->heard_ms += deadline_absence(&m->tick_ms, now);
    if (now >= m->ping_ms) {
        send_ping(m);
        m->ping_ms =
            now + (m->heard_once ? DEADLINE_PING_MS : DEADLINE_RESEND_MS);
    }
    if (m->unacknowledged && now >= m->resend_ms)
        send_result(m);
    if (has_left(m, now))
        m->unacknowledged = 0;
    if (now - m->heard_ms < patience || (m->finishing && !m->busy))
        return FUSOR_OK;
    return fusor_fail(err, FUSOR_ECLUSTER,
                      "the coordinator (beside rank 0) has been silent for "
                      "%d s: its process or host died, or the network is cut",
                      (int)(patience / 1000));
}

int member_timeout_ms(const struct member *m)
{
    int64_t due = m->ping_ms;
    int64_t now = clock_now_ms(m->clock);

    if (m->unacknowledged && m->resend_ms < due)
        due = m->resend_ms;
    return due > now ? (int)(due - now) : 0;
}

void member_set_progress(struct member *m, struct member_progress progress)
{
    m->progress = progress;
}

enum fusor_status member_finish(struct member *m, const void *data, size_t size,
                                struct fusor_error *err)
{
    payload_buffer_unref(m->result);
    m->result = NULL;
    FUSOR_TRY(payload_buffer_take(messenger_pool(m->config.messenger),
                                  size ? size : 1, &m->result, err));
    if (size)
        memcpy(m->result->data, data, size);
    m->result->size = size;
    m->attempt = 0;
    m->busy = 0;
    m->unacknowledged = 1;
    m->backoff_ms = 0;
    send_result(m);
    return FUSOR_OK;
}

void member_fail(struct member *m, const struct fusor_error *why)
{
    struct wire_header h = header_of(m, WIRE_FAIL);

    h.status = (uint32_t)why->status;
    messenger_send_bytes(m->config.messenger, coordinator, &h, why->text,
                         strlen(why->text), NULL);
}

int member_is_idle(const struct member *m)
{
    return !m->busy && !m->unacknowledged;
}
