// Values of whole partitions, without putting rows in order: a sum, a count or an extreme of each partition, and every row gets its
// partition's.
//
// For functions that see the whole partition and are blind to the order of its rows, where the partition keys are numbers of a small
// range: a partition's number is then the place of its total in an array. Totals of parts of the rows merge exactly, so the outcome
// does not depend on who summed which part.
#pragma once

#include <memory>
#include <vector>

#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "exec/breaker.h"
#include "exec/window_codes.h"
#include "exec/window_state.h"

namespace gristmill::exec {

// Whether a function is such a one. `types`: of the columns.
bool is_total(const WindowTask& task, const std::vector<column::TypePtr>& types);

// One task's totals of partitions 0 .. partitions - 1 over some of the rows.
class Totals {
 public:
  static arrow::Result<std::unique_ptr<Totals>> make(const WindowTask& task, const column::Batch& rows, int64_t partitions,
                                                     arrow::MemoryPool* pool);
  virtual ~Totals() = default;

  // Rows [begin, end); number[i] is the partition of row begin + i.
  virtual arrow::Status add(const column::Batch& rows, const uint32_t* number, int64_t begin, int64_t end, arrow::MemoryPool* pool) = 0;
  virtual void merge(const Totals& other) = 0;  // of the same task
  // After the last merge. A data error: a sum is out of range.
  virtual arrow::Status finish() = 0;
  virtual void write(const uint32_t* number, int64_t begin, int64_t end, WindowResult& out) const = 0;
};

// The partitions of one ordering by number; made when its keys are measured, where that can be done.
struct NumberedPartitions {
  std::unique_ptr<KeyPacking> keys;
  int shift = 0;
  int64_t count = 0;
  // Numbers of rows [begin, end).
  arrow::Status number(int64_t begin, int64_t end, std::vector<uint32_t>* out) const;
};
// Takes `keys` if they number few enough partitions and all of the ordering's functions are totals; null otherwise.
std::unique_ptr<NumberedPartitions> number_partitions(const OrderingState& state, std::unique_ptr<KeyPacking>& keys);

// Without pieces unless the partitions are numbered.
std::vector<std::shared_ptr<Phase>> make_total_phases(const std::shared_ptr<OrderingState>& state);

}  // namespace gristmill::exec
