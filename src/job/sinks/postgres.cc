// A table of PostgreSQL as a sink: one transaction, all rows or none. A server that is lost on the way is waited for, and everything sent
// again.

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/status.h"
#include "io/connect/postgres_write.h"
#include "job/job_status.h"
#include "job/retry_keys.h"
#include "job/sinks/kinds.h"
#include "job/transform.h"

namespace gristmill::job {
namespace {

PostgresMode mode_of(const std::string& text) {
  if (text == "replace") return PostgresMode::kReplace;
  if (text == "create") return PostgresMode::kCreate;
  if (text == "fail") return PostgresMode::kFail;
  if (text == "upsert") return PostgresMode::kUpsert;
  return PostgresMode::kAppend;
}

constexpr RetryDefaults kDefaults{.retries = 5, .failures = 3};

// Pauses between attempts, and a breaker in which the sink waits for a server that had been there. `retries` counts over the whole run,
// since each attempt sends again what was sent.
class Patience {
 public:
  Patience(const RetryPolicy& retry, const BreakerPolicy& breaker, SinkContext context)
      : retries_(retry, seed_of_call(0, 0)), breaker_(breaker), context_(std::move(context)), permit_(breaker_.ask()) {}

  arrow::Status wait(const arrow::Status& why) {
    attempts_ += 1;
    bool down = false;
    if (reached_) {
      breaker_.failed(permit_);
      down = breaker_.state() == CircuitBreaker::State::kOpen;
    }
    if (!down) {
      const auto pause = retries_.next();
      if (!pause) return attempts_ == 1 ? why : why.WithMessage(why.message(), ", after ", attempts_, " attempts");
      ARROW_RETURN_NOT_OK(sleep(*pause));
    }
    note(down);
    while (reached_) {
      permit_ = breaker_.ask();
      if (permit_.hopeless) return why.WithMessage("the server has not come back: ", why.message());
      if (permit_.allowed) break;
      ARROW_RETURN_NOT_OK(sleep(std::max<std::chrono::nanoseconds>(permit_.ask_in, std::chrono::milliseconds(1))));
    }
    return arrow::Status::OK();
  }

  void answered() {
    breaker_.succeeded(permit_);
    permit_ = breaker_.ask();
    reached_ = true;
  }

 private:
  void note(bool opened) {
    if (context_.status != nullptr) context_.status->add_retries(1);
    if (context_.counts == nullptr) return;
    context_.counts->add("retries", 1);
    if (opened) context_.counts->add("breaker_opened", 1);
  }

  arrow::Status sleep(std::chrono::nanoseconds pause) const {
    const auto until = std::chrono::steady_clock::now() + pause;
    for (auto now = std::chrono::steady_clock::now(); now < until; now = std::chrono::steady_clock::now()) {
      if (context_.keep_waiting) ARROW_RETURN_NOT_OK(context_.keep_waiting());
      std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(until - now, std::chrono::milliseconds(50)));
    }
    return arrow::Status::OK();
  }

  Retries retries_;
  CircuitBreaker breaker_;
  const SinkContext context_;
  CircuitBreaker::Permit permit_;
  bool reached_ = false;
  int64_t attempts_ = 0;
};

class PostgresTable final : public Sink {
 public:
  PostgresTable(const Settings& settings, const RetryPolicy& retry, const BreakerPolicy& breaker)
      : settings_(settings), mode_(mode_of(settings.text("mode", "append"))), retry_(retry), breaker_(breaker) {}
  std::string name() const override { return "postgres " + settings_.text("table"); }

  arrow::Result<std::shared_ptr<exec::OrderedSink>> open(const std::shared_ptr<arrow::Schema>& schema,
                                                         const SinkContext& context) override {
    PostgresSinkOptions options{mode_, settings_.texts("key")};
    io::PostgresPatience patience;
    if (retry_.retries > 0) {
      const auto shared = std::make_shared<Patience>(retry_, breaker_, context);
      patience.wait = [shared](const arrow::Status& why) { return shared->wait(why); };
      patience.answered = [shared] { shared->answered(); };
    }
    if (settings_.has("timeout")) patience.silence = settings_.duration("timeout");
    ARROW_ASSIGN_OR_RAISE(sink_, io::write_postgres(settings_.text("connection"), settings_.text("table"), schema, options, context.memory,
                                                    context.keep_waiting, std::move(patience)));
    return sink_;
  }
  arrow::Result<stream::EpochSinkPtr> open_epochs() override {
    for (const char* key : {"timeout", "retries", "retry_pause", "longest_pause", "breaker"}) {
      if (!settings_.has(key)) continue;
      return settings_.error_at(key, "\"" + std::string(key) + "\" is not for jobs over a source that may not end",
                                "leave it out; such a job goes on from its checkpoint when it is started again");
    }
    return stream::epoch_postgres(settings_.text("connection"), settings_.text("table"), {mode_, settings_.texts("key")});
  }
  // What the table refuses is known before any sink shows its rows.
  arrow::Status complete() override { return sink_ == nullptr ? arrow::Status::OK() : sink_->settle(); }
  arrow::Status explain(const arrow::Status& status) override { return sink_ == nullptr ? status : sink_->first_error(status); }
  arrow::Status add_to_existing() override {
    if (mode_ != PostgresMode::kUpsert) mode_ = PostgresMode::kAppend;
    return arrow::Status::OK();
  }

 private:
  const Settings settings_;
  PostgresMode mode_;
  const RetryPolicy retry_;
  const BreakerPolicy breaker_;
  std::shared_ptr<io::PostgresSink> sink_;
};

std::vector<Key> postgres_keys() {
  std::vector<Key> out{{.name = "connection",
                        .help = "A URI or \"host=... dbname=...\"; what it leaves out comes from PGHOST, PGPASSWORD, ...",
                        .required = true,
                        .secret = true},
                       {.name = "table", .help = "\"name\" or \"schema.name\", spelled exactly.", .required = true},
                       {.name = "mode",
                        .help = "What becomes of the table: rows are added, replace them, go into a new one, or update by key.",
                        .choices = {"append", "replace", "create", "fail", "upsert"},
                        .fallback = "append"},
                       {.name = "key", .kind = ValueKind::kTexts, .help = "For upsert: columns of a unique index."},
                       {.name = "timeout",
                        .kind = ValueKind::kDuration,
                        .help = "A server that takes no row for so long counts as lost; without it rows wait as long as it takes."}};
  for (Key& k : retry_keys(kDefaults, "a connection that is lost or not to be had; 0: none, and nothing sent is kept"))
    out.push_back(std::move(k));
  return out;
}

}  // namespace

SinkKind postgres_sink_kind() {
  return {{.name = "postgres", .kind = ValueKind::kSection, .help = "A table of PostgreSQL, in one transaction.", .keys = postgres_keys()},
          "postgres: {connection: \"postgresql://job@db/shop\", table: orders, mode: upsert, key: [id]}",
          [](const Settings& s) -> arrow::Result<std::unique_ptr<Sink>> {
            const bool upsert = s.text("mode") == "upsert";
            if (upsert && s.texts("key").empty()) return s.error("mode upsert needs the key to find rows by", "key: [id]");
            if (!upsert && s.has("key")) return s.error_at("key", "only mode upsert has a key");
            RetryPolicy retry;
            BreakerPolicy breaker;
            if (const arrow::Status status = read_retry_keys(s, kDefaults, retry, breaker); !status.ok()) return s.at(status);
            return std::make_unique<PostgresTable>(s, retry, breaker);
          }};
}

}  // namespace gristmill::job
