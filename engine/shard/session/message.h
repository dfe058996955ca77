/* Messages from session to session (HF_MSG_SESSION): one shard asks some or all others, each
 * answers, the asker puts the answers together (gather.c). Flat, as all messages: a fixed
 * part, then a body by kind.
 *
 * A question that is passed on (SCAN, to the shard that has the keys) keeps its origin: the answer
 * goes there.
 */
#ifndef HF_SHARD_SESSION_MESSAGE_H
#define HF_SHARD_SESSION_MESSAGE_H
#include "engine/shard/message.h"

typedef enum hf_ask {
    HF_ASK_STATS = 1, /* -> hf_sample, with value[0] 1 then the commands' counters */
    HF_ASK_CLIENTS,   /* body: hf_client_filter -> lines */
    HF_ASK_KILL,      /* body: hf_client_filter -> value[0]: how many */
    HF_ASK_PAUSE,     /* value[0]: ms, value[1]: writes only */
    HF_ASK_SETTINGS,  /* body: hf_settings: take these */
    HF_ASK_RESET,     /* value[0]: bits of hf_reset: counters set to zero */
    HF_ASK_SAVE,      /* a checkpoint that begins now or later -> value[0]: 1 if it failed */
    HF_ASK_LASTSAVE,  /* -> body: u64 Unix time of the last good checkpoint */
    HF_ASK_BGSAVE,    /* -> value[0]: 1 if one is under way already */
    HF_ASK_STOP,
    HF_ASK_SLOWLOG,  /* value[0]: at most so many -> entries */
    HF_ASK_LATENCY,  /* value[0]: bits of events to forget -> samples */
    HF_ASK_MONITOR,  /* value[0]: 1 more, 0 one less at the origin */
    HF_ASK_TOLD,     /* body: MONITOR lines; no answer */
    HF_ASK_PUBLISH,  /* body: channel, message -> value[0]: receivers */
    HF_ASK_CHANNELS, /* body: pattern; value[0]: 1 patterns, 0 channels -> names */
    HF_ASK_NUMSUB,   /* body: names -> u64 each */
    HF_ASK_SCAN,     /* body: hf_scan_ask -> value[0]: cursor, value[1]: found, body: page */
    HF_ASK_RANGES,   /* -> entries */
    HF_ASK_TXNS,     /* -> entries */
    HF_ASK_LOCKS,    /* -> entries */
    HF_ASK_EXPIRE,   /* DEBUG SET-ACTIVE-EXPIRE value[0] */
    HF_ASK_CHANGES,  /* body: hf_changes_ask -> changes */
    HF_ASK_COUNT,
} hf_ask;

typedef struct hf_msg_session {
    hf_msg head;
    uint32_t gather; /* at the origin */
    uint32_t generation;
    uint16_t ask; /* hf_ask */
    uint16_t origin;
    uint8_t is_answer;
    uint8_t failed; /* no memory for the answer, or something else that the body says */
    uint16_t pad;
    uint64_t value[2];
    uint64_t since_ns; /* when the one who answers saw it first */
} hf_msg_session;

_Static_assert(sizeof(hf_msg_session) % 8 == 0, "the body starts aligned");

#endif
