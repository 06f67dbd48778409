// Metrics: the text that a collector reads.

#include <cmath>

#include <gtest/gtest.h>

#include "gristmill/metrics.h"

namespace gristmill {
namespace {

TEST(Metrics, AreFamiliesByNameWithOneHelpEach) {
  Metrics m;
  m.counter("b_total", "rows\nwritten", 3);
  m.gauge("a", "how long", 0.1, {{"source", "x\"y\\z\n"}, {"0 day", "1"}});
  m.gauge("a", "another help", 1e18, {{"source", "x"}});
  m.gauge("a", "", 2, {{"source", "x"}});
  EXPECT_EQ(m.text(),
            "# HELP a how long\n# TYPE a gauge\n"
            "a{source=\"x\\\"y\\\\z\\n\",__day=\"1\"} 0.1\n"
            "a{source=\"x\"} 2\n"
            "# HELP b_total rows\\nwritten\n# TYPE b_total counter\nb_total 3\n");
}

TEST(Metrics, WriteWhatIsNoNumber) {
  Metrics m;
  m.gauge("x", "x", NAN);
  m.gauge("y-y", "y", -INFINITY);
  EXPECT_EQ(m.text(), "# HELP x x\n# TYPE x gauge\nx NaN\n# HELP y_y y\n# TYPE y_y gauge\ny_y -Inf\n");
}

}  // namespace
}  // namespace gristmill
