// Cores, nodes and limits: of this machine, of one that does not exist, of control groups made of files.
#include "base/topology.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/cgroup.h"

namespace gristmill::base {
namespace {

// A folder that stands for /sys/fs/cgroup and the membership file.
class FakeCgroups {
 public:
  explicit FakeCgroups(const std::string& membership) {
    std::string name = (std::filesystem::temp_directory_path() / "gristmill-cgroup-XXXXXX").string();
    root_ = mkdtemp(name.data());
    write("membership", membership);
  }
  ~FakeCgroups() { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text << "\n";
  }
  CgroupFiles files() const { return {root_.string(), (root_ / "membership").string()}; }

 private:
  std::filesystem::path root_;
};

TEST(Topology, OfThisMachineStaysWithinAffinity) {
  const Topology& machine = Topology::system();
  cpu_set_t set;
  ASSERT_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
  EXPECT_GE(machine.usable_cores(), 1);
  EXPECT_LE(machine.usable_cores(), CPU_COUNT(&set));
  EXPECT_GE(machine.numa_nodes(), 1);
  for (int worker = 0; worker < 2 * machine.usable_cores(); ++worker) {
    EXPECT_GE(machine.numa_node_of(worker), 0);
    EXPECT_LT(machine.numa_node_of(worker), machine.numa_nodes());
    const int cpu = machine.cpu_of(worker);
    EXPECT_TRUE(cpu == -1 || CPU_ISSET(cpu, &set)) << cpu;
  }
  EXPECT_GT(machine.memory_limit(), int64_t{16} << 20);
  EXPECT_LE(machine.memory_limit(), static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE));
  EXPECT_GT(machine.l2_bytes(), 0);
  EXPECT_GT(machine.l3_bytes(), 0);
}

TEST(Topology, CanBeMadeUp) {
  const auto machine = synthetic_topology({2, 3}, 1000);
  EXPECT_EQ(machine->usable_cores(), 5);
  EXPECT_EQ(machine->numa_nodes(), 2);
  const int nodes[] = {0, 0, 1, 1, 1};
  for (int worker = 0; worker < 5; ++worker) {
    EXPECT_EQ(machine->numa_node_of(worker), nodes[worker]);
    EXPECT_EQ(machine->cpu_of(worker), -1);
  }
  EXPECT_EQ(machine->numa_node_of(7), 1);
  EXPECT_EQ(machine->memory_limit(), 1000);
  EXPECT_EQ(synthetic_topology({})->usable_cores(), 1);
}

TEST(Cgroup, SetsNoLimitWhereThereIsNone) {
  FakeCgroups none("0::/a");
  none.write("a/cpu.max", "max 100000");
  none.write("a/memory.max", "max");
  EXPECT_FALSE(cgroup_cores(none.files()).has_value());
  EXPECT_FALSE(cgroup_memory(none.files()).has_value());
  EXPECT_FALSE(cgroup_cores({"/no/such/mount", "/no/such/file"}).has_value());
}

TEST(Cgroup, Version2QuotaIsRoundedUpAndTheTightestAncestorCounts) {
  FakeCgroups groups("0::/a/b");
  groups.write("a/b/cpu.max", "350000 100000");
  groups.write("a/b/memory.max", "4000000000");
  EXPECT_EQ(cgroup_cores(groups.files()), 4);
  EXPECT_EQ(cgroup_memory(groups.files()), 4'000'000'000);
  groups.write("a/cpu.max", "150000 100000");
  groups.write("a/memory.max", "3000000000");
  EXPECT_EQ(cgroup_cores(groups.files()), 2);
  EXPECT_EQ(cgroup_memory(groups.files()), 3'000'000'000);
  groups.write("a/b/memory.high", "2000000000");
  EXPECT_EQ(cgroup_memory(groups.files()), 2'000'000'000);
  groups.write("a/b/cpu.max", "1000 100000");
  EXPECT_EQ(cgroup_cores(groups.files()), 1);
}

TEST(Cgroup, Version2InsideAContainerIsFoundAtTheMount) {
  FakeCgroups groups("0::/outside/path/that/is/not/there");
  groups.write("cpu.max", "200000 100000");
  groups.write("memory.max", "1073741824");
  EXPECT_EQ(cgroup_cores(groups.files()), 2);
  EXPECT_EQ(cgroup_memory(groups.files()), 1 << 30);
}

TEST(Cgroup, Version1IsReadFromItsControllers) {
  FakeCgroups groups("5:cpu,cpuacct:/job\n4:memory:/job\n1:name=systemd:/job");
  groups.write("cpu,cpuacct/job/cpu.cfs_quota_us", "250000");
  groups.write("cpu,cpuacct/job/cpu.cfs_period_us", "100000");
  groups.write("memory/job/memory.limit_in_bytes", "2147483648");
  groups.write("memory/memory.limit_in_bytes", "9223372036854771712");
  EXPECT_EQ(cgroup_cores(groups.files()), 3);
  EXPECT_EQ(cgroup_memory(groups.files()), int64_t{1} << 31);
  groups.write("cpu,cpuacct/job/cpu.cfs_quota_us", "-1");
  EXPECT_FALSE(cgroup_cores(groups.files()).has_value());
}

TEST(Cgroup, Version1IsAlsoFoundUnderTheNameOfOneController) {
  FakeCgroups groups("5:cpu,cpuacct:/");
  groups.write("cpu/cpu.cfs_quota_us", "100000");
  groups.write("cpu/cpu.cfs_period_us", "100000");
  EXPECT_EQ(cgroup_cores(groups.files()), 1);
}

}  // namespace
}  // namespace gristmill::base
