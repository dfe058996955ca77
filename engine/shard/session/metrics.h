/* The numbers of the shards as text: for Prometheus, and as JSON. Pure. */
#ifndef HF_SHARD_METRICS_H
#define HF_SHARD_METRICS_H
#include "engine/shard/session/server.h"

typedef struct hf_metrics {
    const hf_sample *const *shards;
    uint32_t count;
    const char *version;
    uint64_t incarnation;
    bool stopping;
} hf_metrics;

/* Prometheus' text format 0.0.4, or OpenMetrics 1.0: there counters are named without _total in
 * their description, and the text has an end. */
void hf_metrics_text(hf_buf *out, const hf_metrics *metrics, bool openmetrics);
void hf_metrics_json(hf_buf *out, const hf_metrics *metrics);

#endif
