// Steps over all rows: sql and dedupe.

#include "base/status.h"
#include "gristmill/sql.h"
#include "gristmill/stream_sql.h"
#include "job/frame_step.h"

namespace gristmill::job {
namespace {

class SqlStep final : public FrameStep {
 public:
  explicit SqlStep(const Settings& settings) : settings_(settings) {}
  std::string name() const override { return "sql"; }

  arrow::Result<Frame> apply(const Frame& rows) override {
    Frame out = sql(settings_.own_text(), {{"input", rows}});
    if (!out.plan().ok()) return settings_.at(out.plan().status());
    return out;
  }
  arrow::Result<Stream> apply_to_stream(const Stream& rows) override {
    Stream out = sql_stream(settings_.own_text(), {{"input", rows}});
    if (!out.state().ok()) return settings_.at(out.state().status());
    return out;
  }

 private:
  const Settings settings_;
};

class DedupeStep final : public FrameStep {
 public:
  explicit DedupeStep(const Settings& settings) : settings_(settings) {}

  std::string name() const override {
    std::string out = "dedupe";
    for (const std::string& k : settings_.texts("key")) out += (out == "dedupe" ? " " : ", ") + k;
    return out;
  }

  bool chooses() const override { return true; }

  arrow::Result<Frame> apply(const Frame& rows) override {
    Frame out = rows.distinct(settings_.texts("key"), settings_.text("keep", "first") == "last" ? Keep::kLast : Keep::kFirst);
    if (!out.plan().ok()) return settings_.at(out.plan().status());
    return out;
  }
  arrow::Result<Stream> apply_to_stream(const Stream& rows) override {
    if (rows.endless() && settings_.text("keep", "first") == "last")
      return settings_.error_at("keep", "which row is the last of its key is never known over a source that does not end", "keep: first");
    Stream out = rows.distinct(settings_.texts("key"));
    if (!out.state().ok()) return settings_.at(out.state().status());
    return out;
  }

 private:
  const Settings settings_;
};

}  // namespace

const std::vector<FrameStepKind>& frame_step_kinds() {
  static const std::vector<FrameStepKind> kKinds = {
      {{.name = "sql",
        .kind = ValueKind::kText,
        .help = "A query over the rows so far, which are the table input; errors in it and behind it end the run.",
        .required = true},
       "sql: \"select category, count(*) as n, sum(value) as total from input group by category\"",
       [](const Settings& s) -> arrow::Result<std::unique_ptr<FrameStep>> { return std::make_unique<SqlStep>(s); }},
      {{.name = "dedupe",
        .kind = ValueKind::kSection,
        .help = "Keeps one row of those with equal keys; the others count as filtered.",
        .keys = {{.name = "key", .kind = ValueKind::kTexts, .help = "Columns that must be equal; without it all of them."},
                 {.name = "keep", .help = "Which of them stays.", .choices = {"first", "last"}, .fallback = "first"}}},
       "dedupe: {key: [order_id], keep: last}",
       [](const Settings& s) -> arrow::Result<std::unique_ptr<FrameStep>> { return std::make_unique<DedupeStep>(s); }},
  };
  return kKinds;
}

}  // namespace gristmill::job
