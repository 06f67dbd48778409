// Batches whose calls share one service. In a chain that can suspend them no worker waits; else the worker sleeps until all is answered.
//
// Under policy fail nothing is asked for rows behind one that has failed: the smallest row's error is the one. What the service sends at
// the same time, at most concurrency * max_answer, is in no account yet.

#include "job/http/enrich.h"

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>

#include <arrow/type.h>

#include "base/status.h"
#include "column/column.h"
#include "column/selection.h"
#include "io/json_columns.h"
#include "job/http/answer_cache.h"
#include "job/http/answer_column.h"
#include "job/http/asked_rows.h"
#include "job/http/remote_service.h"
#include "job/http/request_template.h"

namespace gristmill::job {
namespace {

using SchemaPtr = std::shared_ptr<arrow::Schema>;
constexpr int64_t kConcurrency = 16;

enum class OnMissing { kReject, kNull, kDrop };

// The rows of a batch that are asked for, with the values that their requests are made of.
struct WantedRows {
  std::vector<column::Column> url_values, body_values;
  std::vector<uint16_t> rows;                        // that are asked for
  std::vector<std::pair<uint16_t, size_t>> keyless;  // rows without a value for the address, and which
};

struct EnrichedRows final : PendingRows {
  void give_up() override { asked->give_up(); }
  std::shared_ptr<const WantedRows> wanted;
  std::shared_ptr<AskedRows> asked;
};

// Calls are made by whoever brings an answer, until the step is closed; close() returns when nobody is about to make one.
class Gate {
 public:
  bool enter() {
    std::lock_guard lock(mutex_);
    if (closed_) return false;
    ++inside_;
    return true;
  }
  void leave() {
    std::lock_guard lock(mutex_);
    if (--inside_ == 0) left_.notify_all();
  }
  void close() {
    std::unique_lock lock(mutex_);
    closed_ = true;
    left_.wait(lock, [this] { return inside_ == 0; });
  }
  void open() {
    std::lock_guard lock(mutex_);
    closed_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable left_;
  int64_t inside_ = 0;
  bool closed_ = true;
};

class Enrich final : public Transform, public AskingStep {
 public:
  Enrich(const Settings& settings, Settings http, RemoteSettings remote)
      : settings_(settings), http_(std::move(http)), remote_(std::move(remote)), into_(http_.text("into")) {
    const std::string missing = http_.text("on_missing", "reject");
    on_missing_ = missing.empty() || missing == "null" ? OnMissing::kNull : missing == "drop" ? OnMissing::kDrop : OnMissing::kReject;
    remote_.request.method = http_.text("method", "GET");
  }

  std::string name() const override { return "enrich " + into_; }

  arrow::Result<SchemaPtr> bind(const SchemaPtr& input) override {
    auto out = bound(*input);
    return out.ok() ? out : arrow::Result<SchemaPtr>(settings_.at(out.status()));
  }

  arrow::Status open(const StepContext& context) override {
    context_ = context;
    int64_t entries = 10'000, bytes = int64_t{64} << 20;
    if (context.memory->cap() > 0) bytes = std::min(bytes, context.memory->cap() / 8);
    if (remote_.request.method != "GET") entries = 0;
    if (const auto cache = http_.section("cache")) {
      entries = cache->integer("entries", 10'000);
      bytes = cache->bytes("size", bytes);
    }
    if (entries > 0) {
      ARROW_ASSIGN_OR_RAISE(cache_bytes_, context.memory->reserve(bytes, "enrich cache"));
    }
    cache_ = std::make_unique<AnswerCache>(entries, bytes);
    ARROW_ASSIGN_OR_RAISE(service_, RemoteService::open(remote_, context.cancel));
    backlog_ = std::make_shared<AskingBacklog>();
    backlog_->enough = static_cast<int64_t>(window());
    gate_.open();
    return arrow::Status::OK();
  }

  void close() override {
    gate_.close();
    if (service_ != nullptr) {
      report();
      if (cache_->hits() > 0) context_->counts->add("cache_hits", cache_->hits());
    }
    service_.reset();
    cache_.reset();
    cache_bytes_.release();
    context_.reset();
  }

  arrow::Status process(column::Batch& batch, StepLocal&, RowErrors& errors) const override {
    ARROW_ASSIGN_OR_RAISE(const auto pending, begin_rows(batch, errors.wants_all(), {}));
    // Every call is answered in the end, the cancellation included, so this wait has one too.
    static_cast<EnrichedRows&>(*pending).asked->wait();
    return finish_rows(batch, *pending, errors);
  }

  const AskingStep* asking() const override { return this; }
  arrow::Result<std::shared_ptr<PendingRows>> begin_rows(const column::Batch& batch, bool wants_all, Wakes wakes) const override;
  arrow::Status finish_rows(column::Batch& batch, PendingRows& pending, RowErrors& errors) const override;
  bool takes_more() const override { return backlog_->takes_more(); }

 private:
  arrow::Result<SchemaPtr> bound(const arrow::Schema& input);
  arrow::Result<std::vector<column::Column>> flat_columns(const RequestTemplate& of, const column::Batch& batch) const;
  void ask(HttpRequest request, const std::function<void(AnsweredPtr)>& done) const;
  bool ask_row(const WantedRows& wanted, size_t i, AskedRows::Arrived arrived) const;
  size_t window() const { return static_cast<size_t>(std::max<int64_t>(2 * remote_.policy.concurrency, 64)); }
  arrow::Status at_row(const std::string& message, const column::Batch& batch, int64_t row, const std::vector<column::Column>& flat,
                       std::optional<size_t> place = {}) const;
  void report() const { service_->report(context_->status, context_->counts.get()); }

  const Settings settings_, http_;
  RemoteSettings remote_;
  const std::string into_;
  OnMissing on_missing_ = OnMissing::kReject;
  RequestTemplate url_;
  std::optional<RequestTemplate> body_;
  std::vector<std::string> url_columns_;
  column::TypePtr type_;
  int place_ = -1;

  std::optional<StepContext> context_;
  base::Reservation cache_bytes_;
  std::unique_ptr<AnswerCache> cache_;
  std::shared_ptr<AskingBacklog> backlog_;
  mutable Gate gate_;
  std::unique_ptr<RemoteService> service_;  // goes before the cache that its answers come to
};

arrow::Result<SchemaPtr> Enrich::bound(const arrow::Schema& input) {
  const std::string url = http_.text("url");
  ARROW_RETURN_NOT_OK(check_http_url(url));
  ARROW_ASSIGN_OR_RAISE(url_, RequestTemplate::parse(url, input, RequestTemplate::Form::kAddress));
  for (const int c : url_.columns()) url_columns_.push_back(input.field(c)->name());
  if (http_.has("body")) {
    if (remote_.request.method == "GET") return base::plan_error("a GET has no body", "write method: POST beside it");
    ARROW_ASSIGN_OR_RAISE(body_, RequestTemplate::parse(http_.text("body"), input, RequestTemplate::Form::kJson));
    const auto is_type = [](const std::string& h) {
      return h.size() > 13 && (h.starts_with("Content-Type:") || h.starts_with("content-type:"));
    };
    auto& headers = remote_.request.headers;
    if (std::none_of(headers.begin(), headers.end(), is_type)) headers.push_back("Content-Type: application/json");
  }
  std::shared_ptr<arrow::DataType> border = arrow::utf8();
  if (http_.has("schema")) {
    arrow::FieldVector fields;
    for (const auto& [name, text] : http_.names("schema")) {
      ARROW_ASSIGN_OR_RAISE(auto type, column::parse_type(text));
      io::JsonColumnContext probe;
      if (io::make_json_column(type, probe) == nullptr) return base::plan_error("a JSON value cannot become " + text + " (" + name + ")");
      fields.push_back(arrow::field(name, std::move(type)));
    }
    if (fields.empty()) return base::plan_error("the schema of the answer names no field");
    border = arrow::struct_(std::move(fields));
  }
  type_ = column::canonical_type(border);
  arrow::FieldVector fields = input.fields();
  place_ = input.GetFieldIndex(into_);
  if (place_ < 0) {
    place_ = static_cast<int>(fields.size());
    fields.push_back(arrow::field(into_, border));
  } else {
    fields[static_cast<size_t>(place_)] = arrow::field(into_, border);
  }
  return arrow::schema(std::move(fields));
}

arrow::Result<std::vector<column::Column>> Enrich::flat_columns(const RequestTemplate& of, const column::Batch& batch) const {
  std::vector<column::Column> out;
  for (const int c : of.columns()) {
    ARROW_ASSIGN_OR_RAISE(auto flat, column::flatten(batch.columns[static_cast<size_t>(c)], batch.rows, context_->pool()));
    out.push_back(std::move(flat));
  }
  return out;
}

// What a row gets of a call, in terms of its policy.
void Enrich::ask(HttpRequest request, const std::function<void(AnsweredPtr)>& done) const {
  const uint64_t ordinal = std::hash<std::string>{}(request.url);
  service_->calls().call(std::move(request), ordinal, [service = service_.get(), done](CallResult result) {
    auto out = std::make_shared<Answered>();
    const HttpAnswer& a = result.answer;
    out->hopeless = result.hopeless;
    if (result.status.ok()) {
      out->missing = a.status == 204 || a.body.empty();
      out->body = std::move(result.answer.body);
    } else if (!result.hopeless && a.outcome == HttpAnswer::Outcome::kAnswered && (a.status == 404 || a.status == 410)) {
      out->missing = true;
      out->body = result.status.message();
    } else if (result.hopeless) {
      out->status = result.status;
    } else {
      out->status = base::data_error(service->failure(result));
    }
    done(std::move(out));
  });
}

bool Enrich::ask_row(const WantedRows& wanted, size_t i, AskedRows::Arrived arrived) const {
  if (!gate_.enter()) return false;
  HttpRequest request = remote_.request;
  size_t missing = 0;
  url_.append(wanted.url_values, wanted.rows[i], request.url, missing);
  if (body_) body_->append(wanted.body_values, wanted.rows[i], request.body.emplace(), missing);
  std::string key = request.url;
  if (request.body) key += '\n' + *request.body;
  cache_->get(key, std::move(arrived), [&](const AnswerCache::Done& answered) { ask(std::move(request), answered); });
  gate_.leave();
  return true;
}

arrow::Status Enrich::at_row(const std::string& message, const column::Batch& batch, int64_t row, const std::vector<column::Column>& flat,
                             std::optional<size_t> place) const {
  base::ErrorDetail d;
  d.kind = base::ErrorKind::kData;
  d.batch_row = row;
  const size_t at = place.value_or(0);
  if (at < flat.size()) {
    d.column = url_columns_[at];
    if (!column::is_null_at(flat[at], row)) d.value = column::value_text(flat[at], row);
  }
  return base::with_detail(base::data_error(message), d);
}

// Remembers the smallest row that was rejected.
class FirstRejected final : public RowErrors {
 public:
  explicit FirstRejected(RowErrors& to) : to_(to) {}
  void reject(int64_t row, arrow::Status error) override {
    first_ = std::min(first_, row);
    to_.reject(row, std::move(error));
  }
  bool wants_all() const override { return to_.wants_all(); }
  int64_t first() const { return first_; }

 private:
  RowErrors& to_;
  int64_t first_ = INT64_MAX;
};

arrow::Result<std::shared_ptr<PendingRows>> Enrich::begin_rows(const column::Batch& batch, bool wants_all, Wakes wakes) const {
  auto wanted = std::make_shared<WantedRows>();
  ARROW_ASSIGN_OR_RAISE(wanted->url_values, flat_columns(url_, batch));
  if (body_) {
    ARROW_ASSIGN_OR_RAISE(wanted->body_values, flat_columns(*body_, batch));
  }
  std::string scratch;
  for (const uint16_t row : batch.selection.indices(batch.rows)) {
    size_t missing = 0;
    scratch.clear();
    if (url_.append(wanted->url_values, row, scratch, missing)) {
      wanted->rows.push_back(row);
      continue;
    }
    wanted->keyless.emplace_back(row, missing);
    if (on_missing_ == OnMissing::kReject && !wants_all) break;  // no row behind it matters
  }
  ARROW_ASSIGN_OR_RAISE(base::Reservation held, context_->memory->reserve(0, "enrich answers"));
  auto out = std::make_shared<EnrichedRows>();
  out->wanted = wanted;
  const size_t rows = wanted->rows.size();
  const auto ask_for = [this, wanted = std::move(wanted)](size_t i, AskedRows::Arrived arrived) {
    return ask_row(*wanted, i, std::move(arrived));
  };
  out->asked = std::make_shared<AskedRows>(rows, window(), wants_all, ask_for, std::move(held), std::move(wakes), backlog_);
  out->asked->begin();
  return out;
}

arrow::Status Enrich::finish_rows(column::Batch& batch, PendingRows& pending, RowErrors& all_errors) const {
  const auto& enriched = static_cast<EnrichedRows&>(pending);
  const auto& [url_values, body_values, rows, keyless] = *enriched.wanted;
  FirstRejected errors(all_errors);
  report();
  ARROW_RETURN_NOT_OK(enriched.asked->status());
  const std::vector<AnsweredPtr> answers = enriched.asked->answers();
  const bool rejects_missing = on_missing_ == OnMissing::kReject;
  std::vector<AnsweredPtr> by_row(static_cast<size_t>(batch.rows));
  column::Mask keep(batch.rows, true);
  const auto missing_row = [&, &url_values = url_values](int64_t row, const std::string& why, std::optional<size_t> place) {
    if (rejects_missing) errors.reject(row, at_row(why, batch, row, url_values, place));
    if (on_missing_ == OnMissing::kDrop) keep.clear(row);
  };
  for (const auto& [row, place] : keyless) missing_row(row, "the address needs a value", place);
  for (size_t i = 0; i < rows.size(); ++i) {
    const AnsweredPtr& a = answers[i];
    if (a == nullptr) continue;
    if (!a->status.ok()) {
      errors.reject(rows[i], at_row(a->status.message(), batch, rows[i], url_values));
    } else if (a->missing) {
      missing_row(rows[i], a->body.empty() ? "the service has no answer" : a->body, {});
    } else {
      by_row[rows[i]] = a;
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto made, answer_column(by_row, type_, into_, errors, context_->pool()));
  const auto at = static_cast<size_t>(place_);
  if (at < batch.columns.size()) {
    batch.columns[at] = std::move(made);
  } else {
    batch.columns.push_back(std::move(made));
  }
  if (on_missing_ == OnMissing::kDrop) batch.selection = batch.selection.intersect(keep);
  if (!errors.wants_all() && errors.first() < batch.rows) batch.selection = batch.selection.below(errors.first(), batch.rows);
  return arrow::Status::OK();
}

std::vector<Key> http_keys() {
  std::vector<Key> keys = {
      {.name = "url", .kind = ValueKind::kText, .help = "The address; {column} stands for the row's value, encoded.", .required = true},
      {.name = "into", .kind = ValueKind::kText, .help = "The column that gets the answer.", .required = true},
      {.name = "schema",
       .kind = ValueKind::kNames,
       .help = "Fields of the answer and their types; without it the column holds the JSON as text."},
      {.name = "method",
       .kind = ValueKind::kText,
       .help = "GET, or POST and PUT with a body.",
       .choices = {"GET", "POST", "PUT"},
       .fallback = "GET"},
      {.name = "body", .kind = ValueKind::kText, .help = "What is sent; {column} stands for the row's value as JSON."},
      {.name = "on_missing",
       .kind = ValueKind::kText,
       .help = "What becomes of a row whose service answers 404, 410 or nothing, or whose address lacks a value.",
       .choices = {"reject", "null", "drop"},
       .fallback = "reject"},
      {.name = "cache",
       .kind = ValueKind::kSection,
       .help = "Answers by address (and body), each asked for once at a time; for GET it is on.",
       .keys = {{.name = "entries", .kind = ValueKind::kInteger, .help = "At most; 0: no cache.", .least = 0, .fallback = "10000"},
                {.name = "size", .kind = ValueKind::kBytes, .help = "At most.", .fallback = "64MB"}}},
  };
  for (Key& k : remote_keys(kConcurrency, 0)) keys.push_back(std::move(k));
  return keys;
}

}  // namespace

TransformKind enrich_kind() {
  return {{.name = "enrich",
           .kind = ValueKind::kSection,
           .help = "Adds what a service answers about each row.",
           .keys = {{.name = "http",
                     .kind = ValueKind::kSection,
                     .help = "An HTTP service with JSON answers.",
                     .required = true,
                     .keys = http_keys()}}},
          "enrich: {http: {url: \"http://localhost:8080/users/{customer_id}\", into: user, concurrency: 200, rate: 500/s, timeout: 5s}}",
          [](const Settings& s) -> arrow::Result<std::unique_ptr<Transform>> {
            const Settings http = *s.section("http");
            ARROW_ASSIGN_OR_RAISE(RemoteSettings remote, read_remote(http, kConcurrency, 0));
            return std::make_unique<Enrich>(s, http, std::move(remote));
          }};
}

}  // namespace gristmill::job
