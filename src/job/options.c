/* Reads the sections through their option tables and refuses what is not
 * there. */
#include "job/options.h"

#include <string.h>

#include "data/plan.h"
#include "train/options.h"
#include "transport/messenger.h"

static const char *const placement_names[] = {"auto", "split", "colocated",
                                              NULL};
static const char *const read_names[] = {"fresh", "early", NULL};
/* as enum store_when_full */
static const char *const when_full_names[] = {"error", "evict_oldest",
                                              "evict_lowest", NULL};
static const char *const wire_names[] = {"f32", "bf16", "int8", NULL};
static const char *const security_names[] = {"auto", "curve", "none", NULL};
static const char *const transport_names[] = {"auto", "zmq", "shm", NULL};
/* as enum affinity_mode */
static const char *const bind_names[] = {"auto", "none", "core", "node", NULL};

const struct option_spec cluster_section_specs[] = {
    OPTION_INT(struct cluster_section, servers, "0", 0, 4096,
               "ranks that hold parameters and nothing else; 0: choose"),
    OPTION_INT(struct cluster_section, threads, "0", 0, 256,
               "compute threads of a worker process, shards of a server "
               "process; 0: choose by the cores"),
    OPTION_INT(struct cluster_section, staleness, "0", -1, 1e6,
               "units that values may lack; 0: none, the same bits for any "
               "number of workers; -1: no bound"),
    OPTION_ENUM(struct cluster_section, read, "fresh", read_names,
                "fresh: values hold the reader's own gradients; early: as soon "
                "as staleness allows, which hides a slow network"),
    OPTION_ENUM(struct cluster_section, placement, "auto", placement_names,
                "split: a rank is a server or a worker; colocated: each is "
                "both"),
    OPTION_TEXT(struct cluster_section, interface, "",
                "network interface or its IPv4 address; empty: the first that "
                "is no loopback"),
    OPTION_TEXT(struct cluster_section, ports, "",
                "TCP ports to listen on, such as 20000-20100: one a shard and "
                "one for the coordinator; empty: any that are free"),
    OPTION_ENUM(struct cluster_section, security, "auto", security_names,
                "curve: encrypt and check keys; auto: between hosts only"),
    OPTION_ENUM(struct cluster_section, transport, "auto", transport_names,
                "zmq: ZeroMQ; shm: shared memory, one host only; auto: shared "
                "memory within a host, ZeroMQ between hosts and where curve is "
                "asked for"),
    OPTION_ENUM(struct cluster_section, bind, "auto", bind_names,
                "core: each compute thread and shard on a core of its own, its "
                "memory near it; node: on the cores of one memory node; auto: "
                "core, but nothing on hosts with one memory node or where the "
                "launcher has bound the ranks"),
    OPTION_DOUBLE(struct cluster_section, hang_timeout, "120", 1, 1e6,
                  "seconds without any progress until the job is given up"),
    OPTION_ENUM(struct cluster_section, wire, "f32", wire_names,
                "how values and gradients travel: f32; bf16, half the bytes; "
                "int8 with a scale a row, a third of them; weights and sums "
                "stay f32 where they are kept"),
    OPTION_SIZE(struct cluster_section, cache, "0", 0, 1e15,
                "bytes of a worker process for values of rows it needs again "
                "and again: to evaluate at any staleness, to train with "
                "staleness and read: early; 0: none"),
    OPTION_SIZE(struct cluster_section, cache_age, "0", 0, 1e6,
                "units that kept values may lack, at most staleness; needed "
                "with staleness -1; 0: as many as staleness says"),
    OPTION_SIZE(struct cluster_section, message_memory, MESSENGER_MEMORY_TEXT,
                4 << 20, 1e15,
                "most bytes of messages under way (keys, values, gradients) in "
                "each shard and each worker process; one message takes at most "
                "half; at staleness 0 the gradients of all workers for a unit "
                "are in it together"),
    OPTION_TEXT(struct cluster_section, placement_from, "",
                "run directory of an earlier distributed run: its measured "
                "load (load.json) decides which shard holds which rows; empty: "
                "the run's own with --resume, else none"),
    OPTION_NODE(struct cluster_section, durability, "none"),
    OPTION_END,
};

const struct option_spec memory_section_specs[] = {
    OPTION_SIZE(struct memory_section, per_server, "0", 0, 1e15,
                "most bytes of a server process's parameters (rows, index, "
                "buffers of a step); 0: no cap"),
    OPTION_ENUM(struct memory_section, when_full, "error", when_full_names,
                "at the cap: end the job, or drop the rows that were asked "
                "for longest ago, or those of the least norm; which go "
                "depends on the number of shards, even at staleness 0"),
    OPTION_SIZE(struct memory_section, idle, "0", 0, 2e9,
                "drop rows that no step asked for in so many steps, at the "
                "end of an epoch and at the cap; 0: never"),
    OPTION_END,
};

/* Only this value (or nothing) may stand there. */
static enum fusor_status check_only(const struct yaml_node *node,
                                    const char *key, const char *only,
                                    struct fusor_error *err)
{
    const char *text;

    if (!node)
        return FUSOR_OK;
    if (node->kind == YAML_SCALAR) {
        FUSOR_TRY(yaml_to_text(node, &text, err));
        if (strcmp(text, only) == 0)
            return FUSOR_OK;
    }
    return yaml_fail(node, err,
                     "%s: this version has only \"%s\"; leave the key out", key,
                     only);
}

static enum fusor_status read_ports(struct yaml_node *root,
                                    struct job_options *out,
                                    struct fusor_error *err)
{
    struct fusor_error why;

    if (ports_parse(out->cluster.ports, &out->ports, &why) == FUSOR_OK)
        return FUSOR_OK;
    return yaml_fail(yaml_path(root, "cluster.ports"), err, "cluster.ports: %s",
                     why.text);
}

/* Without a bound nothing says how long values may be kept to train on. */
static enum fusor_status check_cache(struct yaml_node *root,
                                     const struct cluster_section *c,
                                     struct fusor_error *err)
{
    if (!c->cache || c->staleness >= 0 || c->read != JOB_READ_EARLY ||
        c->cache_age)
        return FUSOR_OK;
    return yaml_fail(yaml_path(root, "cluster.cache"), err,
                     "cluster.cache: with cluster.staleness -1 nothing says "
                     "how old kept values may get: give cluster.cache_age, "
                     "such as 100");
}

static uint32_t micro_batches_of(const struct train_options *t)
{
    if (t->train.micro_batches)
        return (uint32_t)t->train.micro_batches;
    return plan_micro_batches((uint32_t)t->train.global_batch);
}

enum fusor_status job_options_read(struct yaml *job, struct job_options *out,
                                   struct fusor_error *err)
{
    struct yaml_node *root = yaml_root(job);
    struct train_options train;

    memset(out, 0, sizeof(*out));
    FUSOR_TRY(option_read(cluster_section_specs, yaml_get(root, "cluster"),
                          "cluster", &out->cluster, err));
    FUSOR_TRY(option_read(memory_section_specs, yaml_get(root, "memory"),
                          "memory", &out->memory, err));
    FUSOR_TRY(read_ports(root, out, err));
    FUSOR_TRY(check_cache(root, &out->cluster, err));
    FUSOR_TRY(
        check_only(out->cluster.durability, "cluster.durability", "none", err));
    FUSOR_TRY(train_options_read(root, &train, err));
    out->micro_batches = micro_batches_of(&train);
    return FUSOR_OK;
}
