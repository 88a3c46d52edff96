/* Tests of coord/command: bytes and back, and what is not a command. */
#include "coord/command.h"

#include <string.h>

#include "harness.h"

static struct command sample(void)
{
    struct command c = {.sequence = 0x1122334455667788u,
                        .kind = COMMAND_SAVE,
                        .stage = 3,
                        .epoch = 4,
                        .clock = UINT64_MAX,
                        .n_units = 1,
                        .samples_done = 1u << 31,
                        .n_workers = 12,
                        .split = 2,
                        .lr_factor = 0.1};

    strcpy(c.text, "checkpoints/000012");
    return c;
}

static void a_command_reads_back(void)
{
    unsigned char bytes[COMMAND_BYTES];
    struct command c = sample(), got;

    command_encode(&c, bytes);
    REQUIRE(command_decode(bytes, sizeof(bytes), &got, NULL) == FUSOR_OK);
    CHECK(got.sequence == c.sequence && got.kind == c.kind &&
          got.stage == c.stage && got.epoch == c.epoch &&
          got.clock == c.clock && got.n_units == c.n_units &&
          got.samples_done == c.samples_done && got.n_workers == c.n_workers &&
          got.split == c.split && got.lr_factor == c.lr_factor &&
          !strcmp(got.text, c.text));
}

static void bytes_are_little_endian(void)
{
    unsigned char bytes[COMMAND_BYTES];
    struct command c = sample();

    command_encode(&c, bytes);
    CHECK(bytes[0] == 0x88 && bytes[7] == 0x11);
    CHECK(bytes[48] == COMMAND_SAVE && bytes[49] == 0);
}

static void a_text_that_fills_its_room_stays_one(void)
{
    unsigned char bytes[COMMAND_BYTES];
    struct command c = sample(), got;

    memset(c.text, 'x', sizeof(c.text)); // no end
    command_encode(&c, bytes);
    memset(bytes + COMMAND_BYTES - 20, 'y', 20);
    REQUIRE(command_decode(bytes, sizeof(bytes), &got, NULL) == FUSOR_OK);
    CHECK(strlen(got.text) == COMMAND_TEXT_MAX - 1);
}

static void other_bytes_are_refused(void)
{
    unsigned char bytes[COMMAND_BYTES + 1] = {0};
    struct command c = sample(), got;
    struct fusor_error err;

    command_encode(&c, bytes);
    CHECK(command_decode(bytes, COMMAND_BYTES - 1, &got, &err) == FUSOR_EPROTO);
    CHECK(command_decode(bytes, COMMAND_BYTES + 1, &got, &err) == FUSOR_EPROTO);
    CHECK(command_decode(bytes, 0, &got, &err) == FUSOR_EPROTO);
    bytes[48] = COMMAND_FINISH + 1;
    CHECK(command_decode(bytes, COMMAND_BYTES, &got, &err) == FUSOR_EPROTO);
    bytes[48] = 0;
    CHECK(command_decode(bytes, COMMAND_BYTES, &got, &err) == FUSOR_EPROTO);
    bytes[48] = COMMAND_LOAD;
    bytes[51] = 0x80; // a negative number
    CHECK(command_decode(bytes, COMMAND_BYTES, &got, &err) == FUSOR_EPROTO);
}

static void every_kind_has_a_name_and_somebody_to_do_it(void)
{
    for (int k = COMMAND_LOAD; k <= COMMAND_FINISH; k++) {
        enum command_kind kind = (enum command_kind)k;

        CHECK(strcmp(command_name(kind), "unknown command") != 0);
        CHECK(command_for_shards(kind) || command_for_workers(kind));
        CHECK((command_for_shards(kind) && command_for_workers(kind)) ==
              (kind == COMMAND_FINISH));
    }
    CHECK(!strcmp(command_name((enum command_kind)99), "unknown command"));
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a command reads back", a_command_reads_back},
        {"bytes are little-endian", bytes_are_little_endian},
        {"a text that fills its room stays one",
         a_text_that_fills_its_room_stays_one},
        {"other bytes are refused", other_bytes_are_refused},
        {"every kind has a name and somebody to do it",
         every_kind_has_a_name_and_somebody_to_do_it},
    };

    return TEST_RUN("coord.command", cases);
}
