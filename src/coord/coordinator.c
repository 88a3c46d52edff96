/* Runs the script: commands out, results in, silence noticed. */
#include "coord/coordinator.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "coord/deadline.h"

#define LOG_MODULE "coordinator"
#include "base/log.h"

struct seat { // one process of the job, as the coordinator sees it
    struct peer peer;
    const char *place;
    int present;
    uint32_t incarnation; // that said hello
    int concerned;        // by the command under way
    int taken;            // it acknowledged the command
    int done;             // its result is in
    int64_t heard_ms, moved_ms, resend_ms, backoff_ms;
    uint32_t attempt;
    struct member_progress progress;
};

struct coordinator {
    struct coordinator_config config;
    const struct clock_source *clock;
    struct seat *seats; // shards first, then workers
    uint32_t n_seats, n_present, n_open;
    struct command command; // under way
    unsigned char encoded[COMMAND_BYTES];
    int under_way, finished;
    int64_t started_ms, say_ms, next_ms, tick_ms;
    struct fusor_error failure; // FUSOR_OK: none
};

static void seat_name(const struct seat *s, char out[160])
{
    const char *kind = s->peer.kind == PEER_SHARD ? "shard" : "worker process";

    if (s->place)
        snprintf(out, 160, "%s %u (%s)", kind, s->peer.number, s->place);
    else
        snprintf(out, 160, "%s %u", kind, s->peer.number);
}

static void seat_init(struct seat *s, enum peer_kind kind, uint32_t number,
                      const char *const *places, int64_t now)
{
    s->peer = (struct peer){.kind = kind, .number = number};
    s->place = places ? places[number] : NULL;
    s->heard_ms = now;
    s->moved_ms = now;
}

enum fusor_status coordinator_create(const struct coordinator_config *config,
                                     struct coordinator **out,
                                     struct fusor_error *err)
{
    struct coordinator *c;
    int64_t now;

    if (config->n_shards == 0 || config->n_workers == 0)
        return fusor_fail(err, FUSOR_EINVAL,
                          "coordinator: %u shards, %u worker processes",
                          config->n_shards, config->n_workers);
    c = mem_alloc(1, sizeof(*c));
    if (!c)
        return mem_fail(err, "coordinator", sizeof(*c));
    c->config = *config;
    if (!c->config.hang_ms)
        c->config.hang_ms = DEADLINE_HANG_MS;
    c->clock = messenger_clock(config->messenger);
    c->n_seats = config->n_shards + config->n_workers;
    c->seats = mem_alloc(c->n_seats, sizeof(*c->seats));
    if (!c->seats) {
        mem_fail(err, "coordinator", c->n_seats * sizeof(*c->seats));
        mem_free(c);
        return FUSOR_ENOMEM;
    }
    now = clock_now_ms(c->clock);
    for (uint32_t i = 0; i < config->n_shards; i++)
        seat_init(&c->seats[i], PEER_SHARD, i, config->shard_places, now);
    for (uint32_t i = 0; i < config->n_workers; i++)
        seat_init(&c->seats[config->n_shards + i], PEER_WORKER, i,
                  config->worker_places, now);
    c->started_ms = c->tick_ms = now;
    c->say_ms = now + DEADLINE_SAY_MS;
    *out = c;
    return FUSOR_OK;
}

void coordinator_destroy(struct coordinator *c)
{
    if (!c)
        return;
    mem_free(c->seats);
    mem_free(c);
}

static struct seat *seat_of(struct coordinator *c, struct peer p)
{
    if (p.kind == PEER_SHARD && p.number < c->config.n_shards)
        return &c->seats[p.number];
    if (p.kind == PEER_WORKER && p.number < c->config.n_workers)
        return &c->seats[c->config.n_shards + p.number];
    return NULL;
}

static struct wire_header header_of(const struct coordinator *c,
                                    enum wire_kind kind, uint64_t request)
{
    return (struct wire_header){
        .kind = kind, .job = c->config.job, .request = request};
}

/* Whatever is lost here is sent again by a deadline. */
static void send_to(struct coordinator *c, struct seat *s,
                    const struct wire_header *h, const void *data, size_t size)
{
    messenger_send_bytes(c->config.messenger, s->peer, h, data, size, NULL);
}

static void send_command(struct coordinator *c, struct seat *s)
{
    struct wire_header h = header_of(c, WIRE_COMMAND, c->command.sequence);

    h.attempt = s->attempt++;
    send_to(c, s, &h, c->encoded, sizeof(c->encoded));
    s->backoff_ms = s->backoff_ms ? s->backoff_ms * 2 : DEADLINE_RESEND_MS;
    if (s->backoff_ms > DEADLINE_RESEND_MAX_MS)
        s->backoff_ms = DEADLINE_RESEND_MAX_MS;
    s->resend_ms = clock_now_ms(c->clock) + s->backoff_ms;
}

static int concerns(const struct command *cmd, const struct seat *s)
{
    return s->peer.kind == PEER_SHARD ? command_for_shards(cmd->kind)
                                      : command_for_workers(cmd->kind);
}

static enum fusor_status begin_next(struct coordinator *c,
                                    struct fusor_error *err)
{
    uint64_t sequence = c->command.sequence + 1;
    int64_t now;

    if (c->command.kind == COMMAND_FINISH) {
        c->finished = 1;
        c->under_way = 0;
        return FUSOR_OK;
    }
    FUSOR_TRY(c->config.script->ops->next(c->config.script, &c->command, err));
    now = clock_now_ms(c->clock); // what comes next may have taken its time
    c->command.sequence = sequence;
    command_encode(&c->command, c->encoded);
    c->under_way = 1;
    c->n_open = 0;
    for (uint32_t i = 0; i < c->n_seats; i++) {
        struct seat *s = &c->seats[i];

        s->concerned = concerns(&c->command, s);
        s->taken = s->done = 0;
        s->attempt = 0;
        s->backoff_ms = 0;
        s->moved_ms = now;
        memset(&s->progress, 0, sizeof(s->progress));
        if (!s->concerned)
            continue;
        c->n_open++;
        send_command(c, s);
    }
    return FUSOR_OK;
}

static void report_progress(struct coordinator *c)
{
    uint64_t samples = 0;
    double loss = 0;

    for (uint32_t i = c->config.n_shards; i < c->n_seats; i++) {
        samples += c->seats[i].progress.samples;
        loss += c->seats[i].progress.loss_sum;
    }
    if (c->config.script->ops->progress)
        c->config.script->ops->progress(c->config.script, &c->command, samples,
                                        loss);
}

static void on_ping(struct coordinator *c, struct seat *s,
                    const struct message *msg)
{
    struct wire_header pong = header_of(c, WIRE_PONG, 0);
    struct member_progress p = {
        .samples = msg->header.b,
        .steps = msg->header.index,
        .reason = (enum wait_reason)(msg->header.clock >> 32),
        .waits_for = (uint32_t)msg->header.clock,
    };

    memcpy(&p.loss_sum, &msg->header.a, sizeof(p.loss_sum));
    if (p.steps != s->progress.steps)
        s->moved_ms = s->heard_ms;
    if (msg->header.request == c->command.sequence && !s->done)
        s->progress = p;
    send_to(c, s, &pong, NULL, 0);
    if (s->concerned && c->under_way && s->peer.kind == PEER_WORKER)
        report_progress(c);
}

static enum fusor_status on_result(struct coordinator *c, struct seat *s,
                                   const struct message *msg,
                                   struct fusor_error *err)
{
    struct wire_header ack = header_of(c, WIRE_ACK, msg->header.request);
    struct script *script = c->config.script;

    send_to(c, s, &ack, NULL, 0);
    if (!c->under_way || msg->header.request != c->command.sequence || s->done)
        return FUSOR_OK; // an old one, sent again
    s->done = s->taken = 1;
    FUSOR_TRY(script->ops->result(script, &c->command, s->peer.number,
                                  msg->data, msg->size, err));
    if (--c->n_open == 0)
        return begin_next(c, err);
    return FUSOR_OK;
}

static enum fusor_status on_hello(struct coordinator *c, struct seat *s,
                                  const struct message *msg,
                                  struct fusor_error *err)
{
    struct wire_header pong = header_of(c, WIRE_PONG, 0);
    char name[160];

    seat_name(s, name);
    if (s->present && msg->header.incarnation != s->incarnation)
        return fusor_fail(err, FUSOR_ECLUSTER,
                          "%s died and came back without what it held: resume "
                          "from the last checkpoint",
                          name);
    send_to(c, s, &pong, NULL, 0);
    if (s->present)
        return FUSOR_OK;
    s->present = 1;
    s->incarnation = msg->header.incarnation;
    if (++c->n_present == c->n_seats)
        return begin_next(c, err);
    return FUSOR_OK;
}

static enum fusor_status on_fail(struct seat *s, const struct message *msg,
                                 struct fusor_error *err)
{
    enum fusor_status status = (enum fusor_status)msg->header.status;
    char name[160];

    if (status == FUSOR_OK)
        status = FUSOR_ECLUSTER;
    seat_name(s, name);
    return fusor_fail(err, status, "%s: %.*s", name, (int)msg->size,
                      (const char *)msg->data);
}

static void send_failure(struct coordinator *c, struct seat *s)
{
    struct wire_header h = header_of(c, WIRE_FAIL, 0);

    h.status = (uint32_t)c->failure.status;
    send_to(c, s, &h, c->failure.text, strlen(c->failure.text));
}

static enum fusor_status take_message(struct coordinator *c, struct seat *s,
                                      const struct message *msg,
                                      struct fusor_error *err)
{
    switch (msg->header.kind) {
    case WIRE_HELLO:
        return on_hello(c, s, msg, err);
    case WIRE_PING:
        on_ping(c, s, msg);
        return FUSOR_OK;
    case WIRE_ACK:
        if (msg->header.request == c->command.sequence)
            s->taken = 1;
        return FUSOR_OK;
    case WIRE_RESULT:
        return on_result(c, s, msg, err);
    case WIRE_FAIL:
        return on_fail(s, msg, err);
    default:
        return FUSOR_OK;
    }
}

/* A failure is told to everyone, and to everyone again who still speaks. */
static enum fusor_status failed(struct coordinator *c, enum fusor_status rc,
                                const struct fusor_error *why,
                                struct fusor_error *err)
{
    if (rc == FUSOR_OK)
        return rc;
    if (c->failure.status == FUSOR_OK)
        coordinator_fail(c, why);
    if (err)
        *err = c->failure;
    return c->failure.status;
}

enum fusor_status coordinator_on_message(struct coordinator *c,
                                         const struct message *msg,
                                         struct fusor_error *err)
{
    struct seat *s = seat_of(c, msg->from);
    struct fusor_error why;

    if (!s || msg->header.job != c->config.job)
        return FUSOR_OK;
    s->heard_ms = clock_now_ms(c->clock);
    if (c->failure.status == FUSOR_OK)
        return failed(c, take_message(c, s, msg, &why), &why, err);
    if (msg->header.kind != WIRE_FAIL)
        send_failure(c, s);
    return failed(c, c->failure.status, &c->failure, err);
}

static enum fusor_status check_silence(struct coordinator *c, int64_t now,
                                       struct fusor_error *err)
{
    for (uint32_t i = 0; i < c->n_seats; i++) {
        const struct seat *s = &c->seats[i];
        int64_t patience = s->present ? DEADLINE_SUSPECT_MS : c->config.hang_ms;
        char name[160];

        if (s->done && c->command.kind == COMMAND_FINISH)
            continue; // it has left, as it should
        if (now - s->heard_ms < patience)
            continue;
        seat_name(s, name);
        return fusor_fail(err, FUSOR_ECLUSTER,
                          "%s %s for %d s: its process or host died, or "
                          "the network is cut; see its log",
                          name,
                          s->present ? "has been silent" : "has not shown up",
                          (int)(patience / 1000));
    }
    return FUSOR_OK;
}

static enum fusor_status check_hang(struct coordinator *c, int64_t now,
                                    struct fusor_error *err)
{
    struct strbuf waits = {0};
    int64_t newest = 0;

    if (!c->under_way)
        return FUSOR_OK;
    for (uint32_t i = 0; i < c->n_seats; i++)
        if (c->seats[i].moved_ms > newest)
            newest = c->seats[i].moved_ms;
    if (now - newest < c->config.hang_ms)
        return FUSOR_OK;
    coordinator_waits(c, &waits);
    fusor_fail(err, FUSOR_ECLUSTER, "nothing has moved for %d s: %s",
               (int)(c->config.hang_ms / 1000), waits.s ? waits.s : "");
    strbuf_clear(&waits);
    return FUSOR_ECLUSTER;
}

static void say_waits(struct coordinator *c, int64_t now)
{
    struct strbuf waits = {0};

    if (now < c->say_ms)
        return;
    c->say_ms = now + DEADLINE_SAY_MS;
    coordinator_waits(c, &waits);
    if (waits.len)
        log_warn("%s", waits.s);
    strbuf_clear(&waits);
}

/* The owner was away: nobody was silent, nothing stood still. */
static void forgive_absence(struct coordinator *c, int64_t now)
{
    int64_t away = deadline_absence(&c->tick_ms, now);

    for (uint32_t i = 0; away && i < c->n_seats; i++) {
        c->seats[i].heard_ms += away;
        c->seats[i].moved_ms += away;
    }
}

enum fusor_status coordinator_tick(struct coordinator *c,
                                   struct fusor_error *err)
{
    int64_t now = clock_now_ms(c->clock);
    struct fusor_error why;
    enum fusor_status rc;

    c->next_ms = now + DEADLINE_RESEND_MS / 2;
    if (c->failure.status != FUSOR_OK)
        return failed(c, c->failure.status, &c->failure, err);
    forgive_absence(c, now);
    for (uint32_t i = 0; c->under_way && i < c->n_seats; i++) {
        struct seat *s = &c->seats[i];

        if (s->concerned && !s->taken && now >= s->resend_ms)
            send_command(c, s);
    }
    say_waits(c, now);
    rc = check_silence(c, now, &why);
    if (rc == FUSOR_OK)
        rc = check_hang(c, now, &why);
    return failed(c, rc, &why, err);
}

int coordinator_timeout_ms(const struct coordinator *c)
{
    int64_t left = c->next_ms - clock_now_ms(c->clock);

    return left > 0 ? (int)left : 0;
}

int coordinator_is_done(const struct coordinator *c)
{
    return c->finished;
}

void coordinator_fail(struct coordinator *c, const struct fusor_error *why)
{
    if (c->failure.status == FUSOR_OK) {
        c->failure = *why;
        if (c->failure.status == FUSOR_OK)
            c->failure.status = FUSOR_ECLUSTER;
    }
    for (uint32_t i = 0; i < c->n_seats; i++)
        if (c->seats[i].present)
            send_failure(c, &c->seats[i]);
}

static void describe_wait(const struct seat *s, int64_t now, struct strbuf *out)
{
    char name[160];

    seat_name(s, name);
    if (!s->present)
        strbuf_addf(out, "%s has not shown up yet", name);
    else if (s->progress.reason == WAIT_NOTHING)
        strbuf_addf(out, "%s has not moved for %.1f s", name,
                    (double)(now - s->moved_ms) / 1000);
    else
        strbuf_addf(out, "%s waits for %s %u since %.1f s", name,
                    wait_reason_text(s->progress.reason), s->progress.waits_for,
                    (double)(now - s->moved_ms) / 1000);
}

void coordinator_waits(const struct coordinator *c, struct strbuf *out)
{
    int64_t now = clock_now_ms(c->clock);
    unsigned n = 0;

    for (uint32_t i = 0; i < c->n_seats; i++) {
        const struct seat *s = &c->seats[i];

        if (s->present && (!c->under_way || !s->concerned || s->done ||
                           now - s->moved_ms < DEADLINE_SAY_MS))
            continue;
        if (!s->present && now - c->started_ms < DEADLINE_SAY_MS)
            continue;
        if (n++)
            strbuf_add(out, "; ");
        describe_wait(s, now, out);
    }
    if (n && c->under_way)
        strbuf_addf(out, " (%s, epoch %llu)", command_name(c->command.kind),
                    (unsigned long long)c->command.epoch + 1);
}
