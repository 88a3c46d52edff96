/* fusor generate: a thin door to data/generate.h. */
#include "data/generate.h"

#include "cli/verb.h"
#include "cli/output.h"

static const struct arg_spec specs[] = {
    {"quiet", 'q', NULL, "say nothing"},
    ARG_END,
};

static enum fusor_status run(struct args *a, struct fusor_error *err)
{
    struct generate_options options;

    if (!yaml_get(yaml_root(a->settings), "out"))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "generate: -o DIR is missing: where the files go");
    FUSOR_TRY(option_read(generate_option_specs, yaml_root(a->settings),
                          "generate", &options, err));
    FUSOR_TRY(generate_run(&options, err));
    if (!args_flag(a, "quiet"))
        output_say("%llu users, %llu items, %llu events in %s\n"
                   "next: fusor prepare %s --protocol loo-full -o parts/demo",
                   (unsigned long long)options.users,
                   (unsigned long long)options.items,
                   (unsigned long long)options.events, options.out,
                   options.out);
    return FUSOR_OK;
}

const struct verb verb_generate = {
    .name = "generate",
    .help = "make demo data: users, items, titles, genres, ratings",
    .synopsis = "-o DIR [options]",
    .examples = "  fusor generate -o demo\n"
                "  fusor generate -o big --users 100k --events 20M --seed 7\n",
    .args = {"generate", specs, generate_option_specs, NULL, 0, 0},
    .run = run,
};
