// What a program outside the tree needs: the installed headers, one CMake target, twenty lines.
#include <arrow/compute/initialize.h>
#include <gristmill/connect.h>
#include <gristmill/frame.h>
#include <gristmill/sql.h>
#include <gristmill/stream.h>

#include <iostream>

using namespace gristmill;

int main(int argc, char** argv) {
  if (argc < 2 || !arrow::compute::Initialize().ok()) return 2;
  auto out = scan_parquet(argv[1])
                 .filter(col("fare") > 10)
                 .group_by({"zone"})
                 .agg({col("fare").sum().alias("total"), count()})
                 .sort({desc("total")})
                 .head(3)
                 .collect({.num_workers = 2});
  if (!out.ok()) return std::cerr << out.status().message() << "\n", 1;
  std::cout << out->to_string() << "\n";
  const auto streamed = Stream(scan_parquet(argv[1])).filter(col("fare") > 10).count();
  if (!streamed.ok() || *streamed == 0) return std::cerr << streamed.status().message() << "\n", 4;
  // No server is there; that this is what it says shows that the installed module was found and loaded.
  const auto refused = PostgresTransaction::open("host=/nonexistent dbname=none connect_timeout=2").status().message();
  if (refused.find("cannot connect to PostgreSQL") == std::string::npos) return std::cerr << refused << "\n", 3;
  return sql("select count(*) from t", {{"t", scan_parquet(argv[1])}}).collect().ok() ? 0 : 1;
}
