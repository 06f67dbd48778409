// The methods of a stream that only describe it, and the short ways to run one.

#include "gristmill/stream.h"

#include <algorithm>
#include <utility>

#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "base/status.h"
#include "exec/collect.h"
#include "frame/kept_table.h"
#include "frame/query_runner.h"
#include "io/reader_source.h"
#include "plan/expressions.h"
#include "stream/answers.h"
#include "stream/bind.h"
#include "stream/reader.h"
#include "stream/run.h"
#include "stream/simple_operators.h"
#include "stream/tables.h"
#include "stream/window_spec.h"

namespace gristmill {
namespace stream {

StatePtr with_plan(const StreamState& state, plan::PlanPtr plan) {
  auto out = std::make_shared<StreamState>(state);
  out->plan = std::move(plan);
  return out;
}

Stream from_source(SourceSpec source) {
  const auto schema = io::border_schema(*source.schema, source.name);
  if (!schema.ok()) return Stream(schema.status());
  source.schema = *schema;
  return Stream(Frame(plan::make_scan(std::make_shared<EndlessTable>(std::move(source)))));
}

Stream add_stateful(const std::vector<Stream>& inputs, StatefulSpec op) {
  std::vector<plan::PlanPtr> plans;
  for (const Stream& s : inputs) {
    if (!s.state().ok()) return s;
    plans.push_back((*s.state())->plan);
  }
  return then_plan(inputs.front(), [&](const plan::PlanPtr&) -> arrow::Result<plan::PlanPtr> {
    auto table = std::make_shared<StatefulTable>(std::move(plans), std::move(op));
    ARROW_ASSIGN_OR_RAISE(plan::PlanPtr scan, plan::make_scan(std::move(table)));
    ARROW_RETURN_NOT_OK(check_answers(*scan));
    return scan;
  });
}

namespace {

// A function as an operator.
class Function final : public StreamOperator {
 public:
  Function(StreamExpansion function, std::shared_ptr<arrow::Schema> schema, std::string name)
      : function_(std::move(function)), schema_(std::move(schema)), name_(std::move(name)) {}
  std::string name() const override { return name_; }
  arrow::Result<std::shared_ptr<arrow::Schema>> output_schema(const std::shared_ptr<arrow::Schema>& input) const override {
    return schema_ ? schema_ : input;
  }
  arrow::Result<RecordBatchPtr> process_batch(RecordBatchPtr) override { return base::internal_error("a function takes morsels"); }
  arrow::Result<std::vector<Morsel>> process(Morsel morsel) override {
    ARROW_ASSIGN_OR_RAISE(std::vector<RecordBatchPtr> made, function_(std::move(morsel.batch)));
    std::vector<Morsel> out;
    for (RecordBatchPtr& b : made) {
      if (!b || b->num_rows() == 0) continue;
      Morsel m = morsel;
      m.batch = std::move(b);
      m.processed = true;
      out.push_back(std::move(m));
    }
    return out;
  }

 private:
  const StreamExpansion function_;
  const std::shared_ptr<arrow::Schema> schema_;
  const std::string name_;
};

// A step that frames have too.
template <typename F>
Stream by_frame(const Stream& stream, F step) {
  return then_plan(stream, [&](const plan::PlanPtr& p) -> arrow::Result<plan::PlanPtr> {
    const Frame made = step(Frame(p));
    ARROW_ASSIGN_OR_RAISE(plan::PlanPtr out, made.plan());
    ARROW_RETURN_NOT_OK(check_answers(*out));
    return out;
  });
}

// Whether operators that remember are stages of a run, which checkpoints hold, or nodes of the plan, which can spill.
bool in_stages(const Stream& stream) { return stream.state().ok() && has_positions(*(*stream.state())->plan); }

template <typename F>
Stream with_setting(const Stream& stream, F set) {
  return then(stream, [&](const StreamState& s) -> arrow::Result<StatePtr> {
    auto out = std::make_shared<StreamState>(s);
    set(*out);
    ARROW_RETURN_NOT_OK(check_settings(*out));
    return StatePtr(std::move(out));
  });
}

// Adjacent operators of the user's are one table, so that a morsel stays as it is between them.
arrow::Result<plan::PlanPtr> with_operator(const plan::PlanPtr& p, StreamOperatorPtr op) {
  std::vector<UserTable::Op> ops;
  plan::PlanPtr input = p;
  std::shared_ptr<arrow::Schema> gets = p->schema;
  if (p->kind == plan::PlanKind::kScan) {
    if (const auto* users = dynamic_cast<const UserTable*>(p->source.get())) {
      const bool alike = may_run_side_by_side(*users) == (!op->is_stateful() && op->parallelism_hint() != 1);
      if (alike) {
        ops = users->ops();
        input = users->inputs()[0];
        gets = ops.back().gives;
      }
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto gives, op->output_schema(gets));
  if (!gives) return base::plan_error("operator \"" + op->name() + "\" does not say which columns it gives", "give it a schema");
  ARROW_ASSIGN_OR_RAISE(auto schema, io::border_schema(*gives, "operator \"" + op->name() + "\" gives"));
  ops.push_back({std::move(op), std::move(gives)});
  return plan::make_scan(std::make_shared<UserTable>(std::move(input), std::move(ops), std::move(schema)));
}

arrow::Result<std::shared_ptr<arrow::Schema>> schema_of_union(const std::vector<Stream>& all) {
  std::vector<plan::PlanPtr> plans;
  for (const Stream& s : all) {
    ARROW_ASSIGN_OR_RAISE(const StatePtr state, s.state());
    plans.push_back(state->plan);
  }
  ARROW_ASSIGN_OR_RAISE(const plan::PlanPtr together, plan::make_union(std::move(plans)));
  return together->schema;
}

}  // namespace

Stream merged(const std::vector<Stream>& all, const std::shared_ptr<arrow::Schema>& schema) {
  std::vector<EventTime> times;
  for (const Stream& s : all) {
    if (!s.state().ok()) return s;
    const auto& time = (*s.state())->event_time;
    if (time && (times.empty() || times.front().time == time->time)) times.push_back(*time);
  }
  if (times.size() != all.size()) times.clear();
  auto spec = merge_spec(schema, static_cast<int>(all.size()), times);
  if (!spec.ok()) return Stream(spec.status());
  const Stream out = add_stateful(all, std::move(*spec));
  if (times.empty()) return out;
  return then(out, [&](const StreamState& s) -> arrow::Result<StatePtr> {
    auto with_time = std::make_shared<StreamState>(s);
    with_time->event_time = std::make_shared<const EventTime>(EventTime{times.front().time, "", "", true});
    return StatePtr(std::move(with_time));
  });
}

}  // namespace stream

using stream::StreamState;

arrow::Result<std::optional<Morsel>> StreamOperator::process_morsel(Morsel morsel) {
  ARROW_ASSIGN_OR_RAISE(morsel.batch, process_batch(std::move(morsel.batch)));
  morsel.processed = true;
  if (!morsel.batch || morsel.batch->num_rows() == 0) return std::optional<Morsel>();
  return std::optional<Morsel>(std::move(morsel));
}

arrow::Result<std::vector<Morsel>> StreamOperator::process(Morsel morsel) {
  ARROW_ASSIGN_OR_RAISE(auto made, process_morsel(std::move(morsel)));
  std::vector<Morsel> out;
  if (made) out.push_back(std::move(*made));
  return out;
}

arrow::Result<std::string> StreamOperator::save_state() {
  return base::plan_error("operator \"" + name() + "\" has state that it cannot save, and the stream has a checkpoint",
                          "give it save_state() and load_state(), or let is_stateful() be false");
}
arrow::Status StreamOperator::load_state(const std::string&) { return save_state().status(); }

Stream::Stream(arrow::Result<stream::StatePtr> state) : state_(std::make_shared<const arrow::Result<stream::StatePtr>>(std::move(state))) {}

Stream::Stream(Frame frame)
    : Stream([&]() -> arrow::Result<stream::StatePtr> {
        ARROW_ASSIGN_OR_RAISE(plan::PlanPtr plan, frame.plan());
        auto out = std::make_shared<StreamState>();
        out->plan = std::move(plan);
        return stream::StatePtr(std::move(out));
      }()) {}

Stream Stream::from_function(std::shared_ptr<arrow::Schema> schema, std::function<arrow::Result<NextBatch>()> again, std::string name) {
  if (!schema) return Stream(base::plan_error("a stream of batches needs their schema"));
  auto border = io::border_schema(*schema, name);
  if (!border.ok()) return Stream(border.status());
  return Stream(Frame(plan::make_scan(std::make_shared<stream::PullTable>(std::move(name), *border, std::move(schema), std::move(again)))));
}

Stream stream::from_list(std::shared_ptr<arrow::Schema> schema, AllBatches all, std::string name) {
  auto border = io::border_schema(*schema, name);
  if (!border.ok()) return Stream(border.status());
  const auto again = [all]() -> arrow::Result<Stream::NextBatch> {
    ARROW_ASSIGN_OR_RAISE(std::vector<RecordBatchPtr> batches, all());
    auto held = std::make_shared<const std::vector<RecordBatchPtr>>(std::move(batches));
    return Stream::NextBatch(
        [held, at = size_t{0}]() mutable -> arrow::Result<RecordBatchPtr> { return at < held->size() ? (*held)[at++] : RecordBatchPtr(); });
  };
  return Stream(Frame(plan::make_scan(std::make_shared<PullTable>(std::move(name), *border, std::move(schema), again, std::move(all)))));
}

Stream Stream::from_batches(std::vector<RecordBatchPtr> batches, std::shared_ptr<arrow::Schema> schema) {
  if (!schema && batches.empty()) return Stream(base::plan_error("no batches and no schema", "give a schema"));
  if (!schema) schema = batches.front()->schema();
  const std::string name = "batches (" + std::to_string(batches.size()) + ")";
  return stream::from_list(
      std::move(schema), [all = std::move(batches)]() -> arrow::Result<std::vector<RecordBatchPtr>> { return all; }, name);
}

Stream Stream::map(StreamFunction function, std::shared_ptr<arrow::Schema> schema, std::string name) const {
  const auto one = [function = std::move(function)](RecordBatchPtr batch) -> arrow::Result<std::vector<RecordBatchPtr>> {
    ARROW_ASSIGN_OR_RAISE(RecordBatchPtr made, function(std::move(batch)));
    std::vector<RecordBatchPtr> out;
    out.push_back(std::move(made));
    return out;
  };
  return apply(std::make_shared<stream::Function>(one, std::move(schema), std::move(name)));
}

Stream Stream::flat_map(StreamExpansion function, std::shared_ptr<arrow::Schema> schema, std::string name) const {
  return apply(std::make_shared<stream::Function>(std::move(function), std::move(schema), std::move(name)));
}

Stream Stream::apply(StreamOperatorPtr op) const {
  return stream::then_plan(*this, [&](const plan::PlanPtr& p) { return stream::with_operator(p, std::move(op)); });
}

Stream Stream::filter(Expr predicate) const {
  return stream::by_frame(*this, [&](const Frame& f) { return f.filter(predicate); });
}
Stream Stream::select(std::vector<Expr> exprs) const {
  return stream::by_frame(*this, [&](const Frame& f) { return f.select(exprs); });
}
Stream Stream::with_columns(std::vector<Expr> exprs) const {
  return stream::by_frame(*this, [&](const Frame& f) { return f.with_columns(exprs); });
}
Stream Stream::drop(std::vector<std::string> columns) const {
  return stream::by_frame(*this, [&](const Frame& f) { return f.drop(columns); });
}
Stream Stream::rename(std::vector<std::pair<std::string, std::string>> names) const {
  return stream::by_frame(*this, [&](const Frame& f) { return f.rename(names); });
}
Stream Stream::explode(std::vector<std::string> columns) const {
  return stream::by_frame(*this, [&](const Frame& f) { return f.explode(columns); });
}

Stream Stream::union_with(std::vector<Stream> others) const {
  bool never_ends = endless();
  std::vector<Frame> frames;
  std::vector<Stream> all{*this};
  for (const Stream& o : others) {
    if (!o.state().ok()) return o;
    never_ends = never_ends || o.endless();
    frames.push_back(Frame((*o.state())->plan));
    all.push_back(o);
  }
  if (!never_ends) return stream::by_frame(*this, [&](const Frame& f) { return f.union_with(frames); });
  // Columns by name, types promoted, as in the union of frames; then each stream on its own way into one.
  if (!state_->ok()) return *this;
  const auto together = stream::schema_of_union(all);
  if (!together.ok()) return Stream(together.status());
  for (Stream& s : all) {
    std::vector<Expr> columns;
    for (const auto& f : (*together)->fields()) columns.push_back(col(f->name()).cast(f->type()));
    s = s.select(std::move(columns));
  }
  return stream::merged(all, *together);
}

Stream Stream::join(const Frame& table, JoinOptions options) const {
  return stream::by_frame(*this, [&](const Frame& f) { return f.join(table, options); });
}
Stream Stream::join(const Stream& other, JoinOptions options) const {
  if (!other.state().ok()) return other;
  return join(Frame((*other.state())->plan), std::move(options));
}
Stream Stream::join_asof(const Frame& table, AsofOptions options) const {
  return stream::by_frame(*this, [&](const Frame& f) { return f.join_asof(table, options); });
}

Stream Stream::distinct(std::vector<std::string> subset) const {
  if (!stream::in_stages(*this)) return stream::by_frame(*this, [&](const Frame& f) { return f.distinct(subset); });
  const arrow::Schema& schema = *(**state_)->plan->schema;
  if (subset.empty()) subset = schema.field_names();
  std::vector<int> columns;
  for (const std::string& name : subset) {
    const auto at = plan::find_column(schema, name);
    if (!at.ok()) return Stream(at.status());
    columns.push_back(*at);
  }
  return stream::add_stateful({*this}, stream::distinct_spec((**state_)->plan->schema, std::move(columns)));
}

Stream Stream::limit(int64_t rows) const {
  if (rows < 0) return Stream(base::plan_error("the number of rows of a limit cannot be negative: " + std::to_string(rows)));
  if (!stream::in_stages(*this)) return stream::by_frame(*this, [&](const Frame& f) { return f.head(rows); });
  return stream::add_stateful({*this}, stream::limit_spec((**state_)->plan->schema, rows));
}

Stream Stream::reduce(std::function<arrow::Result<RecordBatchPtr>(RecordBatchPtr, RecordBatchPtr)> function,
                      std::shared_ptr<arrow::Schema> schema) const {
  if (!state_->ok()) return *this;
  const auto border = io::border_schema(*schema, "the function of reduce gives");
  if (!border.ok()) return Stream(border.status());
  return stream::add_stateful({*this}, stream::reduce_spec((**state_)->plan->schema, *border, std::move(function)));
}

Stream Stream::aggregate(std::vector<Expr> aggregates) const {
  return stream::by_frame(*this, [&](const Frame& f) { return f.select(aggregates); });
}
GroupedStream Stream::group_by(std::vector<Expr> keys) const { return GroupedStream(*this, std::move(keys)); }
Stream GroupedStream::aggregate(std::vector<Expr> aggregates) const {
  return stream::by_frame(stream_, [&](const Frame& f) { return f.group_by(keys_).agg(aggregates); });
}
Stream Stream::sort(std::vector<SortKey> keys) const {
  return stream::by_frame(*this, [&](const Frame& f) { return f.sort(keys); });
}
Stream Stream::top(int64_t n, std::vector<SortKey> keys) const {
  return stream::by_frame(*this, [&](const Frame& f) { return f.sort(keys).head(n); });
}

Stream Stream::parallel(StreamParallel settings) const {
  return stream::with_setting(*this, [&](StreamState& s) {
    s.parallel = settings;
    s.users_parallel = settings.enabled;
  });
}
Stream Stream::memory_limit(int64_t bytes) const {
  return stream::with_setting(*this, [&](StreamState& s) { s.memory_limit = bytes; });
}
Stream Stream::checkpoint(StreamCheckpoint settings) const {
  return stream::with_setting(*this, [&](StreamState& s) { s.checkpoint = settings; });
}
Stream Stream::named(std::string name) const {
  return stream::with_setting(*this, [&](StreamState& s) { s.name = name; });
}

arrow::Result<std::shared_ptr<arrow::Schema>> Stream::schema() const {
  ARROW_ASSIGN_OR_RAISE(const stream::StatePtr s, *state_);
  return s->plan->schema;
}

arrow::Result<std::string> Stream::explain() const {
  ARROW_ASSIGN_OR_RAISE(const stream::StatePtr s, *state_);
  ARROW_ASSIGN_OR_RAISE(const plan::PlanPtr top, plan::optimize(s->plan, s->parallel.ordered));
  std::string out = plan::explain(*top);
  arrow::Status bad;
  stream::for_each_table(*s->plan, [&](const stream::StreamTable& t) {
    for (size_t i = 0; i < t.inputs().size() && bad.ok(); ++i) {
      const auto below = plan::optimize(t.inputs()[i], s->parallel.ordered);
      bad = below.status();
      if (bad.ok()) out += "\n" + t.name() + (t.inputs().size() > 1 ? ", input " + std::to_string(i) : "") + ":\n" + plan::explain(**below);
    }
  });
  ARROW_RETURN_NOT_OK(bad);
  return out;
}

bool Stream::endless() const { return state_->ok() && stream::endless(*(**state_)->plan); }

arrow::Result<StreamReader> Stream::batches(Cancellation cancel) const {
  ARROW_ASSIGN_OR_RAISE(const stream::StatePtr s, *state_);
  ARROW_ASSIGN_OR_RAISE(auto reader, stream::read_stream(s, std::move(cancel)));
  return StreamReader(std::move(reader));
}

arrow::Result<Table> Stream::collect(Cancellation cancel) const {
  ARROW_ASSIGN_OR_RAISE(const stream::StatePtr s, *state_);
  if (stream::is_frame(*s->plan) && !s->checkpoint) {
    ARROW_ASSIGN_OR_RAISE(const stream::FiniteFrame finite, stream::finite_frame(*s, cancel));
    ARROW_ASSIGN_OR_RAISE(Table out, finite.frame.collect(stream::options_of(*s), cancel));
    if (finite.users.empty()) return out;
    ARROW_ASSIGN_OR_RAISE(auto columns, out.arrow());
    return Table(std::move(columns), out.schema(), stream::with_user_reports(out.statistics(), finite.users));
  }
  if (endless()) return base::plan_error("a stream that never ends cannot be collected", "take() some rows, or iterate over its batches");
  const auto kept = frame::kept_schema(*s->plan->schema);
  auto sink = exec::make_collect_sink(kept);
  ARROW_ASSIGN_OR_RAISE(auto run, stream::StreamRun::make(s, {sink, nullptr, nullptr}, cancel));
  ARROW_RETURN_NOT_OK(run->run());
  ARROW_ASSIGN_OR_RAISE(auto table, arrow::Table::FromRecordBatches(kept, sink->take()));
  return Table(std::move(table), s->plan->schema, run->stats());
}

arrow::Result<int64_t> Stream::count(Cancellation cancel) const {
  int64_t rows = 0;
  ARROW_RETURN_NOT_OK(for_each(
      [&](const RecordBatchPtr& b) {
        rows += b->num_rows();
        return arrow::Status::OK();
      },
      std::move(cancel)));
  return rows;
}

arrow::Result<Table> Stream::take(int64_t rows, Cancellation cancel) const {
  const Stream limited = limit(rows);
  ARROW_ASSIGN_OR_RAISE(const auto schema, limited.schema());
  std::vector<RecordBatchPtr> all;
  ARROW_RETURN_NOT_OK(limited.for_each(
      [&](RecordBatchPtr b) {
        all.push_back(std::move(b));
        return arrow::Status::OK();
      },
      std::move(cancel)));
  ARROW_ASSIGN_OR_RAISE(auto table, arrow::Table::FromRecordBatches(schema, std::move(all)));
  return Table(std::move(table));
}

arrow::Status Stream::for_each(const std::function<arrow::Status(RecordBatchPtr)>& each, Cancellation cancel) const {
  ARROW_ASSIGN_OR_RAISE(StreamReader reader, batches(std::move(cancel)));
  while (true) {
    ARROW_ASSIGN_OR_RAISE(RecordBatchPtr batch, reader.next());
    if (!batch) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(each(std::move(batch)));
  }
}

StreamReader::StreamReader(std::unique_ptr<stream::ReaderState> state) : state_(std::move(state)) {}
StreamReader::~StreamReader() = default;
StreamReader::StreamReader(StreamReader&&) noexcept = default;
StreamReader& StreamReader::operator=(StreamReader&&) noexcept = default;
arrow::Result<RecordBatchPtr> StreamReader::next() {
  if (!state_) return RecordBatchPtr();  // closed
  return state_->next();
}
void StreamReader::stop() { state_->stop(); }
StreamStats StreamReader::stats() const { return state_->stats(); }
const std::shared_ptr<arrow::Schema>& StreamReader::schema() const { return state_->schema(); }

}  // namespace gristmill
