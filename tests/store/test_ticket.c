/* Tests of store/ticket: what is found, what makes room, what memory costs. */
#include "store/ticket.h"

#include <string.h>

#include "base/mem.h"
#include "harness.h"

static struct ticket_book book;
static int keep_keys;

static struct ticket_name name(uint64_t id)
{
    return (struct ticket_name){.owner = 7, .id = id, .term = 1};
}

static struct ticket *open_one(uint64_t id, size_t n)
{
    struct ticket_name who = name(id);
    struct ticket *t;

    REQUIRE(ticket_open(&book, &who, id, n, &t, NULL) == FUSOR_OK);
    t->begin[0] = 0;
    t->begin[1] = n;
    for (size_t i = 0; i < n; i++)
        t->refs[i] = (uint32_t)(id * 1000 + i);
    return t;
}

static void open_book(struct budget *budget)
{
    REQUIRE(ticket_book_init(&book, 1, keep_keys, budget, NULL) == FUSOR_OK);
}

static void close_book(void)
{
    ticket_book_clear(&book);
    CHECK(mem_used() == 0);
}

static void a_ticket_is_found_by_its_whole_name(void)
{
    struct ticket_name who = name(3);
    size_t n;

    open_book(NULL);
    open_one(3, 5);
    REQUIRE(ticket_find(&book, &who) != NULL);
    CHECK(ticket_refs(ticket_find(&book, &who), 0, &n)[4] == 3004 && n == 5);
    who.term = 2;
    CHECK(ticket_find(&book, &who) == NULL);
    who = name(4);
    CHECK(ticket_find(&book, &who) == NULL);
    who = name(3);
    who.owner = 8;
    CHECK(ticket_find(&book, &who) == NULL);
    who = name(0); // free ones have no name
    CHECK(ticket_find(&book, &who) == NULL);
    close_book();
}

static void a_push_closes_its_own_and_older_ones(void)
{
    struct ticket_name third = name(3), fourth = name(4);

    open_book(NULL);
    for (uint64_t id = 1; id <= 4; id++)
        open_one(id, 2);
    ticket_find(&book, &third)->in_use = 1;
    ticket_book_close_upto(&book, 3);
    CHECK(ticket_book_open(&book) == 2);
    CHECK(ticket_find(&book, &third) && ticket_find(&book, &fourth));
    ticket_book_close_all(&book);
    CHECK(ticket_book_open(&book) == 0);
    close_book();
}

static void the_oldest_makes_room_but_not_one_in_use(void)
{
    struct ticket_name first = name(1), second = name(2), next = name(99);
    struct ticket *t;

    open_book(NULL);
    for (uint64_t id = 1; id <= TICKETS_MAX; id++)
        open_one(id, 2);
    ticket_find(&book, &first)->in_use = 1;
    open_one(50, 2);
    CHECK(ticket_find(&book, &first) && !ticket_find(&book, &second));
    CHECK(ticket_book_open(&book) == TICKETS_MAX);
    for (int i = 0; i < TICKETS_MAX; i++)
        book.tickets[i].in_use = 1;
    CHECK(ticket_open(&book, &next, 99, 2, &t, NULL) == FUSOR_EAGAIN);
    CHECK(ticket_open(&book, &first, 1, 2, &t, NULL) == FUSOR_EAGAIN);
    CHECK(ticket_find(&book, &first) != NULL);
    close_book();
}

static void memory_is_counted_kept_and_capped(void)
{
    struct budget budget = {.cap = 100000};
    struct ticket_name who = name(2);
    struct fusor_error err;
    struct ticket *t;

    open_book(&budget);
    t = open_one(1, 3000);
    CHECK(budget.used == 4096 * sizeof(uint32_t));
    ticket_close(t);
    CHECK(open_one(5, 4000) == t && budget.used == 4096 * sizeof(uint32_t));
    ticket_close(t);
    CHECK(ticket_open(&book, &who, 0, 30000, &t, &err) == FUSOR_ENOMEM);
    CHECK(strstr(err.text, "memory.per_server") != NULL);
    CHECK(ticket_book_open(&book) == 0);
    CHECK(budget.used == 4096 * sizeof(uint32_t));
    mem_fail_after(1);
    CHECK(ticket_open(&book, &who, 0, 5000, &t, &err) == FUSOR_ENOMEM);
    CHECK(budget.used == 4096 * sizeof(uint32_t));
    mem_fail_after(0);
    close_book();
    CHECK(budget.used == 0);
    mem_fail_after(1);
    CHECK(ticket_book_init(&book, 1, 0, NULL, NULL) == FUSOR_ENOMEM);
    mem_fail_after(0);
}

static void keys_are_kept_when_asked_for(void)
{
    struct budget budget = {.cap = 100000};
    struct ticket_name who = name(2);
    struct ticket *t;

    keep_keys = 1;
    open_book(&budget);
    t = open_one(1, 3);
    REQUIRE(ticket_keys(t, 0) != NULL);
    t->keys[2] = 9;
    CHECK(ticket_keys(t, 0)[2] == 9);
    CHECK(budget.used == 1024 * (sizeof(uint32_t) + sizeof(uint64_t)));
    mem_fail_after(2); // the keys of it
    CHECK(ticket_open(&book, &who, 0, 3, &t, NULL) == FUSOR_ENOMEM);
    mem_fail_after(0);
    close_book();
    CHECK(budget.used == 0);
    keep_keys = 0;
    open_book(NULL);
    CHECK(ticket_keys(open_one(1, 3), 0) == NULL);
    close_book();
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a ticket is found by its whole name",
         a_ticket_is_found_by_its_whole_name},
        {"a push closes its own and older ones",
         a_push_closes_its_own_and_older_ones},
        {"the oldest makes room, but not one in use",
         the_oldest_makes_room_but_not_one_in_use},
        {"memory is counted, kept and capped",
         memory_is_counted_kept_and_capped},
        {"keys are kept when asked for", keys_are_kept_when_asked_for},
    };

    return TEST_RUN("store.ticket", cases);
}
