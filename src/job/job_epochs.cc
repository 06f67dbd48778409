#include "job/job_epochs.h"

#include <algorithm>
#include <utility>

#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "exec/steady_clock.h"

namespace gristmill::job {
namespace {

using column::Batch;
using stream::Delivery;

// Batches of a part on their way to deliver(): a batch without columns with the rows, one with the number of the batches behind it, these.
void append_part(std::vector<Batch>& out, int64_t rows, std::vector<Batch> staged) {
  Batch counted, followed;
  counted.rows = rows;
  followed.rows = static_cast<int64_t>(staged.size());
  out.push_back(std::move(counted));
  out.push_back(std::move(followed));
  for (auto& b : staged) out.push_back(std::move(b));
}

// The tokens of parts, each with its length before it.
std::string joined(const std::vector<std::string>& tokens) {
  std::string out;
  for (const std::string& t : tokens) out += std::to_string(t.size()) + ":" + t;
  return out;
}

std::vector<std::string> split(const std::string& all) {
  std::vector<std::string> out;
  for (size_t at = 0; at < all.size();) {
    const size_t colon = all.find(':', at);
    if (colon == std::string::npos) return {};
    const auto size = static_cast<size_t>(std::strtoull(all.c_str() + at, nullptr, 10));
    out.push_back(all.substr(colon + 1, size));
    at = colon + 1 + size;
  }
  return out;
}

class JobEpochs final : public stream::EpochSink {
 public:
  JobEpochs(std::shared_ptr<RunState> run, std::vector<EpochPart> parts, bool routed)
      : run_(std::move(run)), parts_(std::move(parts)), routed_(routed) {
    for (size_t i = 0; i < parts_.size(); ++i) order_.push_back(i);
    std::stable_sort(order_.begin(), order_.end(), [&](size_t a, size_t b) { return rank(a) < rank(b); });
  }

  std::string name() const override { return parts_.size() == 1 ? parts_[0].sink->name() : "the job's sinks"; }
  Delivery delivery() const override {
    const bool exactly =
        std::any_of(parts_.begin(), parts_.end(), [](const EpochPart& p) { return p.sink->delivery() == Delivery::kExactlyOnce; });
    return exactly ? Delivery::kExactlyOnce : Delivery::kAtLeastOnce;
  }
  // Whether every exactly-once part that is behind can be brought to the newest checkpoint by its token.
  bool keeps_flushed() const override {
    const int64_t least = committed();
    return std::all_of(parts_.begin(), parts_.end(), [&](const EpochPart& p) {
      return p.sink->delivery() != Delivery::kExactlyOnce || p.sink->keeps_flushed() || p.sink->committed() > least;
    });
  }

  arrow::Result<int64_t> open(const std::string& sink_id, std::shared_ptr<arrow::Schema> schema,
                              const exec::QueryContext& context) override {
    if (routed_) {
      arrow::FieldVector fields = schema->fields();
      fields.pop_back();
      schema = arrow::schema(std::move(fields));
    }
    for (size_t i = 0; i < parts_.size(); ++i) {
      const std::string id = parts_.size() == 1 ? sink_id : sink_id + "-" + std::to_string(i + 1);
      ARROW_RETURN_NOT_OK(parts_[i].sink->open(id, schema, context).status());
    }
    return committed();
  }

  arrow::Status begin(int64_t epoch) override {
    for (const EpochPart& p : parts_) ARROW_RETURN_NOT_OK(p.sink->begin(epoch));
    return arrow::Status::OK();
  }

  arrow::Result<std::vector<Batch>> stage(std::vector<Batch> batches, const exec::QueryContext& context) override {
    std::vector<std::vector<Batch>> of(parts_.size());
    if (routed_) {
      for (Batch& b : batches) {
        ARROW_RETURN_NOT_OK(divide(std::move(b), of, context.pool()));
      }
    } else {
      of[0] = std::move(batches);
    }
    std::vector<Batch> out;
    for (size_t i = 0; i < parts_.size(); ++i) {
      int64_t rows = 0;
      for (const Batch& b : of[i]) rows += b.selected();
      const int64_t since = exec::now_ns();
      std::vector<Batch> staged;
      if (rows > 0) {
        ARROW_ASSIGN_OR_RAISE(staged, parts_[i].sink->stage(std::move(of[i]), context));
      }
      StepCounts counts;
      counts.nanoseconds = exec::now_ns() - since;
      counts.rows_in = rows;
      counts.batches = 1;
      add(parts_[i].step, counts);
      append_part(out, rows, std::move(staged));
    }
    return out;
  }

  arrow::Result<exec::OrderedSink::Answer> deliver(std::vector<Batch>& batches) override {
    if (!taking_) {
      take_apart(batches);
      taking_ = true;
      next_ = 0;
    }
    for (; next_ < waiting_.size(); ++next_) {
      Part& part = waiting_[next_];
      if (part.rows == 0) continue;
      const int64_t since = exec::now_ns();
      ARROW_ASSIGN_OR_RAISE(auto answer, parts_[next_].sink->deliver(part.batches));
      if (answer.wait) return answer;
      StepCounts counts;
      counts.rows_out = part.rows;
      counts.nanoseconds = exec::now_ns() - since;
      add(parts_[next_].step, counts);
    }
    waiting_.clear();
    batches.clear();
    taking_ = false;
    return exec::OrderedSink::Answer{};
  }

  arrow::Result<std::string> flush(int64_t epoch, const std::vector<stream::SourcePositions>& positions) override {
    std::vector<std::string> tokens;
    for (const EpochPart& p : parts_) {
      ARROW_ASSIGN_OR_RAISE(std::string one, p.sink->flush(epoch, positions));
      tokens.push_back(std::move(one));
    }
    return parts_.size() == 1 ? tokens[0] : joined(tokens);
  }

  arrow::Status commit(int64_t epoch, const std::string& token) override {
    const std::vector<std::string> tokens = parts_.size() == 1 ? std::vector<std::string>{token} : split(token);
    if (tokens.size() != parts_.size()) {
      return base::plan_error(
          "the checkpoint is of a job with " + std::to_string(tokens.size()) + " sinks, not " + std::to_string(parts_.size()),
          "put them back, or start with another checkpoint folder");
    }
    for (const size_t i : order_) {
      if (parts_[i].sink->committed() < epoch) ARROW_RETURN_NOT_OK(parts_[i].sink->commit(epoch, tokens[i]));
    }
    if (run_->status != nullptr) run_->status->progressed();
    return arrow::Status::OK();
  }

  int64_t committed() const override {
    int64_t least = -1;
    for (const EpochPart& p : parts_) {
      if (p.sink->delivery() == Delivery::kExactlyOnce) least = least < 0 ? p.sink->committed() : std::min(least, p.sink->committed());
    }
    return std::max<int64_t>(least, 0);
  }
  void abort() override {
    for (const EpochPart& p : parts_) p.sink->abort();
  }
  arrow::Status close() override {
    for (const size_t i : order_) ARROW_RETURN_NOT_OK(parts_[i].sink->close());
    return arrow::Status::OK();
  }

 private:
  struct Part {
    int64_t rows = 0;
    std::vector<Batch> batches;
  };

  int rank(size_t i) const { return parts_[i].sink->delivery() != Delivery::kExactlyOnce ? 2 : parts_[i].sink->keeps_flushed() ? 1 : 0; }

  void add(size_t step, const StepCounts& counts) {
    run_->accounting.add(step, counts);
    if (JobStatus* status = run_->status) {
      status->step(step).add(counts);
      if (counts.rows_out > 0) status->progressed();
    }
  }

  static arrow::Status divide(Batch batch, std::vector<std::vector<Batch>>& parts, arrow::MemoryPool* pool) {
    ARROW_ASSIGN_OR_RAISE(const column::Column route, column::flatten(batch.columns.back(), batch.rows, pool));
    batch.columns.pop_back();
    std::vector<std::vector<uint16_t>> rows(parts.size());
    const auto* numbers = column::values_of<int32_t>(*route.values);
    for (const uint16_t i : batch.selection.indices(batch.rows)) rows[static_cast<size_t>(numbers[i])].push_back(i);
    for (size_t p = 0; p < parts.size(); ++p) {
      if (rows[p].empty()) continue;
      Batch part = batch;
      part.selection = column::Selection::from_indices(std::move(rows[p]), batch.rows);
      parts[p].push_back(std::move(part));
    }
    return arrow::Status::OK();
  }

  void take_apart(std::vector<Batch>& batches) {
    waiting_.clear();
    for (size_t at = 0; at + 1 < batches.size();) {
      Part part;
      part.rows = batches[at].rows;
      const auto n = static_cast<size_t>(batches[at + 1].rows);
      at += 2;
      for (size_t i = 0; i < n; ++i) part.batches.push_back(std::move(batches[at++]));
      waiting_.push_back(std::move(part));
    }
    batches.clear();
    batches.emplace_back();  // as long as it is not empty we are asked again
  }

  const std::shared_ptr<RunState> run_;
  const std::vector<EpochPart> parts_;
  const bool routed_;
  std::vector<size_t> order_;  // of commits
  // Touched by deliver() alone, one call at a time.
  bool taking_ = false;
  std::vector<Part> waiting_;
  size_t next_ = 0;
};

}  // namespace

arrow::Result<stream::EpochSinkPtr> job_epochs(std::shared_ptr<RunState> run, std::vector<EpochPart> parts, bool routed) {
  std::string one;
  for (const EpochPart& p : parts) {
    if (p.sink->delivery() != Delivery::kExactlyOnce || p.sink->keeps_flushed()) continue;
    if (!one.empty()) {
      return base::plan_error(
          "\"" + one + "\" and \"" + p.sink->name() +
              "\" cannot show their rows at one moment, so a crash might count rows once in one of them and twice in the other",
          "give each a job of its own; beside one of them there may be folders of files");
    }
    one = p.sink->name();
  }
  return std::make_shared<JobEpochs>(std::move(run), std::move(parts), routed);
}

}  // namespace gristmill::job
