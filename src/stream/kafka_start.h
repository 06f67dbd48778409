// Where reading a topic begins: the client with its settings, and a position for every partition.
//
// Positions of a checkpoint must still be there: what a topic's retention has taken away, or a topic made anew, is an error and never a
// silent jump.
#pragma once

#include <functional>
#include <vector>

#include <arrow/result.h>

#include "base/memory_budget.h"
#include "stream/kafka_source.h"

namespace gristmill::stream {

struct KafkaStart {
  io::KafkaClientPtr client;  // that reads already
  std::vector<int64_t> next;  // of each partition; -1: the group will tell
  std::vector<int64_t> ends;  // where it is read to its end; empty: it is not
  base::Reservation memory;
  int64_t bytes_of_partition = 0;  // of that, also for one that is added
};

arrow::Result<KafkaStart> start_kafka(const KafkaSourceOptions& options, const Positions& positions, const StartContext& context,
                                      std::function<void()> wake);

}  // namespace gristmill::stream
