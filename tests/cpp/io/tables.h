// Random tables, files written with Arrow, and a scan driven by hand: what the tests of io share.
#pragma once

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <arrow/table.h>
#include <arrow/type_fwd.h>
#include <parquet/properties.h>

#include "expr/node.h"
#include "plan/table_source.h"

namespace gristmill::io::test {

// Removed with what is in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  std::string path(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

using Random = std::mt19937_64;

// All types of the slice, with and without nulls; "id" counts up, "sorted" rises with jumps, "zone" has few values.
std::shared_ptr<arrow::Table> random_table(uint64_t seed, int64_t rows);

struct FileShape {
  int64_t row_group_rows = 1000;
  std::vector<int64_t> row_groups;  // instead: these sizes, then the rest
  int64_t page_bytes = 1024 * 1024;
  int64_t batch_size = 64;  // of the writer: pages are cut at its multiples
  bool dictionary = true;
  bool page_v2 = false;
  arrow::Compression::type compression = arrow::Compression::ZSTD;
  std::vector<std::string> bloom;
  std::optional<parquet::Encoding::type> encoding;  // of `encoded`, without dictionary
  std::vector<std::string> encoded;
  bool store_schema = true;
};
void write_file(const std::string& path, const std::shared_ptr<arrow::Table>& table, const FileShape& shape = {});
void write_text(const std::string& path, const std::string& text);
std::string read_text(const std::string& path);

struct ScanRun {
  std::vector<std::string> columns;  // empty: all (unless `none`)
  bool none = false;
  expr::NodePtr predicate;
  int64_t morsel_rows = 0;
  int64_t batch_rows = 0;
  int locals = 1;  // morsels go to these in a seeded random order
  bool ranges = false;  // as for workers of which each takes neighbours
  uint64_t seed = 0;
};

struct ScanAnswer {
  std::shared_ptr<arrow::Table> table;  // selected rows in ordinal order
  plan::ScanCounts counts;
  int64_t rows = 0;  // also without columns
  int64_t morsels = 0;
  std::string detail;
};

// Checks what every scan promises on the way: batch sizes, origins, canonical columns.
arrow::Result<ScanAnswer> run_scan(const plan::TableSource& source, const ScanRun& run = {});

// The rows of `table` for which `predicate` is true, evaluated over the table itself.
std::shared_ptr<arrow::Table> filtered(const std::shared_ptr<arrow::Table>& table, const expr::NodePtr& predicate);

// A random predicate over the flat columns of `table`, its constants taken from the table or near them.
expr::NodePtr random_predicate(Random& random, const arrow::Table& table, int depth = 2);

bool same_rows(const arrow::Table& a, const arrow::Table& b);  // NaN equals NaN, -0.0 differs from 0.0, chunks do not matter
std::string error_of(const arrow::Status& status);

}  // namespace gristmill::io::test
