#include "job/accounting.h"

#include "base/status.h"

namespace gristmill::job {

namespace {

void add_to(StepCounts& sum, const StepCounts& more) {
  sum.rows_in += more.rows_in;
  sum.rows_out += more.rows_out;
  sum.filtered += more.filtered;
  sum.rejected += more.rejected;
  sum.skipped += more.skipped;
  sum.merged += more.merged;
  sum.generated += more.generated;
  sum.bytes += more.bytes;
  sum.nanoseconds += more.nanoseconds;
  sum.batches += more.batches;
}

}  // namespace

void Accounting::lay_out(std::vector<StepTotals> steps) {
  std::lock_guard lock(mutex_);
  steps_ = std::move(steps);
}

void Accounting::add(size_t step, const StepCounts& more) {
  std::lock_guard lock(mutex_);
  add_to(steps_[step].counts, more);
}

void Accounting::add(const std::vector<StepCounts>& from_first) {
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < from_first.size(); ++i) add_to(steps_[i].counts, from_first[i]);
}

std::vector<StepTotals> Accounting::steps() const {
  std::lock_guard lock(mutex_);
  return steps_;
}

arrow::Status Accounting::balance() const { return balance_of(steps()); }

arrow::Status balance_of(const std::vector<StepTotals>& steps) {
  const auto number = [](int64_t n) { return std::to_string(n); };
  int64_t handed_on = -1, into_sinks = 0;
  bool any_sink = false;
  for (const StepTotals& s : steps) {
    const StepCounts& c = s.counts;
    const int64_t explained = c.rows_out + c.filtered + c.rejected + c.skipped + c.merged;
    if (c.rows_in + c.generated != explained) {
      return base::internal_error("the rows of step \"" + s.name + "\" do not add up: " + number(c.rows_in) + " came, " +
                                  number(c.generated) + " were made, " + number(c.rows_out) + " left, " + number(c.filtered) +
                                  " filtered, " + number(c.rejected) + " rejected, " + number(c.skipped) + " skipped, " + number(c.merged) +
                                  " merged");
    }
    if (s.kind == StepKind::kSink) {
      any_sink = true;
      into_sinks += c.rows_in;
      continue;
    }
    if (handed_on >= 0 && c.rows_in != handed_on) {
      return base::internal_error("step \"" + s.name + "\" got " + number(c.rows_in) + " of the " + number(handed_on) +
                                  " rows that the step before it handed on");
    }
    handed_on = c.rows_out;
  }
  if (any_sink && into_sinks != handed_on) {
    return base::internal_error("the sinks got " + number(into_sinks) + " of the " + number(handed_on) + " rows that were to be written");
  }
  return arrow::Status::OK();
}

}  // namespace gristmill::job
