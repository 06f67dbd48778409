// Transactions, epochs, and a queue that may be full.

#include "stream/kafka_sink.h"

#include <algorithm>

#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/status.h"
#include "io/piece_batch.h"
#include "io/row_blocks.h"
#include "stream/kafka_epochs.h"
#include "stream/kafka_messages.h"
#include "stream/steps.h"
#include "stream/wake_handle.h"

namespace gristmill::stream {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;

class KafkaSink final : public EpochSink {
 public:
  explicit KafkaSink(KafkaSinkOptions options) : options_(std::move(options)), blocks_(options_.ipc_rows) {}
  ~KafkaSink() override { wake_->end(); }
  std::string name() const override { return "write kafka " + options_.topic; }
  Delivery delivery() const override { return options_.exactly_once ? Delivery::kExactlyOnce : Delivery::kAtLeastOnce; }
  int64_t committed() const override { return epochs_ == nullptr ? 0 : epochs_->committed(); }

  arrow::Result<int64_t> open(const std::string& sink_id, std::shared_ptr<arrow::Schema> schema,
                              const exec::QueryContext& context) override {
    using Kind = io::KafkaClient::Kind;
    memory_ = context.memory;
    const std::string name = sink_id == kUnnamed ? sink_id + "-" + options_.topic : sink_id;
    const std::string group = "gristmill-epochs-" + name;
    ARROW_ASSIGN_OR_RAISE(auto writer, MessageWriter::make(*schema, options_));
    writer_ = std::make_unique<MessageWriter>(std::move(writer));
    std::map<std::string, std::string> own = {{"enable.idempotence", "true"}, {"linger.ms", "1"}, {"compression.codec", "lz4"}};
    if (options_.exactly_once) {
      own["transactional.id"] = options_.transactional_id.empty() ? "gristmill-" + name : options_.transactional_id;
      own["transaction.timeout.ms"] = "900000";  // what brokers allow at most; an epoch and its snapshot are shorter
    }
    // What is on its way to the brokers, within the query's memory.
    int64_t queue = int64_t{64} << 20;
    if (memory_->limited()) queue = std::clamp<int64_t>(memory_->cap() / 8, int64_t{1} << 20, queue);
    own["queue.buffering.max.kbytes"] = std::to_string(queue >> 10);
    ARROW_ASSIGN_OR_RAISE(reserved_, memory_->reserve(queue, "messages on their way to Kafka"));
    const std::map<std::string, std::string> reading = {{"group.id", group}, {"enable.auto.commit", "false"}};
    ARROW_ASSIGN_OR_RAISE(const auto asks, io::KafkaClient::open(Kind::kConsumer, options_.address, reading, {}, context.cancel));
    ARROW_RETURN_NOT_OK(asks->partitions(options_.topic).status());
    ARROW_ASSIGN_OR_RAISE(client_,
                          io::KafkaClient::open(Kind::kProducer, options_.address, own, [wake = wake_] { wake->wake(); }, context.cancel));
    if (!options_.exactly_once) return 0;
    ARROW_ASSIGN_OR_RAISE(
        epochs_, KafkaEpochs::open(options_.address, options_.topic, group, own["transactional.id"], client_, context.cancel));
    return epochs_->committed();
  }

  arrow::Status begin(int64_t epoch) override {
    skipping_ = options_.exactly_once && epoch <= committed();
    at_piece_ = at_byte_ = 0;
    return skipping_ || !options_.exactly_once ? arrow::Status::OK() : epochs_->begin();
  }

  arrow::Result<std::vector<column::Batch>> stage(std::vector<column::Batch> batches, const exec::QueryContext& context) override {
    if (skipping_ || !writer_->by_row()) return batches;
    std::vector<column::Batch> out;
    std::string bytes;
    int64_t rows = 0;
    const auto hand_over = [&]() -> arrow::Status {
      if (rows == 0) return arrow::Status::OK();
      ARROW_ASSIGN_OR_RAISE(auto piece, io::piece_batch(bytes, rows, context.pool()));
      out.push_back(std::move(piece));
      bytes.clear();
      rows = 0;
      return arrow::Status::OK();
    };
    for (column::Batch& b : batches) {
      ARROW_ASSIGN_OR_RAISE(const column::Batch flat, flattened(std::move(b), context.pool()));
      const column::Batch values = writer_->values_of(flat);
      for (int64_t row = 0; row < flat.rows; ++row) {
        const arrow::Status status = writer_->append(flat, values, row, bytes);
        if (!status.ok()) return placed(status, flat);
        ++rows;
        if (bytes.size() >= kPieceBytes) ARROW_RETURN_NOT_OK(hand_over());
      }
      ARROW_RETURN_NOT_OK(context.cancel.check());
    }
    ARROW_RETURN_NOT_OK(hand_over());
    return out;
  }

  arrow::Result<exec::OrderedSink::Answer> deliver(std::vector<column::Batch>& batches) override {
    if (skipping_) {
      batches.clear();
      return exec::OrderedSink::Answer{};
    }
    if (!writer_->by_row()) {
      for (column::Batch& b : batches) {
        ARROW_ASSIGN_OR_RAISE(auto dense, column::compact(std::move(b), memory_->pool()));
        blocks_.add(std::move(dense));
      }
      batches.clear();
      while (blocks_.full()) ARROW_RETURN_NOT_OK(send_block());
      return exec::OrderedSink::Answer{};
    }
    const auto wait = wake_->arm();  // before looking whether there is room
    for (; at_piece_ < batches.size(); ++at_piece_, at_byte_ = 0) {
      MessageReader messages(io::piece_of(batches[at_piece_]));
      messages.go_to(at_byte_);
      GmKafkaOutgoing m;
      while (messages.next(m)) {
        m.topic = options_.topic.c_str();
        ARROW_ASSIGN_OR_RAISE(const bool taken, client_->send(m));
        if (!taken) return exec::OrderedSink::Answer{wait, false};
        at_byte_ = messages.at();
      }
    }
    at_piece_ = at_byte_ = 0;
    batches.clear();
    return exec::OrderedSink::Answer{};
  }

  arrow::Result<std::string> flush(int64_t epoch, const std::vector<SourcePositions>& positions) override {
    if (skipping_) return std::string{};
    while (blocks_.rows() > 0) ARROW_RETURN_NOT_OK(send_block());
    ARROW_RETURN_NOT_OK(client_->flush());
    if (!options_.exactly_once) return std::string{};
    std::vector<io::KafkaPosition> with;  // what was read, for those who look at lags
    for (const SourcePositions& s : positions) {
      if (!s.source.starts_with("kafka ") || s.source.substr(6) == options_.topic) continue;
      for (const auto& [partition, next] : s.next) {
        if (next >= 0) with.push_back({s.source.substr(6), partition, next});
      }
    }
    ARROW_RETURN_NOT_OK(epochs_->prepare(epoch, with));
    return std::string{};
  }

  arrow::Status commit(int64_t epoch, const std::string&) override {
    if (!options_.exactly_once || epoch <= committed()) return arrow::Status::OK();
    if (!epochs_->in_transaction()) return base::internal_error("epoch " + std::to_string(epoch) + " was not flushed by this run");
    return epochs_->commit(epoch);
  }

  void abort() override {
    if (client_ == nullptr) return;
    if (epochs_ != nullptr) {
      epochs_->abort();
    } else {
      client_->purge();
    }
    blocks_ = io::RowBlocks(options_.ipc_rows);
  }

 private:
  static arrow::Result<column::Batch> flattened(column::Batch batch, arrow::MemoryPool* pool) {
    ARROW_ASSIGN_OR_RAISE(batch, column::compact(std::move(batch), pool, true));
    for (column::Column& c : batch.columns) {
      ARROW_ASSIGN_OR_RAISE(c, column::flatten(c, batch.rows, pool));
    }
    return batch;
  }

  // The error with the source row, as far as it is known here.
  static arrow::Status placed(const arrow::Status& status, const column::Batch& flat) {
    const auto detail = base::error_detail(status);
    if (detail == nullptr || detail->batch_row < 0) return status;
    base::ErrorDetail out = *detail;
    out.row = flat.origin.row_of(out.batch_row);
    out.batch_row = -1;
    return base::with_detail(status, out);
  }

  // The next rows as one Arrow IPC stream. There is room soon: the producer sends meanwhile.
  arrow::Status send_block() {
    io::RowBlock block = blocks_.take();
    ARROW_ASSIGN_OR_RAISE(const auto batch, io::block_batch(block, writer_->value_schema(), memory_->pool()));
    ARROW_ASSIGN_OR_RAISE(const auto out, arrow::io::BufferOutputStream::Create(4096, memory_->pool()));
    ARROW_ASSIGN_OR_RAISE(const auto stream, arrow::ipc::MakeStreamWriter(out, writer_->value_schema()));
    ARROW_RETURN_NOT_OK(stream->WriteRecordBatch(*batch));
    ARROW_RETURN_NOT_OK(stream->Close());
    ARROW_ASSIGN_OR_RAISE(const auto bytes, out->Finish());
    GmKafkaOutgoing m{};
    m.topic = options_.topic.c_str();
    m.partition = -1;
    m.timestamp_ms = -1;
    m.value = reinterpret_cast<const char*>(bytes->data());
    m.value_size = bytes->size();
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const bool taken, client_->send(m));
      if (taken) return arrow::Status::OK();
      ARROW_RETURN_NOT_OK(client_->flush());
    }
  }

  const KafkaSinkOptions options_;
  const std::shared_ptr<WakeHandle> wake_ = std::make_shared<WakeHandle>();
  std::shared_ptr<base::QueryMemory> memory_;
  base::Reservation reserved_;
  std::unique_ptr<MessageWriter> writer_;
  io::KafkaClientPtr client_;
  io::RowBlocks blocks_;
  std::unique_ptr<KafkaEpochs> epochs_;  // of exactly once
  size_t at_piece_ = 0, at_byte_ = 0;  // of a delivery that found the queue full
  bool skipping_ = false;
};

}  // namespace

arrow::Result<EpochSinkPtr> kafka_sink(KafkaSinkOptions options) {
  if (options.topic.empty()) return base::plan_error("the topic has no name");
  if (!options.exactly_once && !options.transactional_id.empty()) {
    return base::plan_error("a transactional_id is for exactly_once");
  }
  return std::make_shared<KafkaSink>(std::move(options));
}

}  // namespace gristmill::stream
