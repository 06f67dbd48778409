// Numbers that a monitoring system reads: Prometheus's text format, for its file collector or a page of one's own.
//
//   Metrics m;
//   m.gauge("job_seconds", "how long the last run took", 12.5, {{"source", "a"}});
//   m.counter("job_rows_total", "rows written", 1000);
//   ARROW_RETURN_NOT_OK(write_bytes("/var/lib/metrics/job.prom", m.text()));   // gristmill/store.h: whole or not at all
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace gristmill {

class Metrics {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;

  // A name has one kind and one help text: the first ones. Of equal names and labels the last value counts.
  void gauge(const std::string& name, const std::string& help, double value, Labels labels = {});
  void counter(const std::string& name, const std::string& help, double value, Labels labels = {});

  // Families by name, samples in the order in which they came. Characters that a name may not have become `_`.
  std::string text() const;

 private:
  struct Family {
    std::string help;
    const char* kind = "gauge";
    std::vector<std::pair<std::string, double>> samples;  // labels as they are written
  };
  void add(const char* kind, const std::string& name, const std::string& help, double value, const Labels& labels);
  std::map<std::string, Family> families_;
};

}  // namespace gristmill
