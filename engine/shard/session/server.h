/* The server commands of a session: what they share. For engine/shard/session_*.c, http.c and their
 * tests only.
 *
 * Every shard keeps its own settings, counters, slow log and subscribers. What concerns the whole
 * node is gathered: a question goes to all shards, and a function puts the answers together
 * (gather.c).
 */
#ifndef HF_SHARD_SESSION_SERVER_H
#define HF_SHARD_SESSION_SERVER_H
#include "engine/shard/session/message.h"
#include "engine/shard/session/session_impl.h"

enum {
    HF_COMMANDS_MAX = 192,  /* rows of the command table that counters are kept for */
    HF_PUSH_MAX = 32 << 20, /* unsent bytes at which a subscriber or monitor is cut off */
    HF_SLOWLOG_MOST = 1024, /* entries of one shard */
    HF_SLOWLOG_ARGS = 32,   /* arguments of an entry, as Redis */
    HF_NOTES = 4096,        /* commands whose arguments are remembered for SLOWLOG */
    HF_NOTE_BYTES = 64,     /* ... so many bytes of them */
    HF_DURATIONS = 24,      /* buckets of latency histograms: up to 1 us, 2 us, 4 us, ... */
    HF_ERRORS_MAX = 64,     /* kinds of errors that are told apart in INFO errorstats */
    HF_ERROR_NAME = 16,
    HF_LATENCY_SAMPLES = 160, /* per event, as Redis */
    HF_RATE_SAMPLES = 16,
    HF_NAME_MOST = 4096, /* bytes of a channel or pattern; longer ones are refused */
};

/* ---- Settings that CONFIG SET changes: the same on every shard ---- */
typedef struct hf_settings {
    int64_t slow_us;     /* slowlog-log-slower-than; negative: off */
    uint64_t slow_most;  /* slowlog-max-len */
    uint64_t latency_ms; /* latency-monitor-threshold; 0: off */
    uint64_t timeout_s;  /* idle clients are closed; 0: never */
} hf_settings;
hf_settings hf_settings_default(void);

typedef enum hf_reset { HF_RESET_STATS = 1, HF_RESET_SLOWLOG = 2 } hf_reset;

/* ---- Counters ---- */
typedef struct hf_command_counter {
    uint64_t calls, errors, ns;
    uint64_t rejected; /* not run: arguments, a node that is not ready */
    uint64_t durations[HF_DURATIONS];
} hf_command_counter;

typedef struct hf_error_counter {
    char name[HF_ERROR_NAME];
    uint64_t count;
} hf_error_counter;

/* What one shard has to say about itself: INFO, HF.ADMIN STATS and SHARDS, /metrics, /api/status.
 * The u64s from `commands` to `write_ns_sum` add up to those of the node, but for those that
 * hf_sample__merge() names. */
typedef struct hf_sample {
    hf_shard_stats shard;
    uint64_t commands, bytes_in, bytes_out, rejected, cut_off, too_large, errors, rate;
    uint64_t clients, http_clients, blocked, watching, in_txn, max_input, max_output;
    uint64_t channels, patterns, subscribers, monitors;
    uint64_t killed, published, timed_out;
    uint64_t up_ns, wall_ns, clock_ahead_ns, horizon_ns, last_save_ns, saving, memory_peak;
    uint64_t locks, lock_holds, lock_ranges, ranges, slowlog;
    uint64_t log_kept_bytes, log_segments, flush_ns_total, flush_ns_max, expires;
    uint64_t read_ns[HF_DURATIONS], write_ns[HF_DURATIONS]; /* histograms over all commands */
    uint64_t read_ns_sum, write_ns_sum;
    hf_error_counter by_error[HF_ERRORS_MAX];
} hf_sample;

typedef struct hf_note {
    uint32_t number; /* of the note that stands here; 0: none */
    uint32_t more;   /* arguments beyond HF_SLOWLOG_ARGS */
    uint8_t size, count;
    uint8_t bytes[HF_NOTE_BYTES]; /* u8 size, bytes, ... */
} hf_note;

typedef struct hf_slow {
    uint64_t id, wall_s, us;
    hf_bytes text; /* in the heap: address | name | u32 count | arguments, each u32 size, bytes */
} hf_slow;

typedef struct hf_latency_sample {
    uint64_t wall_s, ms;
} hf_latency_sample;
typedef enum hf_latency_event {
    HF_LATENCY_COMMAND,
    HF_LATENCY_FAST,
    HF_LATENCY_EVENTS
} hf_latency_event;
typedef struct hf_latency {
    hf_latency_sample samples[HF_LATENCY_SAMPLES];
    uint64_t count, max_ms; /* ever, since the reset */
} hf_latency;

/* ---- Subscriptions (pubsub.c) ---- */
typedef struct hf_channel hf_channel;
typedef struct hf_subscription {
    struct hf_subscription *next, *prev;           /* of the channel, in the order of coming */
    struct hf_subscription *conn_next, *conn_prev; /* of the connection */
    hf_channel *channel;
    hf_conn *conn;
} hf_subscription;
typedef struct hf_pubsub {
    hf_map maps[2];                 /* hash of the name -> first hf_channel */
    hf_map subscriptions;           /* connection's and channel's numbers -> hf_subscription */
    hf_channel *first[2], *last[2]; /* all channels, all patterns */
    uint64_t made;                  /* channels, ever: their numbers */
    uint64_t count[2];              /* ... that somebody listens to */
} hf_pubsub;

/* What conn->extra of a RESP client points to, once it subscribes or monitors. */
typedef struct hf_conn_extra {
    hf_subscription *subscriptions[2]; /* channels, patterns */
    uint32_t count[2];
    bool monitor, monitor_ready;
} hf_conn_extra;

/* ---- Gathering ---- */
typedef struct hf_gather hf_gather;
typedef void hf_gather_finish(hf_shard *shard, hf_gather *gather, hf_buf *reply);
struct hf_gather {
    hf_ticket ticket;
    hf_gather_finish *finish;
    uint32_t index, generation;
    uint32_t waiting;
    uint16_t ask;
    uint8_t proto, word; /* word: the asker's own */
    bool failed;
    bool put_off;      /* finish() will ask again: there is no reply yet */
    uint64_t value[2]; /* the sums of what was answered */
    hf_buf keep;       /* what finish() needs to know: the asker's own */
    hf_buf answers[];  /* by shard; not open: that one was not asked, or said nothing */
};

typedef struct hf_question {
    hf_ask ask;
    bool to_one; /* `to` only */
    uint16_t to;
    uint8_t word;
    uint64_t value[2];
    hf_bytes body, keep;
    hf_gather_finish *finish;
} hf_question;

enum { HF_GATHERS_MAX = 1024 };

/* ---- All of it ---- */
typedef struct hf_pending {
    struct hf_pending *next;
    hf_msg_session msg; /* last: its body follows */
} hf_pending;

typedef struct hf_server {
    hf_session_command *functions[HF_COMMANDS_MAX];
    hf_settings settings;
    uint64_t started_wall_ns, started_ns;
    bool stop_wanted;

    hf_gather *gathers[HF_GATHERS_MAX];
    uint32_t gather_spare[HF_GATHERS_MAX], gather_spares;
    uint32_t generation;
    hf_pending *pending, *pending_last; /* questions that cannot be answered yet */
    hf_buf body, reply, text;           /* scratch */

    hf_command_counter *commands; /* [HF_COMMANDS_MAX] */
    uint64_t read_ns[HF_DURATIONS], write_ns[HF_DURATIONS], read_ns_sum, write_ns_sum;
    uint64_t commands_done, errors, killed, timed_out, memory_peak;
    hf_error_counter by_error[HF_ERRORS_MAX];
    uint64_t rate_at[HF_RATE_SAMPLES], rate_count[HF_RATE_SAMPLES];
    uint32_t rate_next;

    hf_note *notes; /* [HF_NOTES] */
    uint32_t note_number;
    hf_slow *slow; /* ring of HF_SLOWLOG_MOST */
    uint64_t slow_first, slow_next;
    hf_latency latency[HF_LATENCY_EVENTS];

    uint64_t pause_until_ns;
    bool pause_writes_only;
    uint64_t idle_at_ns; /* next look at idle connections */

    hf_pubsub pubsub;
    uint64_t published;
    uint32_t monitors;       /* of this shard */
    bool monitor_over;       /* it has none any more, and some shards may not know */
    hf_shard_set monitoring; /* the shards that have some, as they told us */
    hf_buf monitor_text;
    uint64_t monitor_lost;

    hf_scan_cursors *cursors;
    struct hf_apply *applies;
    uint64_t apply_next;
    uint32_t apply_count;
    struct hf_changes *changes; /* NULL: nobody has asked for changes yet */
    struct hf_changes_wait *changes_waits;
    uint32_t changes_waiting;
    hf_conn *http_first; /* of this shard, linked through hf_http */
} hf_server;

static inline hf_shard_set hf_all_shards(const hf_shard *shard)
{
    return shard->count == HF_SHARDS_MAX ? ~(hf_shard_set)0 : hf_shard_bit(shard->count) - 1;
}

static inline hf_server *hf_server_of(const hf_shard *shard)
{
    return shard->session->server;
}

/* ---- gather.c ---- */
/* Asks, and opens the slot of the command at hand, which finish() will fill. Always true: without
 * memory the reply says so. False: too many questions are open; later. */
bool hf_gather__start(hf_shard *shard, hf_conn *conn, const hf_question *question);
/* Asks for a command whose slot is open already. False: not now. */
bool hf_gather__again(hf_shard *shard, hf_ticket ticket, uint8_t proto,
                      const hf_question *question);
/* Answers a question: from an answering function that said "later", or at once. The message is on
 * its way when the log is durable up to `lsn`. */
void hf_gather__answer(hf_shard *shard, const hf_msg_session *ask, const uint64_t value[2],
                       bool failed, uint64_t lsn, hf_bytes body);
/* Passes a question on to another shard; false: no memory. */
bool hf_gather__forward(hf_shard *shard, const hf_msg_session *ask, uint16_t to, hf_bytes body);
/* Tells all shards of the set without wanting an answer; false: no memory, some do not hear. */
bool hf_gather__tell(hf_shard *shard, hf_ask ask, hf_shard_set set, uint64_t value, hf_bytes body);
void hf_gather__retry(hf_shard *shard); /* the pending ones */
static inline hf_bytes hf_gather_body(const hf_msg_session *msg)
{
    return hf_msg_body(&msg->head, sizeof *msg);
}
/* finish() for commands whose reply is +OK. */
void hf_gather__ok(hf_shard *shard, hf_gather *gather, hf_buf *reply);

/* How a shard answers: it writes the body and the values, true. Or false: later; it is asked again
 * in each turn, and ask->value is then what it left in `value`, ask->since_ns no longer 0. What
 * answers itself (hf_gather__answer, forward) sets `done`. */
typedef struct hf_answer {
    const hf_msg_session *ask;
    hf_bytes body; /* of the question */
    hf_buf *out;   /* of the answer */
    uint64_t value[2];
    uint64_t lsn; /* hold the answer back until the log is durable up to here */
    bool failed, done;
} hf_answer;
typedef bool hf_answer_function(hf_shard *shard, hf_answer *answer);
hf_answer_function hf_answer__stats, hf_answer__clients, hf_answer__kill, hf_answer__pause,
    hf_answer__settings, hf_answer__reset, hf_answer__save, hf_answer__lastsave, hf_answer__bgsave,
    hf_answer__stop, hf_answer__slowlog, hf_answer__latency, hf_answer__monitor, hf_answer__told,
    hf_answer__publish, hf_answer__channels, hf_answer__numsub, hf_answer__scan, hf_answer__ranges,
    hf_answer__txns, hf_answer__locks, hf_answer__expire, hf_answer__changes;

/* ---- Words and replies (words.c) ---- */
bool hf_word_is(hf_bytes argument, const char *upper); /* equal, in any case */
/* "ERR unknown subcommand 'x'. Try NAME HELP." and "wrong number of arguments for 'name|x'". Both
 * take a reply and end it; always true. */
bool hf_word_unknown(hf_shard *shard, hf_conn *conn, const hf_command *command, hf_bytes sub);
bool hf_word_arity(hf_shard *shard, hf_conn *conn, const hf_command *command, hf_bytes sub);
bool hf_word_error(hf_shard *shard, hf_conn *conn, const char *text);
bool hf_word_errorf(hf_shard *shard, hf_conn *conn, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool hf_word_reply(hf_shard *shard, hf_conn *conn, hf_bytes reply); /* as it stands */
bool hf_word_ok(hf_shard *shard, hf_conn *conn);
bool hf_word_syntax(hf_shard *shard, hf_conn *conn);
/* HELP: the usual first and last lines are put around. */
bool hf_word_help(hf_shard *shard, hf_conn *conn, const hf_command *command,
                  const char *const *lines, uint32_t count);
/* An empty array, an integer, a bulk string or a simple string as the whole reply. */
bool hf_word_integer(hf_shard *shard, hf_conn *conn, int64_t value);
bool hf_word_bulk(hf_shard *shard, hf_conn *conn, hf_bytes value);
bool hf_word_text(hf_shard *shard, hf_conn *conn, const char *value);
bool hf_word_array0(hf_shard *shard, hf_conn *conn);
hf_bytes hf_word_of(const char *text);
/* Appends formatted text. */
void hf_put(hf_buf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Map entries of a reply. */
void hf_put_text(hf_buf *out, const char *name, const char *value);
void hf_put_bytes(hf_buf *out, const char *name, hf_bytes value);
void hf_put_number(hf_buf *out, const char *name, int64_t value);
/* Ascending byte order, in place, no memory; equal ones keep no order. */
void hf_word_sort(hf_bytes *names, uint32_t count);
bool hf_word_printable(hf_bytes text); /* as Redis wants client names: '!' to '~' */
/* As redis-cli shows a string: quotes, \n, \x00. */
void hf_put_quoted(hf_buf *out, hf_bytes text);

/* ---- Others ---- */
void hf_session__find_all(hf_server *server);                  /* table.c */
hf_conn_extra *hf_extra__need(hf_shard *shard, hf_conn *conn); /* NULL: no memory */
void hf_monitor__feed(hf_shard *shard, const hf_conn *conn, const hf_command *command,
                      const hf_bytes *args, uint32_t argc);
void hf_monitor__turn(hf_shard *shard);
void hf_monitor__leave(hf_shard *shard, hf_conn *conn);
void hf_push(hf_shard *shard, hf_conn *conn, hf_bytes bytes); /* cuts off who does not read */
bool hf_slowlog__open(hf_shard *shard);
void hf_slowlog__note(hf_shard *shard, hf_slot *slot, const hf_bytes *args, uint32_t argc);
void hf_slowlog__add(hf_shard *shard, const hf_conn *conn, const hf_slot *slot, uint64_t us);
void hf_slowlog__forget(hf_shard *shard, uint64_t keep);
void hf_latency__add(hf_shard *shard, hf_latency_event event, uint64_t ms);
bool hf_pubsub__open(hf_shard *shard);
void hf_pubsub__leave_all(hf_shard *shard, hf_conn *conn);
bool hf_pubsub__subscribed(const hf_conn *conn);
bool hf_scan__open(hf_shard *shard);
uint64_t hf_changes__turn(hf_shard *shard);
void hf_sample__take(hf_shard *shard, hf_sample *sample);
/* One sample for the node: sums; times and states by what they mean. */
void hf_sample__merge(hf_sample *into, const hf_sample *one);
const hf_sample *hf_sample__of(const hf_gather *gather, uint16_t shard);
const hf_command_counter *hf_sample__commands(const hf_gather *gather, uint16_t shard);
uint64_t hf_sample__rate(const hf_shard *shard);
void hf_client__line(hf_shard *shard, const hf_conn *conn, hf_buf *out);
bool hf_client__set_name(hf_shard *shard, hf_conn *conn, hf_bytes name, const char **error);
void hf_conn__reset(hf_shard *shard, hf_conn *conn);
/* The pairs of what CONFIG GET knows, in order; false at the end. */
typedef struct hf_parameter {
    const char *name;
    char value[32];
} hf_parameter;
bool hf_config__at(const hf_shard_config *config, const hf_settings *settings, uint64_t memory,
                   uint16_t shards, uint32_t index, hf_parameter *parameter);
/* Sets one of them. NULL: done; else what is wrong with it, as Redis puts it. */
const char *hf_config__set(hf_settings *settings, hf_bytes name, hf_bytes value);
bool hf_config__known(hf_bytes name);
uint64_t hf_http__turn(hf_shard *shard);
uint64_t hf_apply__turn(hf_shard *shard);
void hf_http__resume(hf_shard *shard, hf_ticket ticket);

/* ---- The commands ---- */
hf_session_command hf_session__hello, hf_session__auth, hf_session__ping, hf_session__echo,
    hf_session__select, hf_session__quit, hf_session__reset, hf_session__client,
    hf_session__command, hf_session__info, hf_session__config, hf_session__time,
    hf_session__lastsave, hf_session__save, hf_session__bgsave, hf_session__role, hf_session__wait,
    hf_session__slowlog, hf_session__latency, hf_session__memory, hf_session__monitor,
    hf_session__shutdown, hf_session__debug, hf_session__acl, hf_session__function,
    hf_session__cluster, hf_session__no_cluster, hf_session__scan, hf_session__subscribe,
    hf_session__unsubscribe, hf_session__psubscribe, hf_session__punsubscribe, hf_session__publish,
    hf_session__pubsub, hf_session__hf_admin, hf_session__hf_apply, hf_session__hf_changes;

#endif
