// What a program outside the tree needs: the installed headers, one CMake target, twenty lines.
#include <arrow/compute/initialize.h>
#include <gristmill/frame.h>
#include <gristmill/sql.h>

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
  return sql("select count(*) from t", {{"t", scan_parquet(argv[1])}}).collect().ok() ? 0 : 1;
}
