// Sinks that know no epochs: what they have taken stays, and a run that goes on from a checkpoint gives the rows since then again.

#include "base/status.h"
#include "stream/epoch_sink.h"

namespace gristmill::stream {
namespace {

class AtLeastOnce final : public EpochSink {
 public:
  AtLeastOnce(std::string name, MakeOrderedSink make, bool one) : name_(std::move(name)), make_(std::move(make)), one_(one) {}
  std::string name() const override { return name_; }
  Delivery delivery() const override { return Delivery::kAtLeastOnce; }
  int64_t committed() const override { return 0; }

  arrow::Result<int64_t> open(const std::string&, std::shared_ptr<arrow::Schema> schema, const exec::QueryContext& context) override {
    schema_ = std::move(schema);
    context_ = context;
    return 0;
  }

  arrow::Status begin(int64_t) override {
    if (sink_ != nullptr) return arrow::Status::OK();
    seq_ = 0;
    ARROW_ASSIGN_OR_RAISE(sink_, make_(schema_, context_));
    return arrow::Status::OK();
  }

  arrow::Result<std::vector<column::Batch>> stage(std::vector<column::Batch> batches, const exec::QueryContext& context) override {
    return sink_->stage(std::move(batches), context);
  }

  arrow::Result<exec::OrderedSink::Answer> deliver(std::vector<column::Batch>& batches) override {
    ARROW_ASSIGN_OR_RAISE(const auto answer, sink_->deliver(seq_, batches));
    if (answer.wait == nullptr) ++seq_;
    return answer;
  }

  arrow::Result<std::string> flush(int64_t, const std::vector<SourcePositions>&) override {
    if (!one_) ARROW_RETURN_NOT_OK(close());
    return std::string{};
  }
  arrow::Status commit(int64_t, const std::string&) override { return arrow::Status::OK(); }

  void abort() override {
    if (sink_ != nullptr) sink_->abandon();
    sink_ = nullptr;
  }

  arrow::Status close() override {
    if (sink_ == nullptr) return arrow::Status::OK();
    const auto sink = std::move(sink_);
    sink_ = nullptr;
    return sink->finalize();
  }

 private:
  const std::string name_;
  const MakeOrderedSink make_;
  const bool one_;
  std::shared_ptr<arrow::Schema> schema_;
  exec::QueryContext context_;
  std::shared_ptr<exec::OrderedSink> sink_;
  uint64_t seq_ = 0;
};

}  // namespace

EpochSinkPtr at_least_once(std::string name, MakeOrderedSink make, bool one_for_all_epochs) {
  return std::make_shared<AtLeastOnce>(std::move(name), std::move(make), one_for_all_epochs);
}

}  // namespace gristmill::stream
