// Workers write their rows as JSON (stage), the queue posts them in order (deliver). What was posted is the service's at once: a run that
// fails later cannot take it back, so its error says what the service has.

#include "job/http/http_sink.h"

#include <arrow/type.h>

#include "base/status.h"
#include "column/batch.h"
#include "column/column.h"
#include "expr/text_out.h"
#include "io/ndjson_write.h"
#include "job/http/post_queue.h"
#include "job/job_status.h"
#include "job/transform.h"

namespace gristmill::job {
namespace {

constexpr int64_t kConcurrency = 1;
constexpr int64_t kFailures = 5;

class PostingSink final : public exec::OrderedSink {
 public:
  PostingSink(std::string name, std::shared_ptr<const io::LineEncoder> encoder, SinkContext context, std::unique_ptr<RemoteService> service,
              PostOptions options, base::Reservation held)
      : name_(std::move(name)),
        encoder_(std::move(encoder)),
        context_(std::move(context)),
        held_(std::move(held)),
        queue_(std::move(options), *service, context_.reject),
        service_(std::move(service)) {}

  std::string name() const override { return name_; }

  // The rows with one more column: their text.
  arrow::Result<std::vector<column::Batch>> stage(std::vector<column::Batch> batches, const exec::QueryContext& context) override {
    std::string text;
    for (column::Batch& b : batches) {
      ARROW_ASSIGN_OR_RAISE(b, column::compact(std::move(b), context.pool(), true));
      for (auto& c : b.columns) {
        ARROW_ASSIGN_OR_RAISE(c, column::flatten(c, b.rows, context.pool()));
      }
      ARROW_ASSIGN_OR_RAISE(auto texts, expr::TextOut::make(b.rows, context.pool()));
      for (int64_t row = 0; row < b.rows; ++row) {
        text.clear();
        ARROW_RETURN_NOT_OK(encoder_->encode(b, row, 1, text));
        ARROW_RETURN_NOT_OK(texts.set(row, std::string_view(text.data(), text.size() - 1)));  // without the end of the line
      }
      b.columns.push_back(column::Column::flat(texts.finish(arrow::utf8_view())));
    }
    return batches;
  }

  arrow::Result<Answer> deliver(uint64_t, std::vector<column::Batch>& batches) override {
    ARROW_RETURN_NOT_OK(judge());
    if (auto wait = queue_.room()) return Answer{wait, false};
    for (column::Batch& b : batches) {
      const column::Column texts = std::move(b.columns.back());
      b.columns.pop_back();
      for (int64_t row = 0; row < b.rows; ++row) queue_.add(b, row, column::view_at(*texts.values, row));
      queue_.end_batch();
    }
    batches.clear();
    ARROW_RETURN_NOT_OK(hold());
    return Answer{};
  }

  // All rows came: the rest is posted, and everything is waited for.
  arrow::Status complete() {
    queue_.cut();
    while (true) {
      ARROW_RETURN_NOT_OK(judge());
      if (queue_.idle()) break;
      if (context_.keep_waiting) ARROW_RETURN_NOT_OK(context_.keep_waiting());
      queue_.wait_some();
    }
    if (context_.counts != nullptr && !told_) {
      context_.counts->add("posts", queue_.posts());
      context_.counts->add("rows_delivered", queue_.delivered_rows());
    }
    told_ = true;
    return hold();
  }
  arrow::Status finalize() override {
    ARROW_RETURN_NOT_OK(complete());
    service_.reset();
    return arrow::Status::OK();
  }
  void abandon() override { service_.reset(); }

 private:
  arrow::Status judge() {
    const arrow::Status status = queue_.judge();
    service_->report(context_.status, context_.counts.get());
    return status;
  }
  arrow::Status hold() {
    const int64_t bytes = queue_.held_bytes();
    if (bytes > held_.bytes()) return held_.grow_to(bytes);
    held_.shrink_to(bytes);
    return arrow::Status::OK();
  }

  const std::string name_;
  const std::shared_ptr<const io::LineEncoder> encoder_;
  const SinkContext context_;
  base::Reservation held_;
  PostQueue queue_;
  std::unique_ptr<RemoteService> service_;  // goes before the queue that its answers come to
  bool told_ = false;
};

class HttpSink final : public Sink {
 public:
  HttpSink(const Settings& settings, RemoteSettings remote)
      : settings_(settings), remote_(std::move(remote)), url_(settings_.text("url")) {}

  std::string name() const override { return "http " + shown_url(url_); }

  arrow::Result<std::shared_ptr<exec::OrderedSink>> open(const std::shared_ptr<arrow::Schema>& schema,
                                                         const SinkContext& context) override {
    ARROW_ASSIGN_OR_RAISE(auto encoder, io::ndjson_encoder(shown_url(url_), schema, {.omit_nulls = settings_.boolean("omit_nulls")}));
    PostOptions options;
    options.most_rows = settings_.integer("batch_rows", 500);
    options.most_bytes = settings_.bytes("batch_bytes", int64_t{1} << 20);
    options.array = settings_.text("format", "ndjson") == "json";
    options.key_header = settings_.text("idempotency_key", "Idempotency-Key");
    options.concurrency = remote_.policy.concurrency;
    options.request = remote_.request;
    options.request.url = url_;
    options.request.method = settings_.text("method", "POST");
    options.request.headers.push_back(options.array ? "Content-Type: application/json" : "Content-Type: application/x-ndjson");
    ARROW_ASSIGN_OR_RAISE(auto held, context.memory->reserve(0, "http sink"));
    ARROW_ASSIGN_OR_RAISE(auto service, RemoteService::open(remote_, context.cancel));
    sink_ = std::make_shared<PostingSink>(name(), std::move(encoder), context, std::move(service), std::move(options), std::move(held));
    return sink_;
  }
  arrow::Status complete() override { return sink_ == nullptr ? arrow::Status::OK() : sink_->complete(); }

 private:
  const Settings settings_;
  const RemoteSettings remote_;
  const std::string url_;
  std::shared_ptr<PostingSink> sink_;
};

std::vector<Key> sink_keys() {
  std::vector<Key> keys = {
      {.name = "url", .kind = ValueKind::kText, .help = "Where rows are posted.", .required = true},
      {.name = "method", .kind = ValueKind::kText, .help = "POST or PUT.", .choices = {"POST", "PUT"}, .fallback = "POST"},
      {.name = "format",
       .kind = ValueKind::kText,
       .help = "ndjson: an object a line; json: an array of objects.",
       .choices = {"ndjson", "json"},
       .fallback = "ndjson"},
      {.name = "omit_nulls", .kind = ValueKind::kBoolean, .help = "Fields that are NULL are left out.", .fallback = "false"},
      {.name = "batch_rows", .kind = ValueKind::kInteger, .help = "Rows of a post at most.", .least = 1, .fallback = "500"},
      {.name = "batch_bytes", .kind = ValueKind::kBytes, .help = "Bytes of a post at most; a longer row goes alone.", .fallback = "1MB"},
      {.name = "idempotency_key",
       .kind = ValueKind::kText,
       .help = "The header with a post's key, the same in every attempt and every run over the same rows; empty: none.",
       .fallback = "Idempotency-Key"},
  };
  for (Key& k : remote_keys(kConcurrency, kFailures)) keys.push_back(std::move(k));
  return keys;
}

}  // namespace

SinkKind http_sink_kind() {
  return {{.name = "http", .kind = ValueKind::kSection, .help = "A service that takes rows in batches, as JSON.", .keys = sink_keys()},
          "http: {url: \"http://localhost:8080/orders\", batch_rows: 500, retries: 5}",
          [](const Settings& s) -> arrow::Result<std::unique_ptr<Sink>> {
            ARROW_ASSIGN_OR_RAISE(RemoteSettings remote, read_remote(s, kConcurrency, kFailures));
            if (const arrow::Status status = check_http_url(s.text("url")); !status.ok()) return s.at(status);
            return std::make_unique<HttpSink>(s, std::move(remote));
          }};
}

}  // namespace gristmill::job
