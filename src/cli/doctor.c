/* fusor doctor: what this machine and this build have, and what to do where it
 * could be better. */
#define _GNU_SOURCE /* RLIMIT_NPROC */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "fusor/version.h"
#include "tensor/gemm.h"

#define FINDINGS_MAX 24

static const struct arg_spec specs[] = {
    {"json", 0, NULL, "as JSON on stdout"},
    ARG_END,
};

struct finding {
    const char *what;
    char value[160];
    char advice[200]; // "": nothing to do
};

struct findings {
    struct finding at[FINDINGS_MAX];
    size_t n;
};

static struct finding *find(struct findings *f, const char *what)
{
    struct finding *it = &f->at[f->n < FINDINGS_MAX ? f->n++ : f->n - 1];

    *it = (struct finding){.what = what};
    return it;
}

/* The first line of a small file of the kernel, or "". */
static void first_line(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "re");

    out[0] = '\0';
    if (!file)
        return;
    if (fgets(out, (int)size, file))
        out[strcspn(out, "\n")] = '\0';
    fclose(file);
}

static void machine(struct findings *f)
{
    struct utsname u;
    struct finding *it = find(f, "system");
    double bytes =
        (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    char model[100], size[16];

    if (uname(&u) == 0)
        snprintf(it->value, sizeof(it->value), "%.40s %.60s %.20s", u.sysname,
                 u.release, u.machine);
    cpu_model(model, sizeof(model));
    it = find(f, "processor");
    snprintf(it->value, sizeof(it->value), "%s, %d for this process", model,
             cpu_count());
    it = find(f, "memory");
    snprintf(it->value, sizeof(it->value), "%s", str_bytes(bytes, size));
}

static void kernels(struct findings *f)
{
    struct finding *it = find(f, "vector level");

    snprintf(it->value, sizeof(it->value), "%s", cpu_level_name(cpu_level()));
    if (cpu_level() == CPU_PLAIN)
        snprintf(it->advice, sizeof(it->advice),
                 "this processor has no AVX2, or FUSOR_CPU lowers it: loops "
                 "run several times slower");
    it = find(f, "matrix products");
    snprintf(it->value, sizeof(it->value), "%s, bf16 %s", gemm_name(),
             gemm_ask(GEMM_BF16, NULL) == FUSOR_OK ? "AMX" : "no");
    it = find(f, "OpenBLAS kernels");
    snprintf(it->value, sizeof(it->value), "%s", blas_kernel_name());
    if (blas_kernel_is_low())
        snprintf(it->advice, sizeof(it->advice),
                 "this processor can run %s: unset OPENBLAS_CORETYPE, fusor "
                 "then chooses",
                 blas_best_kernel());
}

static void libraries(struct findings *f)
{
    struct finding *it = find(f, "MPI (built with)");

    snprintf(it->value, sizeof(it->value), "%s", FUSOR_MPI_VERSION);
    it = find(f, "libzmq (built with)");
    snprintf(it->value, sizeof(it->value), "%s", FUSOR_ZMQ_VERSION);
    it = find(f, ".gz input");
#ifdef FUSOR_HAVE_ZLIB
    snprintf(it->value, sizeof(it->value), "yes");
#else
    snprintf(it->value, sizeof(it->value), "no");
    snprintf(it->advice, sizeof(it->advice),
             "install zlib's headers and configure again");
#endif
    it = find(f, ".zst input");
#ifdef FUSOR_HAVE_ZSTD
    snprintf(it->value, sizeof(it->value), "yes");
#else
    snprintf(it->value, sizeof(it->value), "no");
    snprintf(it->advice, sizeof(it->advice),
             "install libzstd's headers and configure again");
#endif
}

static void huge_pages(struct findings *f)
{
    struct finding *it = find(f, "huge pages");
    char enabled[80];

    first_line("/sys/kernel/mm/transparent_hugepage/enabled", enabled,
               sizeof(enabled));
    snprintf(it->value, sizeof(it->value), "%s",
             enabled[0] ? enabled : "the kernel has none");
    if (strstr(enabled, "[never]"))
        snprintf(it->advice, sizeof(it->advice),
                 "big tables are read up to twice as fast with: echo madvise > "
                 "/sys/kernel/mm/transparent_hugepage/enabled");
}

static void limit(struct findings *f, const char *what, int which,
                  rlim_t enough, const char *advice)
{
    struct finding *it = find(f, what);
    struct rlimit r;

    if (getrlimit(which, &r) != 0)
        return;
    if (r.rlim_cur == RLIM_INFINITY)
        snprintf(it->value, sizeof(it->value), "no limit");
    else
        snprintf(it->value, sizeof(it->value), "%llu",
                 (unsigned long long)r.rlim_cur);
    if (r.rlim_cur != RLIM_INFINITY && r.rlim_cur < enough)
        snprintf(it->advice, sizeof(it->advice), "%s", advice);
}

static void limits(struct findings *f)
{
    limit(f, "open files", RLIMIT_NOFILE, 1024,
          "ulimit -n 4096: a server needs some for each worker");
    limit(f, "processes", RLIMIT_NPROC, 512,
          "ulimit -u 4096: threads count as processes");
    limit(f, "address space", RLIMIT_AS, RLIM_INFINITY,
          "ulimit -v unlimited: shards reserve more than they use");
    limit(f, "file size", RLIMIT_FSIZE, RLIM_INFINITY,
          "ulimit -f unlimited: checkpoints and shards are files");
}

static enum fusor_status print_table(const struct findings *f,
                                     struct fusor_error *err)
{
    static const char *const columns[] = {"what", "here", NULL};
    struct texttab *tab = texttab_create(columns);
    struct strbuf text = {0};
    size_t n = 0;

    for (size_t i = 0; i < f->n; i++) {
        const char *cells[2] = {f->at[i].what, f->at[i].value};

        texttab_row(tab, cells);
    }
    texttab_print(tab, &text);
    texttab_destroy(tab);
    for (size_t i = 0; i < f->n; i++)
        if (f->at[i].advice[0]) {
            strbuf_addf(&text, "%s%s: %s\n", n ? "" : "\nto do\n",
                        f->at[i].what, f->at[i].advice);
            n++;
        }
    if (!n)
        strbuf_add(&text, "\nnothing to do\n");
    return output_text(&text, err);
}

static enum fusor_status print_json(const struct findings *f,
                                    struct fusor_error *err)
{
    struct json j = {.pretty = 1};

    json_begin_object(&j, NULL);
    json_string(&j, "version", FUSOR_VERSION);
    json_begin_array(&j, "findings");
    for (size_t i = 0; i < f->n; i++) {
        json_begin_object(&j, NULL);
        json_string(&j, "what", f->at[i].what);
        json_string(&j, "here", f->at[i].value);
        if (f->at[i].advice[0])
            json_string(&j, "to_do", f->at[i].advice);
        json_end_object(&j);
    }
    json_end_array(&j);
    json_end_object(&j);
    return output_json(&j, err);
}

static enum fusor_status run(struct args *a, struct fusor_error *err)
{
    struct findings *f = mem_alloc(1, sizeof(*f));
    enum fusor_status rc;

    if (!f)
        return mem_fail(err, "doctor", sizeof(*f));
    machine(f);
    kernels(f);
    libraries(f);
    huge_pages(f);
    limits(f);
    rc = args_flag(a, "json") ? print_json(f, err) : print_table(f, err);
    mem_free(f);
    return rc;
}

const struct verb verb_doctor = {
    .name = "doctor",
    .help = "what this machine and build have, and what to improve",
    .synopsis = "[--json]",
    .examples = "  fusor doctor\n  mpirun -n 2 --map-by node fusor doctor\n",
    .args = {"doctor", specs, NULL, NULL, 0, 0},
    .run = run,
};
