// What stands in a stream's plan where no plan node fits: tables that know what they read and who works on it.
//
// They are descriptions: immutable, shared, without state of a run. A run puts bound tables in their place (bind.h); asking one of these
// for rows is our own bug.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <arrow/type.h>

#include "base/status.h"
#include "gristmill/stream.h"
#include "plan/logical.h"
#include "stream/steps.h"

namespace gristmill::stream {

// Streams hold more rows than any table: a join builds the other side, and nothing is taken for small.
inline constexpr int64_t kManyRows = int64_t{1} << 40;

class StreamTable : public plan::TableSource {
 public:
  StreamTable(std::string name, std::shared_ptr<arrow::Schema> schema, std::vector<plan::PlanPtr> inputs)
      : name_(std::move(name)), schema_(std::move(schema)), inputs_(std::move(inputs)) {}
  std::string kind() const override { return "stream"; }
  std::string name() const override { return name_; }
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  plan::TableEstimate estimate() const override { return {}; }
  std::string to_json() const override { return "{}"; }
  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest&) const override {
    return base::plan_error(name_ + " is part of a stream and cannot be read as a table", "run the stream");
  }
  const std::vector<plan::PlanPtr>& inputs() const { return inputs_; }

 private:
  const std::string name_;
  const std::shared_ptr<arrow::Schema> schema_;
  const std::vector<plan::PlanPtr> inputs_;
};

// Batches that somebody gives, one after the other, on the thread that asks.
class PullTable final : public StreamTable {
 public:
  using Again = std::function<arrow::Result<Stream::NextBatch>()>;
  // `given`: of the batches as they come; `schema`: as the plan sees them. `all`: where they are all there, whatever it costs to give them.
  PullTable(std::string name, std::shared_ptr<arrow::Schema> schema, std::shared_ptr<arrow::Schema> given, Again again, AllBatches all = {})
      : StreamTable(std::move(name), std::move(schema), {}), given_(std::move(given)), again_(std::move(again)), all_(std::move(all)) {}
  const std::shared_ptr<arrow::Schema>& given() const { return given_; }
  const Again& again() const { return again_; }
  const AllBatches& all() const { return all_; }

 private:
  const std::shared_ptr<arrow::Schema> given_;
  const Again again_;
  const AllBatches all_;
};

class EndlessTable final : public StreamTable {
 public:
  explicit EndlessTable(SourceSpec spec) : StreamTable(spec.name, spec.schema, {}), spec_(std::move(spec)) {}
  const SourceSpec& spec() const { return spec_; }

 private:
  const SourceSpec spec_;
};

// Operators of the user's, one behind the other with nothing between.
class UserTable final : public StreamTable {
 public:
  struct Op {
    StreamOperatorPtr op;
    std::shared_ptr<arrow::Schema> gives;  // of its batches as they come
  };
  UserTable(plan::PlanPtr input, std::vector<Op> ops, std::shared_ptr<arrow::Schema> schema)
      : StreamTable(name_of(ops), std::move(schema), {std::move(input)}), ops_(std::move(ops)) {}
  const std::vector<Op>& ops() const { return ops_; }
  plan::TableEstimate estimate() const override;

 private:
  static std::string name_of(const std::vector<Op>& ops);
  const std::vector<Op> ops_;
};

class StatefulTable final : public StreamTable {
 public:
  StatefulTable(std::vector<plan::PlanPtr> inputs, StatefulSpec spec)
      : StreamTable(spec.id, spec.schema, std::move(inputs)), spec_(std::move(spec)) {}
  const StatefulSpec& spec() const { return spec_; }

 private:
  const StatefulSpec spec_;
};

// Every stream table of a plan, also those below other stream tables, inputs first; each once.
void for_each_table(const plan::Plan& plan, const std::function<void(const StreamTable&)>& each);
// The plan with other sources in the place of its own stream tables (not of those below them).
using ReplaceTable = std::function<arrow::Result<plan::TableSourcePtr>(const std::shared_ptr<const StreamTable>&)>;
arrow::Result<plan::PlanPtr> replace_tables(const plan::PlanPtr& plan, const ReplaceTable& replace);

}  // namespace gristmill::stream
