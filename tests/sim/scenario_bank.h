/* Inside the bank: scenario_bank.c, the transfers, and scenario_bank_read.c, the reads. */
#ifndef HF_TESTS_SIM_SCENARIO_BANK_H
#define HF_TESTS_SIM_SCENARIO_BANK_H
#include "tests/sim/run.h"
#include "tests/sim/scenario.h"

enum {
    ACCOUNTS_MAX = 10,
    OPENING = 100,
    ROOF = 100000,
    LEDGER_CHUNK = 400,
    TRANSFERS_MAX = 60000,
    OUTCOMES_ASKED = 150,
    OLD_READS_MOST = 800000,
    TOKEN_AHEAD_NS = 200000000, /* so far before the wall clock is a token believed */
    SNAPSHOTS = 32,
    ACKED = 32,
};

/* What was read at a timestamp: the same for ever. */
typedef struct snapshot {
    uint64_t ts;
    int64_t balance[ACCOUNTS_MAX];
} snapshot;

typedef struct known_id {
    char id[HF_ID_TEXT + 1];
    hf_heard heard;
} known_id;

typedef struct bank {
    uint32_t accounts;
    uint32_t transfers; /* ids given out, from 1 */
    uint32_t reads_ppm;
    uint32_t old_reads_ppm; /* of the reads: at a timestamp, or with a bound */
    uint32_t ids, ids_room;
    known_id *known;
    uint64_t token;      /* a timestamp that some client heard of */
    uint32_t told;       /* the newest transfer that is known to have happened */
    uint32_t token_told; /* ... when the token was asked for */
    struct {
        uint32_t transfer;
        uint64_t at, wall; /* virtual time; the clock, UINT64_MAX while it lags behind itself */
    } acked[ACKED];        /* ring */
    uint32_t acked_count;
    snapshot snapshots[SNAPSHOTS];
    uint32_t snapshot_count; /* ever taken */
    int64_t *ledger;
    uint32_t ledger_count;
} bank;

typedef enum form {
    ADD_EXEC, /* MULTI: HF.ADD, HF.ADD, APPEND */
    ADD_TXN,
    ADD_TXN_ID,
    IF_TXN_ID, /* HF.TXN IF from >= amount: INCRBY */
    WATCHED,
    DIALOGUE, /* HF.BEGIN: GET, GET, SET, SET, APPEND */
    DIALOGUE_ID,
    TRANSFER_FORMS,
    WHOLE_MGET,
    WHOLE_EXEC,
    WHOLE_OLD,
    WHOLE_LEVEL, /* the connection's own level */
    RANGE_OLD,   /* accounts of a partition, at a timestamp that was read before */
    TOKEN,
    AFTER, /* a read with a bound that must not be older than the token */
    FRESH, /* ... nor than its bound */
    BOOK,  /* balances and ledger in one EXEC */
    SETUP,
    FINISH_BOOK,
    FINISH_IDS,
} form;

enum { FIRST, SECOND, ASKED, RETRIED, ROLLED_BACK };

typedef struct op {
    form form;
    uint32_t stage, tries;
    uint32_t txn;
    uint32_t from, to;
    int64_t amount;
    uint32_t transfer;
    int64_t balance_from, balance_to;
    bool lost, ordered;
    uint64_t snapshot; /* read at this timestamp */
    uint64_t since;    /* FRESH: when the transfer was acknowledged */
    bool judged;
    bool given; /* ... which the node served before, or gave out as a token */
    char id[HF_ID_TEXT + 1];
} op;

static inline op *op_of(hf_actor *actor)
{
    _Static_assert(sizeof(op) <= HF_ACTOR_ROOM, "an operation fits");
    return (op *)(void *)actor->room;
}

/* "5/bL17": beside the accounts, and in one stretch for a scan of its partition. */
void hf_bank__ledger_key(const hf_workload *w, uint32_t transfer, char text[HF_KEY_TEXT]);
void hf_bank__over(hf_actor *a, hf_heard heard);

/* scenario_bank_read.c */
/* MGET of all accounts, after the `heads` words of `head`. */
void hf_bank__put_accounts(hf_client *c, const hf_workload *w, const char *head, uint32_t heads);
void hf_bank__put_ledger(hf_client *c, const hf_workload *w, uint32_t from, uint32_t count);
/* A reply to EXEC: accounts, then the ledger, by scans or by its keys. False: it is none. */
bool hf_bank__log_book(hf_workload *w, uint32_t txn, const hf_reply *exec, bool scans);
void hf_bank__start_read(hf_workload *w, hf_actor *a);
void hf_bank__step_read(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count);

#endif
