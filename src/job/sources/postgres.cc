// A query of PostgreSQL as a source.

#include "gristmill/frame.h"
#include "job/sources/kinds.h"

namespace gristmill::job {
namespace {

class PostgresSource final : public Source {
 public:
  explicit PostgresSource(const Settings& settings) : settings_(settings) {}
  std::string name() const override { return "postgres"; }

  arrow::Result<plan::TableSourcePtr> open(const SourceContext&) override {
    PostgresScanOptions options;
    options.partition_on = settings_.text("partition_on");
    options.partitions = static_cast<int>(settings_.integer("partitions", 8));
    options.unbounded_numeric = settings_.text("unbounded_numeric", "text");
    return source_of(scan_postgres(settings_.text("connection"), settings_.text("query"), options), settings_);
  }

 private:
  const Settings settings_;
};

}  // namespace

SourceKind postgres_source_kind() {
  return {
      {.name = "postgres",
       .kind = ValueKind::kSection,
       .help = "The rows that a query of PostgreSQL gives, of one snapshot.",
       .keys =
           {{.name = "connection",
             .help = "A URI or \"host=... dbname=...\"; what it leaves out comes from PGHOST, PGPASSWORD, ...",
             .required = true,
             .secret = true},
            {.name = "query", .help = "One SELECT, or a table's name.", .required = true},
            {.name = "partition_on", .help = "A column whose range several connections read at once."},
            {.name = "partitions", .kind = ValueKind::kInteger, .help = "Connections at most.", .least = 1, .most = 64, .fallback = "8"},
            {.name = "unbounded_numeric",
             .help = "What numeric without precision becomes.",
             .choices = {"text", "float64"},
             .fallback = "text"}}},
      "postgres: {connection: \"postgresql://job@db/shop\", query: \"select * from orders\"}",
      [](const Settings& s) -> arrow::Result<std::unique_ptr<Source>> { return std::make_unique<PostgresSource>(s); }};
}

}  // namespace gristmill::job
