// A morsel of the rows below goes through all operators on one thread: export to Arrow once, the users' code, import once.
//
// Side by side, read() does the work. One after the other, next() does it, which the pipeline calls in order and never twice at a time, and
// read() only hands out what was made: so what stands behind in the pipeline still uses every worker.
//
// Invariant: a morsel's rows are those of the plan below, in order; operators that see one at a time see them in order. An error of a row
// below comes after the rows before it went through.

#include "stream/user_operators.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <unordered_map>

#include <arrow/record_batch.h>

#include "column/batch.h"
#include "exec/branch_runner.h"
#include "exec/collect.h"
#include "exec/morsel_status.h"
#include "exec/steady_clock.h"
#include "io/json.h"
#include "stream/rows.h"

namespace gristmill::stream {
namespace {

using column::Batch;

constexpr uint64_t kOpen = ~uint64_t{0};

// Rows and time of one operator; workers add a morsel at a time.
struct OpCounts {
  std::atomic<int64_t> rows_in{0}, rows_out{0}, nanoseconds{0};
};

// What all scans of one table in one run share.
struct Shared {
  std::vector<UserTable::Op> ops;
  std::shared_ptr<arrow::Schema> input;
  bool several = false;
  std::shared_ptr<const exec::QueryContext> context;
  std::shared_ptr<exec::RunReport> report = std::make_shared<exec::RunReport>();
  std::vector<OpCounts> counts;
  std::function<arrow::Status(uint64_t)> before;  // before_morsels(); may be empty
};

struct Place {
  int branch = 0;
  uint64_t local = 0;
};

// The rows below, of one scan; shared with the workers' state, which may outlive the scan.
struct Below {
  exec::Segment segment;
  std::atomic<uint64_t> open{kOpen};
};

// One worker's way through the rows below and the operators.
class Work {
 public:
  Work(std::shared_ptr<Shared> shared, std::shared_ptr<const Below> below) : shared_(std::move(shared)), below_(std::move(below)) {
    runners_.resize(below_->segment.branches.size());
  }

  ~Work() {
    std::lock_guard lock(shared_->report->mutex);
    for (const auto& r : runners_) {
      if (r) r->collect(-1, "to users' operators", *shared_->report);
    }
  }

  // The error of the rows below, if any, comes back when `out` has what came before it.
  arrow::Status run(uint64_t seq, Place place, std::vector<Batch>& out) {
    auto& runner = runners_[static_cast<size_t>(place.branch)];
    if (!runner) {
      const exec::Branch& branch = below_->segment.branches[static_cast<size_t>(place.branch)];
      runner = std::make_unique<exec::BranchRunner>(branch, *shared_->context, below_->open, nullptr, nullptr);
      ARROW_RETURN_NOT_OK(runner->open());
    }
    arrow::Status below = runner->run(exec::Morsel{seq, place.branch, place.local});
    const bool cut = exec::is_stop_morsel(below);
    if (!below.ok() && !cut && exec::ends_at_once(below)) return below;
    std::vector<Batch> batches = runner->take_output();
    if (!batches.empty()) ARROW_RETURN_NOT_OK(through(seq, std::move(batches), out));
    return cut ? arrow::Status::OK() : below;
  }

 private:
  arrow::Status through(uint64_t seq, std::vector<Batch> batches, std::vector<Batch>& out) {
    arrow::MemoryPool* pool = shared_->context->pool();
    Morsel first;
    first.number = seq;
    first.partition = std::max(batches[0].origin.input, 0);
    first.first_row = batches[0].origin.first_row;
    ARROW_ASSIGN_OR_RAISE(Batch whole, exec::join_batches(std::move(batches), pool));
    if (whole.rows == 0) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(first.batch, column::export_batch(whole, shared_->input, pool));
    std::vector<Morsel> morsels;
    morsels.push_back(std::move(first));
    for (size_t i = 0; i < shared_->ops.size() && !morsels.empty(); ++i) {
      std::vector<Morsel> next;
      for (Morsel& m : morsels) ARROW_RETURN_NOT_OK(call(i, std::move(m), next));
      morsels = std::move(next);
    }
    for (const Morsel& m : morsels) ARROW_RETURN_NOT_OK(import_rows(*m.batch, pool, out));
    return arrow::Status::OK();
  }

  arrow::Status call(size_t i, Morsel morsel, std::vector<Morsel>& out) {
    const UserTable::Op& o = shared_->ops[i];
    ARROW_RETURN_NOT_OK(shared_->context->cancel.check());
    OpCounts& counts = shared_->counts[i];
    counts.rows_in += morsel.batch->num_rows();
    const int64_t before = exec::now_ns();
    auto made = o.op->process(std::move(morsel));
    counts.nanoseconds += exec::now_ns() - before;
    ARROW_RETURN_NOT_OK(made.status());
    for (Morsel& m : *made) {
      if (!m.batch || m.batch->num_rows() == 0) continue;
      if (!same_columns(*m.batch->schema(), *o.gives)) {
        return other_columns("operator \"" + o.op->name() + "\"", *m.batch->schema(), *o.gives);
      }
      counts.rows_out += m.batch->num_rows();
      out.push_back(std::move(m));
    }
    return arrow::Status::OK();
  }

  static arrow::Status import_rows(const arrow::RecordBatch& batch, arrow::MemoryPool* pool, std::vector<Batch>& out) {
    ARROW_ASSIGN_OR_RAISE(Batch whole, column::import_batch(batch, pool));
    whole.origin = {};
    if (whole.rows <= column::kMaxBatchRows) {
      out.push_back(std::move(whole));
      return arrow::Status::OK();
    }
    for (int64_t at = 0; at < whole.rows; at += column::kMaxBatchRows) {
      out.push_back(column::slice(whole, at, std::min(column::kMaxBatchRows, whole.rows - at)));
    }
    return arrow::Status::OK();
  }

  std::shared_ptr<Shared> shared_;
  std::shared_ptr<const Below> below_;
  std::vector<std::unique_ptr<exec::BranchRunner>> runners_;
};

struct Local final : plan::ScanLocal {
  std::unique_ptr<Work> work;
};

struct Made {
  std::vector<Batch> batches;
  arrow::Status status;
};

class UserScan final : public plan::Scan {
 public:
  UserScan(std::shared_ptr<Shared> shared, exec::Segment segment, std::vector<int> columns)
      : shared_(std::move(shared)), below_(std::make_shared<Below>()), columns_(std::move(columns)) {
    below_->segment = std::move(segment);
    in_order_ = !shared_->several || below_->segment.sequential;
    for (const exec::Branch& b : branches()) in_order_ = in_order_ || b.after;
  }

  arrow::Status start() {
    int64_t total = 0;
    for (const exec::Branch& b : branches()) {
      ARROW_ASSIGN_OR_RAISE(const int64_t n, b.source->start(*shared_->context));
      sizes_.push_back(n);
      total = n < 0 || total < 0 ? -1 : total + n;
    }
    total_ = total;
    return arrow::Status::OK();
  }

  int64_t num_morsels() const override { return in_order_ ? -1 : total_; }
  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override { return std::make_unique<Local>(); }

  arrow::Result<Next> next(uint64_t seq) override {
    Place place;
    ARROW_ASSIGN_OR_RAISE(Next n, claim(place));
    if (n.end || n.wait) return n;
    if (!in_order_) {
      std::lock_guard lock(mutex_);
      places_.emplace(seq, place);
      return Next{};
    }
    if (shared_->before) ARROW_RETURN_NOT_OK(shared_->before(place.local));
    if (!in_order_work_) in_order_work_ = std::make_unique<Work>(shared_, below_);
    Made made;
    made.status = in_order_work_->run(seq, place, made.batches);
    if (!made.status.ok() && exec::ends_at_once(made.status)) return made.status;
    std::lock_guard lock(mutex_);
    made_.emplace(seq, std::move(made));
    return Next{};
  }

  arrow::Status read(uint64_t seq, plan::ScanLocal& raw, const plan::BatchConsumer& emit, plan::ScanCounts& counts) override {
    Made made;
    if (in_order_) {
      std::lock_guard lock(mutex_);
      auto found = made_.extract(seq);
      if (!found) return base::internal_error("a morsel of users' operators was read twice");
      made = std::move(found.mapped());
    } else {
      auto& local = static_cast<Local&>(raw);
      if (!local.work) local.work = std::make_unique<Work>(shared_, below_);
      made.status = local.work->run(seq, place_of(seq), made.batches);
    }
    for (Batch& b : made.batches) {
      Batch wanted;
      wanted.rows = b.rows;
      for (const int c : columns_) wanted.columns.push_back(b.columns[static_cast<size_t>(c)]);
      counts.rows += b.rows;
      ARROW_RETURN_NOT_OK(emit(std::move(wanted)));
    }
    return made.status;
  }

 private:
  const std::vector<exec::Branch>& branches() const { return below_->segment.branches; }

  // The next morsel below. Called in order, one at a time.
  arrow::Result<Next> claim(Place& place) {
    while (at_.branch < static_cast<int>(branches().size())) {
      const int64_t known = sizes_[static_cast<size_t>(at_.branch)];
      bool end = known >= 0 && at_.local >= static_cast<uint64_t>(known);
      if (known < 0) {
        ARROW_ASSIGN_OR_RAISE(exec::Source::Next n, branches()[static_cast<size_t>(at_.branch)].source->next(at_.local));
        if (n.wait) return Next{false, std::move(n.wait)};
        end = n.end;
      }
      if (!end) {
        place = Place{at_.branch, at_.local++};
        return Next{};
      }
      at_ = Place{at_.branch + 1, 0};
    }
    return Next{true, nullptr};
  }

  Place place_of(uint64_t seq) {
    if (total_ >= 0) {
      Place place{0, seq};
      while (place.local >= static_cast<uint64_t>(sizes_[static_cast<size_t>(place.branch)])) {
        place.local -= static_cast<uint64_t>(sizes_[static_cast<size_t>(place.branch++)]);
      }
      return place;
    }
    std::lock_guard lock(mutex_);
    auto found = places_.extract(seq);
    return found ? found.mapped() : Place{};
  }

  const std::shared_ptr<Shared> shared_;
  const std::shared_ptr<Below> below_;
  const std::vector<int> columns_;
  bool in_order_ = false;
  std::vector<int64_t> sizes_;
  int64_t total_ = -1;
  Place at_;
  std::unique_ptr<Work> in_order_work_;

  std::mutex mutex_;
  std::unordered_map<uint64_t, Place> places_;
  std::unordered_map<uint64_t, Made> made_;
};

class Bound final : public BoundUserTable {
 public:
  Bound(const UserTable& table, plan::PlanPtr input, bool several, std::shared_ptr<const exec::QueryContext> context)
      : of_(table), name_(table.name()), schema_(table.schema()), input_(std::move(input)), shared_(std::make_shared<Shared>()) {
    shared_->ops = table.ops();
    shared_->counts = std::vector<OpCounts>(table.ops().size());
    shared_->several = several;
    shared_->context = std::move(context);
    rows_ = table.estimate().rows;
  }
  const UserTable& of() const override { return of_; }
  void before_morsels(std::function<arrow::Status(uint64_t)> call) override { shared_->before = std::move(call); }
  std::string kind() const override { return "users' operators"; }
  std::string name() const override { return name_; }
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  plan::TableEstimate estimate() const override { return {rows_, false, {}}; }
  std::string to_json() const override { return "{}"; }

  arrow::Result<sched::Query> lower() override {
    ARROW_ASSIGN_OR_RAISE(const plan::PlanPtr optimized, plan::optimize(input_));
    shared_->input = optimized->schema;
    ARROW_ASSIGN_OR_RAISE(exec::OpenQuery open, exec::lower_open(optimized, shared_->context, shared_->report));
    rows_below_ = std::move(open.rows);
    return std::move(open.first);
  }

  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest& request) const override {
    if (!rows_below_) return base::internal_error("users' operators are read before they are prepared");
    ARROW_ASSIGN_OR_RAISE(exec::Segment segment, rows_below_());
    auto scan = std::make_shared<UserScan>(shared_, std::move(segment), request.columns);
    ARROW_RETURN_NOT_OK(scan->start());
    return scan;
  }

  std::string report() const override {
    std::string out;
    {
      std::lock_guard lock(shared_->report->mutex);
      out = exec::report_json(*shared_->report);
    }
    for (size_t i = 0; i < shared_->ops.size(); ++i) {
      const OpCounts& c = shared_->counts[i];
      io::JsonWriter entry;
      entry.add("name", shared_->ops[i].op->name());
      entry.add("rows_in", c.rows_in.load());
      entry.add("rows_out", c.rows_out.load());
      std::string text = entry.finish();
      text.back() = ',';
      out += "," + text + "\"seconds\":" + std::to_string(static_cast<double>(c.nanoseconds.load()) * 1e-9) + "}";
    }
    return out;
  }

 private:
  const UserTable& of_;  // the description; the stream's plan holds it
  const std::string name_;
  const std::shared_ptr<arrow::Schema> schema_;
  const plan::PlanPtr input_;
  std::optional<int64_t> rows_;
  std::shared_ptr<Shared> shared_;
  exec::ResolveSegment rows_below_;
};

}  // namespace

std::shared_ptr<BoundUserTable> bind_user_table(const UserTable& table, plan::PlanPtr input, bool several,
                                                std::shared_ptr<const exec::QueryContext> context) {
  return std::make_shared<Bound>(table, std::move(input), several && may_run_side_by_side(table), std::move(context));
}

bool may_run_side_by_side(const UserTable& table) {
  for (const UserTable::Op& o : table.ops()) {
    if (o.op->is_stateful() || o.op->parallelism_hint() == 1) return false;
  }
  return true;
}

}  // namespace gristmill::stream
