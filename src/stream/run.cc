// Cutting a stream's plan into stages and putting their pipelines into one query.
//
// Stages are added sources first, so that tasks nearer to a source have smaller numbers: their errors win, as errors of earlier rows do.
// Rows of a stage leave in order through a queue; whoever reads a queue or a feed says so when it is over (however it ended), and what
// stands before it then ends too instead of waiting for room for ever.

#include "stream/run.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <iterator>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include <arrow/type.h>

#include "base/notice.h"
#include "base/status.h"
#include "io/json.h"
#include "plan/nodes.h"
#include "stream/answers.h"
#include "stream/final_sink.h"
#include "stream/interruptible.h"

namespace gristmill::stream {

// What a pipeline's rows come from, to be told when nobody reads them any more.
struct Upstream {
  std::vector<std::shared_ptr<Feed>> feeds;
  std::vector<std::shared_ptr<StageQueue>> queues;
  void discard() const {
    for (const auto& f : feeds) f->discard();
    for (const auto& q : queues) q->discard();
  }
};

namespace {

// A task that says when it is over. The last task of a stage reads what the stage reads, or comes after those that do.
class LastOfStage final : public sched::Task {
 public:
  LastOfStage(std::shared_ptr<sched::Task> task, Upstream upstream) : task_(std::move(task)), upstream_(std::move(upstream)) {}
  std::string name() const override { return task_->name(); }
  arrow::Status prepare(int slots) override { return task_->prepare(slots); }
  void place(const std::vector<int>& nodes) override { task_->place(nodes); }
  int max_slots() const override { return task_->max_slots(); }
  arrow::Result<sched::Step> step(int slot) override { return task_->step(slot); }
  arrow::Status finish() override {
    arrow::Status done = task_->finish();
    upstream_.discard();
    return done;
  }
  void abandon() override {
    task_->abandon();
    upstream_.discard();
  }
  void report(sched::Statistics& statistics) const override { task_->report(statistics); }

 private:
  const std::shared_ptr<sched::Task> task_;
  const Upstream upstream_;
};

}  // namespace

struct StreamRun::Impl {
  StatePtr state;
  sched::Scheduler& scheduler;
  RunContext run;
  std::shared_ptr<exec::RunReport> report = std::make_shared<exec::RunReport>();
  std::shared_ptr<Checkpointing> checkpointing;
  std::shared_ptr<FinalSink> sink;
  Into into;
  sched::Query query;
  std::vector<std::shared_ptr<Feed>> feeds;
  std::vector<std::shared_ptr<Stage>> stages;
  std::vector<std::vector<int>> feeds_of_stage;  // by stage and input: the place of its feed, or -1
  // Of tables that streams are joined with: read whole by every run, so no checkpoint knows of them.
  std::unordered_set<const void*> beside;
  bool in_table = false;  // what is being bound is such a table
  std::vector<std::shared_ptr<BoundUserTable>> users;
  std::unordered_map<std::string, int> ids;
  bool durable = false;
  std::atomic<bool> started{false};
  std::mutex mutex;
  bool ran = false;

  explicit Impl(StatePtr s, sched::Scheduler& scheduler) : state(std::move(s)), scheduler(scheduler) {}

  // What one pipeline of row-wise steps reads, found while its plan is bound.
  struct Reads {
    Upstream upstream;
    std::unordered_map<const void*, NotesOf> notes;  // by table of the description
    std::unordered_map<const void*, int> feed;
    const StreamTable* streaming = nullptr;  // whose rows they are; all others are tables they are joined with
  };

  arrow::Result<plan::TableSourcePtr> leaf(const std::shared_ptr<const StreamTable>& table, bool whole, Reads& reads) {
    const bool before = in_table;
    in_table = before || (reads.streaming != nullptr && reads.streaming != table.get());
    auto out = bound_leaf(table, whole, reads);
    in_table = before;
    return out;
  }

  arrow::Result<plan::TableSourcePtr> bound_leaf(const std::shared_ptr<const StreamTable>& table, bool whole, Reads& reads) {
    if (const auto* pull = dynamic_cast<const PullTable*>(table.get())) {
      return bind_pull_table(*pull, whole, run.query->morsel_rows, run.options.chunk_bytes);
    }
    if (const auto* source = dynamic_cast<const EndlessTable*>(table.get())) {
      ARROW_ASSIGN_OR_RAISE(EndlessSourcePtr made, source->spec().make());
      auto feed = std::make_shared<Feed>(std::move(made), scheduler.background(), 0);
      reads.upstream.feeds.push_back(feed);
      reads.notes[table.get()] = {feed, &feed->notes()};
      reads.feed[table.get()] = static_cast<int>(feeds.size());
      if (in_table) beside.insert(feed.get());
      feeds.push_back(feed);
      return feed->table(source->schema());
    }
    const auto* op = dynamic_cast<const StatefulTable*>(table.get());
    if (op == nullptr) return base::internal_error("a stream table that nobody can read: " + table->name());
    ARROW_ASSIGN_OR_RAISE(auto stage, add_stage(*op));
    reads.upstream.queues.push_back(stage->out());
    reads.notes[table.get()] = {stage->out(), &stage->out()->notes()};
    return stage->out()->table(op->schema());
  }

  arrow::Result<std::shared_ptr<Stage>> add_stage(const StatefulTable& table) {
    ARROW_ASSIGN_OR_RAISE(StatefulOperatorPtr op, table.spec().make());
    if (static_cast<size_t>(op->inputs()) != table.inputs().size())
      return base::internal_error(op->name() + " has " + std::to_string(op->inputs()) + " inputs and was given " +
                                  std::to_string(table.inputs().size()));
    const std::string id = table.spec().id + "-" + std::to_string(++ids[table.spec().id]);
    auto stage = std::make_shared<Stage>(id, std::move(op), table.spec().side,
                                         [this](const Stage& s, int64_t epoch) { return checkpointing->take_snapshot(s, epoch); });
    std::vector<int> of_inputs;
    for (size_t i = 0; i < table.inputs().size(); ++i) {
      const int input = static_cast<int>(i);
      ARROW_ASSIGN_OR_RAISE(const int feed, add_pipeline(table.inputs()[i], [&](NotesOf notes, exec::PipelineSpec& spec) {
                              spec.name = stage->id();
                              spec.ordered = stage->sink(input, notes);
                              spec.resolve = [inner = std::move(spec.resolve),
                                              last = stage->preparing(input, notes)]() -> arrow::Result<exec::Segment> {
                                ARROW_ASSIGN_OR_RAISE(exec::Segment segment, inner());
                                segment.append(last, -1);
                                return segment;
                              };
                            }));
      of_inputs.push_back(feed);
    }
    if (in_table) beside.insert(stage.get());
    stages.push_back(stage);
    feeds_of_stage.push_back(std::move(of_inputs));
    return stage;
  }

  // The tasks of a plan up to whatever `finish` puts at its end; the place of the feed that the pipeline reads, or -1.
  template <typename F>
  arrow::Result<int> add_pipeline(const plan::PlanPtr& plan, F finish) {
    Reads reads;
    ARROW_RETURN_NOT_OK(check_answers(*plan));
    reads.streaming = streaming_table(*plan);
    ARROW_ASSIGN_OR_RAISE(BoundPlan bound, bind_tables(plan, run, [&](const std::shared_ptr<const StreamTable>& t, bool whole) {
                            return leaf(t, whole, reads);
                          }));
    const auto found = reads.streaming == nullptr ? reads.notes.end() : reads.notes.find(reads.streaming);
    const bool row_by_row = found != reads.notes.end();
    if (durable && !row_by_row && !in_table) {
      return base::plan_error("a checkpoint needs sources with positions and row-wise steps between them and operators with state",
                              "use replay() for tables and files, and windows instead of sorts and aggregates");
    }
    ARROW_ASSIGN_OR_RAISE(const plan::PlanPtr optimized, plan::optimize(bound.plan, run.options.ordered));
    std::vector<int> before;  // the operators of users below must be lowered, and what they need have run
    for (const auto& u : bound.users) {
      ARROW_ASSIGN_OR_RAISE(sched::Query first, u->lower());
      before = append(std::move(first), before);
      users.push_back(u);
    }
    ARROW_ASSIGN_OR_RAISE(exec::OpenQuery open, exec::lower_open(optimized, run.query, report));
    std::vector<int> after = append(std::move(open.first), before);
    exec::PipelineSpec spec;
    spec.resolve = std::move(open.rows);
    finish(row_by_row ? found->second : NotesOf{}, spec);
    auto task = exec::make_pipeline_task(std::move(spec), run.query, report);
    query.nodes.push_back({std::make_shared<LastOfStage>(std::move(task), reads.upstream), std::move(after)});
    if (!row_by_row) return -1;
    if (durable && !in_table) ARROW_RETURN_NOT_OK(keep_state(*plan, bound.users, found->second));
    const auto feed = reads.feed.find(reads.streaming);
    return feed == reads.feed.end() ? -1 : feed->second;
  }

  // Users' operators with state save it when the barrier's morsel comes to them, behind all the rows before it.
  arrow::Status keep_state(const plan::Plan& plan, const std::vector<std::shared_ptr<BoundUserTable>>& bound, const NotesOf& notes) {
    for (const UserTable* table : users_on_the_way(plan)) {
      std::vector<std::pair<std::string, StreamOperatorPtr>> kept;
      for (const UserTable::Op& o : table->ops()) {
        if (!o.op->is_stateful()) continue;
        kept.emplace_back("operator-" + std::to_string(++ids["operator"]), o.op);
        ARROW_RETURN_NOT_OK(checkpointing->add_operator(kept.back().first, o.op));
      }
      const auto of = std::find_if(bound.begin(), bound.end(), [&](const auto& b) { return &b->of() == table; });
      if (kept.empty() || of == bound.end()) continue;
      (*of)->before_morsels([this, notes, kept](uint64_t seq) -> arrow::Status {
        const Note note = notes.notes->peek(seq);
        if (note.kind != Note::Kind::kBarrier) return arrow::Status::OK();
        for (const auto& [id, op] : kept) ARROW_RETURN_NOT_OK(checkpointing->take_state(id, *op, note.epoch));
        return arrow::Status::OK();
      });
    }
    return arrow::Status::OK();
  }

  // Tasks that start after `before`; these and all the new ones, for whoever comes behind them.
  std::vector<int> append(sched::Query first, std::vector<int> before) {
    const int offset = static_cast<int>(query.nodes.size());
    std::vector<int> all = before;
    for (auto& node : first.nodes) {
      for (int& a : node.after) a += offset;
      node.after.insert(node.after.end(), before.begin(), before.end());
      all.push_back(static_cast<int>(query.nodes.size()));
      query.nodes.push_back(std::move(node));
    }
    return all;
  }

  arrow::Status build() {
    std::shared_ptr<CheckpointStore> store;
    if (state->checkpoint) {
      ARROW_ASSIGN_OR_RAISE(store, CheckpointStore::open(state->checkpoint->path));
    }
    durable = store != nullptr;
    const double interval = state->checkpoint ? state->checkpoint->interval_seconds : 10.0;
    if (!(interval > 0)) return base::plan_error("the interval of checkpoints must be more than 0 seconds");
    checkpointing =
        std::make_shared<Checkpointing>(state->name, std::move(store), into.epochs, interval, scheduler.background(), run.query);
    ARROW_RETURN_NOT_OK(add_pipeline(state->plan, [&](NotesOf notes, exec::PipelineSpec& spec) {
                          sink = make_final_sink(into.rows, into.epochs, into.taken, checkpointing, std::move(notes));
                          spec.name = "stream";
                          spec.ordered = sink;
                        }).status());
    std::vector<std::shared_ptr<Feed>> streaming;
    std::copy_if(feeds.begin(), feeds.end(), std::back_inserter(streaming), [&](const auto& f) { return !beside.contains(f.get()); });
    if (streaming.size() > 1) {
      const auto turns = std::make_shared<Turns>(scheduler.background());
      for (const auto& f : streaming) f->take_turns(turns);
    }
    for (const auto& f : streaming) checkpointing->add_feed(f);
    for (const auto& s : stages) {
      if (!beside.contains(s.get())) checkpointing->add_stage(s);
    }
    query.cancel = run.query->cancel;
    query.interrupt = run.settings.interrupt;
    return arrow::Status::OK();
  }

  arrow::Status open_stages() {
    int64_t tick = 0;
    bool replay = true;
    for (const auto& f : feeds) replay = replay && f->source().replay();
    for (size_t i = 0; i < stages.size(); ++i) {
      OperatorContext context;
      context.query = run.query.get();
      context.replay = replay;
      for (const int feed : feeds_of_stage[i]) {
        context.partitions.push_back(feed < 0 ? 1 : std::max<int32_t>(1, feeds[static_cast<size_t>(feed)]->source().partitions()));
      }
      ARROW_RETURN_NOT_OK(stages[i]->open(context));
      const int64_t every = stages[i]->op().tick_every();
      if (every > 0) tick = tick == 0 ? every : std::min(tick, every);
    }
    if (!replay) {
      for (const auto& f : feeds) f->set_tick(tick);
    }
    return arrow::Status::OK();
  }

  arrow::Status start() {
    // Positions are known once the checkpoint was found, partitions once sources have started; operators are opened before they are
    // restored.
    const StartContext context{run.query.get(), &scheduler.background()};
    ARROW_ASSIGN_OR_RAISE(const auto from, checkpointing->recover(state->plan->schema));
    if (checkpointing->was_complete()) return arrow::Status::OK();
    size_t next = 0;
    for (const auto& f : feeds) {
      const bool table = beside.contains(f.get());
      const Checkpointing::From& of = table ? Checkpointing::From{} : from[next++];
      if (of.ended) {
        f->has_ended();
      } else {
        ARROW_RETURN_NOT_OK(f->start(of.positions, context));
      }
    }
    ARROW_RETURN_NOT_OK(open_stages());
    return checkpointing->restore();
  }

  // The last epoch counts when the last rows have been taken. Nobody but this thread waits for that.
  arrow::Status end_when_taken() {
    constexpr std::chrono::milliseconds kAsk{50};
    while (auto wait = into.taken()) {
      struct Fired {
        std::mutex mutex;
        std::condition_variable news;
        bool yes = false;
      };
      const auto fired = std::make_shared<Fired>();
      wait->on_ready([fired] {
        std::lock_guard lock(fired->mutex);
        fired->yes = true;
        fired->news.notify_all();
      });
      std::unique_lock lock(fired->mutex);
      while (!fired->yes) {
        ARROW_RETURN_NOT_OK(run.query->cancel.check());
        fired->news.wait_for(lock, kAsk);
      }
    }
    return checkpointing->complete();
  }

  arrow::Status run_all() {
    const bool waits = !feeds.empty() || into.epochs != nullptr;  // for others: it knows of the query's cancellation only
    arrow::Status done = interruptible(waits ? run.settings.interrupt : nullptr, run.query->cancel, [this] { return start(); });
    if (done.ok() && checkpointing->was_complete()) {
      if (endless(*state->plan)) {
        base::notice("nothing is done: the checkpoint in " + state->checkpoint->path +
                     " says that the stream has come to its end, as a topic read up to its end does; one that goes on needs a folder of its own");
      }
      return done;
    }
    if (done.ok()) {
      started = true;
      checkpointing->begin();
      sched::Statistics timing;
      done = scheduler.run(query, run.settings.options, &timing);
      {
        std::lock_guard lock(report->mutex);
        report->statistics.num_workers = timing.num_workers;
        report->statistics.processing_time_seconds = timing.processing_time_seconds;
      }
      if (done.ok() && into.taken) done = end_when_taken();
    } else {
      checkpointing->abort();
    }
    checkpointing->end();
    for (const auto& f : feeds) f->source().stop();
    return done;
  }
};

StreamRun::StreamRun(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StreamRun::~StreamRun() = default;

arrow::Result<std::shared_ptr<StreamRun>> StreamRun::make(StatePtr state, Into into, Cancellation cancel, sched::Scheduler& scheduler) {
  auto impl = std::make_unique<Impl>(state, scheduler);
  impl->into = std::move(into);
  ARROW_ASSIGN_OR_RAISE(impl->run, make_run_context(*state, cancel));
  auto query = std::make_shared<exec::QueryContext>(*impl->run.query);
  query->progress = std::make_shared<base::Progress>();
  impl->run.query = std::move(query);
  ARROW_RETURN_NOT_OK(impl->build());
  return std::make_shared<StreamRun>(std::move(impl));
}

arrow::Status StreamRun::run() {
  {
    std::lock_guard lock(impl_->mutex);
    if (impl_->ran) return base::internal_error("a run of a stream runs once");
    impl_->ran = true;
  }
  return impl_->run_all();
}

void StreamRun::stop() {
  if (impl_->durable) {
    impl_->checkpointing->suspend();
    return;
  }
  for (const auto& f : impl_->feeds) f->finish();
}

void StreamRun::checkpoint_now() { impl_->checkpointing->ask(); }
int64_t StreamRun::epoch() const { return impl_->checkpointing->epoch(); }

const std::shared_ptr<base::QueryMemory>& StreamRun::memory() const { return impl_->run.query->memory; }

StreamRun::Progress StreamRun::progress() const {
  const Impl& i = *impl_;
  Progress out;
  out.started = i.started;
  for (const auto& f : i.feeds) {
    const auto known = f->source().stats();
    if (const auto lag = known.find("lag"); lag != known.end()) out.lag += lag->second;
  }
  for (const auto& s : i.stages) {
    const auto known = s->stats();
    if (const auto late = known.find("late_rows"); late != known.end()) out.late_rows += late->second;
    if (const auto bytes = known.find("state_bytes"); bytes != known.end()) out.state_bytes += bytes->second;
  }
  const auto checkpoint = i.checkpointing->stats();
  if (checkpoint.empty()) return out;
  out.epochs = true;
  out.pending = checkpoint.at("pending") != 0;
  out.epoch = checkpoint.at("epoch");
  out.checkpoint_bytes = checkpoint.at("bytes");
  out.age_micros = checkpoint.at("age_micros");
  return out;
}

namespace {

std::string object_of(const std::map<std::string, int64_t>& numbers) {
  io::JsonWriter out;
  for (const auto& [name, n] : numbers) out.add(name, n);
  return out.finish();
}

}  // namespace

StreamStats StreamRun::stats() const {
  const Impl& i = *impl_;
  exec::RunReport all;
  {
    std::lock_guard lock(i.report->mutex);
    all.nodes = i.report->nodes;
    all.statistics = i.report->statistics;
    all.bytes_through = i.report->bytes_through;
  }
  sched::Statistics& s = all.statistics;
  if (s.num_workers == 0) s.num_workers = i.run.settings.options.workers;
  if (s.total_morsels_processed == 0) {  // still running: tasks report at their end
    s.total_morsels_processed = s.total_morsels_created = i.run.query->progress->morsels_done.load();
  }
  if (s.processing_time_seconds > 0) {
    s.morsels_per_second = static_cast<double>(s.total_morsels_processed) / s.processing_time_seconds;
  }
  all.peak_bytes = i.run.query->memory->peak();
  all.spilled_bytes = i.run.query->memory->spilled_bytes();
  std::string out = with_user_reports(exec::report_json(all), i.users);
  out.pop_back();
  out += ",\"rows\":" + std::to_string(i.sink ? i.sink->rows() : 0) + ",\"sources\":{";
  for (size_t f = 0; f < i.feeds.size(); ++f) {
    io::JsonWriter name;
    name.add(i.feeds[f]->name(), int64_t{0});
    std::string key = name.finish();
    out += (f == 0 ? "" : ",") + key.substr(1, key.rfind(':') - 1) + ":" + object_of(i.feeds[f]->source().stats());
  }
  out += "},\"state\":{";
  for (size_t k = 0; k < i.stages.size(); ++k) {
    out += std::string(k == 0 ? "" : ",") + "\"" + i.stages[k]->id() + "\":" + object_of(i.stages[k]->stats());
  }
  return out + "},\"checkpoint\":" + object_of(i.checkpointing->stats()) + "}";
}

arrow::Status run_into(const Stream& stream, EpochSinkPtr sink, Cancellation cancel,
                       const std::function<void(const std::shared_ptr<StreamRun>&)>& running) {
  ARROW_ASSIGN_OR_RAISE(const StatePtr state, stream.state());
  ARROW_ASSIGN_OR_RAISE(auto run, StreamRun::make(state, {nullptr, std::move(sink), nullptr}, std::move(cancel)));
  if (running) running(run);
  return run->run();
}

}  // namespace gristmill::stream
