/* Tests of job/messages: weights that no message can carry are refused before
 * the job begins. What a unit needs is in tests/e2e/test_too_little.sh. */
#include "job/messages.h"

#include <string.h>

#include "harness.h"

static struct block_spec block = {.name = "w", .size = 1 << 20}; // 4 MiB
static struct param_spec params = {
    .n_blocks = 1, .blocks = &block, .n_dense = 1 << 20};

/* @param cut over the shards, or whole */
static enum fusor_status check(const char *job, int64_t servers,
                               int64_t threads, uint64_t memory, int cut,
                               struct fusor_error *err)
{
    unsigned char whole = !cut;
    struct job_options o = {.cluster = {.servers = servers,
                                        .threads = threads,
                                        .message_memory = memory}};
    struct workload w = {.params = &params, .whole_blocks = &whole};
    enum fusor_status rc;

    REQUIRE(!yaml_parse(job, strlen(job), "job.yaml", &w.job, NULL));
    rc = messages_check(&o, &w, 0, err);
    yaml_destroy(w.job);
    return rc;
}

static void weights_larger_than_a_message_are_refused(void)
{
    const char *job = "train: {}\ncluster: {message_memory: 7MiB}\n";
    struct fusor_error err;

    CHECK(check(job, 1, 1, 8 << 20, 1, &err) == FUSOR_OK);
    CHECK(check(job, 1, 1, 7 << 20, 1, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "job.yaml:2:") != NULL);
    CHECK(strstr(err.text, "cluster.message_memory") != NULL);
    CHECK(check("{}", 1, 1, 7 << 20, 1, &err) == FUSOR_EUSAGE);
}

static void more_shards_have_smaller_shares(void)
{
    CHECK(check("{}", 1, 2, 7 << 20, 1, NULL) == FUSOR_OK);
    CHECK(check("{}", 2, 1, 7 << 20, 1, NULL) == FUSOR_OK);
    CHECK(check("{}", 2, 2, 7 << 20, 0, NULL) == FUSOR_EUSAGE); // not cut
}

static void who_does_not_say_how_many_is_not_refused(void)
{
    CHECK(check("{}", 0, 1, 4 << 20, 1, NULL) == FUSOR_OK);
    CHECK(check("{}", 1, 0, 4 << 20, 1, NULL) == FUSOR_OK);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"weights larger than a message are refused",
         weights_larger_than_a_message_are_refused},
        {"more shards have smaller shares", more_shards_have_smaller_shares},
        {"who does not say how many is not refused",
         who_does_not_say_how_many_is_not_refused},
    };
    return TEST_RUN("job.messages", cases);
}
