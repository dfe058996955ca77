/* The gateway: takes what a session wants done, finds the shards, and brings one reply back.
 *
 * A command, or a transaction, whose keys all lie with one shard is one message there and one back.
 * Over several shards: reads are collected twice and agree (double collect), or are fenced; writes
 * are PREPAREd in parallel, each shard evaluating its own commands. Only a command that needs keys
 * of several shards at once (RENAME, COPY, MSETNX, LCS), and HF.TXN with ELSE, first locks and
 * fetches them here.
 *
 * One reply per request, through hf_session__complete with the request's ticket. Threads: one shard
 * only.
 */
#ifndef HF_SHARD_GATEWAY_H
#define HF_SHARD_GATEWAY_H
#include "engine/shard/request.h"

typedef enum hf_form {
    HF_FORM_SINGLE,
    HF_FORM_EXEC,   /* array of replies; nil when a condition fails */
    HF_FORM_TXN,    /* the same; all or nothing; -CONDFAILED when a condition fails and there is no
                       ELSE */
    HF_FORM_STAMPS, /* WATCH: raw u64 stamps in the order of the conditions */
} hf_form;

/* A command of a request; `piece` is for the messages that are made of it. */
typedef struct hf_txn_command hf_request_command;

typedef struct hf_request {
    hf_ticket ticket; /* place and number; form is set by the gateway */
    hf_form form;
    const hf_request_command *commands;
    uint32_t count;
    uint32_t otherwise; /* of them, the last so many are ELSE */
    const hf_txn_condition *conditions;
    uint32_t condition_count;
    bool has_else;
    bool has_id;
    bool atomic;   /* an error undoes everything: HF.TXN, and EXEC if the session wants it */
    bool in_order; /* of its connection's other requests (order.h) */
    uint8_t id[16];
    bool tells; /* the client hears of the timestamp */
    uint8_t proto;
    uint64_t read_ts; /* 0: strict; else read-only at this timestamp, ... */
    bool bounded;     /* ... or a later one */
} hf_request;

typedef enum hf_started {
    HF_STARTED,       /* one message is on its way */
    HF_STARTED_MULTI, /* over several shards: later requests of the connection on its keys must wait
                       */
    HF_STARTED_NOT,   /* no room now: ask again later */
    HF_STARTED_NO_MEMORY, /* the same, but nothing of the engine's own may ever give some back */
    HF_STARTED_ERROR,     /* refused: the error is in `error` */
} hf_started;

hf_started hf_gateway__start(hf_shard *shard, const hf_request *request, hf_buf *error);
/* The conditions and commands of a request, from the lists of a message into the session's scratch,
 * where they stand until the next request. False: no memory. */
bool hf_gateway__read_lists(hf_shard *shard, hf_txn_reader *reader, hf_request *request);
/* HF.OUTCOME */
hf_started hf_gateway__outcome(hf_shard *shard, hf_ticket ticket, uint8_t proto,
                               const uint8_t id[16]);

/* ---- Interactive transactions (HF.BEGIN): one operation for the connection's life of it ---- */
/* The operation's index, or UINT32_MAX: no room. */
uint32_t hf_gateway__begin(hf_shard *shard, const uint8_t *id, uint8_t proto);
/* Runs a command in it; the reply comes to the ticket. */
hf_started hf_gateway__txn_command(hf_shard *shard, uint32_t op, const hf_request_command *command,
                                   hf_ticket ticket, hf_buf *error);
hf_started hf_gateway__txn_commit(hf_shard *shard, uint32_t op, hf_ticket ticket);
void hf_gateway__txn_rollback(hf_shard *shard, uint32_t op);
bool hf_gateway__txn_lost(const hf_shard *shard, uint32_t op); /* wounded: only rollback is left */
bool hf_gateway__savepoint(hf_shard *shard, uint32_t op, hf_bytes name);
bool hf_gateway__rollback_to(hf_shard *shard, uint32_t op, hf_bytes name);

#endif
