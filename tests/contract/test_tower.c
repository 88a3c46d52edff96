/* Every registered tower: gradients against central differences and against
 * the golden values of an independent implementation in double. */
#include "harness.h"

#include <string.h>

#include "contract/golden.h"
#include "model/fixture.h"
#include "model/registry.h"

/* Jobs by name; those of make_golden.py are the same by name. Every registered
 * kind appears. */
static const struct golden_job jobs[] = {
    {"cross", "{tables: {user: 4, item: 6}, loss: bce, towers: {c: {type: "
              "cross, inputs: [user, item, price], layers: 2}}}"},
    {"cross_rank",
     "{tables: {user: 4, item: 6}, loss: bce, towers: {c: {type: cross, "
     "inputs: [user, item, price], layers: 2, rank: 3, units: [5], "
     "activation: tanh}}}"},
    {"dot", "{tables: {user: 5, item: 5}, loss: mse, towers: {mf: {type: dot, "
            "query: user, item: item}}}"},
    {"dot_svdpp",
     "{tables: {user: 20, item: 20, imp: 20}, loss: mse, towers: {mf: {type: "
     "dot, query: [user, {bag: hist, pool: rsqrt, table: imp}], item: item, "
     "bias: true, global_bias: 0.5, l2: 0.1, l2_bias: 0.3}}}"},
    {"dot_content",
     "{tables: {user: 7, tag: 7, item: 7, ctx: 7}, loss: mse, towers: {mf: "
     "{type: dot, query: [user, ctx], item: [item, {multi: genres, table: tag, "
     "pool: mean}], bias: true, l2: 0.05}}}"},
    {"fm",
     "{tables: {user: 5, item: 5, ctx: 5, tag: 5}, loss: mse, towers: {f: "
     "{type: fm, inputs: [user, item, ctx, {field: genres, table: tag, "
     "pool: sum}], linear: true, l2: 0.2, l2_bias: 0.1}}}"},
    {"linear",
     "{tables: {user: 1, item: 1, tag: 1}, loss: bce, towers: {lin: {type: "
     "linear, inputs: [{field: user, table: user}, {multi: genres, table: "
     "tag}, price, {field: item, table: item}], l2: 0.2}}}"},
    {"mlp", "{tables: {user: 4, item: 6, imp: 3}, loss: bce, towers: {deep: "
            "{type: mlp, inputs: [user, item, price, {bag: hist, table: imp}], "
            "units: [8, 5, 1], activation: tanh}}}"},
    {"mlp_l2",
     "{tables: {user: 4, item: 6, imp: 3}, loss: bce, towers: {deep: {type: "
     "mlp, inputs: [user, item, {bag: hist, table: imp, pool: sum}], units: "
     "[5], activation: tanh, l2: 0.3}}}"},
    {"mlp_gelu",
     "{tables: {user: 4, item: 6}, loss: bce, towers: {deep: {type: mlp, "
     "inputs: [user, item], units: [8], activation: gelu}}}"},
    {"mlp_norm",
     "{tables: {user: 4, item: 6}, loss: bce, towers: {deep: {type: mlp, "
     "inputs: [user, item], units: [6], norm: batch, activation: sigmoid}}}"},
    {"mlp_prelu",
     "{tables: {user: 4, item: 6}, loss: bce, towers: {deep: {type: mlp, "
     "inputs: [user, item], units: [6], activation: prelu}}}"},
    {"mlp_relu",
     "{tables: {user: 4, item: 6}, loss: bce, towers: {deep: {type: mlp, "
     "inputs: [user, item], units: [6], activation: relu}}}"},
    {"transformer",
     "{tables: {item: 4}, loss: mse, towers: {t: {type: transformer, query: "
     "seq, item: item, heads: 2, max: 4, ff: 8, activation: gelu}}}"},
    {"transformer_post",
     "{tables: {seqs: 6, item: 6}, loss: mse, towers: {t: {type: transformer, "
     "query: {sequence: seq, table: seqs}, item: item, bias: true, heads: 3, "
     "ff: 5, norm: post, positions: sinusoid}}}"},
    {"transformer_deep",
     "{tables: {item: 4}, loss: mse, towers: {t: {type: transformer, query: "
     "seq, item: item, heads: 2, blocks: 3, ff: 8, activation: gelu}}}"},
    {"transformer_query",
     "{tables: {item: 4}, loss: mse, towers: {t: {type: transformer, query: "
     "seq, item: item, heads: 2, blocks: 2, ff: 8, activation: gelu, norm: "
     "query}}}"},
    {"transformer_mean",
     "{tables: {title: 4}, loss: mse, towers: {t: {type: transformer, query: "
     "title, blocks: 2, ff: 8, activation: gelu, causal: false, scale: false, "
     "read: mean, norm: post, max: 4}}}"},
    {"transformer_mask",
     "{tables: {item: 4}, loss: mse, towers: {t: {type: transformer, query: "
     "seq, item: item, heads: 2, blocks: 2, ff: 8, activation: gelu, mask: "
     "0.3}}}"},
    {"rnn", "{tables: {item: 4}, loss: mse, towers: {t: {type: rnn, query: "
            "seq, item: item}}}"},
    {"gru", "{tables: {item: 4}, loss: mse, towers: {t: {type: gru, query: "
            "seq, item: item, units: 3, bias: true, max: 3}}}"},
    {"gru_deep", "{tables: {title: 5}, loss: mse, towers: {t: {type: gru, "
                 "query: title, layers: 2}}}"},
    {"lstm", "{tables: {item: 4}, loss: mse, towers: {t: {type: lstm, query: "
             "seq, item: item, layers: 2}}}"},
    {"rnn_both",
     "{tables: {item: 4}, loss: mse, towers: {t: {type: rnn, query: "
     "seq, item: item, units: 2, direction: both}}}"},
    {"gru_both",
     "{tables: {item: 4}, loss: mse, towers: {t: {type: gru, query: "
     "seq, item: item, units: 3, layers: 2, bias: true, direction: "
     "both}}}"},
    {"lstm_both", "{tables: {title: 5}, loss: mse, towers: {t: {type: lstm, "
                  "query: title, units: 3, direction: both}}}"},
    {"cnn", "{tables: {item: 4}, loss: mse, towers: {t: {type: cnn, query: "
            "seq, item: item, filters: 3, activation: tanh}}}"},
    {"cnn_text", "{tables: {title: 5}, loss: mse, towers: {t: {type: cnn, "
                 "query: title, widths: [2, 3], filters: 4, activation: "
                 "relu}}}"},
};
#define N_JOBS (sizeof(jobs) / sizeof(jobs[0]))

static void golden_agrees(void)
{
    golden_check_all(jobs, N_JOBS);
}

/* Without l2 terms, which are no part of the loss, and without kinks. */
static void differences_agree(void)
{
    for (size_t i = 0; i < N_JOBS; i++)
        if (!strstr(jobs[i].text, "l2") && !strstr(jobs[i].text, "relu"))
            golden_differ(&jobs[i], 1);
}

static void every_kind_is_here(void)
{
    const char *const *names = registry_tower_names();

    for (size_t k = 0; names[k]; k++) {
        const struct tower_kind *kind = registry_tower(names[k]);

        if (!kind->built && !kind->given) // train.build, contract.scores
            CHECK(golden_has(jobs, N_JOBS, "type: ", names[k], ","));
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"every registered tower has a job here", every_kind_is_here},
        {"scores and gradients agree with golden values", golden_agrees},
        {"gradients agree with central differences", differences_agree},
    };

    return TEST_RUN("contract.tower", cases);
}
