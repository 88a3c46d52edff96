/* Tests of ps/lane: what a shard remembers of one lease. */
#include "ps/lane.h"

#include <string.h>

#include "base/mem.h"
#include "harness.h"
#include "transport/sim.h"

static struct sim *sim;
static struct transport *transport;
static struct messenger *messenger;
static struct lane lane;

static void open_all(void)
{
    struct peer self = {PEER_SHARD, 0, 1};

    REQUIRE(!lane_init(&lane, 1, 0, NULL, NULL));
    REQUIRE(!sim_create(1, &sim, NULL));
    REQUIRE(!sim_endpoint(sim, self, &transport, NULL));
    REQUIRE(!messenger_create(transport, 1 << 20, &messenger, NULL));
}

static void close_all(void)
{
    lane_clear(&lane);
    messenger_destroy(messenger);
    sim_destroy(sim);
    CHECK(mem_used() == 0);
}

static struct message pull(uint32_t incarnation, uint64_t request)
{
    return (struct message){
        .from = {PEER_WORKER, 1, incarnation},
        .header = {.kind = WIRE_KEYS, .request = request, .clock = request},
        .data = "12345678",
        .size = 8,
    };
}

static int add(uint64_t request)
{
    struct message m = pull(1, request);
    struct ticket_name name = lane_ticket_name(m.from, &m.header, request);
    struct lane_pull pull;
    struct ticket *ticket;

    if (ticket_open(&lane.tickets, &name, request, 3, &ticket, NULL))
        return -1;
    CHECK(!ticket->in_use);
    pull = (struct lane_pull){m.from, m.header, ticket, 0};
    CHECK(lane_add_pull(&lane, &pull) == 0 && ticket->in_use);
    return 0;
}

static void so_many_pulls_wait_and_no_more(void)
{
    open_all();
    for (uint64_t i = 0; i < LANE_PULLS; i++)
        CHECK(add(i + 1) == 0);
    CHECK(add(99) == -1);
    lane_remove_pull(&lane, 3);
    CHECK(lane.n_pulls == LANE_PULLS - 1 && lane.pulls[3].header.request == 5);
    CHECK(ticket_book_open(&lane.tickets) == TICKETS_MAX); // 4 awaits its push
    CHECK(add(99) == 0);
    close_all();
}

static void a_repeat_is_known_by_request_and_sender(void)
{
    struct message again = pull(1, 7), other = pull(2, 7);

    open_all();
    CHECK(add(7) == 0);
    again.header.attempt = 4;
    CHECK(lane_note_repeat(&lane, again.from, &again.header));
    CHECK(lane.pulls[0].header.attempt == 4);
    CHECK(!lane_note_repeat(&lane, other.from, &other.header));
    again.header.request = 8;
    CHECK(!lane_note_repeat(&lane, again.from, &again.header));
    close_all();
}

static void the_edge_of_a_read_is_found_for_any_stride(void)
{
    uint64_t edge;

    open_all();
    CHECK(!lane_find_read(&lane, 0, &edge));
    for (uint64_t i = 0; i < 3 * LANE_PULLS; i++)
        lane_note_read(&lane, i * LANE_PULLS, i + 100);
    for (uint64_t i = 2 * LANE_PULLS; i < 3 * LANE_PULLS; i++)
        CHECK(lane_find_read(&lane, i * LANE_PULLS, &edge) && edge == i + 100);
    CHECK(!lane_find_read(&lane, LANE_PULLS, &edge));      // long ago
    lane_note_read(&lane, 2 * LANE_PULLS * LANE_PULLS, 7); // read once more
    CHECK(lane_find_read(&lane, 2 * LANE_PULLS * LANE_PULLS, &edge) &&
          edge == 7);
    close_all();
}

static void a_new_epoch_forgets_all_but_the_last_request(void)
{
    struct message m = pull(1, 5);

    open_all();
    CHECK(add(1) == 0);
    lane.next = 9;
    lane.term = 3;
    lane.last_peer = m.from;
    lane.last_request = 5;
    REQUIRE(!body_keep(&lane.push.in, messenger, &m, BODY_WRITE, NULL));
    lane.has_push = 1;
    CHECK(lane.push.in.view.size == 8 && lane.push.in.view.data != m.data &&
          !memcmp(lane.push.in.view.data, "12345678", 8));
    lane_reset(&lane);
    CHECK(lane.n_pulls == 0 && lane.next == 0 && lane.term == 0 &&
          !lane.has_push && lane.push.in.view.size == 0 &&
          ticket_book_open(&lane.tickets) == 0);
    CHECK(lane_is_late(&lane, m.from, &m.header));
    m.header.request = 6;
    CHECK(!lane_is_late(&lane, m.from, &m.header));
    m.header.request = 1;
    m.from.incarnation = 2; // another process: it counts anew
    CHECK(!lane_is_late(&lane, m.from, &m.header));
    close_all();
}

int main(void)
{
    static const struct test_case cases[] = {
        {"so many pulls wait and no more", so_many_pulls_wait_and_no_more},
        {"a repeat is known by request and sender",
         a_repeat_is_known_by_request_and_sender},
        {"the edge of a read is found for any stride",
         the_edge_of_a_read_is_found_for_any_stride},
        {"a new epoch forgets all but the last request",
         a_new_epoch_forgets_all_but_the_last_request},
    };

    return TEST_RUN("ps.lane", cases);
}
