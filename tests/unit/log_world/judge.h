/* The judge: compares what a boot finds with the rig's model; the first contradiction ends the
 * test with seed, life and words.
 */
#ifndef HF_TESTS_LOG_WORLD_JUDGE_H
#define HF_TESTS_LOG_WORLD_JUDGE_H
#include "tests/unit/log_world/rig.h"

/* A record's bytes; lent until the next call. */
const uint8_t *judge_bytes(uint64_t salt, uint32_t size);
/* Does not return. */
void judge_fail(const rig *r, const char *what, hf_err err, const char *detail);
void judge_entry(rig *r, hf_bytes entry);
void judge_loaded(rig *r, uint64_t lsn, hf_bytes head);
/* The log alone: as if a checkpoint had been loaded. */
void judge_remembered(rig *r);
void judge_record(rig *r, const hf_log_record *record);
/* The model goes on from what was found. */
void judge_opened(rig *r);
/* A boot or a life ended with an error: was it one that was injected? */
void judge_ended(rig *r);

#endif
