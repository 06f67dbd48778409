// A model of queries without data types: pipelines over integers, drawn from a seed, and what a sequential
// run of them gives. The scheduler must give the same under any schedule.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gristmill::sched::model {

enum class SourceKind : uint8_t { kGenerated, kBreakers, kWindow };
enum class SinkKind : uint8_t { kOrdered, kBreaker, kAsync };
enum class OpKind : uint8_t { kAffine, kKeep, kExplode, kFailOn };

struct Op {
  OpKind kind;
  int64_t a = 0;
  int64_t b = 0;
};

struct Pipeline {
  SourceKind source = SourceKind::kGenerated;
  SinkKind sink = SinkKind::kOrdered;
  std::vector<int> inputs;      // pipelines: breakers, or the one that offers to the window
  std::vector<int> also_after;  // further pipelines that must have finished
  uint64_t seed = 0;
  // Generated: this many morsels. Breakers: rows of the input cut into morsels of `rows`.
  uint64_t morsels = 0;
  uint64_t rows = 1;
  uint64_t batch_rows = 1;
  bool known_count = true;
  bool range_claims = false;
  int max_slots = 64;
  std::vector<Op> ops;
  std::optional<uint64_t> step_error_at;  // the step of this morsel fails
  int source_waits = 0;                   // percent of morsels that arrive later
  int sink_waits = 0;                     // percent of flushes that are refused at first
  int nested_queries = 0;                 // percent of morsels that run a query of their own
  // Ordered sink.
  uint64_t ring_window = 4;
  int64_t byte_cap = 1 << 20;
  std::optional<uint64_t> limit;
  // Async sink.
  int64_t window_rows = 8;
  int64_t window_bytes = 1 << 20;
  double rows_per_second = 0;
  bool window_ordered = true;
  int call_fails_per_mille = 0;
  int call_sync = 0;  // percent of calls that answer inside start()
};

struct Spec {
  uint64_t seed = 0;
  std::vector<Pipeline> pipelines;
  std::optional<uint64_t> cancel_at_step;
  std::string describe() const;
};

struct Expected {
  std::vector<std::vector<int64_t>> outputs;  // per pipeline; those from the failed one on are not filled
  int failed = -1;                            // the pipeline whose error is the query's
  std::string message;
  std::vector<int64_t> failed_prefix;  // what an ordered sink had put out before its error
};

uint64_t mix(uint64_t a, uint64_t b = 0);
inline bool chance(uint64_t key, int percent) { return static_cast<int>(mix(key, 77) % 100) < percent; }

// Row i of morsel `seq` of a generated source.
int64_t generated_row(const Pipeline& p, uint64_t seq, uint64_t i);
uint64_t generated_rows(const Pipeline& p, uint64_t seq);
// What one row becomes (appended), or false: the row fails.
bool apply(const Pipeline& p, int64_t value, std::vector<int64_t>* out);
// The answer of an async call for the rows of a morsel; empty: the call fails.
std::optional<std::vector<int64_t>> answer(const Pipeline& p, uint64_t seq, const std::vector<int64_t>& rows);

std::string row_error(int pipeline, uint64_t seq, int64_t row);  // row -1: the call that should have given it
std::string step_error(int pipeline);

Spec random_spec(uint64_t seed);
Expected run_sequentially(const Spec& spec);

}  // namespace gristmill::sched::model
