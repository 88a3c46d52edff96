/* What the label of a row means to the loss: how the raw number of the file
 * becomes the target, written by the job as
 *
 *     label: {field: rating, map: scale}          # min-max of the train part
 *     label: {field: rating, map: threshold, at: 4}
 *
 * or, for a model of several, each under its name
 *
 *     labels:
 *       click: {field: clicked, map: binary}
 *       buy:   {map: binary}            # of the dense column "buy" of the rows
 *
 * where a row may have none (NaN), which every map keeps. A spec is read once,
 * fitted once on the train rows and read-only from then on; any thread may
 * apply it. */
#ifndef DATA_LABEL_H
#define DATA_LABEL_H

#include "base/batch.h"
#include "base/yaml.h"
#include "fusor/status.h"

enum label_map {
    LABEL_NONE,      // the raw value
    LABEL_SCALE,     // (raw - min) / (max - min)
    LABEL_THRESHOLD, // raw >= at: 1, else 0
    LABEL_IMPLICIT,  // every row 1: that it exists is the signal
    LABEL_BINARY     // must be 0 or 1 already
};

struct label_spec {
    char field[FIELD_NAME_MAX]; // name in the source, for messages
    enum label_map map;
    double min, max; // scale: from the job, or set by label_fit()
    int has_min, has_max;
    double at; // threshold
};

/** Read a job's `label:` section.
 * @param node NULL: the raw value
 * @param prepared name of the label of the prepared folder: the only one there
 *        is; a job that names another is an error */
enum fusor_status label_read(struct yaml_node *node, const char *prepared,
                             struct label_spec *out, struct fusor_error *err);

/** Read one of a job's `labels:`, whose other settings (loss, output, weight,
 * towers, fusion) are the model's.
 * @param name its name, and its field's where it names none */
enum fusor_status label_read_named(struct yaml_node *node, const char *name,
                                   struct label_spec *out,
                                   struct fusor_error *err);

/** Take the range of the train rows where the job gave none.
 * @return FUSOR_EDATA: scale over one single value */
enum fusor_status label_fit(struct label_spec *spec, double train_min,
                            double train_max, struct fusor_error *err);

/** May this raw value be mapped? Finite, and 0 or 1 for binary (the error
 * shows the map to write).
 * @param row where it stands, for the message */
enum fusor_status label_check(const struct label_spec *spec, double raw,
                              uint64_t row, struct fusor_error *err);

/** Raw value to target; NaN stays NaN. Values outside the train range leave [0,
 * 1] under scale: they are not clamped, a metric would not notice. */
float label_apply(const struct label_spec *spec, float raw);
/** The same over v[n], in place. */
void label_apply_all(const struct label_spec *spec, float *v, size_t n);

/** Refuse targets that binary cross entropy cannot take, with the map to
 * write.
 * @param min,max range of the targets over the train rows, after mapping */
enum fusor_status label_check_for_bce(const struct label_spec *spec, double min,
                                      double max, struct fusor_error *err);

#endif
