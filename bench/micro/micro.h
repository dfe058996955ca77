/* hf_micro: Google Benchmark for C. A benchmark is a function that runs a loop
 *
 *     while (hf_micro_batch(state, BATCH)) { BATCH times the thing }
 *
 * in batches, as one step of the library's own loop costs more than much of what is measured here.
 */
#ifndef HF_BENCH_MICRO_MICRO_H
#define HF_BENCH_MICRO_MICRO_H
#include <stdbool.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_micro hf_micro;
typedef void hf_micro_run(hf_micro *state, int64_t arg);

/* "name/arg"; without arguments (a list that ends with -1) "name". */
void hf_micro_register(const char *name, hf_micro_run *run, const int64_t *args);
/* True: do it `count` times, then ask again. */
bool hf_micro_batch(hf_micro *state, int64_t count);
/* What lies between does not count. It costs half a microsecond: only around large batches. */
void hf_micro_pause(hf_micro *state);
void hf_micro_resume(hf_micro *state);
/* Bytes that went through in all, for a rate. */
void hf_micro_bytes(hf_micro *state, int64_t bytes);
/* The value is used: the compiler may not drop what made it. */
void hf_micro_use(const void *value);

/* Each file's benchmarks. */
void hf_micro_base(void);
void hf_micro_table(void);
void hf_micro_transactions(void);
void hf_micro_log(void);

#ifdef __cplusplus
}
#endif
#endif
