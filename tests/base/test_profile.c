/* Where the time goes: phases, steps, marks, totals. */
#include "base/profile.h"

#include <string.h>

#include "base/clock.h"

#include "harness.h"

static void spin(int64_t ns)
{
    int64_t end = clock_now_ns(&clock_real) + ns;

    while (clock_now_ns(&clock_real) < end)
        ;
}

static void all_time_is_some_phases(void)
{
    struct profile p = {0};
    struct profile_total t;
    int64_t began, spent;
    uint32_t was;

    began = clock_now_ns(&clock_real);
    profile_begin(&p);
    profile_step(&p);
    CHECK(profile_enter(&p, PROFILE_GATHER) == PROFILE_OTHER);
    spin(2000000);
    was = profile_enter(&p, PROFILE_LOSS);
    spin(1000000);
    profile_enter(&p, was);
    spin(1000000);
    profile_enter(&p, profile_tower(PROFILE_FORWARD, 1));
    profile_read(&p, &t);
    spent = clock_now_ns(&clock_real) - began;
    CHECK(was == PROFILE_GATHER && t.steps == 1);
    /* The rate is of this whole time, so the sum is it. */
    CHECK(profile_total_ns(&t) <= (uint64_t)spent + 1000);
    CHECK(profile_total_ns(&t) >= 4000000 - 40000);
    CHECK(t.ns[PROFILE_GATHER] >= 3000000 - 30000);
    CHECK(t.ns[PROFILE_LOSS] >= 1000000 - 10000);
    profile_begin(&p);
    profile_read(&p, &t);
    CHECK(t.ns[PROFILE_GATHER] == 0 && t.steps == 0);
}

static void nobody_need_listen(void)
{
    profile_begin(NULL);
    profile_step(NULL);
    profile_rest(NULL);
    profile_move(NULL, PROFILE_DATA, PROFILE_STALL, 5, 0);
    CHECK(profile_enter(NULL, PROFILE_GATHER) == PROFILE_OTHER);
}

static void time_moves_to_where_it_belongs(void)
{
    struct profile p = {0};
    struct profile_total t;
    int64_t began, spent;
    uint64_t at;

    profile_begin(&p);
    profile_enter(&p, PROFILE_WAIT_SHARDS);
    at = p.since;
    spin(2000000);
    profile_enter(&p, PROFILE_VALUES);
    profile_move(&p, PROFILE_WAIT_SHARDS, PROFILE_WAIT_RULE, 1000000, at);
    profile_read(&p, &t);
    CHECK(t.ns[PROFILE_WAIT_RULE] > 900000 &&
          t.ns[PROFILE_WAIT_RULE] < 1100000);
    began = clock_now_ns(&clock_real);
    at = profile_ticks();
    profile_move(&p, PROFILE_WAIT_SHARDS, PROFILE_WAIT_RULE, 1ull << 50, at);
    spent = clock_now_ns(&clock_real) - began;
    profile_read(&p, &t); // no more than since then
    CHECK(t.ns[PROFILE_WAIT_RULE] < 1100000 + 2 * (uint64_t)spent);
    profile_total_move(&t, PROFILE_WAIT_RULE, PROFILE_STALL, 1ull << 60);
    CHECK(t.ns[PROFILE_WAIT_RULE] == 0 && t.ns[PROFILE_STALL] > 900000);
}

static void marks_are_kept_for_so_many_steps(void)
{
    struct profile_mark marks[64];
    struct profile p = {0};
    size_t n;

    profile_trace(&p, marks, 64, 2);
    profile_enter(&p, PROFILE_DATA);
    CHECK(p.n_marks == 0); // not begun yet
    profile_begin(&p);
    profile_step(&p);
    profile_enter(&p, PROFILE_DATA);
    profile_rest(&p);
    n = p.n_marks;
    CHECK(n == 4 && marks[1].phase == PROFILE_STEP && marks[1].step == 0);
    CHECK(marks[3].phase == PROFILE_REST);
    profile_enter(&p, PROFILE_LOOKUP); // an evaluation
    CHECK(p.n_marks == n);
    profile_begin(&p);
    profile_step(&p);
    profile_enter(&p, PROFILE_KEYS);
    CHECK(p.steps_left == 1);
    profile_step(&p); // ends the second
    CHECK(p.steps_left == 0 && p.n_marks == n + 4);
    profile_enter(&p, PROFILE_DATA);
    profile_rest(&p);
    CHECK(p.n_marks == n + 4 && p.steps_kept == 0);
    for (size_t i = 1; i < p.n_marks; i++)
        CHECK(marks[i].at >= marks[i - 1].at);
}

static void full_memory_ends_the_marks(void)
{
    struct profile_mark marks[3];
    struct profile p = {0};

    profile_trace(&p, marks, 3, 100);
    profile_begin(&p);
    for (int i = 0; i < 10; i++) {
        profile_step(&p);
        profile_enter(&p, PROFILE_DATA);
        profile_rest(&p);
        profile_begin(&p);
    }
    CHECK(p.n_marks == 3 && p.steps_left == 0 && p.steps_kept == 0);
}

static void totals_survive_words(void)
{
    struct profile_total t = {.steps = 3, .sent = 4, .received = 5}, back;
    uint64_t words[PROFILE_TOTAL_WORDS];

    t.ns[PROFILE_SLOTS - 1] = 7;
    profile_total_pack(&t, words);
    profile_total_unpack(words, &back);
    CHECK(memcmp(&t, &back, sizeof(t)) == 0);
    profile_total_add(&t, &back);
    CHECK(t.ns[PROFILE_SLOTS - 1] == 14 && t.sent == 8);
}

static void slots_have_names(void)
{
    static const char *const towers[PROFILE_TOWERS] = {"mf", "deep"};
    char name[96];

    CHECK(!strcmp(profile_slot_name(PROFILE_GATHER, NULL, 0, name), "gather"));
    profile_slot_name(profile_tower(PROFILE_FORWARD, 1), towers, 2, name);
    CHECK(strcmp(name, "forward deep") == 0);
    profile_slot_name(profile_tower(PROFILE_BACKWARD, 0), towers, 2, name);
    CHECK(strcmp(name, "backward mf") == 0);
    profile_slot_name(profile_tower(PROFILE_BACKWARD, 2), towers, 2, name);
    CHECK(strcmp(name, "backward tower 3") == 0);
    profile_slot_name(profile_tower(PROFILE_FORWARD, 40), towers, 41, name);
    CHECK(strcmp(name, "forward other towers") == 0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"all time is some phase's", all_time_is_some_phases},
        {"nobody need listen", nobody_need_listen},
        {"time moves to where it belongs", time_moves_to_where_it_belongs},
        {"marks are kept for so many steps", marks_are_kept_for_so_many_steps},
        {"full memory ends the marks", full_memory_ends_the_marks},
        {"totals survive as words", totals_survive_words},
        {"slots have names", slots_have_names},
    };

    return TEST_RUN("base.profile", cases);
}
