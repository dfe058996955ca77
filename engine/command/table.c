/* The rows. Arity, flags and keys as Redis 7.0 reports them; after a change of names run names.py.
 */
#include "engine/command/command_impl.h"
#include "engine/command/names.inc"

/* clang-format off */
enum {
    NONE = 0,
    READ = HF_COMMAND_READ, WRITE = HF_COMMAND_WRITE, COMMUTE = HF_COMMAND_COMMUTE,
    ALL_KEYS = HF_COMMAND_ALL_KEYS, SPLIT_ARRAY = HF_COMMAND_SPLIT_ARRAY,
    SPLIT_SUM = HF_COMMAND_SPLIT_SUM, SPLIT_OK = HF_COMMAND_SPLIT_OK, ADMIN = HF_COMMAND_ADMIN,
    NO_MULTI = HF_COMMAND_NO_MULTI, PUBSUB = HF_COMMAND_PUBSUB, LOADING = HF_COMMAND_LOADING,
    FAST = HF_COMMAND_FAST, NO_AUTH = HF_COMMAND_NO_AUTH, INTERNAL = HF_COMMAND_INTERNAL,
    BLOCKING = HF_COMMAND_BLOCKING,
};

#define ROW(name, arity, flags, first, last, step, run, part, group, since, summary, syntax)       \
    { name, (uint16_t)(__COUNTER__ - FIRST_COUNTER - 1), arity, flags, first, last, step, run,     \
      part, group, since, summary, syntax },
#define RUN(name) hf_command__run_##name
enum { FIRST_COUNTER = __COUNTER__ };

const hf_command hf_command__table[] = {
    /* connection */
    ROW("hello", -1, LOADING | FAST | NO_AUTH | NO_MULTI, 0, 0, 0, NULL, NULL,
        "connection", "6.0.0",
        "Choose the protocol, log in, name the connection",
        "[protover [AUTH username password] [SETNAME clientname]]")
    ROW("auth", -2, LOADING | FAST | NO_AUTH, 0, 0, 0, NULL, NULL, "connection", "1.0.0",
        "Log in",
        "[username] password")
    ROW("ping", -1, PUBSUB | LOADING | FAST, 0, 0, 0, RUN(ping), NULL, "connection", "1.0.0",
        "Answer PONG or the message",
        "[message]")
    ROW("echo", 2, LOADING | FAST, 0, 0, 0, RUN(echo), NULL, "connection", "1.0.0",
        "Answer the message",
        "message")
    ROW("select", 2, LOADING | FAST, 0, 0, 0, RUN(select), NULL, "connection", "1.0.0",
        "Choose the database; there is only 0",
        "index")
    ROW("quit", -1, PUBSUB | LOADING | FAST | NO_AUTH, 0, 0, 0, NULL, NULL, "connection", "1.0.0",
        "Close the connection",
        "")
    ROW("reset", 1, PUBSUB | LOADING | FAST | NO_AUTH, 0, 0, 0, NULL, NULL, "connection", "6.2.0",
        "Set the connection back to how it began",
        "")
    ROW("client", -2, LOADING, 0, 0, 0, NULL, NULL, "connection", "2.4.0",
        "About connections",
        "subcommand [argument ...]")
    /* server */
    ROW("command", -1, LOADING, 0, 0, 0, NULL, NULL, "server", "2.8.13",
        "About commands",
        "[COUNT|INFO [name ...]|DOCS [name ...]|LIST [FILTERBY MODULE module|ACLCAT "
        "category|PATTERN pattern]|GETKEYS command [argument ...]|HELP]")
    ROW("info", -1, LOADING, 0, 0, 0, NULL, NULL, "server", "1.0.0",
        "State and counters of the node",
        "[section [section ...]]")
    ROW("config", -2, ADMIN | LOADING, 0, 0, 0, NULL, NULL, "server", "2.0.0",
        "Settings",
        "GET pattern [pattern ...]|SET name value [name value ...]|RESETSTAT|REWRITE|HELP")
    ROW("dbsize", 1, READ | ALL_KEYS | FAST, 0, 0, 0, RUN(dbsize), NULL, "server", "1.0.0",
        "Count the keys",
        "")
    ROW("flushall", -1, WRITE | ALL_KEYS, 0, 0, 0, RUN(flushall), NULL, "server", "1.0.0",
        "Delete all keys",
        "[ASYNC|SYNC]")
    ROW("flushdb", -1, WRITE | ALL_KEYS, 0, 0, 0, RUN(flushall), NULL, "server", "1.0.0",
        "Delete all keys",
        "[ASYNC|SYNC]")
    ROW("time", 1, LOADING | FAST, 0, 0, 0, RUN(time), NULL, "server", "2.6.0",
        "The time of the node",
        "")
    ROW("lastsave", 1, LOADING | FAST, 0, 0, 0, NULL, NULL, "server", "1.0.0",
        "Time of the last checkpoint",
        "")
    ROW("save", 1, ADMIN | NO_MULTI, 0, 0, 0, NULL, NULL, "server", "1.0.0",
        "Write a checkpoint",
        "")
    ROW("bgsave", -1, ADMIN, 0, 0, 0, NULL, NULL, "server", "1.0.0",
        "Write a checkpoint",
        "[SCHEDULE]")
    ROW("role", 1, LOADING | FAST, 0, 0, 0, NULL, NULL, "server", "2.8.12",
        "Role of the node",
        "")
    /* generic */
    ROW("wait", 3, NONE, 0, 0, 0, NULL, NULL, "generic", "3.0.0",
        "Wait until earlier writes are on that many replicas",
        "numreplicas timeout")
    /* server */
    ROW("slowlog", -2, ADMIN | LOADING, 0, 0, 0, NULL, NULL, "server", "2.2.12",
        "Slow commands",
        "GET [count]|LEN|RESET|HELP")
    ROW("latency", -2, ADMIN | LOADING, 0, 0, 0, NULL, NULL, "server", "2.8.13",
        "Latency events",
        "DOCTOR|GRAPH event|HISTOGRAM [command ...]|HISTORY event|LATEST|RESET [event ...]|HELP")
    ROW("memory", -2, READ | LOADING, 2, 2, 1, RUN(memory), NULL, "server", "4.0.0",
        "Memory of a key or of the node",
        "USAGE key [SAMPLES count]|DOCTOR|STATS|HELP")
    ROW("monitor", 1, ADMIN | NO_MULTI | LOADING, 0, 0, 0, NULL, NULL, "server", "1.0.0",
        "Show every command as it comes",
        "")
    ROW("shutdown", -1, ADMIN | NO_MULTI | LOADING, 0, 0, 0, NULL, NULL, "server", "1.0.0",
        "Stop the node",
        "[NOSAVE|SAVE] [NOW] [FORCE] [ABORT]")
    ROW("debug", -2, ADMIN | LOADING, 0, 0, 0, NULL, NULL, "server", "1.0.0",
        "For tests",
        "subcommand [argument ...]")
    ROW("acl", -2, ADMIN | LOADING, 0, 0, 0, NULL, NULL, "server", "6.0.0",
        "About users",
        "WHOAMI|LIST|USERS|CAT [category]|HELP")
    /* scripting */
    ROW("function", -2, NONE, 0, 0, 0, NULL, NULL, "scripting", "7.0.0",
        "Functions are not supported; FUNCTION FLUSH is answered",
        "FLUSH [ASYNC|SYNC]")
    /* generic */
    ROW("del", -2, WRITE | SPLIT_SUM, 1, -1, 1, RUN(del), "del", "generic", "1.0.0",
        "Delete keys",
        "key [key ...]")
    ROW("unlink", -2, WRITE | SPLIT_SUM | FAST, 1, -1, 1, RUN(del), "unlink", "generic", "4.0.0",
        "Delete keys",
        "key [key ...]")
    ROW("exists", -2, READ | SPLIT_SUM | FAST, 1, -1, 1, RUN(exists), "exists", "generic", "1.0.0",
        "Count which of the keys exist",
        "key [key ...]")
    ROW("type", 2, READ | FAST, 1, 1, 1, RUN(type), NULL, "generic", "1.0.0",
        "Kind of the value",
        "key")
    ROW("touch", -2, READ | SPLIT_SUM | FAST, 1, -1, 1, RUN(touch), "touch", "generic", "3.2.1",
        "Count which of the keys exist",
        "key [key ...]")
    ROW("expire", -3, WRITE | FAST, 1, 1, 1, RUN(expire), NULL, "generic", "1.0.0",
        "Set the time to live in seconds",
        "key seconds [NX|XX|GT|LT]")
    ROW("pexpire", -3, WRITE | FAST, 1, 1, 1, RUN(pexpire), NULL, "generic", "2.6.0",
        "Set the time to live in milliseconds",
        "key milliseconds [NX|XX|GT|LT]")
    ROW("expireat", -3, WRITE | FAST, 1, 1, 1, RUN(expireat), NULL, "generic", "1.2.0",
        "Set the time of expiry as a Unix time",
        "key unix-time-seconds [NX|XX|GT|LT]")
    ROW("pexpireat", -3, WRITE | FAST, 1, 1, 1, RUN(pexpireat), NULL, "generic", "2.6.0",
        "Set the time of expiry as a Unix time in milliseconds",
        "key unix-time-milliseconds [NX|XX|GT|LT]")
    ROW("ttl", 2, READ | FAST, 1, 1, 1, RUN(ttl), NULL, "generic", "1.0.0",
        "Time to live in seconds",
        "key")
    ROW("pttl", 2, READ | FAST, 1, 1, 1, RUN(pttl), NULL, "generic", "2.6.0",
        "Time to live in milliseconds",
        "key")
    ROW("expiretime", 2, READ | FAST, 1, 1, 1, RUN(expiretime), NULL, "generic", "7.0.0",
        "Time of expiry as a Unix time",
        "key")
    ROW("pexpiretime", 2, READ | FAST, 1, 1, 1, RUN(pexpiretime), NULL, "generic", "7.0.0",
        "Time of expiry as a Unix time in milliseconds",
        "key")
    ROW("persist", 2, WRITE | FAST, 1, 1, 1, RUN(persist), NULL, "generic", "2.2.0",
        "Remove the time to live",
        "key")
    ROW("rename", 3, WRITE, 1, 2, 1, RUN(rename), NULL, "generic", "1.0.0",
        "Rename a key, replacing the new one",
        "key newkey")
    ROW("renamenx", 3, WRITE | FAST, 1, 2, 1, RUN(renamenx), NULL, "generic", "1.0.0",
        "Rename a key if the new one does not exist",
        "key newkey")
    ROW("copy", -3, WRITE, 1, 2, 1, RUN(copy), NULL, "generic", "6.2.0",
        "Copy a value to another key",
        "source destination [DB destination-db] [REPLACE]")
    ROW("randomkey", 1, READ | ALL_KEYS, 0, 0, 0, RUN(randomkey), NULL, "generic", "1.0.0",
        "A key by chance",
        "")
    ROW("keys", 2, READ | ALL_KEYS, 0, 0, 0, RUN(keys), NULL, "generic", "1.0.0",
        "All keys that match a pattern",
        "pattern")
    ROW("scan", -2, READ | ALL_KEYS, 0, 0, 0, NULL, NULL, "generic", "2.8.0",
        "Go through the keys page by page",
        "cursor [MATCH pattern] [COUNT count] [TYPE type]")
    ROW("object", -2, READ, 2, 2, 1, RUN(object), NULL, "generic", "2.2.3",
        "About the inside of a value",
        "ENCODING key|FREQ key|IDLETIME key|REFCOUNT key|HELP")
    /* string */
    ROW("get", 2, READ | FAST, 1, 1, 1, RUN(get), NULL, "string", "1.0.0",
        "Value of a key",
        "key")
    ROW("set", -3, WRITE, 1, 1, 1, RUN(set), NULL, "string", "1.0.0",
        "Set a key",
        "key value [NX|XX|IFEQ value|IFNE value] [GET] [EX seconds|PX milliseconds|EXAT "
        "unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL]")
    ROW("setnx", 3, WRITE | FAST, 1, 1, 1, RUN(setnx), NULL, "string", "1.0.0",
        "Set a key if it does not exist",
        "key value")
    ROW("setex", 4, WRITE, 1, 1, 1, RUN(setex), NULL, "string", "2.0.0",
        "Set a key with a time to live in seconds",
        "key seconds value")
    ROW("psetex", 4, WRITE, 1, 1, 1, RUN(psetex), NULL, "string", "2.6.0",
        "Set a key with a time to live in milliseconds",
        "key milliseconds value")
    ROW("getex", -2, WRITE | FAST, 1, 1, 1, RUN(getex), NULL, "string", "6.2.0",
        "Value of a key; may change its time to live",
        "key [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT "
        "unix-time-milliseconds|PERSIST]")
    ROW("getdel", 2, WRITE | FAST, 1, 1, 1, RUN(getdel), NULL, "string", "6.2.0",
        "Value of a key, which is deleted",
        "key")
    ROW("getset", 3, WRITE | FAST, 1, 1, 1, RUN(getset), NULL, "string", "1.0.0",
        "Set a key and answer what it was",
        "key value")
    ROW("mget", -2, READ | SPLIT_ARRAY | FAST, 1, -1, 1, RUN(mget), "hf.part.get", "string",
        "1.0.0",
        "Values of several keys",
        "key [key ...]")
    ROW("mset", -3, WRITE | SPLIT_OK, 1, -1, 2, RUN(mset), "set", "string", "1.0.1",
        "Set several keys at once",
        "key value [key value ...]")
    ROW("msetnx", -3, WRITE, 1, -1, 2, RUN(msetnx), NULL, "string", "1.0.1",
        "Set several keys if none of them exists",
        "key value [key value ...]")
    ROW("append", 3, WRITE | FAST, 1, 1, 1, RUN(append), NULL, "string", "2.0.0",
        "Add to the end of a string",
        "key value")
    ROW("strlen", 2, READ | FAST, 1, 1, 1, RUN(strlen), NULL, "string", "2.2.0",
        "Length of a string",
        "key")
    ROW("getrange", 4, READ, 1, 1, 1, RUN(getrange), NULL, "string", "2.4.0",
        "Part of a string",
        "key start end")
    ROW("substr", 4, READ, 1, 1, 1, RUN(getrange), NULL, "string", "1.0.0",
        "Part of a string",
        "key start end")
    ROW("setrange", 4, WRITE, 1, 1, 1, RUN(setrange), NULL, "string", "2.2.0",
        "Overwrite part of a string",
        "key offset value")
    ROW("incr", 2, WRITE | FAST, 1, 1, 1, RUN(incr), NULL, "string", "1.0.0",
        "Add one",
        "key")
    ROW("decr", 2, WRITE | FAST, 1, 1, 1, RUN(decr), NULL, "string", "1.0.0",
        "Take away one",
        "key")
    ROW("incrby", 3, WRITE | FAST, 1, 1, 1, RUN(incrby), NULL, "string", "1.0.0",
        "Add a number",
        "key increment")
    ROW("decrby", 3, WRITE | FAST, 1, 1, 1, RUN(decrby), NULL, "string", "1.0.0",
        "Take away a number",
        "key decrement")
    ROW("incrbyfloat", 3, WRITE | FAST, 1, 1, 1, RUN(incrbyfloat), NULL, "string", "2.6.0",
        "Add a decimal number",
        "key increment")
    /* transactions */
    ROW("multi", 1, LOADING | FAST, 0, 0, 0, NULL, NULL, "transactions", "1.2.0",
        "Begin a transaction",
        "")
    ROW("exec", -1, LOADING, 0, 0, 0, NULL, NULL, "transactions", "1.2.0",
        "Run the transaction, if the conditions hold",
        "[IFEQ key value|IFNE key value|NX key|XX key ...]")
    ROW("discard", 1, LOADING | FAST, 0, 0, 0, NULL, NULL, "transactions", "2.0.0",
        "Drop the transaction",
        "")
    ROW("watch", -2, LOADING | FAST, 1, -1, 1, NULL, NULL, "transactions", "2.2.0",
        "EXEC only if these keys stay unchanged",
        "key [key ...]")
    ROW("unwatch", 1, LOADING | FAST, 0, 0, 0, NULL, NULL, "transactions", "2.2.0",
        "Forget watched keys",
        "")
    /* hash */
    ROW("hset", -4, WRITE | FAST, 1, 1, 1, RUN(hset), NULL, "hash", "2.0.0",
        "Set fields of a hash",
        "key field value [field value ...]")
    ROW("hget", 3, READ | FAST, 1, 1, 1, RUN(hget), NULL, "hash", "2.0.0",
        "A field of a hash",
        "key field")
    ROW("hmget", -3, READ | FAST, 1, 1, 1, RUN(hmget), NULL, "hash", "2.0.0",
        "Several fields of a hash",
        "key field [field ...]")
    ROW("hmset", -4, WRITE | FAST, 1, 1, 1, RUN(hmset), NULL, "hash", "2.0.0",
        "Set fields of a hash",
        "key field value [field value ...]")
    ROW("hgetall", 2, READ, 1, 1, 1, RUN(hgetall), NULL, "hash", "2.0.0",
        "All fields and values of a hash",
        "key")
    ROW("hdel", -3, WRITE | FAST, 1, 1, 1, RUN(hdel), NULL, "hash", "2.0.0",
        "Delete fields of a hash",
        "key field [field ...]")
    ROW("hexists", 3, READ | FAST, 1, 1, 1, RUN(hexists), NULL, "hash", "2.0.0",
        "Whether a field exists",
        "key field")
    ROW("hlen", 2, READ | FAST, 1, 1, 1, RUN(hlen), NULL, "hash", "2.0.0",
        "Count the fields of a hash",
        "key")
    ROW("hkeys", 2, READ, 1, 1, 1, RUN(hkeys), NULL, "hash", "2.0.0",
        "All fields of a hash",
        "key")
    ROW("hvals", 2, READ, 1, 1, 1, RUN(hvals), NULL, "hash", "2.0.0",
        "All values of a hash",
        "key")
    ROW("hincrby", 4, WRITE | FAST, 1, 1, 1, RUN(hincrby), NULL, "hash", "2.0.0",
        "Add a number to a field",
        "key field increment")
    ROW("hincrbyfloat", 4, WRITE | FAST, 1, 1, 1, RUN(hincrbyfloat), NULL, "hash", "2.6.0",
        "Add a decimal number to a field",
        "key field increment")
    ROW("hsetnx", 4, WRITE | FAST, 1, 1, 1, RUN(hsetnx), NULL, "hash", "2.0.0",
        "Set a field if it does not exist",
        "key field value")
    ROW("hstrlen", 3, READ | FAST, 1, 1, 1, RUN(hstrlen), NULL, "hash", "3.2.0",
        "Length of the value of a field",
        "key field")
    ROW("hscan", -3, READ, 1, 1, 1, RUN(hscan), NULL, "hash", "2.8.0",
        "Go through the fields of a hash",
        "key cursor [MATCH pattern] [COUNT count]")
    ROW("hrandfield", -2, READ, 1, 1, 1, RUN(hrandfield), NULL, "hash", "6.2.0",
        "Fields of a hash by chance",
        "key [count [WITHVALUES]]")
    /* bitmap */
    ROW("getbit", 3, READ | FAST, 1, 1, 1, RUN(getbit), NULL, "bitmap", "2.2.0",
        "A bit of a string",
        "key offset")
    ROW("setbit", 4, WRITE, 1, 1, 1, RUN(setbit), NULL, "bitmap", "2.2.0",
        "Set a bit of a string",
        "key offset value")
    ROW("bitcount", -2, READ, 1, 1, 1, RUN(bitcount), NULL, "bitmap", "2.6.0",
        "Count the bits that are set",
        "key [start end [BYTE|BIT]]")
    ROW("bitpos", -3, READ, 1, 1, 1, RUN(bitpos), NULL, "bitmap", "2.8.7",
        "Find the first bit that is set or clear",
        "key bit [start [end [BYTE|BIT]]]")
    ROW("bitfield", -2, WRITE, 1, 1, 1, RUN(bitfield), NULL, "bitmap", "3.2.0",
        "Integers of any width inside a string",
        "key [GET encoding offset|[OVERFLOW WRAP|SAT|FAIL] SET encoding offset value|INCRBY "
        "encoding offset increment ...]")
    ROW("bitfield_ro", -2, READ | FAST, 1, 1, 1, RUN(bitfield_ro), NULL, "bitmap", "6.0.0",
        "Read integers of any width inside a string",
        "key [GET encoding offset ...]")
    /* string */
    ROW("lcs", -3, READ, 1, 2, 1, RUN(lcs), NULL, "string", "7.0.0",
        "Longest common subsequence of two strings",
        "key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]")
    /* pubsub */
    ROW("subscribe", -2, PUBSUB | LOADING | NO_MULTI, 0, 0, 0, NULL, NULL, "pubsub", "2.0.0",
        "Listen to channels",
        "channel [channel ...]")
    ROW("unsubscribe", -1, PUBSUB | LOADING | NO_MULTI, 0, 0, 0, NULL, NULL, "pubsub", "2.0.0",
        "Stop listening to channels",
        "[channel [channel ...]]")
    ROW("psubscribe", -2, PUBSUB | LOADING | NO_MULTI, 0, 0, 0, NULL, NULL, "pubsub", "2.0.0",
        "Listen to channels that match patterns",
        "pattern [pattern ...]")
    ROW("punsubscribe", -1, PUBSUB | LOADING | NO_MULTI, 0, 0, 0, NULL, NULL, "pubsub", "2.0.0",
        "Stop listening to patterns",
        "[pattern [pattern ...]]")
    ROW("publish", 3, LOADING | FAST, 0, 0, 0, NULL, NULL, "pubsub", "2.0.0",
        "Send a message to a channel",
        "channel message")
    ROW("pubsub", -2, LOADING, 0, 0, 0, NULL, NULL, "pubsub", "2.8.0",
        "About channels",
        "CHANNELS [pattern]|NUMSUB [channel ...]|NUMPAT|HELP")
    /* server */
    ROW("cluster", -2, LOADING, 0, 0, 0, NULL, NULL, "server", "3.0.0",
        "Answers that this is one database, not a Redis cluster",
        "subcommand [argument ...]")
    ROW("readonly", 1, LOADING | FAST, 0, 0, 0, NULL, NULL, "server", "3.0.0",
        "Answers that this is one database, not a Redis cluster",
        "")
    ROW("readwrite", 1, LOADING | FAST, 0, 0, 0, NULL, NULL, "server", "3.0.0",
        "Answers that this is one database, not a Redis cluster",
        "")
    /* holdfast */
    ROW("hf.part.get", 2, READ | INTERNAL | FAST, 1, 1, 1, RUN(part_get), NULL, "holdfast", "0.1.0",
        "One key of MGET",
        "key")
    ROW("hf.add", -3, COMMUTE | FAST, 1, 1, 1, RUN(hf_add), NULL, "holdfast", "0.1.0",
        "Add to a bounded quantity; additions do not wait for each other",
        "key delta [FIELD field] [MIN min] [MAX max]")
    ROW("hf.txn", -3, WRITE | NO_MULTI, 0, 0, 0, NULL, NULL, "holdfast", "0.1.0",
        "One transaction in one command: all or nothing",
        "[ID uuid] [IF key compare value ...] THEN count command [command ...] [ELSE count "
        "command [command ...]]")
    ROW("hf.begin", -1, FAST | NO_MULTI, 0, 0, 0, NULL, NULL, "holdfast", "0.1.0",
        "Begin an interactive transaction",
        "[READONLY] [ID uuid]")
    ROW("hf.commit", 1, NO_MULTI, 0, 0, 0, NULL, NULL, "holdfast", "0.1.0",
        "Commit the interactive transaction",
        "")
    ROW("hf.rollback", -1, FAST | NO_MULTI, 0, 0, 0, NULL, NULL, "holdfast", "0.1.0",
        "Undo the interactive transaction, or back to a savepoint",
        "[TO name]")
    ROW("hf.savepoint", 2, FAST | NO_MULTI, 0, 0, 0, NULL, NULL, "holdfast", "0.1.0",
        "Mark a point to roll back to",
        "name")
    ROW("hf.outcome", 2, FAST | NO_MULTI, 0, 0, 0, NULL, NULL, "holdfast", "0.1.0",
        "How a transaction ended",
        "uuid")
    ROW("hf.level", -2, FAST | NO_MULTI, 0, 0, 0, NULL, NULL, "holdfast", "0.1.0",
        "Choose how fresh the reads of this connection are",
        "STRICT|BOUNDED milliseconds|SNAPSHOT timestamp")
    ROW("hf.read", -3, READ | NO_MULTI, 0, 0, 0, NULL, NULL, "holdfast", "0.1.0",
        "Read by one command at another level",
        "level [argument] command [argument ...]")
    ROW("hf.token", 1, FAST | NO_MULTI, 0, 0, 0, NULL, NULL, "holdfast", "0.1.0",
        "What this session has seen, as a token",
        "")
    ROW("hf.after", 2, FAST | NO_MULTI, 0, 0, 0, NULL, NULL, "holdfast", "0.1.0",
        "Reads of this connection show at least what the token has seen",
        "token")
    ROW("hf.session", -2, FAST | NO_MULTI, 0, 0, 0, NULL, NULL, "holdfast", "0.1.0",
        "Choose how this connection behaves: any error undoes EXEC; replies tell their timestamp",
        "[ATOMIC on|off] [ATTR on|off]")
    ROW("hf.range", -3, READ | ALL_KEYS, 0, 0, 0, RUN(hf_range), NULL, "holdfast", "0.1.0",
        "Keys in order from start up to, not including, end; an empty bound is open",
        "start end [LIMIT count] [REV] [VALUES]")
    ROW("hf.changes", -4, READ | BLOCKING | NO_MULTI, 0, 0, 0, NULL, NULL, "holdfast", "0.1.0",
        "What changed under a prefix, in commit order",
        "prefix FROM token [COUNT count] [BLOCK milliseconds]")
    ROW("hf.apply", 3, WRITE | NO_MULTI, 0, 0, 0, NULL, NULL, "holdfast", "0.1.0",
        "A batch of fixed-size records in, result codes out",
        "schema blob")
    ROW("hf.lock", 5, WRITE, 1, 1, 1, RUN(hf_lock), NULL, "holdfast", "0.1.0",
        "Take or keep a lease; answers its fencing token",
        "name owner TTL milliseconds")
    ROW("hf.unlock", 3, WRITE, 1, 1, 1, RUN(hf_unlock), NULL, "holdfast", "0.1.0",
        "Give a lease back",
        "name owner")
    ROW("hf.admin", -2, ADMIN | LOADING | NO_MULTI, 0, 0, 0, NULL, NULL, "holdfast", "0.1.0",
        "What the holdfast tool uses",
        "subcommand [argument ...]")
};
/* clang-format on */

const uint16_t hf_command__count = sizeof hf_command__table / sizeof hf_command__table[0];
_Static_assert(sizeof hf_command__table / sizeof hf_command__table[0] == NAMES_COUNT,
               "names.inc is stale: run names.py");
