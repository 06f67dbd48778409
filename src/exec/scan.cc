// Hands a plan::Scan to a pipeline: its morsels are the pipeline's morsels, its counts go into the run's accounting.

#include "exec/scan.h"

namespace gristmill::exec {
namespace {

struct Local final : LocalState {
  std::unique_ptr<plan::ScanLocal> scan;
};

class ScanSource final : public Source {
 public:
  ScanSource(std::shared_ptr<plan::Scan> scan, std::string label) : scan_(std::move(scan)), label_(std::move(label)) {}
  std::string name() const override { return label_; }
  void expect_ranges() override { scan_->expect_ranges(); }
  arrow::Result<int64_t> start(const QueryContext&) override { return scan_->num_morsels(); }

  arrow::Result<Next> next(uint64_t seq) override {
    ARROW_ASSIGN_OR_RAISE(plan::Scan::Next n, scan_->next(seq));
    return Next{n.end, std::move(n.wait)};
  }

  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext&) override {
    auto local = std::make_unique<Local>();
    ARROW_ASSIGN_OR_RAISE(local->scan, scan_->make_local());
    return local;
  }

  arrow::Status read(uint64_t seq, LocalState& local, const Emit& emit, RowCounts& counts) override {
    plan::ScanCounts c;
    arrow::Status s = scan_->read(seq, *local.as<Local>().scan, emit, c);
    counts.in += c.rows;
    counts.skipped += c.skipped;
    counts.filtered += c.filtered;
    return s;
  }

  std::string file_of(int32_t input) const override { return scan_->file_of(input); }
  bool numbers_rows() const override { return scan_->numbers_rows(); }
  std::string detail() const override { return scan_->detail(); }

 private:
  std::shared_ptr<plan::Scan> scan_;
  std::string label_;
};

}  // namespace

std::shared_ptr<Source> make_scan_source(std::shared_ptr<plan::Scan> scan, std::string label) {
  return std::make_shared<ScanSource>(std::move(scan), std::move(label));
}

}  // namespace gristmill::exec
