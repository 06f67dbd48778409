/* The border of libgristmill_kafka.so: one table of C functions, plain bytes across.
 *
 * librdkafka brings a TLS library whose symbols would meet those that the Arrow wheel exports; behind this border each keeps its own.
 * Both sides include this file and nothing else of each other. Calls on one client come from one thread at a time; a batch may be read and
 * released by any one thread, also while its client is used. A wake is called by a thread of the library when there may be something to
 * take: it is short and calls nothing of this table. Waits ask `stop` about ten times a second.
 */
#ifndef GRISTMILL_KAFKA_MODULE_H
#define GRISTMILL_KAFKA_MODULE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GM_KAFKA_ABI 4

typedef struct GmKafka GmKafka;           /* a consumer or a producer */
typedef struct GmKafkaBatch GmKafkaBatch; /* messages of one partition, in order */

typedef struct {
  const char* name;
  const char* value;
} GmKafkaSetting;

typedef struct {
  void (*call)(void* context); /* or null */
  void* context;
} GmKafkaWake;

typedef struct {
  int (*call)(void* context); /* not 0: give up. Or null */
  void* context;
} GmKafkaStop;

enum { GM_KAFKA_OK = 0, GM_KAFKA_FAILED = -1, GM_KAFKA_STOPPED = -2, GM_KAFKA_FULL = -3 };

typedef struct {
  int code;            /* of librdkafka */
  const char* name;    /* "UNKNOWN_TOPIC_OR_PART" */
  const char* message; /* what is behind it */
  int passing;         /* it may go away by itself */
  int abortable;       /* the transaction must be aborted, then all may be tried again */
  int fenced;          /* another producer of this transactional id has taken over */
} GmKafkaError;

/* Offsets below 0 have a meaning of their own. */
#define GM_KAFKA_BEGINNING (-2)
#define GM_KAFKA_END (-1)
#define GM_KAFKA_STORED (-1000)
#define GM_KAFKA_NONE (-1001)

typedef struct {
  const char* topic; /* null: the one at hand */
  int32_t partition;
  int64_t offset; /* of the next message */
  const char* note; /* what was committed with it, valid until the next call; null: none */
} GmKafkaPosition;

typedef struct {
  int32_t partition;
  int64_t first, last; /* offsets; -1: the broker has not said them */
  int64_t count;
} GmKafkaSpan;

typedef struct {
  const char* key; /* null: none */
  const char* value;
  int64_t key_size;
  int64_t value_size;
  int64_t offset;
  int64_t timestamp_ms; /* -1: none */
} GmKafkaMessage;

typedef struct {
  int32_t partition;
  int64_t next; /* the position behind the last message */
  int64_t bytes;
  int64_t count;
  const GmKafkaMessage* messages;
} GmKafkaMessages;

typedef struct {
  int32_t partition;
  int64_t low, high; /* as the broker last said; -1: not yet */
  int at_end;        /* connected, and nothing is there to read */
  int64_t end;       /* where it last was so; -1: never */
} GmKafkaPartition;

typedef struct {
  const char* name;
  const char* value; /* null: none */
  int64_t value_size;
} GmKafkaHeader;

typedef struct {
  const char* topic;
  int32_t partition; /* -1: by the key */
  const char* key;   /* null: none */
  int64_t key_size;
  const char* value; /* null: a tombstone */
  int64_t value_size;
  int64_t timestamp_ms; /* -1: now */
  const GmKafkaHeader* headers;
  int64_t header_count;
} GmKafkaOutgoing;

typedef struct {
  int abi;
  /* Null: the settings are refused; `reason` says why. */
  GmKafka* (*open)(int producer, const GmKafkaSetting* settings, size_t count, GmKafkaWake wake, char* reason, size_t size);
  void (*close)(GmKafka* k); /* every batch has been released before */
  const GmKafkaError* (*error)(GmKafka* k);

  /* What the broker says, asked now. */
  int (*partitions)(GmKafka* k, const char* topic, int32_t* count, int64_t timeout_ms, GmKafkaStop stop);
  int (*bounds)(GmKafka* k, const char* topic, int32_t partition, int64_t* low, int64_t* high, int64_t timeout_ms, GmKafkaStop stop);
  /* In: a time in `offset` of each; out: the first message from then on, or GM_KAFKA_END. In GM_KAFKA_END: out where the reading ends now,
   * which for isolation.level = read_committed is before the first message of a transaction that has not ended. */
  int (*at_time)(GmKafka* k, const char* topic, GmKafkaPosition* positions, size_t count, int64_t timeout_ms, GmKafkaStop stop);
  /* Of the client's group; GM_KAFKA_NONE where nothing was committed. */
  int (*committed)(GmKafka* k, const char* topic, GmKafkaPosition* positions, size_t count, int64_t timeout_ms, GmKafkaStop stop);

  /* A consumer reads partitions of its own choice, or those that its group gives it. Once. */
  int (*assign)(GmKafka* k, const char* topic, const GmKafkaPosition* positions, size_t count);
  /* Further partitions of the assigned topic; those before go on where they are. */
  int (*assign_more)(GmKafka* k, const GmKafkaPosition* positions, size_t count);
  int (*subscribe)(GmKafka* k, const char* topic);
  /* What is there, without waiting: of the partition `partition`, or -1 of any in turn. Null with OK: nothing, the wake will tell. */
  int (*poll)(GmKafka* k, int32_t partition, int64_t most, GmKafkaBatch** batch);
  /* Of those assigned; how many. Valid until the next poll. */
  size_t (*state)(GmKafka* k, const GmKafkaPartition** partitions);
  int (*commit)(GmKafka* k, const char* topic, const GmKafkaPosition* positions, size_t count, int wait);

  const GmKafkaMessages* (*messages)(GmKafkaBatch* b);
  size_t (*headers)(GmKafkaBatch* b, int64_t message, const GmKafkaHeader** headers); /* valid until the next call on the batch */
  void (*release)(GmKafkaBatch* b);

  /* Copies. FULL: not taken, the wake will tell. FAILED also for a message sent before. */
  int (*send)(GmKafka* k, const GmKafkaOutgoing* message);
  int (*flush)(GmKafka* k, GmKafkaStop stop);                            /* until the brokers have everything */
  int64_t (*sent)(GmKafka* k);                                           /* messages that they have taken */
  int (*transactions)(GmKafka* k, int64_t timeout_ms, GmKafkaStop stop); /* ends those of earlier producers of this id */
  int (*begin)(GmKafka* k);
  /* Of the messages taken since begin(), by partition; how many. Valid until the next call. */
  size_t (*delivered)(GmKafka* k, const GmKafkaSpan** spans);
  int (*add_offsets)(GmKafka* k, const char* group, const GmKafkaPosition* positions, size_t count, int64_t timeout_ms, GmKafkaStop stop);
  int (*commit_transaction)(GmKafka* k, int64_t timeout_ms, GmKafkaStop stop);
  int (*abort_transaction)(GmKafka* k, int64_t timeout_ms);
  void (*purge)(GmKafka* k); /* what was not sent is dropped, without a wait */
} GmKafkaTable;

typedef const GmKafkaTable* (*GmKafkaEntry)(void);
#define GM_KAFKA_ENTRY "gristmill_kafka_entry"

#ifdef __cplusplus
}
#endif

#endif
