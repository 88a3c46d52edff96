/* Numbers of a benchmark over servers, as a table or as JSON. */
#include "cli/bench_report.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/output.h"

const char *const bench_wire_names[] = {"f32", "bf16", "int8", NULL};

const struct arg_spec bench_args[] = {
    {"json", 0, NULL, "as JSON on stdout"},
    ARG_END,
};

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void bench_sort(double *values, size_t n)
{
    qsort(values, n, sizeof(*values), ascending);
}

double bench_quantile(const double *ascending, size_t n, double q)
{
    size_t at;

    if (q == 0.5)
        return (ascending[(n - 1) / 2] + ascending[n / 2]) / 2;
    at = (size_t)(q * (double)n);
    if ((double)at < q * (double)n)
        at++;
    return ascending[at ? at - 1 : 0];
}

/* What one phase comes to. */
struct numbers {
    double p50, p99, least, most;
    double rows_per_s, gb_per_s;
    double client_cpu, server_cpu; // s/GB
};

static struct numbers work_out(const struct bench_exchange *e,
                               const struct bench_phase *p)
{
    size_t n = e->config.repeats;
    double gb =
        4e-9 * (double)(e->config.n_ids * e->config.width + e->config.n_dense);
    struct numbers x = {
        .p50 = bench_quantile(p->seconds, n, 0.5),
        .p99 = bench_quantile(p->seconds, n, 0.99),
        .least = p->seconds[0],
        .most = p->seconds[n - 1],
        .client_cpu = p->client_cpu / (gb * (double)n),
        .server_cpu = p->server_cpu / (gb * (double)n),
    };

    x.rows_per_s = (double)e->config.n_ids / x.p50;
    x.gb_per_s = gb / x.p50;
    return x;
}

static void phase_json(struct json *j, const char *name,
                       const struct bench_exchange *e,
                       const struct bench_phase *p)
{
    struct numbers x = work_out(e, p);

    json_begin_object(j, name);
    json_number(j, "p50_s", x.p50);
    json_number(j, "p99_s", x.p99);
    json_number(j, "least_s", x.least);
    json_number(j, "most_s", x.most);
    if (e->config.n_ids)
        json_number(j, "rows_per_s", x.rows_per_s);
    json_number(j, "gb_per_s", x.gb_per_s);
    json_number(j, "client_cpu_s_per_gb", x.client_cpu);
    json_number(j, "server_cpu_s_per_gb", x.server_cpu);
    json_end_object(j);
}

static void config_json(struct json *j, const struct bench_exchange *e)
{
    const struct bench_exchange_config *c = &e->config;

    if (c->n_ids) {
        json_uint(j, "rows", c->n_ids);
        json_uint(j, "width", c->width);
        json_uint(j, "distinct", c->distinct);
        json_number(j, "keys", e->keys);
    }
    if (c->n_dense)
        json_uint(j, "bytes", c->n_dense * sizeof(float));
    json_uint(j, "servers", c->n_servers);
    json_string(j, "transport", bench_transport_names[c->transport]);
    json_string(j, "wire", encoding_name(c->encoding));
    json_int(j, "staleness", 0);
    json_string(j, "durability", "none");
    json_string(j, "security", "none");
    json_uint(j, "repeats", c->repeats);
    json_uint(j, "warmup", c->warmup);
}

static enum fusor_status print_json(const char *what,
                                    const struct bench_exchange *e,
                                    int with_pull, struct fusor_error *err)
{
    struct json j = {.pretty = 1};

    json_begin_object(&j, NULL);
    json_string(&j, "bench", what);
    config_json(&j, e);
    if (with_pull)
        phase_json(&j, "pull", e, &e->pull);
    if (e->config.with_push)
        phase_json(&j, "push", e, &e->push);
    json_uint(&j, "client_rss_bytes", e->usage.client_rss_bytes);
    json_uint(&j, "server_rss_bytes", e->usage.server_rss_bytes);
    json_uint(&j, "huge_pages_got", e->usage.huge_got);
    json_uint(&j, "huge_pages_wanted", e->usage.huge_wanted);
    json_end_object(&j);
    return output_json(&j, err);
}

static void seconds_text(double s, char *out, size_t size)
{
    if (s < 1e-3)
        snprintf(out, size, "%.1f us", 1e6 * s);
    else
        snprintf(out, size, "%.2f ms", 1e3 * s);
}

static void phase_row(struct texttab *t, const char *name,
                      const struct bench_exchange *e,
                      const struct bench_phase *p)
{
    struct numbers x = work_out(e, p);
    char text[6][32];
    const char *cells[7] = {name};

    seconds_text(x.p50, text[0], sizeof(text[0]));
    seconds_text(x.p99, text[1], sizeof(text[1]));
    snprintf(text[2], sizeof(text[2]), "-");
    if (e->config.n_ids)
        snprintf(text[2], sizeof(text[2]), "%.3g M", 1e-6 * x.rows_per_s);
    snprintf(text[3], sizeof(text[3]), "%.3g", x.gb_per_s);
    snprintf(text[4], sizeof(text[4]), "%.3g", x.client_cpu);
    snprintf(text[5], sizeof(text[5]), "%.3g", x.server_cpu);
    for (int i = 0; i < 6; i++)
        cells[i + 1] = text[i];
    texttab_row(t, cells);
}

static enum fusor_status print_table(const struct bench_exchange *e,
                                     int with_pull, struct fusor_error *err)
{
    static const char *const columns[] = {
        "", ">p50", ">p99", ">rows/s", ">GB/s", ">CPU s/GB", ">servers", NULL};
    struct texttab *t = texttab_create(columns);

    if (with_pull)
        phase_row(t, "pull", e, &e->pull);
    if (e->config.with_push)
        phase_row(t, "push", e, &e->push);
    return output_table(t, err);
}

static void describe(const struct bench_exchange *e, struct strbuf *out)
{
    const struct bench_exchange_config *c = &e->config;
    char ours[16], theirs[16];

    if (c->n_ids)
        strbuf_addf(out, "%llu ids (%.0f keys) of %llu rows x %llu",
                    (unsigned long long)c->n_ids, e->keys,
                    (unsigned long long)c->distinct,
                    (unsigned long long)c->width);
    else
        strbuf_addf(out, "%.4g MB of dense values", 4e-6 * (double)c->n_dense);
    strbuf_addf(out,
                ", %u server%s, %s, %s, staleness 0, %llu requests; RSS %s, "
                "servers %s, huge pages %llu of %llu\n",
                c->n_servers, c->n_servers == 1 ? "" : "s",
                bench_transport_names[c->transport], encoding_name(c->encoding),
                (unsigned long long)c->repeats,
                str_bytes((double)e->usage.client_rss_bytes, ours),
                str_bytes((double)e->usage.server_rss_bytes, theirs),
                (unsigned long long)e->usage.huge_got,
                (unsigned long long)e->usage.huge_wanted);
}

static enum fusor_status report(const struct args *a,
                                const struct bench_exchange *e, int with_pull,
                                struct fusor_error *err)
{
    struct strbuf text = {0};

    if (args_flag(a, "json"))
        return print_json(a->table->command + sizeof("bench ") - 1, e,
                          with_pull, err);
    describe(e, &text);
    FUSOR_TRY(output_text(&text, err));
    return print_table(e, with_pull, err);
}

/* A setting that a benchmark does not have stays 0: no rows, or no block. */
enum fusor_status bench_run(const struct args *a, unsigned phases,
                            struct fusor_error *err)
{
    struct bench_exchange_config config;
    struct bench_exchange e = {0};
    struct bench_options o = {0};
    enum fusor_status rc;

    FUSOR_TRY(option_read(a->table->settings, yaml_root(a->settings),
                          a->table->command, &o, err));
    config = (struct bench_exchange_config){
        .n_ids = o.rows,
        .width = o.width,
        .distinct = o.distinct,
        .n_dense = o.size / sizeof(float),
        .n_servers = (uint32_t)o.servers,
        .transport = (enum bench_transport)o.transport,
        .encoding = (enum encoding)o.wire,
        .warmup = o.warmup,
        .repeats = o.repeats,
        .with_push = (phases & BENCH_PUSH) != 0,
    };
    rc = bench_exchange_run(&config, &e, err);
    if (rc == FUSOR_OK)
        rc = report(a, &e, (phases & BENCH_PULL) != 0, err);
    bench_exchange_clear(&e);
    return rc;
}
