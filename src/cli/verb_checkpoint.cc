// gristmill checkpoint list|inspect|restore PATH [EPOCH]: the folder of a stream's checkpoints.

#include <charconv>
#include <cstdio>

#include <arrow/builder.h>
#include <arrow/memory_pool.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "base/status.h"
#include "cli/command.h"
#include "cli/output.h"
#include "gristmill/frame.h"
#include "stream/checkpoint_store.h"

namespace gristmill::cli {
namespace {

using stream::Checkpoint;
using stream::CheckpointStore;

arrow::Result<int64_t> epoch_operand(const Command& command, int64_t fallback) {
  if (command.operands.size() < 3) return fallback;
  const std::string& text = command.operands[2];
  int64_t out = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (failed == std::errc() && end == text.data() + text.size() && out > 0) return out;
  return base::plan_error("an epoch is a number from 1 on, got \"" + text + "\"");
}

arrow::Status list(const CheckpointStore& store, const Command& command) {
  std::vector<std::string> damaged;
  ARROW_ASSIGN_OR_RAISE(const auto all, store.list(&damaged));
  for (const std::string& why : damaged) std::fprintf(stderr, "gristmill: %s\n", why.c_str());
  arrow::Int64Builder epochs, parts, bytes;
  arrow::TimestampBuilder created(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), arrow::default_memory_pool());
  arrow::StringBuilder jobs;
  for (const Checkpoint& c : all) {
    ARROW_RETURN_NOT_OK(epochs.Append(c.epoch));
    ARROW_RETURN_NOT_OK(created.Append(c.created_micros));
    ARROW_RETURN_NOT_OK(parts.Append(std::ssize(c.parts)));
    ARROW_RETURN_NOT_OK(bytes.Append(c.bytes));
    const auto name = c.facts.find("stream");
    ARROW_RETURN_NOT_OK(jobs.Append(name == c.facts.end() ? "" : name->second));
  }
  ARROW_ASSIGN_OR_RAISE(const auto e, epochs.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto t, created.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto j, jobs.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto p, parts.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto b, bytes.Finish());
  const auto columns = arrow::schema({arrow::field("epoch", arrow::int64(), false), arrow::field("created", t->type(), false),
                                      arrow::field("stream", arrow::utf8(), false), arrow::field("parts", arrow::int64(), false),
                                      arrow::field("bytes", arrow::int64(), false)});
  Command shown = command;
  shown.limit = std::ssize(all);
  return print_rows(from_arrow(arrow::Table::Make(columns, {e, t, j, p, b})), shown);
}

// What it says of itself, then its parts; each part is read and compared with its checksum.
arrow::Status inspect(const CheckpointStore& store, const Checkpoint& c, const Command& command) {
  arrow::StringBuilder kinds, names, values;
  arrow::Int64Builder bytes;
  const auto add = [&](const char* kind, const std::string& name, const std::string& value, int64_t size) -> arrow::Status {
    ARROW_RETURN_NOT_OK(kinds.Append(kind));
    ARROW_RETURN_NOT_OK(names.Append(name));
    ARROW_RETURN_NOT_OK(values.Append(value));
    return size < 0 ? bytes.AppendNull() : bytes.Append(size);
  };
  ARROW_RETURN_NOT_OK(add("checkpoint", c.path, "epoch " + std::to_string(c.epoch), c.bytes));
  for (const auto& [name, value] : c.facts) ARROW_RETURN_NOT_OK(add("fact", name, value, -1));
  for (const auto& part : c.parts) {
    const auto read = store.read(c, part, arrow::default_memory_pool());
    ARROW_RETURN_NOT_OK(add("part", part.name, read.ok() ? "whole" : "damaged", part.bytes));
  }
  ARROW_ASSIGN_OR_RAISE(const auto k, kinds.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto n, names.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto v, values.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto b, bytes.Finish());
  const auto columns = arrow::schema({arrow::field("kind", arrow::utf8(), false), arrow::field("name", arrow::utf8(), false),
                                      arrow::field("value", arrow::utf8(), false), arrow::field("bytes", arrow::int64())});
  Command shown = command;
  shown.limit = k->length();
  return print_rows(from_arrow(arrow::Table::Make(columns, {k, n, v, b})), shown);
}

arrow::Status restore(CheckpointStore& store, const Checkpoint& c) {
  for (const auto& part : c.parts) ARROW_RETURN_NOT_OK(store.read(c, part, arrow::default_memory_pool()).status());
  ARROW_RETURN_NOT_OK(store.take_over());  // a run that still writes here is stopped at its next checkpoint
  ARROW_RETURN_NOT_OK(store.remove_after(c.epoch));
  std::fprintf(stderr, "the next run goes on from epoch %lld of %s\n", static_cast<long long>(c.epoch), store.path().c_str());
  return arrow::Status::OK();
}

}  // namespace

arrow::Status run_checkpoint(const Command& command) {
  const std::string& action = command.operands[0];
  ARROW_ASSIGN_OR_RAISE(const auto store, CheckpointStore::open(command.operands[1]));
  if (action == "list") return list(*store, command);
  ARROW_ASSIGN_OR_RAISE(const int64_t wanted, epoch_operand(command, 0));
  Checkpoint c;
  if (wanted > 0) {
    ARROW_ASSIGN_OR_RAISE(c, store->inspect(wanted));
  } else {
    ARROW_ASSIGN_OR_RAISE(c, store->newest());
    if (c.epoch == 0) return base::io_error("there is no checkpoint in " + store->path(), store->path());
  }
  return action == "inspect" ? inspect(*store, c, command) : restore(*store, c);
}

}  // namespace gristmill::cli
