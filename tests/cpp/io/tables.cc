#include "tables.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include <arrow/api.h>
#include <arrow/array/builder_decimal.h>
#include <arrow/io/file.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>

#include "base/memory_budget.h"
#include "base/status.h"
#include "expr/bind.h"
#include "expr/evaluate.h"

namespace gristmill::io::test {
namespace {

void must(const arrow::Status& s) {
  if (!s.ok()) throw std::runtime_error(s.ToString());
}

template <typename T>
T must(arrow::Result<T> r) {
  must(r.status());
  return std::move(*r);
}

template <typename Builder, typename Make>
std::shared_ptr<arrow::Array> filled(Builder&& builder, int64_t rows, Random& random, double nulls, Make make) {
  for (int64_t i = 0; i < rows; ++i) {
    if (std::uniform_real_distribution<>(0, 1)(random) < nulls) {
      must(builder.AppendNull());
    } else {
      must(builder.Append(make(i)));
    }
  }
  return must(builder.Finish());
}

std::string random_text(Random& random, int longest) {
  static const char* kPieces[] = {"a", "b", "zz", "\xc3\xa9", "\xe6\xbc\xa2", "x", "0", " ", "long piece of text"};
  std::string out;
  const int n = static_cast<int>(random() % static_cast<uint64_t>(longest + 1));
  for (int i = 0; i < n; ++i) out += kPieces[random() % std::size(kPieces)];
  return out;
}

double random_double(Random& random) {
  switch (random() % 12) {
    case 0: return std::nan("");
    case 1: return -0.0;
    case 2: return 0.0;
    case 3: return std::numeric_limits<double>::infinity();
    case 4: return -std::numeric_limits<double>::infinity();
    default: return static_cast<double>(static_cast<int64_t>(random() % 2000) - 1000) / 8;
  }
}

struct Columns {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  void add(const std::string& name, std::shared_ptr<arrow::Array> array, bool nullable = true) {
    fields.push_back(arrow::field(name, array->type(), nullable));
    arrays.push_back(std::move(array));
  }
};

void add_numbers(Columns& c, int64_t rows, Random& r) {
  c.add("id", filled(arrow::Int64Builder(), rows, r, 0, [](int64_t i) { return i; }), false);
  int64_t level = -500;
  c.add("sorted", filled(arrow::Int32Builder(), rows, r, 0.05, [&](int64_t) { return static_cast<int32_t>(level += r() % 3); }));
  c.add("i8", filled(arrow::Int8Builder(), rows, r, 0.1, [&](int64_t) { return static_cast<int8_t>(r()); }));
  c.add("i16", filled(arrow::Int16Builder(), rows, r, 0.1, [&](int64_t) { return static_cast<int16_t>(r()); }));
  c.add("i64", filled(arrow::Int64Builder(), rows, r, 0.2, [&](int64_t) { return static_cast<int64_t>(r()); }));
  c.add("u8", filled(arrow::UInt8Builder(), rows, r, 0.1, [&](int64_t) { return static_cast<uint8_t>(r()); }));
  c.add("u16", filled(arrow::UInt16Builder(), rows, r, 0, [&](int64_t) { return static_cast<uint16_t>(r()); }), false);
  c.add("u32", filled(arrow::UInt32Builder(), rows, r, 0.1, [&](int64_t) { return static_cast<uint32_t>(r()); }));
  c.add("u64", filled(arrow::UInt64Builder(), rows, r, 0.1, [&](int64_t) { return static_cast<uint64_t>(r()); }));
  c.add("f32", filled(arrow::FloatBuilder(), rows, r, 0.1, [&](int64_t) { return static_cast<float>(random_double(r)); }));
  c.add("f64", filled(arrow::DoubleBuilder(), rows, r, 0.1, [&](int64_t) { return random_double(r); }));
  c.add("flag", filled(arrow::BooleanBuilder(), rows, r, 0.3, [&](int64_t) { return r() % 2 == 0; }));
  c.add("flag_full", filled(arrow::BooleanBuilder(), rows, r, 0, [&](int64_t) { return r() % 2 == 0; }), false);
  for (const int precision : {7, 12, 30}) {
    c.add("dec" + std::to_string(precision), filled(arrow::Decimal128Builder(arrow::decimal128(precision, 2)), rows, r, 0.1, [&](int64_t) {
            return arrow::Decimal128(static_cast<int64_t>(r() % 2000000) - 1000000);
          }));
  }
}

void add_others(Columns& c, int64_t rows, Random& r) {
  static const std::vector<std::string> kZones = {"", "Bronx", "Staten Island, the far one", "Queens", "\xc3\x89toile"};
  c.add("zone", filled(arrow::StringBuilder(), rows, r, 0.1, [&](int64_t) { return kZones[r() % kZones.size()]; }));
  c.add("zone_full", filled(arrow::StringBuilder(), rows, r, 0, [&](int64_t) { return kZones[r() % kZones.size()]; }), false);
  c.add("text", filled(arrow::StringBuilder(), rows, r, 0.1, [&](int64_t) { return random_text(r, 5); }));
  c.add("view", filled(arrow::StringViewBuilder(), rows, r, 0.1, [&](int64_t) { return random_text(r, 3); }));
  c.add("bytes", filled(arrow::BinaryBuilder(), rows, r, 0.1, [&](int64_t) { return std::string("\xff\0", 2) + random_text(r, 2); }));
  c.add("day", filled(arrow::Date32Builder(), rows, r, 0.1, [&](int64_t) { return static_cast<int32_t>(r() % 20000); }));
  const auto moment = [&](int64_t) { return static_cast<int64_t>(r() % 1'000'000'000'000) - 1'000'000; };
  c.add("us",
        filled(arrow::TimestampBuilder(arrow::timestamp(arrow::TimeUnit::MICRO), arrow::default_memory_pool()), rows, r, 0.1, moment));
  c.add("ms_utc", filled(arrow::TimestampBuilder(arrow::timestamp(arrow::TimeUnit::MILLI, "UTC"), arrow::default_memory_pool()), rows, r,
                         0.1, moment));
  c.add("ns", filled(arrow::TimestampBuilder(arrow::timestamp(arrow::TimeUnit::NANO), arrow::default_memory_pool()), rows, r, 0.1, moment));
  c.add("code", filled(arrow::FixedSizeBinaryBuilder(arrow::fixed_size_binary(3)), rows, r, 0.1,
                       [&](int64_t) { return random_text(r, 9).append("   ").substr(0, 3); }));
  c.add("time", filled(arrow::Time64Builder(arrow::time64(arrow::TimeUnit::MICRO), arrow::default_memory_pool()), rows, r, 0.1,
                       [&](int64_t) { return static_cast<int64_t>(r() % 86'400'000'000); }));
  c.add("nothing", filled(arrow::Int32Builder(), rows, r, 1, [](int64_t) { return 0; }));
  auto values = std::make_shared<arrow::Int32Builder>();
  arrow::ListBuilder lists(arrow::default_memory_pool(), values);
  for (int64_t i = 0; i < rows; ++i) {
    if (r() % 10 == 0) {
      must(lists.AppendNull());
      continue;
    }
    must(lists.Append());
    for (uint64_t k = r() % 4; k > 0; --k) must(values->Append(static_cast<int32_t>(r() % 100)));
  }
  c.add("list", must(lists.Finish()));
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "gristmill_io_XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::shared_ptr<arrow::Table> random_table(uint64_t seed, int64_t rows) {
  Random random(seed);
  Columns c;
  add_numbers(c, rows, random);
  add_others(c, rows, random);
  return arrow::Table::Make(arrow::schema(c.fields), c.arrays, rows);
}

void write_file(const std::string& path, const std::shared_ptr<arrow::Table>& table, const FileShape& shape) {
  parquet::WriterProperties::Builder b;
  b.compression(shape.compression)->data_pagesize(shape.page_bytes)->write_batch_size(shape.batch_size);
  b.data_page_version(shape.page_v2 ? parquet::ParquetDataPageVersion::V2 : parquet::ParquetDataPageVersion::V1);
  if (!shape.dictionary) b.disable_dictionary();
  for (const auto& name : shape.bloom) b.enable_bloom_filter(name, {});
  for (const auto& name : shape.encoded) b.disable_dictionary(name)->encoding(name, *shape.encoding);
  parquet::ArrowWriterProperties::Builder a;
  if (shape.store_schema) a.store_schema();
  auto out = must(arrow::io::FileOutputStream::Open(path));
  auto writer = must(parquet::arrow::FileWriter::Open(*table->schema(), arrow::default_memory_pool(), out, b.build(), a.build()));
  int64_t at = 0;
  for (const int64_t rows : shape.row_groups) {
    must(writer->WriteTable(*table->Slice(at, rows), std::max<int64_t>(rows, 1)));
    at += rows;
  }
  if (at < table->num_rows() || table->num_rows() == 0) must(writer->WriteTable(*table->Slice(at), shape.row_group_rows));
  must(writer->Close());
  must(out->Close());
}

void write_text(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

namespace {

plan::ScanRequest request_for(const plan::TableSource& source, const ScanRun& run, std::shared_ptr<arrow::Schema>& projected) {
  plan::ScanRequest request;
  const auto schema = source.schema();
  arrow::FieldVector fields;
  if (!run.none) {
    for (int i = 0; i < schema->num_fields(); ++i) {
      if (run.columns.empty()) request.columns.push_back(i);
    }
    for (const auto& name : run.columns) request.columns.push_back(schema->GetFieldIndex(name));
  }
  for (const int i : request.columns) fields.push_back(schema->field(i));
  projected = arrow::schema(fields);
  request.morsel_rows = run.morsel_rows;
  request.batch_rows = run.batch_rows;
  request.memory = base::QueryMemory::make(0);
  return request;
}

// Rows of one morsel, as emitted.
struct Morsel {
  arrow::RecordBatchVector batches;
  int64_t rows = 0;
};

arrow::Status read_morsel(plan::Scan& scan, uint64_t seq, plan::ScanLocal& local, const ScanRun& run,
                          const std::shared_ptr<arrow::Schema>& schema, ScanAnswer& answer, Morsel& morsel) {
  plan::ScanCounts counts;
  int64_t last_row = -1, passed = 0;
  int32_t last_input = -1;
  ARROW_RETURN_NOT_OK(scan.read(
      seq, local,
      [&](column::Batch batch) -> arrow::Status {
        EXPECT_GT(batch.selected(), 0) << "an empty batch was emitted";
        if (run.batch_rows > 0) {
          EXPECT_LE(batch.rows, run.batch_rows);
        }
        EXPECT_LE(batch.rows, column::kMaxBatchRows);
        if (batch.origin.input == last_input) {
          EXPECT_GT(batch.origin.row_of(0), last_row) << "rows out of order";
        }
        last_input = batch.origin.input;
        last_row = batch.origin.row_of(batch.rows - 1);
        passed += batch.selected();
        for (size_t i = 0; i < batch.columns.size(); ++i) {
          EXPECT_TRUE(batch.columns[i].type()->Equals(*column::canonical_type(schema->field(static_cast<int>(i))->type())));
          if (!batch.columns[i].is_constant()) {
            EXPECT_EQ(batch.columns[i].values->length, batch.rows);
          }
        }
        ARROW_ASSIGN_OR_RAISE(auto dense, column::compact(std::move(batch), arrow::default_memory_pool()));
        morsel.rows += dense.rows;
        if (schema->num_fields() > 0) {
          ARROW_ASSIGN_OR_RAISE(auto rb, column::export_batch(dense, schema, arrow::default_memory_pool()));
          ARROW_RETURN_NOT_OK(rb->ValidateFull());
          morsel.batches.push_back(std::move(rb));
        }
        return arrow::Status::OK();
      },
      counts));
  EXPECT_EQ(counts.rows, passed + counts.skipped + counts.filtered) << "rows are not accounted for";
  answer.counts.rows += counts.rows;
  answer.counts.skipped += counts.skipped;
  answer.counts.filtered += counts.filtered;
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<ScanAnswer> run_scan(const plan::TableSource& source, const ScanRun& run) {
  std::shared_ptr<arrow::Schema> schema;
  auto request = request_for(source, run, schema);
  if (run.predicate != nullptr) {
    ARROW_ASSIGN_OR_RAISE(request.predicate, expr::bind(run.predicate, *schema));
  }
  if (run.ranges) request.workers = std::max(2, run.locals);
  ARROW_ASSIGN_OR_RAISE(const auto scan, source.open(request));
  if (run.ranges) scan->expect_ranges();
  ScanAnswer answer;
  std::vector<uint64_t> order;
  const int64_t known = scan->num_morsels();
  for (int64_t i = 0; i < known; ++i) order.push_back(static_cast<uint64_t>(i));
  for (uint64_t seq = 0; known < 0; ++seq) {
    ARROW_ASSIGN_OR_RAISE(const auto next, scan->next(seq));
    if (next.end) break;
    order.push_back(seq);
  }
  answer.morsels = static_cast<int64_t>(order.size());
  Random random(run.seed);
  if (run.seed != 0) std::shuffle(order.begin(), order.end(), random);
  std::vector<std::unique_ptr<plan::ScanLocal>> locals;
  for (int i = 0; i < run.locals; ++i) {
    ARROW_ASSIGN_OR_RAISE(auto local, scan->make_local());
    locals.push_back(std::move(local));
  }
  std::vector<Morsel> morsels(order.size());
  for (const uint64_t seq : order) {
    ARROW_RETURN_NOT_OK(read_morsel(*scan, seq, *locals[random() % locals.size()], run, schema, answer, morsels[seq]));
  }
  arrow::RecordBatchVector all;
  for (const Morsel& m : morsels) {
    answer.rows += m.rows;
    all.insert(all.end(), m.batches.begin(), m.batches.end());
  }
  ARROW_ASSIGN_OR_RAISE(answer.table, arrow::Table::FromRecordBatches(schema, all));
  answer.detail = scan->detail();
  return answer;
}

std::shared_ptr<arrow::Table> filtered(const std::shared_ptr<arrow::Table>& table, const expr::NodePtr& predicate) {
  auto* pool = arrow::default_memory_pool();
  const auto bound = must(expr::bind(predicate, *table->schema()));
  expr::Evaluator evaluator(pool);
  arrow::RecordBatchVector kept;
  arrow::TableBatchReader reader(*table);
  reader.set_chunksize(column::kMaxBatchRows);
  std::shared_ptr<arrow::RecordBatch> rows;
  while (true) {
    must(reader.ReadNext(&rows));
    if (rows == nullptr) break;
    auto batch = must(column::import_batch(*rows, pool));
    batch.selection = batch.selection.intersect(must(evaluator.mask(*bound, batch)));
    kept.push_back(must(column::export_batch(must(column::compact(std::move(batch), pool)), table->schema(), pool)));
  }
  return must(arrow::Table::FromRecordBatches(table->schema(), kept));
}

expr::NodePtr random_predicate(Random& random, const arrow::Table& table, int depth) {
  const auto child = [&] { return random_predicate(random, table, depth - 1); };
  if (depth > 0 && random() % 2 == 0) return expr::call(random() % 2 == 0 ? "and" : "or", {child(), child()});
  if (depth > 0 && random() % 8 == 0) return expr::call("not", {child()});
  while (true) {
    const int c = static_cast<int>(random() % static_cast<uint64_t>(table.num_columns()));
    const auto& field = table.schema()->field(c);
    if (field->type()->num_fields() > 0 || field->type()->id() == arrow::Type::BOOL) continue;
    const auto x = expr::column(field->name());
    const auto value = [&] {
      return expr::literal(must(table.column(c)->GetScalar(static_cast<int64_t>(random() % static_cast<uint64_t>(table.num_rows())))),
                           false);
    };
    static const char* kOps[] = {"eq", "ne", "lt", "le", "gt", "ge"};
    switch (random() % 10) {
      case 0: return expr::call("is_null", {x});
      case 1: return expr::call("is_not_null", {x});
      case 2: return expr::call("is_in", {x, value(), value(), value()});
      case 3: return expr::call("between", {x, value(), value()});
      case 4: return expr::call(kOps[random() % 6], {value(), x});
      default: return expr::call(kOps[random() % 6], {x, value()});
    }
  }
}

bool same_rows(const arrow::Table& a, const arrow::Table& b) {
  if (!a.schema()->Equals(*b.schema(), false) || a.num_rows() != b.num_rows()) return false;
  const auto options = arrow::EqualOptions::Defaults().nans_equal(true).signed_zeros_equal(false);
  for (int i = 0; i < a.num_columns(); ++i) {
    if (!a.column(i)->Equals(*b.column(i), options)) {
      ADD_FAILURE() << "column " << a.schema()->field(i)->name() << " differs";
      return false;
    }
  }
  return true;
}

std::string error_of(const arrow::Status& status) { return base::describe_error(status); }

}  // namespace gristmill::io::test
