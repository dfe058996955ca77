/* Which errors a run's clients may hear at all. An error that no rule allows is a finding: a
 * refusal harms nobody's data, so no other judge would see that it came without cause. */
#include "tests/sim/run.h"
#include "tests/sim/run_impl.h"
#include "tests/sim/scenario.h"

#include <string.h>

/* When it may come. */
typedef enum cause {
    ANY,   /* the workload's own judge looks at it */
    SPACE, /* the disk may be full */
    MOVES, /* ranges move */
    CROWD, /* there is room for a few waiting requests only */
    SMALL, /* little memory, or large keys and values */
} cause;

typedef struct rule {
    const char *text; /* how it begins */
    cause cause;
    bool read; /* a strict read of values may hear it, too */
} rule;

static const rule rules[] = {
    { "CONDFAILED ", ANY, false },
    { "LIMIT ", ANY, false },
    { "WRONGTYPE ", ANY, false },
    { "EXPIRED ", ANY, false },
    { "TXNCONFLICT ", ANY, false },
    { "DEADLINE ", ANY, true },
    { "ERR no such key", ANY, false },
    { "ERR wrong number of arguments", ANY, false },
    { "ERR this id was used for another request", ANY, false },
    { "ERR the time of the id lies in the future", ANY, false },
    { "ERR value is not an integer", ANY, false },
    { "ERR HF.ROLLBACK without HF.BEGIN", ANY, false },
    { "ERR not a token of this node", ANY, false },
    { "ERR the snapshot's timestamp lies in the future", ANY, false },
    { "ERR Background save already in progress", ANY, false },
    { "MISCONF the disk is full: no newer timestamp", SPACE, true }, /* a key's time has passed */
    { "MISCONF ", SPACE, false },
    { "TRYAGAIN ", MOVES, false },
    { "BUSY no room in the log", MOVES, false }, /* the move itself */
    { "BUSY ", CROWD, true },
    { "TOOBIG ", SMALL, false },
    { "BUSY the log is full", SMALL, false },
    { "BUSY no memory", SMALL, true },
    { "EXECABORT ", SMALL, false }, /* a command of it was refused when it was queued */
    { "OOM ", SMALL, true },
};

static bool has(const hf_run_state *run, cause why)
{
    switch (why) {
    case ANY:
        break;
    case SPACE:
        return run->plan.space_ns != 0;
    case MOVES:
        return run->scenario->moves;
    case CROWD:
        return run->scenario->crowded;
    case SMALL:
        for (uint32_t i = 0; i < run->workload_count; i++) {
            if (run->workloads[i].large) {
                return true;
            }
        }
        return run->scenario->small;
    }
    return true;
}

static bool allowed(const hf_run_state *run, const hf_reply *error, bool read)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const rule *r = &rules[i];
        size_t size = strlen(r->text);
        if (error->bytes.size >= size && memcmp(error->bytes.data, r->text, size) == 0 &&
            (r->read || !read) && has(run, r->cause)) {
            return true;
        }
    }
    return false;
}

static void judge(hf_run_state *run, const char *who, const hf_reply *reply, bool read)
{
    if (reply->kind == '-' && !allowed(run, reply, read)) {
        hf_run_fail(run, HF_RUN_WRONG, "%s: %s an error that nothing allows here: %.*s", who,
                    read ? "a read had" : "there was", (int)reply->bytes.size,
                    (const char *)reply->bytes.data);
    }
    for (uint32_t i = 0; reply->kind == '*' && i < reply->count; i++) {
        judge(run, who, &reply->items[i], read);
    }
}

void hf_run__judge_errors(hf_run_state *run, const hf_workload *workload, const hf_reply *replies,
                          uint32_t count)
{
    for (uint32_t i = 0; replies != NULL && i < count; i++) {
        judge(run, workload->kind->name, &replies[i], false);
    }
}

void hf_judge_read(hf_workload *workload, const hf_reply *reply)
{
    judge(workload->run, workload->kind->name, reply, true);
}
