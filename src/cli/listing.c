/* Tables and JSON of items with their ids, titles and scores. */
#include "cli/listing.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/texttab.h"
#include "cli/output.h"

const char *listing_id(const struct listing *l, uint32_t item, char out[24])
{
    const char *text = l->items ? vocab_text(l->items, item, NULL) : NULL;

    if (text)
        return text;
    snprintf(out, 24, "#%u", item);
    return out;
}

char *listing_title(const struct listing *l, uint32_t item)
{
    const char *text;
    size_t n;
    char *copy;

    if (dataset_item_name(l->data, item, &text, &n, NULL) != FUSOR_OK)
        return NULL;
    copy = mem_alloc(n + 1, 1);
    if (copy && n)
        memcpy(copy, text, n);
    return copy;
}

enum fusor_status listing_print(const struct listing *l,
                                const struct recommended *top, uint32_t n,
                                struct fusor_error *err)
{
    static const char *const columns[] = {">#", "title", "id", ">score", NULL};
    struct texttab *tab = texttab_create(columns);

    for (uint32_t i = 0; i < n; i++) {
        char rank[16], id[24], score[32];
        char *title = listing_title(l, top[i].item);
        const char *cells[4] = {rank, title ? title : "",
                                listing_id(l, top[i].item, id), score};

        snprintf(rank, sizeof(rank), "%u", i + 1);
        snprintf(score, sizeof(score), "%.4f", (double)top[i].score);
        texttab_row(tab, cells);
        mem_free(title);
    }
    return output_table(tab, err);
}

void listing_json(const struct listing *l, const char *name,
                  const struct recommended *top, uint32_t n, struct json *j)
{
    json_begin_array(j, name);
    for (uint32_t i = 0; i < n; i++) {
        char id[24];
        char *title = listing_title(l, top[i].item);

        json_begin_object(j, NULL);
        json_uint(j, "rank", i + 1);
        json_string(j, "id", listing_id(l, top[i].item, id));
        json_string(j, "title", title ? title : "");
        json_number(j, "score", (double)top[i].score);
        json_end_object(j);
        mem_free(title);
    }
    json_end_array(j);
}
