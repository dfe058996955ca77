/* SAVE, BGSAVE, LASTSAVE: checkpoints of all shards. Writes are durable without them: they bound
 * the time of a recovery. And SHUTDOWN. */
#include "engine/shard/session/server.h"

#include "engine/base/text.h"

/* ---- The shards' side ---- */

static uint64_t ended(const hf_shard *shard)
{
    hf_checkpoint_stats stats = hf_checkpoint_stats_get(shard->checkpoint);
    return stats.passes + stats.failures;
}

/* A checkpoint that began after the question came; one that runs already may have begun before it.
 * While it waits, value[0] is how many must have ended, value[1] how many had failed. */
bool hf_answer__save(hf_shard *shard, hf_answer *answer)
{
    const hf_msg_session *ask = answer->ask;
    hf_checkpoint_stats stats = hf_checkpoint_stats_get(shard->checkpoint);
    if (shard->boot != HF_BOOT_READY || shard->stopping) {
        answer->value[0] = 1;
        return true;
    }
    if (ask->since_ns == 0) {                           /* it just came */
        bool fresh = shard->save.state == HF_SAVE_IDLE; /* the last one has been counted */
        answer->value[0] = ended(shard) + (fresh ? 1 : 2);
        answer->value[1] = stats.failures;
        shard->save.wanted = true;
        return false;
    }
    if (ended(shard) < ask->value[0]) {
        answer->value[0] = ask->value[0];
        answer->value[1] = ask->value[1];
        return false;
    }
    answer->value[0] = stats.failures > ask->value[1];
    return true;
}

bool hf_answer__bgsave(hf_shard *shard, hf_answer *answer)
{
    answer->value[0] = shard->save.state != HF_SAVE_IDLE || shard->save.wanted;
    shard->save.wanted = true;
    return true;
}

bool hf_answer__lastsave(hf_shard *shard, hf_answer *answer)
{
    uint64_t ns = shard->save.last_wall_ns != 0 ? shard->save.last_wall_ns
                                                : hf_server_of(shard)->started_wall_ns;
    hf_buf_u64(answer->out, ns / 1000000000);
    return true;
}

bool hf_answer__stop(hf_shard *shard, hf_answer *answer)
{
    (void)answer;
    hf_server_of(shard)->stop_wanted = true;
    return true;
}

/* ---- The commands ---- */

static void finish_save(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    (void)shard;
    if (gather->value[0] != 0) {
        hf_resp_error(reply, "ERR the checkpoint failed; INFO persistence and the log say more");
    } else {
        hf_resp_simple(reply, "OK");
    }
}

bool hf_session__save(hf_shard *shard, hf_conn *conn, const hf_command *command,
                      const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)args;
    (void)argc;
    hf_question q = { .ask = HF_ASK_SAVE, .finish = finish_save };
    return hf_gather__start(shard, conn, &q);
}

static void finish_bgsave(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    if (gather->value[0] == 0) {
        hf_resp_simple(reply, "Background saving started");
    } else if (gather->word != 0 || gather->value[0] < shard->count) {
        hf_resp_simple(reply, "Background saving scheduled");
    } else {
        hf_resp_error(reply, "ERR Background save already in progress");
    }
}

bool hf_session__bgsave(hf_shard *shard, hf_conn *conn, const hf_command *command,
                        const hf_bytes *args, uint32_t argc)
{
    (void)command;
    bool scheduled = argc == 2 && hf_word_is(args[1], "SCHEDULE");
    if (argc > 1 && !scheduled) {
        return hf_word_syntax(shard, conn);
    }
    hf_question q = { .ask = HF_ASK_BGSAVE, .word = scheduled, .finish = finish_bgsave };
    return hf_gather__start(shard, conn, &q);
}

/* The time as of which every shard has a checkpoint. */
static void finish_lastsave(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    uint64_t oldest = UINT64_MAX;
    for (uint16_t i = 0; i < shard->count; i++) {
        uint64_t at;
        memcpy(&at, gather->answers[i].data, sizeof at);
        oldest = at < oldest ? at : oldest;
    }
    hf_resp_integer(reply, (int64_t)oldest);
}

bool hf_session__lastsave(hf_shard *shard, hf_conn *conn, const hf_command *command,
                          const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)args;
    (void)argc;
    hf_question q = { .ask = HF_ASK_LASTSAVE, .finish = finish_lastsave };
    return hf_gather__start(shard, conn, &q);
}

/* SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE] [ABORT]: everything acknowledged is on disk already, so all
 * forms are one. There is no reply: the connection ends with the node. */
bool hf_session__shutdown(hf_shard *shard, hf_conn *conn, const hf_command *command,
                          const hf_bytes *args, uint32_t argc)
{
    (void)command;
    bool save = false, nosave = false, abort = false, other = false;
    for (uint32_t i = 1; i < argc; i++) {
        if (hf_word_is(args[i], "SAVE")) {
            save = true;
        } else if (hf_word_is(args[i], "NOSAVE")) {
            nosave = true;
        } else if (hf_word_is(args[i], "ABORT")) {
            abort = true;
        } else if (hf_word_is(args[i], "NOW") || hf_word_is(args[i], "FORCE")) {
            other = true;
        } else {
            return hf_word_syntax(shard, conn);
        }
    }
    if ((save && nosave) || (abort && (save || nosave || other))) {
        return hf_word_syntax(shard, conn);
    }
    if (abort) {
        return hf_word_error(shard, conn, "ERR No shutdown in progress.");
    }
    if (!hf_gather__tell(shard, HF_ASK_STOP, hf_all_shards(shard), 0, hf_bytes_of(NULL, 0))) {
        return hf_word_error(shard, conn, "OOM no memory to tell the other cores; ask again");
    }
    return true;
}
