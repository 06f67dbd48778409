#include "stream/checkpointing.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/status.h"
#include "stream/steps.h"

namespace gristmill::stream {
namespace {

constexpr const char* kSources = "stream/sources";
constexpr const char* kToken = "stream/token";
constexpr const char* kComplete = "complete";
constexpr const char* kUserOperator = "user's operator";
constexpr const char* kUserState = "state";
constexpr int64_t kMostKept = int64_t{32} << 20;  // bytes of an operator's snapshot that wait in memory

constexpr int64_t kAnyPartition = -1, kEnded = -2;  // in the place of a partition

// A line for each partition: place of the source, partition, position, name. Names come last: they may hold anything but a line's end.
std::string text_of(const std::vector<SourcePositions>& all, const std::vector<bool>& ended) {
  std::string out;
  for (size_t i = 0; i < all.size(); ++i) {
    out += std::to_string(i) + " " + std::to_string(ended[i] ? kEnded : kAnyPartition) + " -1 " + all[i].source + "\n";
    for (const auto& [partition, next] : all[i].next) {
      out += std::to_string(i) + " " + std::to_string(partition) + " " + std::to_string(next) + " " + all[i].source + "\n";
    }
  }
  return out;
}

struct Line {
  int64_t source = 0, partition = 0, position = 0;
  std::string name;
};

arrow::Result<std::vector<Line>> lines_of(std::string_view text) {
  std::vector<Line> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    Line l;
    for (int64_t* number : {&l.source, &l.partition, &l.position}) {
      const auto [p, error] = std::from_chars(line.data(), line.data() + line.size(), *number);
      if (error != std::errc{} || p == line.data() + line.size()) return base::io_error("the positions in the checkpoint are damaged");
      line.remove_prefix(static_cast<size_t>(p - line.data()) + 1);
    }
    l.name = line;
    out.push_back(std::move(l));
  }
  return out;
}

}  // namespace

Checkpointing::Checkpointing(std::string stream, std::shared_ptr<CheckpointStore> store, EpochSinkPtr sink, double interval_seconds,
                             sched::Background& background, std::shared_ptr<const exec::QueryContext> query)
    : stream_(std::move(stream)),
      store_(std::move(store)),
      sink_(std::move(sink)),
      interval_micros_(std::max<int64_t>(1, static_cast<int64_t>(interval_seconds * 1e6))),
      background_(background),
      query_(std::move(query)) {}

// Which checkpoint belongs to what the sink has.
arrow::Result<int64_t> Checkpointing::choose_epoch(int64_t in_sink) {
  if (!store_) return 0;
  ARROW_ASSIGN_OR_RAISE(const Checkpoint newest, store_->newest());
  const bool exactly = sink_ && sink_->delivery() == Delivery::kExactlyOnce;
  if (!exactly || newest.epoch == in_sink) return newest.epoch;
  if (newest.epoch < in_sink) {
    const std::string whose = stream_ == kUnnamed ? "a stream without a name" : "the stream \"" + stream_ + "\"";
    const std::string have = newest.epoch == 0 ? store_->path() + " has no checkpoint of it"
                                               : "the checkpoints in " + store_->path() + " end with epoch " + std::to_string(newest.epoch);
    return base::plan_error(sink_->name() + " holds rows of " + whose + " up to epoch " + std::to_string(in_sink) + ", and " + have +
                                ": another stream wrote there, or its checkpoints are elsewhere",
                            "another stream needs a name of its own, named(\"...\"); the same one its checkpoint folder");
  }
  if (newest.epoch == in_sink + 1 && sink_->keeps_flushed()) {
    const CheckpointPart* part = newest.find(kToken);
    if (part == nullptr) return base::io_error("the checkpoint has no token of its sink", newest.path);
    ARROW_ASSIGN_OR_RAISE(const auto token, store_->read(newest, *part, query_->pool()));
    ARROW_RETURN_NOT_OK(sink_->commit(newest.epoch, token->ToString()));
    return newest.epoch;
  }
  // What was flushed for the newest one went with the process: back to the one the sink has.
  ARROW_ASSIGN_OR_RAISE(const Checkpoint before, store_->newest(in_sink));
  if (before.epoch != in_sink) {
    return base::plan_error("no checkpoint in " + store_->path() + " belongs to epoch " + std::to_string(in_sink) + " of " + sink_->name(),
                            "give the folder of the run that wrote it, or another name to the stream");
  }
  return in_sink;
}

arrow::Status Checkpointing::read_positions(std::vector<From>& from) const {
  const Checkpoint& checkpoint = *from_;
  const CheckpointPart* sources = checkpoint.find(kSources);
  if (sources == nullptr) return base::io_error("the checkpoint has no positions of its sources", checkpoint.path);
  ARROW_ASSIGN_OR_RAISE(const auto text, store_->read(checkpoint, *sources, query_->pool()));
  ARROW_ASSIGN_OR_RAISE(const auto lines, lines_of(std::string_view(*text)));
  for (const Line& l : lines) {
    if (l.source < 0 || l.source >= static_cast<int64_t>(feeds_.size()) || feeds_[static_cast<size_t>(l.source)]->name() != l.name) {
      return base::plan_error(
          "the checkpoint is of a stream with other sources: it knows \"" + l.name + "\" as source " + std::to_string(l.source),
          "start with another checkpoint folder, or give the stream the sources it had");
    }
    From& of = from[static_cast<size_t>(l.source)];
    of.ended = of.ended || l.partition == kEnded;
    if (l.partition >= 0) of.positions.emplace_back(static_cast<int32_t>(l.partition), l.position);
  }
  return arrow::Status::OK();
}

arrow::Status Checkpointing::restore() {
  if (!from_) return arrow::Status::OK();
  const Checkpoint& checkpoint = *from_;
  std::vector<std::string> names;
  for (const CheckpointPart& p : checkpoint.parts) names.push_back(p.name);
  const auto load = [store = store_, checkpoint,
                     pool = query_->pool()](const std::string& name) -> arrow::Result<std::shared_ptr<arrow::Buffer>> {
    const CheckpointPart* part = checkpoint.find(name);
    if (part == nullptr) return base::io_error("the checkpoint has no part " + name, checkpoint.path);
    return store->read(checkpoint, *part, pool);
  };
  std::vector<std::string> left = operators_in(names);
  std::erase(left, "stream");
  for (const auto& stage : stages_) {
    ARROW_ASSIGN_OR_RAISE(SnapshotReader reader, SnapshotReader::open(stage->id(), names, load));
    if (!reader.empty()) ARROW_RETURN_NOT_OK(stage->op().restore(reader));
    std::erase(left, stage->id());
  }
  for (const auto& [id, op] : operators_) {
    ARROW_ASSIGN_OR_RAISE(SnapshotReader reader, SnapshotReader::open(id, names, load));
    std::erase(left, id);
    if (reader.empty()) continue;
    ARROW_RETURN_NOT_OK(reader.check(kUserOperator, 1, op->name()));
    ARROW_RETURN_NOT_OK(reader.each(kUserState, [&user = op](int, const RecordBatchPtr& rows) {
      return user->load_state(static_cast<const arrow::LargeBinaryArray&>(*rows->column(0)).GetString(0));
    }));
  }
  if (!left.empty()) {
    std::string all;
    for (const std::string& l : left) all += (all.empty() ? "" : ", ") + l;
    return base::plan_error("the checkpoint has state of operators that the stream does not have any more: " + all,
                            "put them back, or start with another checkpoint folder");
  }
  return arrow::Status::OK();
}

arrow::Result<std::vector<Checkpointing::From>> Checkpointing::recover(const std::shared_ptr<arrow::Schema>& rows) {
  std::vector<From> from(feeds_.size());
  int64_t in_sink = 0;
  if (sink_) {
    ARROW_ASSIGN_OR_RAISE(in_sink, sink_->open(stream_, rows, *query_));
  }
  if (store_) ARROW_RETURN_NOT_OK(store_->take_over());
  ARROW_ASSIGN_OR_RAISE(int64_t epoch, choose_epoch(in_sink));
  if (store_ && epoch > 0) {
    ARROW_ASSIGN_OR_RAISE(const Checkpoint checkpoint, store_->inspect(epoch));
    const auto fact = checkpoint.facts.find(kComplete);
    complete_ = fact != checkpoint.facts.end() && fact->second == "1";
    if (!complete_) {
      from_ = checkpoint;
      ARROW_RETURN_NOT_OK(read_positions(from));
    }
  }
  if (store_) ARROW_RETURN_NOT_OK(store_->remove_after(epoch));
  if (!store_) epoch = in_sink;
  committed_ = epoch;
  if (sink_ && !complete_) ARROW_RETURN_NOT_OK(sink_->begin(epoch + 1));
  return from;
}

void Checkpointing::begin() {
  if (!store_ && !sink_) return;
  bool asks = false;
  {
    std::lock_guard lock(mutex_);
    begun_ = true;
    first_ = store_ && !from_;
    asks = suspending_ || first_;
    last_micros_ = background_.clock().unix_micros();
  }
  if (asks) ask();
  arm();
}

void Checkpointing::arm() {
  background_.after(interval_micros_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      {
        std::lock_guard lock(self->mutex_);
        if (self->over_) return;
      }
      self->ask();
      self->arm();
    }
  });
}

bool Checkpointing::any_moved() const {
  return left_ || std::any_of(feeds_.begin(), feeds_.end(), [](const auto& f) { return f->moved(); });
}

void Checkpointing::ask() {
  const bool moved = any_moved();
  int64_t epoch = 0;
  bool last = false;
  {
    std::lock_guard lock(mutex_);
    if (!begun_ || over_ || asked_ != 0 || suspended_ || (!moved && !suspending_ && !first_)) return;
    first_ = false;
    last = suspended_ = suspending_;
    epoch = asked_ = committed_ + 1;
  }
  for (const auto& f : feeds_) f->barrier(epoch, last);
}

void Checkpointing::suspend() {
  {
    std::lock_guard lock(mutex_);
    suspending_ = true;
  }
  ask();  // at once, or behind the epoch that is on its way
  for (const auto& f : feeds_) f->hold();
}

void Checkpointing::end() {
  std::lock_guard lock(mutex_);
  over_ = true;
}

arrow::Status Checkpointing::take(const std::string& id, int64_t epoch, const std::function<arrow::Status(SnapshotWriter&)>& write) {
  if (!store_) return arrow::Status::OK();
  Parts parts;
  int64_t kept = 0;
  std::shared_ptr<base::SpillFile> file;
  SnapshotWriter writer(
      id,
      [&](const std::string& name, const std::shared_ptr<arrow::Buffer>& bytes) -> arrow::Status {
        kept += bytes->size();
        if (kept <= kMostKept) {
          parts.push_back({name, bytes, nullptr, {}});
          return arrow::Status::OK();
        }
        if (!file) {
          ARROW_ASSIGN_OR_RAISE(file, base::SpillFile::create());
        }
        ARROW_ASSIGN_OR_RAISE(const base::SpillBlock at, file->write(bytes->data(), bytes->size()));
        query_->memory->count_spilled(static_cast<int64_t>(at.stored_bytes));
        parts.push_back({name, nullptr, file, at});
        return arrow::Status::OK();
      },
      query_->pool());
  std::map<std::string, SnapshotWriter::Positions> positions;
  for (const auto& f : feeds_) positions[f->name()] = f->positions_at(epoch);
  writer.set_positions(std::move(positions));
  ARROW_RETURN_NOT_OK(write(writer));
  ARROW_RETURN_NOT_OK(writer.finish());
  std::lock_guard lock(mutex_);
  auto& all = parts_[epoch];
  all.insert(all.end(), std::make_move_iterator(parts.begin()), std::make_move_iterator(parts.end()));
  return arrow::Status::OK();
}

arrow::Status Checkpointing::take_snapshot(const Stage& stage, int64_t epoch) {
  return take(stage.id(), epoch, [&](SnapshotWriter& writer) { return stage.op().snapshot(writer); });
}

// What a user's operator knows is bytes of its own: one value.
arrow::Status Checkpointing::take_state(const std::string& id, StreamOperator& op, int64_t epoch) {
  return take(id, epoch, [&](SnapshotWriter& writer) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const std::string state, op.save_state());
    arrow::LargeBinaryBuilder bytes(writer.pool());
    ARROW_RETURN_NOT_OK(bytes.Append(state.data(), static_cast<int64_t>(state.size())));
    ARROW_ASSIGN_OR_RAISE(auto value, bytes.Finish());
    writer.describe(kUserOperator, 1, op.name());
    return writer.put(kUserState, kNoKeyGroup,
                      *arrow::RecordBatch::Make(arrow::schema({arrow::field(kUserState, arrow::large_binary())}), 1, {std::move(value)}));
  });
}

arrow::Status Checkpointing::add_operator(std::string id, StreamOperatorPtr op) {
  ARROW_RETURN_NOT_OK(op->save_state().status());
  operators_.emplace_back(std::move(id), std::move(op));
  return arrow::Status::OK();
}

std::vector<SourcePositions> Checkpointing::positions_at(int64_t epoch) const {
  std::vector<SourcePositions> out;
  for (const auto& f : feeds_) out.push_back({f->name(), f->positions_at(epoch)});
  return out;
}

arrow::Status Checkpointing::persist(int64_t epoch, const std::string& token, bool complete) {
  if (!store_) return arrow::Status::OK();
  Parts parts;
  {
    std::lock_guard lock(mutex_);
    parts = std::exchange(parts_[epoch], {});
    parts_.erase(epoch);
  }
  ARROW_ASSIGN_OR_RAISE(auto writer, store_->begin(epoch));
  writer->set_fact("stream", stream_);
  writer->set_fact("workers", std::to_string(query_->workers));
  if (complete) writer->set_fact(kComplete, "1");
  std::vector<bool> ended;
  for (const auto& f : feeds_) ended.push_back(f->ended_before(epoch));
  ARROW_RETURN_NOT_OK(writer->add(kSources, text_of(positions_at(epoch), ended)));
  ARROW_RETURN_NOT_OK(writer->add(kToken, token));
  for (Part& p : parts) {
    if (!p.bytes) {
      ARROW_ASSIGN_OR_RAISE(p.bytes, p.file->read(p.at, query_->pool()));
    }
    ARROW_RETURN_NOT_OK(writer->add(p.name, *p.bytes));
    p.bytes = nullptr;
  }
  ARROW_ASSIGN_OR_RAISE(const Checkpoint done, writer->commit(background_.clock().unix_micros()));
  std::lock_guard lock(mutex_);
  last_bytes_ = done.bytes;
  return arrow::Status::OK();
}

arrow::Status Checkpointing::commit(int64_t epoch, const std::string& token, bool complete) {
  ARROW_RETURN_NOT_OK(persist(epoch, token, complete));
  if (sink_) ARROW_RETURN_NOT_OK(sink_->commit(epoch, token));
  for (const auto& f : feeds_) ARROW_RETURN_NOT_OK(f->commit(epoch));
  if (sink_ && !complete) ARROW_RETURN_NOT_OK(sink_->begin(epoch + 1));
  committed_ = epoch;
  std::lock_guard lock(mutex_);
  ++count_;
  last_micros_ = background_.clock().unix_micros();
  return arrow::Status::OK();
}

arrow::Result<base::WaitHandlePtr> Checkpointing::reach(int64_t epoch) {
  {
    std::lock_guard lock(mutex_);
    if (committing_ && !outcome_) return committed_handle_;
    if (outcome_) {
      const arrow::Status outcome = *std::exchange(outcome_, std::nullopt);
      committing_ = false;
      asked_ = 0;
      ARROW_RETURN_NOT_OK(outcome);
      if (!suspending_ || suspended_) return nullptr;
    }
  }
  if (committed_ >= epoch) {
    ask();  // somebody wants to stop, and this epoch was in the way
    return nullptr;
  }
  std::string token;
  left_ = false;
  if (sink_) {
    ARROW_ASSIGN_OR_RAISE(token, sink_->flush(epoch, positions_at(epoch)));
  }
  base::WaitHandlePtr handle = std::make_shared<base::WaitHandle>();
  {
    std::lock_guard lock(mutex_);
    committing_ = true;
    committed_handle_ = handle;
  }
  background_.submit_io(1, [self = shared_from_this(), handle, epoch, token] {
    arrow::Status outcome = self->commit(epoch, token, false);
    bool abort = false;
    {
      std::lock_guard lock(self->mutex_);
      self->outcome_ = std::move(outcome);
      abort = self->abort_after_;
    }
    if (abort && self->sink_) self->sink_->abort();
    handle->fire();
  });
  return handle;
}

arrow::Status Checkpointing::complete() {
  end();
  {
    std::lock_guard lock(mutex_);
    // Where the last barrier never came, all feeds had ended by themselves: nothing was held back.
    if (suspended_ && asked_ == 0) return sink_ ? sink_->close() : arrow::Status::OK();
  }
  if (!store_ && !sink_) return arrow::Status::OK();
  const int64_t epoch = committed_ + 1;
  std::string token;
  if (sink_) {
    ARROW_ASSIGN_OR_RAISE(token, sink_->flush(epoch, positions_at(epoch)));
  }
  ARROW_RETURN_NOT_OK(commit(epoch, token, true));
  return sink_ ? sink_->close() : arrow::Status::OK();
}

// A commit on its way is let to its end: the sink is used by one thread at a time.
void Checkpointing::abort() {
  {
    std::lock_guard lock(mutex_);
    over_ = true;
    if (committing_ && !outcome_) {
      abort_after_ = true;
      return;
    }
  }
  if (sink_) sink_->abort();
}

std::map<std::string, int64_t> Checkpointing::stats() const {
  const bool moved = any_moved();
  std::lock_guard lock(mutex_);
  if (!store_ && !sink_) return {};
  return {{"epoch", committed_.load()},
          {"checkpoints", count_},
          {"bytes", last_bytes_},
          {"pending", moved || asked_ != 0 ? 1 : 0},  // rows came since the last one
          {"age_micros", std::max<int64_t>(0, background_.clock().unix_micros() - last_micros_)}};
}

}  // namespace gristmill::stream
