/* The cluster and memory sections of a job file. */
#include "job/options.h"

#include <string.h>

#include "harness.h"
#include "transport/messenger.h"

static enum fusor_status read_text(const char *text, struct job_options *out,
                                   struct fusor_error *err)
{
    struct yaml *y;
    enum fusor_status rc;

    REQUIRE(yaml_parse(text, strlen(text), "job.yaml", &y, err) == FUSOR_OK);
    rc = job_options_read(y, out, err);
    yaml_destroy(y);
    return rc;
}

static void an_empty_job_has_defaults(void)
{
    struct job_options o;

    REQUIRE(read_text("{}", &o, NULL) == FUSOR_OK);
    CHECK(o.cluster.servers == 0 && o.cluster.threads == 0);
    CHECK(o.cluster.staleness == 0);
    CHECK(o.cluster.security == JOB_SECURITY_AUTO);
    CHECK(o.cluster.transport == JOB_TRANSPORT_AUTO);
    CHECK_CLOSE(o.cluster.hang_timeout, 120, 0);
    CHECK(o.cluster.message_memory == MESSENGER_MEMORY);
    CHECK(o.micro_batches == 8); // 4096 / 512
}

static void values_are_read(void)
{
    struct job_options o;

    REQUIRE(read_text("cluster: {servers: 2, threads: 3, staleness: -1, "
                      "placement: split, security: curve, transport: zmq,\n"
                      "          cache: 2M, cache_age: 9, durability: none}\n"
                      "memory: {per_server: 2GiB}\n"
                      "train: {global_batch: 64, micro_batches: 4}\n",
                      &o, NULL) == FUSOR_OK);
    CHECK(o.cluster.servers == 2 && o.cluster.threads == 3);
    CHECK(o.cluster.staleness == -1);
    CHECK(o.cluster.placement == JOB_SPLIT);
    CHECK(o.cluster.security == JOB_CURVE);
    CHECK(o.cluster.transport == JOB_ZMQ);
    CHECK(o.memory.per_server == (uint64_t)2 << 30);
    CHECK(o.cluster.cache == 2000000 && o.cluster.cache_age == 9);
    CHECK(o.micro_batches == 4);
}

static void refuse(const char *text, const char *place, const char *word)
{
    struct fusor_error err = {0};
    struct job_options o;

    CHECK(read_text(text, &o, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, place) != NULL);
    CHECK(strstr(err.text, word) != NULL);
}

static void what_there_is_not_is_refused_by_name(void)
{
    refuse("cluster: {wire: bf8}", "job.yaml:1:", "wire");
    refuse("cluster: {staleness: -1, read: early, cache: 1M}",
           "job.yaml:1:", "cache_age");
    refuse("cluster: {durability: node}", "job.yaml:1:", "durability");
    refuse("memory: {when_full: evict_oldes}", "job.yaml:1:", "evict_oldest");
    refuse("memory: {per_server: -1}", "job.yaml:1:", "24GiB");
    refuse("memory: {per_sever: 1GiB}", "job.yaml:1:", "per_server");
    refuse("memory: {idle: often}", "job.yaml:1:", "often");
    refuse("memory: {idle: 3000000000}", "job.yaml:1:", "idle");
    refuse("cluster: {bind: socket}", "job.yaml:1:", "node");
    refuse("cluster: {message_memory: 1MiB}", "job.yaml:1:", "message_memory");
    refuse("cluster: {staleness: -2}", "job.yaml:1:", "staleness");
    refuse("cluster: {sevrers: 2}", "job.yaml:1:", "servers");
}

int main(void)
{
    static const struct test_case cases[] = {
        {"an empty job has defaults", an_empty_job_has_defaults},
        {"values are read", values_are_read},
        {"what there is not is refused by name",
         what_there_is_not_is_refused_by_name},
    };
    return TEST_RUN("job.options", cases);
}
